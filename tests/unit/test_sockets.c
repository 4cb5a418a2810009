/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/export/http_private.h"
#include "tests/support/fakehost.h"

static struct otel_http_sockets sockets; /* each test is a process of its own */
static struct otel_export_host host;

static void set_up(void)
{
    host = fakehost_table;
    otel_http_sockets_init(&sockets, &host);
}

TestSuite(sockets, .init = set_up);

static int open_one(void)
{
    struct curl_sockaddr address = {.family = AF_INET, .socktype = SOCK_STREAM};

    return otel_http_open_socket(&sockets, CURLSOCKTYPE_IPCXN, &address);
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

Test(sockets, are_cloexec_adopted_and_closed)
{
    int fd = open_one();

    cr_assert_geq(fd, 0);
    cr_assert_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
    cr_assert_eq(fakehost.adopted, 1);
    cr_assert(otel_http_sockets_intact(&sockets));
    otel_http_close_socket(&sockets, fd);
    cr_assert_not(is_open(fd));
    cr_assert_eq(fakehost.released, 1);
}

Test(sockets, in_other_hands_are_not_closed)
{
    int fd = open_one();

    fakehost.stolen = true;
    cr_assert_not(otel_http_sockets_intact(&sockets));
    otel_http_close_socket(&sockets, fd);
    cr_assert(is_open(fd));
    cr_assert_eq(fakehost.released, 1);
    cr_assert(otel_http_sockets_intact(&sockets), "forgotten");
    close(fd);
}

Test(sockets, drop_closes_what_is_ours)
{
    int one = open_one();
    int two = open_one();

    otel_http_sockets_drop(&sockets);
    cr_assert_not(is_open(one));
    cr_assert_not(is_open(two));
    cr_assert_eq(fakehost.released, 2);
    otel_http_sockets_drop(&sockets);
    cr_assert_eq(fakehost.released, 2);
}

Test(sockets, more_than_there_is_room_for)
{
    for (int i = 0; i < SOCKETS_MAX; i++)
        cr_assert_geq(open_one(), 0);
    cr_assert_eq(open_one(), CURL_SOCKET_BAD);
    cr_assert_eq(fakehost.adopted, SOCKETS_MAX);
    otel_http_sockets_drop(&sockets);
}

static int refuse(int fd)
{
    fakehost.adopted = fd;
    return -EMFILE;
}

Test(sockets, not_adopted)
{
    host.fd_adopt = refuse;
    cr_assert_eq(open_one(), CURL_SOCKET_BAD);
    cr_assert_not(is_open(fakehost.adopted));
    cr_assert(otel_http_sockets_intact(&sockets));
}

Test(sockets, unknown_family)
{
    struct curl_sockaddr address = {.family = 9999, .socktype = SOCK_STREAM};

    cr_assert_eq(otel_http_open_socket(&sockets, CURLSOCKTYPE_IPCXN, &address), CURL_SOCKET_BAD);
}
