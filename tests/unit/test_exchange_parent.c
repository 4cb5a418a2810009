/* SPDX-License-Identifier: Apache-2.0 */
#include "core/exchange.h"

#include <sys/un.h>

#include "core/context.h"
#include "core/generation.h"
#include "core/serving.h"
#include "core/socket_span.h"
#include "tests/unit/ends.h"
#include "tests/unit/spans.h"

static void begin(void)
{
    spans_begin();
    otel_generation_init();
    otel_fdtable_init();
}

TestSuite(exchange_parent, .init = begin);

Test(exchange_parent, a_connection_made_ahead_is_nobodys)
{
    struct end a = open_end(OTEL_ROLE_SERVER), b = open_end(OTEL_ROLE_SERVER);
    struct end at_once = open_end(OTEL_ROLE_NONE), ahead = open_end(OTEL_ROLE_NONE);
    const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/tmp/upstream"};
    const struct sockaddr *to = (const struct sockaddr *)&address;
    struct otel_exchange *x;

    otel_serving_turn_next();
    received(&a, GET);
    otel_socket_connect(at_once.c, at_once.fd, to, sizeof address, 0, 1);
    otel_socket_connect(ahead.c, ahead.fd, to, sizeof address, 0, 1);
    otel_context_implicit_clear();
    x = otel_exchange_outgoing(at_once.c);
    cr_assert(otel_span_context_valid(&x->parent), "sent right behind connect()");
    otel_serving_turn_next();
    received(&b, GET);
    received(&at_once, OK);
    otel_context_implicit_clear();
    x = otel_exchange_outgoing(ahead.c);
    cr_assert_not(otel_span_context_valid(&x->parent), "b may have found it unused");
}

#define UNFINISHED "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n"

/* Where the calls of the function that calls it put their return address. */
static __attribute__((noinline)) const uintptr_t *call_of_caller(void)
{
    return (const uintptr_t *)__builtin_dwarf_cfa() - 1;
}

static __attribute__((noinline)) bool sends(struct end *upstream)
{
    return otel_span_context_valid(&otel_exchange_outgoing(upstream->c)->parent);
}

static __attribute__((noinline)) void reads(struct end *client)
{
    received(client, UNFINISHED);
}

static __attribute__((noinline)) bool reads_and_sends(struct end *client, struct end *upstream)
{
    reads(client);
    return sends(upstream);
}

/* A turn of an event loop that serves two, in which the upstream's answer to the first was read. */
static __attribute__((noinline)) bool turn(bool at_once)
{
    struct end first = open_end(OTEL_ROLE_SERVER), second = open_end(OTEL_ROLE_SERVER);
    struct end upstream = open_end(OTEL_ROLE_CLIENT);
    bool known;

    otel_serving_turn_next();
    otel_serving_loop((const uintptr_t *)__builtin_dwarf_cfa() - 1, call_of_caller());
    received(&first, UNFINISHED);
    sent(&upstream, GET);
    received(&upstream, OK);
    if (at_once) {
        known = reads_and_sends(&second, &upstream);
    } else {
        reads(&second);
        known = sends(&upstream);
    }
    cr_assert_eq(otel_serving_open(), 2);
    return known;
}

Test(exchange_parent, who_sends_in_the_handler_that_read_is_known)
{
    cr_assert(turn(true));
}

Test(exchange_parent, what_a_loop_sends_behind_its_handlers_may_come_from_a_queue)
{
    cr_assert_not(turn(false));
}
