/* SPDX-License-Identifier: Apache-2.0 */
#include "core/resource_builder.h"

#include <string.h>
#include <unistd.h>

#include "core/config.h"
#include "core/lines.h"
#include "core/sys.h"

#define PATH_LEN_MAX 4096
#define COMMAND_LINE_MAX 4096 /* what is read of it; arguments beyond are left out */
#define ARGS_MAX 128
#define OWNER_MAX 64

/* The kernel's mark on the path of a file that has been replaced since the start. */
#define DELETED " (deleted)"

static size_t read_executable(char *path, size_t cap)
{
    const size_t mark = sizeof DELETED - 1;
    long n = otel_sys.readlink("/proc/self/exe", path, cap);
    size_t len = n > 0 ? (size_t)n : 0;

    if (len > mark && memcmp(path + len - mark, DELETED, mark) == 0)
        len -= mark;
    return len;
}

static struct otel_text base_name(const char *path, size_t len)
{
    const char *slash = len ? memrchr(path, '/', len) : NULL;
    size_t at = slash ? (size_t)(slash - path) + 1 : 0;

    return (struct otel_text){path + at, len - at};
}

size_t otel_resource_executable(char *out, size_t cap)
{
    char path[PATH_LEN_MAX];
    struct otel_text name = base_name(path, read_executable(path, sizeof path));
    size_t len = name.len < cap ? name.len : cap;

    memcpy(out, name.data, len);
    return len;
}

struct owner {
    unsigned uid;
    char name[OWNER_MAX];
    size_t len;
};

/* The number in text, which ends at the first ':'. False when it is none. */
static bool parse_uid(unsigned *uid, const char *text, const char *end)
{
    uint64_t n = 0;

    if (text == end || *text == ':')
        return false;
    for (; text < end && *text != ':'; text++) {
        if (*text < '0' || *text > '9' || n > UINT32_MAX)
            return false;
        n = n * 10 + (uint64_t)(*text - '0');
    }
    *uid = (unsigned)n;
    return n <= UINT32_MAX;
}

/* name:password:uid:… */
static bool match_owner(const char *line, size_t len, void *arg)
{
    struct owner *owner = arg;
    const char *end = line + len;
    const char *password = len ? memchr(line, ':', len) : NULL;
    const char *uid_at = password ? memchr(password + 1, ':', (size_t)(end - password - 1)) : NULL;
    unsigned uid;

    if (!uid_at || !parse_uid(&uid, uid_at + 1, end) || uid != owner->uid)
        return false;
    owner->len = (size_t)(password - line);
    if (owner->len > sizeof owner->name)
        owner->len = 0;
    memcpy(owner->name, line, owner->len);
    return true;
}

static void add_arguments(struct otel_resource_builder *b)
{
    char text[COMMAND_LINE_MAX];
    struct otel_text args[ARGS_MAX];
    struct otel_attr attr = {OTEL_TEXT("process.command_args"),
                             {.type = OTEL_VALUE_STRINGS, .strings = {args, 0}}};
    ssize_t n = otel_sys_read_file("/proc/self/cmdline", text, sizeof text);
    size_t at = 0, count = 0;

    while (n > 0 && at < (size_t)n && count < ARGS_MAX) {
        size_t len = strnlen(text + at, (size_t)n - at);

        if (count && at + len == sizeof text) /* cut: half an argument is not one */
            break;
        args[count++] = (struct otel_text){text + at, len};
        at += len + 1;
    }
    if (!count)
        return;
    otel_resource_add_text(b, OTEL_TEXT("process.command"), args[0].data, args[0].len);
    attr.value.strings.count = count;
    if (otel_config.command_args)
        otel_resource_add(b, &attr);
}

void otel_resource_process(struct otel_resource_builder *b)
{
    char path[PATH_LEN_MAX];
    size_t len = read_executable(path, sizeof path);
    struct otel_text name = base_name(path, len);
    struct owner owner = {.uid = geteuid()};
    struct otel_attr pid = otel_attr_int(OTEL_TEXT("process.pid"), otel_sys.getpid());
    struct otel_attr parent = otel_attr_int(OTEL_TEXT("process.parent_pid"), getppid());

    otel_resource_add(b, &pid);
    if (parent.value.integer > 0) /* 0: it lives in another pid namespace */
        otel_resource_add(b, &parent);
    otel_resource_add_text(b, OTEL_TEXT("process.executable.name"), name.data, name.len);
    otel_resource_add_text(b, OTEL_TEXT("process.executable.path"), path, len);
    otel_lines_each("/etc/passwd", match_owner, &owner);
    otel_resource_add_text(b, OTEL_TEXT("process.owner"), owner.name, owner.len);
    add_arguments(b);
}
