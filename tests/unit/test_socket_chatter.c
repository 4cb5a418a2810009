/* SPDX-License-Identifier: Apache-2.0 */
#include "core/socket_span.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

#include "tests/support/guardpage.h"

#define HEADER offsetof(struct sockaddr_un, sun_path)

/* The first len bytes of addr, at the end of readable memory. */
static bool chatter(const void *addr, size_t len)
{
    struct guardpage page;
    bool answer;

    guardpage_open(&page, 200);
    answer = otel_socket_chatter((const void *)guardpage_put(&page, addr, len), (socklen_t)len);
    guardpage_close(&page);
    return answer;
}

/* The path has no NUL behind it. */
static bool unix_chatter(const char *path, size_t len)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    memcpy(addr.sun_path, path, len);
    return chatter(&addr, HEADER + len);
}

#define UNIX(path) unix_chatter(path, sizeof(path) - 1)

Test(socket_chatter, services_of_the_machine)
{
    cr_expect(UNIX("/dev/log"));
    cr_expect(UNIX("/run/systemd/journal/stdout"));
    cr_expect(UNIX("/run/systemd/userdb/io.systemd.Multiplexer"));
    cr_expect(UNIX("/run/nscd/socket"));
    cr_expect(UNIX("/var/run/nscd/socket\0"));
    cr_expect(UNIX("/var/run/nscd/socket\0rubbish behind it"));
    cr_expect(UNIX("/run/nslcd/socket"));
    cr_expect(UNIX("/run/dbus/system_bus_socket"));
    cr_expect(UNIX("/var/run/dbus/system_bus_socket"));
    cr_expect(UNIX("/run/user/1000/bus"));
    cr_expect(UNIX("/tmp/.X11-unix/X0"));
    cr_expect(UNIX("\0/tmp/.X11-unix/X0"));
    cr_expect(UNIX("\0/tmp/dbus-AbCdEf"));
    cr_expect(UNIX("\0/run/systemd/x"));
}

Test(socket_chatter, services_of_programs)
{
    cr_expect_not(UNIX("/dev/logs"));
    cr_expect_not(UNIX("/dev/lo"));
    cr_expect_not(UNIX("/run/redis/redis.sock"));
    cr_expect_not(UNIX("/run/user/1000/app/bus"));
    cr_expect_not(UNIX("/run/user/1000/buses"));
    cr_expect_not(UNIX("/run/user/1000/pulse/native"));
    cr_expect_not(UNIX("/tmp/dbus-x/socket"));
    cr_expect_not(UNIX("/srv/dev/log"));
    cr_expect_not(UNIX("run/nscd/socket"));
    cr_expect_not(UNIX("@@/dev/log"));
    cr_expect_not(UNIX("\0"));
    cr_expect_not(UNIX(""));
}

Test(socket_chatter, name_servers)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(53)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(53)};

    cr_expect(otel_socket_chatter((struct sockaddr *)&v4, sizeof v4));
    cr_expect(otel_socket_chatter((struct sockaddr *)&v6, sizeof v6));
    v4.sin_port = htons(5353);
    v6.sin6_port = htons(80);
    cr_expect_not(otel_socket_chatter((struct sockaddr *)&v4, sizeof v4));
    cr_expect_not(otel_socket_chatter((struct sockaddr *)&v6, sizeof v6));
}

/* Lengths a program may pass by mistake or by malice, and the kernel refuses. */
Test(socket_chatter, any_length)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(53)};
    char path[108];

    memset(path, 'x', sizeof path);
    memcpy(path, "/run/nscd/", 10);
    cr_expect(unix_chatter(path, sizeof path));
    for (size_t len = 0; len <= sizeof path; len++)
        unix_chatter(path, len);
    for (size_t len = 0; len < sizeof v4; len++)
        cr_expect_not(chatter(&v4, len));
    cr_expect_not(otel_socket_chatter(NULL, 16));
}
