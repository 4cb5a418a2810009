/* SPDX-License-Identifier: Apache-2.0 */
#include "core/resource_builder.h"

#include <string.h>
#include <sys/utsname.h>

#include "core/lines.h"

#define DESCRIPTION_MAX 256
#define CONTAINER_ID_LEN 64

/* --- host.name, host.arch -------------------------------------------------------------------- */

/* From the kernel's name of the machine to that of the semantic conventions; others pass. */
static const struct {
    const char *machine;
    const char *arch;
} arches[] = {
    {"x86_64", "amd64"}, {"aarch64", "arm64"}, {"i386", "x86"},     {"i486", "x86"},
    {"i586", "x86"},     {"i686", "x86"},      {"armv5l", "arm32"}, {"armv6l", "arm32"},
    {"armv7l", "arm32"}, {"armv8l", "arm32"},  {"ppc", "ppc32"},    {"ppc64le", "ppc64"},
};

static const char *arch_of(const char *machine)
{
    for (size_t i = 0; i < sizeof arches / sizeof *arches; i++) {
        if (strcmp(arches[i].machine, machine) == 0)
            return arches[i].arch;
    }
    return machine;
}

static void add_host(struct otel_resource_builder *b)
{
    struct utsname names;
    const char *arch;

    if (uname(&names))
        return;
    arch = arch_of(names.machine);
    otel_resource_add_text(b, OTEL_TEXT("host.name"), names.nodename, strlen(names.nodename));
    otel_resource_add_text(b, OTEL_TEXT("host.arch"), arch, strlen(arch));
}

/* --- os.description -------------------------------------------------------------------------- */

struct description {
    char text[DESCRIPTION_MAX];
    size_t len;
};

/* os-release(5): a value in shell quotes, a backslash before what the shell would read. */
static void unquote(struct description *d, const char *p, size_t len)
{
    char quote = len && (p[0] == '"' || p[0] == '\'') ? p[0] : '\0';

    for (size_t i = quote ? 1 : 0; i < len && d->len < sizeof d->text; i++) {
        if (quote && p[i] == quote)
            break;
        if (p[i] == '\\' && quote != '\'' && i + 1 < len)
            i++;
        d->text[d->len++] = p[i];
    }
}

static bool match_pretty_name(const char *line, size_t len, void *arg)
{
    static const char key[] = "PRETTY_NAME=";
    const size_t key_len = sizeof key - 1;

    if (len < key_len || memcmp(line, key, key_len) != 0)
        return false;
    unquote(arg, line + key_len, len - key_len);
    return true;
}

static void add_os(struct otel_resource_builder *b)
{
    struct description d = {.len = 0};

    if (otel_lines_each("/etc/os-release", match_pretty_name, &d))
        otel_lines_each("/usr/lib/os-release", match_pretty_name, &d);
    otel_resource_add_text(b, OTEL_TEXT("os.type"), "linux", 5);
    otel_resource_add_text(b, OTEL_TEXT("os.description"), d.text, d.len);
}

/* --- container.id ---------------------------------------------------------------------------- */

struct container {
    char id[CONTAINER_ID_LEN];
    bool found;
};

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* Takes the first CONTAINER_ID_LEN bytes of text when they are an id and end there. */
static bool take_id(struct container *c, const char *text, size_t len)
{
    if (len < CONTAINER_ID_LEN || (len > CONTAINER_ID_LEN && is_hex(text[CONTAINER_ID_LEN])))
        return false;
    for (size_t i = 0; i < CONTAINER_ID_LEN; i++) {
        if (!is_hex(text[i]))
            return false;
    }
    memcpy(c->id, text, CONTAINER_ID_LEN);
    c->found = true;
    return true;
}

/* One part of a cgroup's path: the id, or the id behind the runtime's name (docker-ID.scope,
 * libpod-ID, …:cri-containerd:ID). */
static bool match_part(struct container *c, const char *part, size_t len)
{
    const char *end = part + len;
    const char *mark;

    if (take_id(c, part, len))
        return true;
    mark = memrchr(part, ':', len);
    mark = mark ? mark : memrchr(part, '-', len);
    return mark && take_id(c, mark + 1, (size_t)(end - mark - 1));
}

/* hierarchy:controllers:path; the innermost part with an id counts. conmon is the monitor of a
 * container and runs outside of it. */
static bool match_cgroup(const char *line, size_t len, void *arg)
{
    if (memmem(line, len, "conmon", 6))
        return false;
    while (len) {
        const char *slash = memrchr(line, '/', len);
        size_t at = slash ? (size_t)(slash - line) : 0;

        if (!slash)
            return false;
        if (match_part(arg, slash + 1, len - at - 1))
            return true;
        len = at;
    }
    return false;
}

/* The space-separated field of that number, from 0. */
static struct otel_text field_at(const char *line, size_t len, int number)
{
    const char *end = line + len;
    const char *space;

    for (;; line = space + 1) {
        space = line < end ? memchr(line, ' ', (size_t)(end - line)) : NULL;
        if (number-- == 0)
            return (struct otel_text){line, (size_t)((space ? space : end) - line)};
        if (!space)
            return (struct otel_text){end, 0};
    }
}

/* With cgroup namespaces the path above is "/". Docker and podman bind /etc/hostname from
 * …containers/ID/…, which the host's own mounts of container directories never do. */
static bool match_mount(const char *line, size_t len, void *arg)
{
    static const char target[] = "/etc/hostname";
    static const char parent[] = "containers/";
    struct otel_text root = field_at(line, len, 3);
    struct otel_text mount = field_at(line, len, 4);
    const char *at = memmem(root.data, root.len, parent, sizeof parent - 1);

    if (!at || mount.len != sizeof target - 1 || memcmp(mount.data, target, mount.len) != 0)
        return false;
    at += sizeof parent - 1;
    return take_id(arg, at, (size_t)(root.data + root.len - at));
}

static void add_container(struct otel_resource_builder *b)
{
    struct container c = {.found = false};

    otel_lines_each("/proc/self/cgroup", match_cgroup, &c);
    if (!c.found)
        otel_lines_each("/proc/self/mountinfo", match_mount, &c);
    if (c.found)
        otel_resource_add_text(b, OTEL_TEXT("container.id"), c.id, sizeof c.id);
}

void otel_resource_host(struct otel_resource_builder *b)
{
    add_host(b);
    add_os(b);
    add_container(b);
}
