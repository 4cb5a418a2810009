/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections for the tests of what is observed on them: real sockets, and bytes that are only told
 * of.
 */
#ifndef TESTS_UNIT_ENDS_H
#define TESTS_UNIT_ENDS_H

#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>

#include "core/connection.h"
#include "core/observe.h"

#define GET "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

/* A connection of ours on one end of a pair; the other end stays open. */
struct end {
    int fd, other;
    struct otel_connection *c;
};

static inline struct end open_end(enum otel_role role)
{
    struct end e;
    int pair[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    e.fd = pair[0];
    e.other = pair[1];
    e.c = otel_connection_open(e.fd, AF_UNIX, SOCK_STREAM, role, NULL, 0);
    cr_assert_not_null(e.c);
    return e;
}

/* The program's call gave or took text. */
static inline void received(struct end *e, const char *text)
{
    struct iovec iov = {(void *)(uintptr_t)text, strlen(text)};

    cr_assert(otel_direction_enter(&e->c->in));
    otel_observe_received(e->c, e->fd, &iov, 1, iov.iov_len);
    otel_direction_leave(&e->c->in);
}

static inline void sent(struct end *e, const char *text)
{
    struct iovec iov = {(void *)(uintptr_t)text, strlen(text)};

    cr_assert(otel_direction_enter(&e->c->out));
    otel_observe_sent(e->c, e->fd, &iov, 1, iov.iov_len);
    otel_direction_leave(&e->c->out);
}

#endif
