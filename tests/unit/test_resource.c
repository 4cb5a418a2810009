/* SPDX-License-Identifier: Apache-2.0 */
#include "core/resource.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "core/config.h"
#include "core/log.h"
#include "core/sys.h"
#include "core/version.h"
#include "core/wire.h"
#include "tests/support/guardpage.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ID2 "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

/* The only files there are. */
static struct {
    const char *path;
    const char *content;
    size_t len;
} files[8];
static size_t file_count;
static const char *executable = "/usr/bin/prog";

static int fake_open(const char *path, int flags, unsigned mode)
{
    (void)flags, (void)mode;
    for (size_t i = 0; i < file_count; i++) {
        int fd;

        if (strcmp(files[i].path, path) != 0)
            continue;
        fd = memfd_create("file", 0);
        if (write(fd, files[i].content, files[i].len) != (ssize_t)files[i].len)
            abort();
        lseek(fd, 0, SEEK_SET);
        return fd;
    }
    return -ENOENT;
}

static long fake_readlink(const char *path, char *buf, size_t n)
{
    size_t len = executable ? strlen(executable) : 0;

    cr_expect_str_eq(path, "/proc/self/exe");
    if (!executable)
        return -ENOENT;
    len = len < n ? len : n;
    memcpy(buf, executable, len);
    return (long)len;
}

static char said[2048];

static int capture(const void *buf, unsigned long len)
{
    strncat(said, buf, len);
    return 0;
}

static void init(void)
{
    otel_sys.open = fake_open;
    otel_sys.readlink = fake_readlink;
    otel_log_set_stderr_writer(capture);
    otel_log_init(OTEL_LOG_WARN, NULL);
}

TestSuite(resource, .init = init);

static void add_file(const char *path, const char *content, size_t len)
{
    files[file_count].path = path;
    files[file_count].content = content;
    files[file_count++].len = len;
}

static uint8_t out[OTEL_RESOURCE_MAX];
static size_t out_len;
static char text[8192];

/* The value of a key as text ("[a][b]" for lists), NULL when it is not there. A key may be there
 * once. */
static const char *value_of(const char *key)
{
    struct otel_wire_reader reader = {out, out + out_len};
    struct otel_wire_field field;
    int found = 0;

    while (otel_wire_next(&reader, &field)) {
        struct otel_text name;
        struct otel_value value;

        cr_assert_eq(field.number, 1);
        cr_assert(otel_wire_read_attr(field.data, field.len, &name, &value));
        if (name.len != strlen(key) || memcmp(name.data, key, name.len) != 0)
            continue;
        found++;
        *text = '\0';
        if (value.type == OTEL_VALUE_INT) {
            snprintf(text, sizeof text, "%lld", (long long)value.integer);
        } else if (value.type == OTEL_VALUE_STRING) {
            snprintf(text, sizeof text, "%.*s", (int)value.text.len, value.text.data);
        } else {
            struct otel_wire_reader items = {(const uint8_t *)value.text.data,
                                             (const uint8_t *)value.text.data + value.text.len};
            struct otel_wire_field item;

            while (otel_wire_next(&items, &item))
                sprintf(text + strlen(text), "[%.*s]", (int)item.len - 2, item.data + 2);
        }
    }
    cr_expect(reader.at == reader.end);
    cr_expect(found <= 1, "%s is there %d times", key, found);
    return found ? text : NULL;
}

static void build(void)
{
    out_len = otel_resource_build(out, sizeof out);
}

#define expect_value(key, want)                                                                \
    do {                                                                                       \
        const char *value_ = value_of(key);                                                    \
        cr_expect(value_ &&strcmp(value_, want) == 0, "%s is %s", key, value_ ? value_ : "-"); \
    } while (0)
#define expect_absent(key) cr_expect_null(value_of(key))

Test(resource, of_this_process)
{
    struct utsname names;
    char number[32];

    uname(&names);
    build();
    expect_value("service.name", "unknown_service:prog");
    expect_value("telemetry.sdk.name", "libotel_auto");
    expect_value("telemetry.sdk.language", "c");
    expect_value("telemetry.sdk.version", OTEL_AUTO_VERSION);
    expect_value("process.executable.name", "prog");
    expect_value("process.executable.path", "/usr/bin/prog");
    snprintf(number, sizeof number, "%d", getpid());
    expect_value("process.pid", number);
    snprintf(number, sizeof number, "%d", getppid());
    expect_value("process.parent_pid", number);
    expect_value("host.name", names.nodename);
    if (strcmp(names.machine, "x86_64") == 0)
        expect_value("host.arch", "amd64");
    expect_value("os.type", "linux");
    expect_absent("os.description");
    expect_absent("container.id");
    expect_absent("process.owner");
    expect_absent("process.command");
    expect_absent("process.command_args");
}

/* Real files, real link. */
Test(resource_real, on_this_machine)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);

    path[n] = '\0';
    build();
    expect_value("process.executable.path", path);
    cr_expect_not_null(value_of("process.command"));
}

Test(resource, service_name)
{
    otel_config.service_name = "shop";
    otel_config.resource_attributes = "service.name=other,service.namespace=ns";
    build();
    expect_value("service.name", "shop");
    expect_value("service.namespace", "ns");
    otel_config.service_name = NULL;
    build();
    expect_value("service.name", "other");
    otel_config.resource_attributes = NULL;
    executable = NULL;
    build();
    expect_value("service.name", "unknown_service");
    expect_absent("process.executable.name");
    expect_absent("process.executable.path");
}

Test(resource, replaced_executable)
{
    executable = "/opt/x/prog (deleted)";
    build();
    expect_value("process.executable.path", "/opt/x/prog");
    expect_value("service.name", "unknown_service:prog");
}

Test(resource, instance_id_is_a_new_uuid_each_time)
{
    char first[64];

    for (int i = 0; i < 100; i++) {
        const char *id;

        build();
        id = value_of("service.instance.id");
        cr_assert_not_null(id);
        cr_assert_eq(strlen(id), 36);
        cr_expect_eq(strspn(id, "0123456789abcdef-"), 36);
        cr_expect(id[8] == '-' && id[13] == '-' && id[18] == '-' && id[23] == '-', "%s", id);
        cr_expect_eq(id[14], '4');
        cr_expect(strchr("89ab", id[19]));
        if (i)
            cr_expect_str_neq(id, first);
        strcpy(first, id);
    }
}

Test(resource, given_attributes)
{
    otel_config.resource_attributes =
        " deployment.environment.name = prod , a%2Cb=1%3D2%20x,host.name=mine,,empty=,dup=1,dup=2,"
        "process.pid=7,u=%C3%a4,service.instance.id=fixed";
    build();
    expect_value("deployment.environment.name", "prod");
    expect_value("a,b", "1=2 x");
    expect_value("host.name", "mine");
    expect_value("empty", "");
    expect_value("dup", "2");
    expect_value("process.pid", "7");
    expect_value("u", "\xc3\xa4");
    expect_value("service.instance.id", "fixed");
    cr_expect_str_eq(said, "");
}

Test(resource, any_error_discards_all_given)
{
    static const char *const cases[] = {"a=1,b",     "a=1,=2",    "a=1,b=%",   "a=1,b=%4",
                                        "a=1,b=%4g", "a=1,b=%g4", "a=1,%zz=1", "a=1, =1"};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        otel_config.resource_attributes = cases[i];
        build();
        expect_absent("a");
        expect_value("service.name", "unknown_service:prog");
    }
    cr_expect(strstr(said, "OTEL_RESOURCE_ATTRIBUTES: ignored 'a=1,b':"), "%s", said);
    cr_expect_eq(strchr(said, '\n'), strrchr(said, '\n'), "once: %s", said);
}

Test(resource, too_many_given)
{
    char *many = malloc(40000);

    *many = '\0';
    for (int i = 0; i < 129; i++)
        sprintf(many + strlen(many), "k%d=v,", i);
    otel_config.resource_attributes = many;
    build();
    expect_absent("k0");
    cr_expect(strstr(said, "too long"));
    *strstr(many, "k128") = '\0';
    build();
    expect_value("k0", "v");
    expect_value("k127", "v");
    memset(many, 'x', 30000);
    memcpy(many, "a=", 2);
    many[30000] = '\0';
    build();
    expect_absent("a");
    free(many);
}

Test(resource, owner)
{
    char passwd[256];

    snprintf(passwd, sizeof passwd,
             "#comment\nbad\nbad:x\nbad:x:\nbad:x:1x:\nother:x:%u9:1::/:\n"
             "me:x:%u:100:Me:/home/me:/bin/sh\nlater:x:%u:1::/:\n",
             geteuid(), geteuid(), geteuid());
    add_file("/etc/passwd", passwd, strlen(passwd));
    build();
    expect_value("process.owner", "me");
}

Test(resource, nobody_in_passwd)
{
    add_file("/etc/passwd", "other:x:99999999999999999999:1::/:\n", 35);
    build();
    expect_absent("process.owner");
}

Test(resource, command)
{
    static const char line[] = "./prog\0--password\0hunter2\0\0last";

    add_file("/proc/self/cmdline", line, sizeof line);
    build();
    expect_value("process.command", "./prog");
    expect_absent("process.command_args");
    otel_config.command_args = true;
    build();
    expect_value("process.command_args", "[./prog][--password][hunter2][][last]");
}

Test(resource, long_command)
{
    static char line[10000];

    memset(line, 'x', sizeof line);
    memcpy(line, "p\0a", 4);
    otel_config.command_args = true;
    add_file("/proc/self/cmdline", line, sizeof line);
    build();
    expect_value("process.command_args", "[p][a]");
    memset(line, 'y', 4);
    build();
    cr_expect_eq(strlen(value_of("process.command")), 4096);
}

Test(resource, many_arguments)
{
    char line[1000];

    for (size_t i = 0; i < sizeof line; i += 2)
        memcpy(line + i, "a", 2);
    otel_config.command_args = true;
    add_file("/proc/self/cmdline", line, sizeof line);
    build();
    cr_expect_eq(strlen(value_of("process.command_args")), 3 * 128);
}

Test(resource, os_description)
{
    static const struct {
        const char *line, *want;
    } cases[] = {
        {"PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"", "Debian GNU/Linux 12 (bookworm)"},
        {"PRETTY_NAME='It is $5'", "It is $5"},
        {"PRETTY_NAME=Plain", "Plain"},
        {"NAME=\"x\"\nPRETTY_NAME=\"a \\\"b\\\" \\$c\"\nPRETTY_NAME=later", "a \"b\" $c"},
        {"PRETTY_NAME=\"open", "open"},
        {"PRETTY_NAME=", NULL},
        {"XPRETTY_NAME=x", NULL},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        file_count = 0;
        add_file("/etc/os-release", cases[i].line, strlen(cases[i].line));
        build();
        if (cases[i].want)
            expect_value("os.description", cases[i].want);
        else
            expect_absent("os.description");
    }
    file_count = 0;
    add_file("/usr/lib/os-release", "PRETTY_NAME=Vendor", 18);
    build();
    expect_value("os.description", "Vendor");
}

Test(resource, container_id)
{
    static const struct {
        const char *cgroup, *mountinfo, *want;
    } cases[] = {
        {"12:devices:/docker/" ID "\n", NULL, ID},
        {"0::/system.slice/docker-" ID ".scope", NULL, ID},
        {"1:name=systemd:/kubepods/besteffort/pod1234-5/" ID, NULL, ID},
        {"0::/kubepods.slice/kubepods-pod1.slice:cri-containerd:" ID, NULL, ID},
        {"0::/machine.slice/libpod-" ID ".scope/container", NULL, ID},
        {"0::/docker/" ID2 "/docker/" ID "/init.scope", NULL, ID},
        {"3:cpu:/\n2:mem:/docker/" ID, NULL, ID},
        {"0::/machine.slice/libpod-conmon-" ID ".scope", NULL, NULL},
        {"0::/user.slice/user-1000.slice/session-2.scope", NULL, NULL},
        {"0::/docker/" ID "0", NULL, NULL},
        {"0::/docker/0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef", NULL, NULL},
        {"0::/", "1 2 8:1 /var/lib/docker/containers/" ID "/hostname /etc/hostname rw - ext4 /d rw",
         ID},
        {"0::/",
         "9 1 8:1 / / rw - x\n1 2 8:1 /overlay-containers/" ID
         "/userdata/hostname /etc/hostname rw",
         ID},
        {"0::/", "1 2 8:1 /docker/containers/" ID "/hosts /etc/hosts rw - ext4 /d rw", NULL},
        {"0::/", "1 2 0:5 / /var/lib/docker/containers/" ID "/mounts/shm rw - tmpfs", NULL},
        {"0::/", "1 2 8:1 /containers/short/hostname /etc/hostname rw", NULL},
        {"0::/", "1 2 8:1", NULL},
        {"", "", NULL},
        {"/", " ", NULL},
        {":", "    ", NULL},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        file_count = 0;
        add_file("/proc/self/cgroup", cases[i].cgroup, strlen(cases[i].cgroup));
        if (cases[i].mountinfo)
            add_file("/proc/self/mountinfo", cases[i].mountinfo, strlen(cases[i].mountinfo));
        build();
        if (cases[i].want)
            expect_value("container.id", cases[i].want);
        else
            cr_expect_null(value_of("container.id"), "case %zu", i);
    }
}

/* However little room there is: whole attributes, and the first ones. */
Test(resource, small_buffers)
{
    struct guardpage page;

    add_file("/proc/self/cgroup", "0::/docker/" ID, 75);
    otel_config.resource_attributes = "a=1";
    guardpage_open(&page, 4096);
    for (size_t cap = 0; cap < 1200; cap++) {
        uint8_t *room = guardpage_room(&page, cap);

        out_len = otel_resource_build(room, cap);
        cr_assert(out_len <= cap);
        memcpy(out, room, out_len);
        if (cap >= 64)
            expect_value("service.name", "unknown_service:prog");
        value_of("");
    }
    guardpage_close(&page);
}

static ssize_t failing_read(int fd, void *buf, size_t n)
{
    (void)fd, (void)buf, (void)n;
    return -EIO;
}

Test(resource, unreadable_files)
{
    static const char *const paths[] = {"/proc/self/cgroup", "/proc/self/mountinfo", "/etc/passwd",
                                        "/etc/os-release", "/proc/self/cmdline"};

    for (size_t i = 0; i < 5; i++)
        add_file(paths[i], "x", 1);
    otel_sys.read = failing_read;
    build();
    expect_value("service.name", "unknown_service:prog");
    expect_absent("process.command");
}
