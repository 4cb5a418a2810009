/* SPDX-License-Identifier: Apache-2.0 */
#include "core/observe.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "core/carry.h"
#include "core/context.h"
#include "core/exchange.h"
#include "core/fdtable.h"
#include "core/generation.h"
#include "core/propagation.h"
#include "core/serving.h"
#include "core/tls.h"
#include "tests/unit/ends.h"
#include "tests/unit/spans.h"

#define PARENT "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

static void begin(void)
{
    spans_begin();
    otel_generation_init();
    otel_propagation_init(OTEL_PROPAGATOR_TRACECONTEXT | OTEL_PROPAGATOR_BAGGAGE);
    otel_fdtable_init();
}

TestSuite(observe, .init = begin);

static void assert_none(void)
{
    uint64_t handle;

    cr_assert_eq(otel_queue_take(&handle, 1), 0, "a span that should not be");
}

static int current(void)
{
    const struct otel_span_context *ctx = otel_context_current();

    return ctx ? ctx->span_id[0] << 8 | ctx->span_id[1] : -1;
}

static int id_of(const struct otel_record *record)
{
    return record->span_id[0] << 8 | record->span_id[1];
}

Test(observe, a_server_span_from_first_byte_to_last)
{
    struct end e = open_end(OTEL_ROLE_SERVER);
    struct otel_record *span;

    received(&e, "POST /a HTTP/1.1\r\nHost: h\r\ntraceparent: " PARENT
                 "\r\nContent-Length: 3\r\n\r\nab");
    cr_assert_neq(current(), -1, "the request is current as soon as its head is complete");
    received(&e, "c");
    sent(&e, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no");
    assert_none();
    sent(&e, "k");
    span = spans_take();
    cr_assert_eq(span->kind, OTEL_KIND_SERVER);
    cr_assert_eq(span->trace_id[0], 0x0a);
    cr_assert_eq(span->parent_span_id[0], 0xb7);
    cr_assert(span->parent_remote);
    spans_assert_text(span, "http.request.method", "POST");
    spans_assert_int(span, "http.response.status_code", 200);
    cr_assert_eq(current(), -1, "the response is complete");
    cr_assert_eq(e.c->in.bytes, strlen("POST /a HTTP/1.1\r\nHost: h\r\ntraceparent: " PARENT
                                       "\r\nContent-Length: 3\r\n\r\nabc"));
}

Test(observe, byte_by_byte_is_the_same)
{
    struct end e = open_end(OTEL_ROLE_SERVER);
    static const char request[] = "GET /long/path HTTP/1.1\r\nHost: h:81\r\nX-Other: y\r\n"
                                  "traceparent: " PARENT "\r\nUser-Agent: me\r\n\r\n";
    struct otel_record *span;

    for (const char *p = request; *p; p++) {
        char byte[2] = {*p, 0};

        received(&e, byte);
        memset(byte, 'x', sizeof byte);
    }
    for (const char *p = OK; *p; p++)
        sent(&e, (char[]){*p, 0});
    span = spans_take();
    cr_assert_eq(span->parent_span_id[0], 0xb7);
    spans_assert_text(span, "url.path", "/long/path");
    spans_assert_text(span, "user_agent.original", "me");
    spans_assert_text(span, "server.address", "h");
    spans_assert_int(span, "server.port", 81);
}

Test(observe, keep_alive_and_pipelining)
{
    struct end e = open_end(OTEL_ROLE_SERVER);
    int first, second;

    received(&e, GET GET GET);
    first = current();
    sent(&e, OK);
    second = current();
    cr_assert_neq(first, second, "the next request of the pipeline is served");
    cr_assert_eq(id_of(spans_take()), first);
    sent(&e, OK OK);
    cr_assert_eq(id_of(spans_take()), second);
    spans_take();
    assert_none();
    received(&e, GET);
    sent(&e, OK);
    spans_take();
    cr_assert_eq(e.c->exchanges, 4);
    cr_assert_eq(current(), -1);
}

Test(observe, a_pipeline_too_deep_is_not_followed)
{
    struct end e = open_end(OTEL_ROLE_SERVER);

    for (int i = 0; i < OTEL_PIPELINE_MAX; i++)
        received(&e, GET);
    cr_assert_eq(e.c->protocol, OTEL_PROTOCOL_HTTP1);
    received(&e, GET);
    cr_assert_eq(e.c->protocol, OTEL_PROTOCOL_OTHER);
    for (int i = 0; i < OTEL_PIPELINE_MAX; i++)
        spans_take();
    assert_none();
    cr_assert_eq(current(), -1);
}

Test(observe, what_is_no_http_leaves_no_trace)
{
    static const char *const first[] = {"SSH-2.0-x\r\n", "*1\r\n$4\r\nPING\r\n", "\x16\x03\x01\x02",
                                        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET /\r\n"};

    for (size_t i = 0; i < sizeof first / sizeof *first; i++) {
        struct end e = open_end(OTEL_ROLE_SERVER), f = open_end(OTEL_ROLE_CLIENT);

        received(&e, first[i]);
        cr_assert_eq(e.c->protocol, OTEL_PROTOCOL_OTHER, "%s", first[i]);
        received(&e, GET);
        sent(&f, first[i]);
        cr_assert_eq(f.c->protocol, OTEL_PROTOCOL_OTHER, "%s", first[i]);
        sent(&f, GET);
        cr_assert_null(otel_exchange_oldest(e.c));
        cr_assert_null(otel_exchange_oldest(f.c));
        otel_observe_closed(e.c);
        otel_observe_closed(f.c);
    }
    assert_none();
}

Test(observe, a_banner_of_the_server_ends_following)
{
    struct end e = open_end(OTEL_ROLE_CLIENT);

    received(&e, "220 mail ready\r\n");
    cr_assert_eq(e.c->protocol, OTEL_PROTOCOL_OTHER);
    e = open_end(OTEL_ROLE_SERVER);
    sent(&e, "220 mail ready\r\n");
    cr_assert_eq(e.c->protocol, OTEL_PROTOCOL_OTHER);
}

Test(observe, a_client_span_and_the_context_of_its_answer)
{
    struct end in = open_end(OTEL_ROLE_SERVER), out = open_end(OTEL_ROLE_CLIENT);
    struct otel_record *client, *server;
    int serving;

    received(&in, GET);
    serving = current();
    sent(&out, "GET /b HTTP/1.1\r\nHost: up:8080\r\n\r\n");
    cr_assert_eq(current(), serving);
    otel_context_implicit_clear();
    received(&out, "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n");
    cr_assert_eq(current(), serving, "reading the answer brings the request back");
    received(&out, "no");
    cr_assert_eq(current(), serving);
    client = spans_take();
    cr_assert_eq(client->kind, OTEL_KIND_CLIENT);
    cr_assert_eq(client->status, OTEL_STATUS_ERROR);
    spans_assert_text(client, "url.full", "http://up:8080/b");
    spans_assert_int(client, "http.response.status_code", 404);
    sent(&in, OK);
    server = spans_take();
    cr_assert_arr_eq(client->parent_span_id, server->span_id, OTEL_SPAN_ID_LEN);
    cr_assert_arr_eq(client->trace_id, server->trace_id, OTEL_TRACE_ID_LEN);
}

static void assert_error(const char *type)
{
    struct otel_record *span = spans_take();

    cr_assert_eq(span->status, OTEL_STATUS_ERROR);
    spans_assert_text(span, "error.type", type);
}

Test(observe, interim_responses)
{
    struct end e = open_end(OTEL_ROLE_CLIENT);
    struct otel_record *span;

    sent(&e, "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    received(&e, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_none();
    sent(&e, "ab");
    received(&e, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" OK);
    span = spans_take();
    spans_assert_int(span, "http.response.status_code", 200);
    assert_none();
}

Test(observe, head_and_upgrade_and_connect)
{
    struct end e = open_end(OTEL_ROLE_CLIENT);
    struct otel_record *span;

    sent(&e, "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
    received(&e, "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n");
    spans_take();
    sent(&e, "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
    received(&e, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x05hello");
    span = spans_take();
    spans_assert_int(span, "http.response.status_code", 101);
    cr_assert_eq(e.c->protocol, OTEL_PROTOCOL_OTHER);
    e = open_end(OTEL_ROLE_CLIENT);
    sent(&e, "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n");
    received(&e, "HTTP/1.1 200 Established\r\n\r\n");
    spans_take();
    cr_assert_eq(e.c->protocol, OTEL_PROTOCOL_OTHER);
}

Test(observe, what_overtakes_an_upgrade_is_not_read_as_http)
{
    struct end e = open_end(OTEL_ROLE_SERVER);
    struct otel_record *span;

    received(&e, "GET /a HTTP/1.1\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n" GET);
    received(&e, GET);
    sent(&e, "HTTP/1.1 101 Switching\r\nUpgrade: echo\r\n\r\n" OK);
    span = spans_take();
    spans_assert_text(span, "url.path", "/a");
    spans_assert_int(span, "http.response.status_code", 101);
    assert_none();
    /* Not granted: HTTP goes on, unless something went by unread. */
    e = open_end(OTEL_ROLE_SERVER);
    received(&e, "GET /a HTTP/1.1\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n");
    sent(&e, OK);
    received(&e, GET);
    sent(&e, OK);
    spans_take();
    spans_take();
    e = open_end(OTEL_ROLE_SERVER);
    received(&e, "GET /a HTTP/1.1\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n");
    received(&e, GET);
    sent(&e, OK);
    spans_take();
    cr_assert_eq(e.c->protocol, OTEL_PROTOCOL_OTHER);
}

Test(observe, a_body_cut_short)
{
    struct end e = open_end(OTEL_ROLE_CLIENT);

    sent(&e, GET);
    received(&e, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nab");
    otel_observe_receive_end(e.c, 0);
    assert_error("incomplete_response");
    /* The program stopped reading: its choice. */
    e = open_end(OTEL_ROLE_CLIENT);
    sent(&e, GET);
    received(&e, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nab");
    otel_observe_closed(e.c);
    cr_assert_eq(spans_take()->status, OTEL_STATUS_UNSET);
}

Test(observe, a_response_that_ends_with_its_connection)
{
    struct end e = open_end(OTEL_ROLE_CLIENT), s = open_end(OTEL_ROLE_SERVER);
    struct otel_record *span;

    sent(&e, "GET / HTTP/1.0\r\n\r\n");
    received(&e, "HTTP/1.0 200 OK\r\n\r\nsome");
    assert_none();
    otel_observe_receive_end(e.c, 0);
    span = spans_take();
    cr_assert_eq(span->status, OTEL_STATUS_UNSET);
    received(&s, "GET / HTTP/1.0\r\n\r\n");
    sent(&s, "HTTP/1.0 200 OK\r\n\r\nsome");
    assert_none();
    otel_observe_closed(s.c);
    span = spans_take();
    cr_assert_eq(span->status, OTEL_STATUS_UNSET);
    spans_assert_int(span, "http.response.status_code", 200);
}

Test(observe, failures)
{
    struct end e;

    e = open_end(OTEL_ROLE_CLIENT);
    sent(&e, GET);
    otel_observe_receive_end(e.c, EAGAIN);
    otel_observe_receive_end(e.c, EINTR);
    assert_none();
    otel_observe_receive_end(e.c, ECONNRESET);
    assert_error("ECONNRESET");
    e = open_end(OTEL_ROLE_CLIENT);
    sent(&e, GET);
    otel_observe_receive_end(e.c, 0);
    assert_error("no_response");
    e = open_end(OTEL_ROLE_CLIENT);
    sent(&e, GET);
    otel_observe_send_end(e.c, EPIPE);
    assert_none();
    otel_observe_closed(e.c);
    assert_error("EPIPE");
    e = open_end(OTEL_ROLE_SERVER);
    received(&e, GET);
    otel_observe_closed(e.c);
    assert_error("no_response");
    e = open_end(OTEL_ROLE_SERVER);
    received(&e, GET);
    sent(&e, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n");
    otel_observe_closed(e.c);
    assert_error("incomplete_response");
    e = open_end(OTEL_ROLE_SERVER);
    received(&e, GET);
    otel_observe_receive_end(e.c, ECONNRESET);
    assert_error("ECONNRESET");
    e = open_end(OTEL_ROLE_SERVER);
    received(&e, "GET / HTTP/1.1\r\nHo");
    otel_observe_closed(e.c);
    assert_none();
}

Test(observe, half_close_still_gets_its_answer)
{
    struct end e = open_end(OTEL_ROLE_SERVER);

    received(&e, GET);
    otel_observe_receive_end(e.c, 0);
    assert_none();
    sent(&e, OK);
    cr_assert_eq(spans_take()->status, OTEL_STATUS_UNSET);
}

Test(observe, unseen_bytes_in_a_body_and_elsewhere)
{
    struct end e = open_end(OTEL_ROLE_SERVER);

    received(&e, GET);
    sent(&e, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
    otel_observe_sent_unseen(e.c, e.fd, 400000);
    assert_none();
    otel_observe_sent_unseen(e.c, e.fd, 600000);
    spans_take();
    received(&e, GET);
    otel_observe_sent_unseen(e.c, e.fd, 10);
    cr_assert_eq(e.c->protocol, OTEL_PROTOCOL_OTHER, "a head nobody saw");
    spans_take();
    cr_assert_eq(e.c->out.bytes,
                 1000010 + strlen("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"));
}

Test(observe, smuggling_shapes_end_following)
{
    struct end e = open_end(OTEL_ROLE_SERVER);

    received(&e, GET);
    received(&e, "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n");
    cr_assert_eq(e.c->protocol, OTEL_PROTOCOL_OTHER);
    cr_assert_eq(spans_take()->status, OTEL_STATUS_UNSET, "what was good stays good");
    assert_none();
}

Test(observe, tracestate_and_baggage_are_carried)
{
    struct end e = open_end(OTEL_ROLE_SERVER), out = open_end(OTEL_ROLE_CLIENT);
    struct otel_exchange *x;
    char buf[100];

    received(&e,
             "GET / HTTP/1.1\r\ntraceparent: " PARENT "\r\ntracestate: a=1\r\nTraceState: b=2\r\n"
             "baggage: k=v\r\n\r\n");
    x = otel_exchange_outgoing(out.c);
    cr_assert_eq(otel_carry_tracestate(otel_exchange_context(x)->carry, buf, sizeof buf), 7);
    cr_assert_arr_eq(buf, "a=1,b=2", 7);
    cr_assert_eq(otel_carry_baggage(otel_exchange_context(x)->carry, buf, sizeof buf), 3);
}

Test(observe, a_proxy_names_by_the_header_whom_it_acts_for)
{
    struct end a = open_end(OTEL_ROLE_SERVER), b = open_end(OTEL_ROLE_SERVER);
    struct end out = open_end(OTEL_ROLE_CLIENT);
    struct otel_span_context inbound = {.trace_id = {0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd,
                                                     0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31,
                                                     0x9c},
                                        .span_id = {0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31},
                                        .flags = 1};
    struct otel_exchange *x;
    struct otel_record *client, *server;

    received(&a, "GET /1 HTTP/1.1\r\ntraceparent: " PARENT "\r\n\r\n");
    received(&b, GET);
    cr_assert_eq(current(), -1, "a waits, so b is a guess");
    x = otel_exchange_outgoing(out.c);
    cr_assert_not(otel_span_context_valid(&x->parent));
    otel_exchange_adopt(x, &inbound);
    sent(&out, GET);
    received(&out, OK);
    client = spans_take();
    sent(&a, OK);
    server = spans_take();
    cr_assert_arr_eq(client->parent_span_id, server->span_id, OTEL_SPAN_ID_LEN);
    cr_assert_arr_eq(client->trace_id, server->trace_id, OTEL_TRACE_ID_LEN);
}

Test(observe, a_context_the_program_brings_is_the_parent)
{
    struct end out = open_end(OTEL_ROLE_CLIENT);
    struct otel_span_context own = {.trace_id = {1, 2}, .span_id = {3}, .flags = 1};
    struct otel_exchange *x = otel_exchange_outgoing(out.c);
    struct otel_record *client;

    otel_exchange_adopt(x, &own);
    sent(&out, GET);
    received(&out, OK);
    client = spans_take();
    cr_assert_eq(client->trace_id[1], 2);
    cr_assert_eq(client->parent_span_id[0], 3);
    cr_assert(client->parent_remote);
}

Test(observe, baggage_goes_on_below_a_context_the_program_brings)
{
    struct end in = open_end(OTEL_ROLE_SERVER), out = open_end(OTEL_ROLE_CLIENT);
    struct otel_span_context own = {.trace_id = {1, 2}, .span_id = {3}, .flags = 1};
    struct otel_exchange *x;
    char buf[100];

    received(&in, "GET / HTTP/1.1\r\ntraceparent: " PARENT
                  "\r\ntracestate: a=1\r\nbaggage: k=v\r\n\r\n");
    x = otel_exchange_outgoing(out.c);
    otel_exchange_adopt(x, &own);
    cr_assert_eq(otel_exchange_context(x)->trace_id[1], 2);
    cr_assert_eq(otel_carry_baggage(otel_exchange_context(x)->carry, buf, sizeof buf), 3);
    cr_assert_eq(otel_carry_tracestate(otel_exchange_context(x)->carry, buf, sizeof buf), 0);
}

Test(observe, a_pipeline_taken_up_at_once_is_known_for_its_first)
{
    struct end in = open_end(OTEL_ROLE_SERVER);
    struct end one = open_end(OTEL_ROLE_CLIENT), two = open_end(OTEL_ROLE_CLIENT);
    struct otel_exchange *x;

    received(&in, GET GET);
    x = otel_exchange_outgoing(one.c);
    cr_assert(otel_span_context_valid(&x->parent));
    x = otel_exchange_outgoing(two.c);
    cr_assert_not(otel_span_context_valid(&x->parent), "it may be the second's");
    /* One by one: the first is answered before the second is taken up. */
    sent(&one, GET);
    received(&one, OK);
    sent(&in, OK);
    x = otel_exchange_outgoing(one.c);
    cr_assert(otel_span_context_valid(&x->parent));
}

Test(observe, a_queue_behind_a_connection_is_nobodys)
{
    struct end a = open_end(OTEL_ROLE_SERVER), b = open_end(OTEL_ROLE_SERVER);
    struct end out = open_end(OTEL_ROLE_CLIENT);
    struct otel_exchange *x;

    otel_serving_turn_next();
    received(&a, GET);
    sent(&out, GET);
    otel_serving_turn_next();
    received(&b, "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n");
    otel_serving_turn_next();
    received(&out, OK);
    cr_assert_neq(current(), -1, "the answer belongs to a");
    x = otel_exchange_outgoing(out.c);
    cr_assert_not(otel_span_context_valid(&x->parent), "the next request may be b's");
}

Test(observe, another_protocol_binds_the_one_that_asks)
{
    struct end a = open_end(OTEL_ROLE_SERVER), db = open_end(OTEL_ROLE_CLIENT);
    int serving;

    sent(&db, "*1\r\n$4\r\nPING\r\n");
    received(&db, "+PONG\r\n");
    cr_assert_eq(db.c->protocol, OTEL_PROTOCOL_OTHER);
    received(&a, GET);
    serving = current();
    sent(&db, "*1\r\n$4\r\nPING\r\n");
    otel_context_implicit_clear();
    received(&db, "+PONG\r\n");
    cr_assert_eq(current(), serving);
    cr_assert_eq(db.c->out.bytes, 28);
    cr_assert_eq(db.c->in.bytes, 14);
}

Test(observe, an_answer_two_wait_for_is_nobodys)
{
    struct end a = open_end(OTEL_ROLE_SERVER), b = open_end(OTEL_ROLE_SERVER);
    struct end db = open_end(OTEL_ROLE_CLIENT);

    sent(&db, "x");
    sent(&db, "\n");
    received(&a, "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n");
    sent(&db, "for a\n");
    received(&b, "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n");
    sent(&db, "for b\n");
    received(&db, "answer of a\n");
    cr_assert_eq(current(), -1);
}

Test(observe, a_fork_child_follows_between_messages_only)
{
    struct end e = open_end(OTEL_ROLE_SERVER), f = open_end(OTEL_ROLE_SERVER);

    received(&e, GET);
    sent(&e, OK);
    spans_take();
    received(&f, "GET / HTTP/1.1\r\n");
    otel_exchange_reset();
    otel_observe_forked(e.c);
    otel_observe_forked(f.c);
    cr_assert_eq(e.c->protocol, OTEL_PROTOCOL_HTTP1);
    cr_assert_eq(f.c->protocol, OTEL_PROTOCOL_OTHER);
    received(&e, GET);
    sent(&e, OK);
    spans_take();
    received(&f, "Host: h\r\n\r\n");
    otel_observe_closed(f.c);
    assert_none();
}

Test(observe, not_sampled_still_propagates)
{
    struct end e = open_end(OTEL_ROLE_SERVER), out = open_end(OTEL_ROLE_CLIENT);
    struct otel_exchange *x;

    received(&e, "GET / HTTP/1.1\r\ntraceparent: "
                 "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00\r\n\r\n");
    x = otel_exchange_outgoing(out.c);
    cr_assert_eq(otel_exchange_context(x)->trace_id[0], 0x0a);
    cr_assert_eq(otel_exchange_context(x)->flags & OTEL_FLAG_SAMPLED, 0);
    sent(&out, GET);
    received(&out, OK);
    sent(&e, OK);
    assert_none();
    cr_assert_eq(current(), -1);
}
