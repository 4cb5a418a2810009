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
