/* SPDX-License-Identifier: Apache-2.0
 *
 * How long a server's socket is taken for the same: the kernel is asked at the first byte of
 * a request, unless it did a moment ago and nothing speaks against it.
 */
#include "core/observe.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/generation.h"
#include "core/propagation.h"
#include "tests/unit/spans.h"

static int fd, other;
static struct otel_connection *c;
static uint64_t handle;

static void pass(bool in, const char *text)
{
    struct iovec iov = {(void *)(uintptr_t)text, strlen(text)};
    struct otel_direction *d = in ? &c->in : &c->out;

    cr_assert(otel_direction_enter(d));
    (in ? otel_observe_received : otel_observe_sent)(c, fd, &iov, 1, iov.iov_len);
    otel_direction_leave(d);
}

static void request(void)
{
    pass(true, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    pass(false, "HTTP/1.1 204 No Content\r\n\r\n");
}

/* A served request behind us. */
static void setup(void)
{
    int pair[2];

    spans_begin();
    otel_generation_init();
    otel_propagation_init(OTEL_PROPAGATOR_TRACECONTEXT);
    otel_fdtable_init();
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    fd = pair[0];
    other = pair[1];
    c = otel_connection_open(fd, AF_UNIX, SOCK_STREAM, OTEL_ROLE_SERVER, NULL, 0);
    cr_assert_not_null(c);
    handle = c->self;
    request();
    spans_take();
    cr_assert_neq(c->cookie, 0, "the first request has the identity remembered");
}

TestSuite(observe_trust, .init = setup);

/* Another socket has the number now, and nobody told us. */
static void replace(void)
{
    cr_assert_eq(dup2(other, fd), fd);
}

static void assert_found_out(void)
{
    uint64_t record;

    pass(true, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    cr_assert_null(otel_connection_get(handle));
    cr_assert_eq(otel_fd_get(fd), OTEL_FD_UNKNOWN);
    cr_assert_eq(otel_queue_take(&record, 1), 0, "a request of another socket");
}

Test(observe_trust, a_socket_is_asked_for_again_after_a_while)
{
    c->verified_ns -= UINT64_C(200) * 1000 * 1000;
    replace();
    assert_found_out();
}

Test(observe_trust, an_answer_holds_for_a_moment)
{
    uint64_t asked = c->verified_ns = otel_clock_mono_ns();

    request();
    spans_take();
    if (otel_clock_mono_ns() - asked < UINT64_C(50) * 1000 * 1000)
        cr_assert_eq(c->verified_ns, asked);
    c->verified_ns -= UINT64_C(200) * 1000 * 1000;
    request();
    spans_take();
    cr_assert_gt(c->verified_ns, asked, "asked again, and still the same");
}

Test(observe_trust, bytes_behind_the_end_are_of_another)
{
    cr_assert(otel_direction_enter(&c->in));
    otel_observe_receive_end(c, 0);
    otel_direction_leave(&c->in);
    replace();
    assert_found_out();
}

Test(observe_trust, who_gets_sockets_unseen_is_not_trusted)
{
    c->inherited = true;
    replace();
    assert_found_out();
}
