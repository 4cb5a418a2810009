/* SPDX-License-Identifier: Apache-2.0
 *
 * One connection against a simple model: valid pipelines of random messages, cut at random places,
 * requests and responses overlapping as they may, on both sides. The model knows how many spans
 * there are, in which order they end, and what each says.
 */
#include "core/observe.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/context.h"
#include "core/exchange.h"
#include "core/generation.h"
#include "core/propagation.h"
#include "core/serving.h"
#include "core/tls.h"
#include "tests/unit/spans.h"

#define ROUNDS 20000
#define MESSAGES 8

static void begin(void)
{
    spans_begin();
    otel_generation_init();
    otel_propagation_init(OTEL_PROPAGATOR_TRACECONTEXT);
    otel_fdtable_init();
}

TestSuite(observe_model, .init = begin, .timeout = 120);

struct message {
    const char *method;
    int status;
    uint8_t parent;      /* first byte of the parent's id in its traceparent, 0: it has none */
    size_t head, end;    /* where its head and it end in the stream of requests */
    size_t begins, ends; /* where its answer does in the other */
    bool early;          /* answered when its head is there */
};

struct model {
    struct message message[MESSAGES];
    uint32_t count;
    char requests[8192], responses[8192];
    size_t requests_len, responses_len;
    size_t requested, answered; /* bytes told */
    uint32_t first_seed, seed;
    int fd;
};

static uint32_t roll(struct model *m, uint32_t below)
{
    m->seed = m->seed * 1664525 + 1013904223;
    return (m->seed >> 8) % below;
}

static void add(char *to, size_t *len, const char *text)
{
    *len += (size_t)snprintf(to + *len, 8192 - *len, "%s", text);
}

/* A body of either framing, or none; the head ends in it. Returns where the head ended. */
static size_t add_body(struct model *m, char *to, size_t *len, bool may_have)
{
    static const char *const bodies[] = {
        "\r\n",
        "Content-Length: 0\r\n\r\n",
        "Content-Length: 27\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5;x=1\r\nHTTP/\r\n3\r\n1.1\r\n0\r\nX-T: y\r\n\r\n",
    };
    const char *body = bodies[may_have ? 1 + roll(m, 3) : 0];
    size_t at = *len;

    add(to, len, body);
    return at + (size_t)(strstr(body[0] == '\r' ? body : strstr(body, "\r\n\r\n"), "\r\n") - body) +
           (body[0] == '\r' ? 2 : 4);
}

static void add_request(struct model *m, struct message *x, uint32_t i)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "DELETE"};
    char text[200];

    x->method = methods[roll(m, 5)];
    x->parent = roll(m, 2) ? (uint8_t)(0x10 + i) : 0;
    snprintf(text, sizeof text, "%s%s /m%u HTTP/1.1\r\nHost: h\r\n", roll(m, 6) ? "" : "\r\n",
             x->method, i);
    add(m->requests, &m->requests_len, text);
    if (x->parent) {
        snprintf(text, sizeof text,
                 "TraceParent: 00-0af7651916cd43dd8448eb211c80319c-%02xad6b7169203331-01\r\n",
                 x->parent);
        add(m->requests, &m->requests_len, text);
    }
    x->head = add_body(m, m->requests, &m->requests_len, x->method[0] == 'P' && x->method[1] != 0);
    x->end = m->requests_len;
    x->early = roll(m, 4) == 0;
}

static void add_response(struct model *m, struct message *x)
{
    static const int statuses[] = {200, 204, 304, 404, 500, 302};
    bool bodiless;
    char text[100];

    x->begins = m->responses_len;
    if (!roll(m, 4))
        add(m->responses, &m->responses_len, "HTTP/1.1 100 Continue\r\n\r\n");
    if (!roll(m, 6))
        add(m->responses, &m->responses_len, "HTTP/1.1 103 Early\r\nLink: x\r\n\r\n");
    x->status = statuses[roll(m, 6)];
    snprintf(text, sizeof text, "HTTP/1.1 %d Reason\r\nServer: s\r\n", x->status);
    add(m->responses, &m->responses_len, text);
    bodiless = x->status == 204 || x->status == 304;
    if (!strcmp(x->method, "HEAD"))
        add(m->responses, &m->responses_len, bodiless ? "\r\n" : "Content-Length: 12345\r\n\r\n");
    else
        add_body(m, m->responses, &m->responses_len, !bodiless);
    x->ends = m->responses_len;
}

static void make(struct model *m, uint32_t seed)
{
    memset(m, 0, sizeof *m);
    m->first_seed = m->seed = seed;
    m->count = 1 + roll(m, MESSAGES);
    for (uint32_t i = 0; i < m->count; i++) {
        add_request(m, &m->message[i], i);
        add_response(m, &m->message[i]);
    }
}

/* How far the answers may go: behind what was asked. */
static size_t may_answer(const struct model *m)
{
    for (uint32_t i = 0; i < m->count; i++) {
        const struct message *x = &m->message[i];

        if (m->requested < (x->early ? x->head : x->end))
            return x->begins;
    }
    return m->responses_len;
}

/* In two pieces of memory, which are overwritten afterwards. */
static void tell(struct otel_connection *c, bool in, struct model *m, const char *text, size_t n)
{
    char first[64], rest[8192];
    size_t cut = roll(m, n < sizeof first ? (uint32_t)n + 1 : sizeof first);
    struct iovec iov[2] = {{first, cut}, {rest, n - cut}};
    struct otel_direction *d = in ? &c->in : &c->out;

    memcpy(first, text, cut);
    memcpy(rest, text + cut, n - cut);
    cr_assert(otel_direction_enter(d));
    if (in)
        otel_observe_received(c, m->fd, iov, 2, n);
    else
        otel_observe_sent(c, m->fd, iov, 2, n);
    otel_direction_leave(d);
    memset(first, '#', sizeof first);
    memset(rest, '#', n);
}

static size_t some(struct model *m, size_t most)
{
    uint32_t n = 1 + roll(m, roll(m, 3) ? 20 : 400);

    return n < most ? n : most;
}

/* The exchange the thread serves is the oldest that is not answered. */
static void check_current(const struct model *m, const struct otel_connection *c)
{
    const struct otel_span_context *current = otel_context_current();
    struct otel_exchange_facts x;

    if (!current)
        return;
    cr_assert(otel_exchange_look_oldest(c, &x), "current, but nothing is under way");
    cr_assert_arr_eq(current->span_id, x.own.span_id, OTEL_SPAN_ID_LEN, "seed %u", m->first_seed);
}

static void check_brought_back(const struct model *m, const struct otel_implicit *serving)
{
    cr_assert_eq(otel_tls.implicit.cell, serving->cell, "seed %u", m->first_seed);
    cr_assert_arr_eq(otel_tls.implicit.ctx.span_id, serving->ctx.span_id, OTEL_SPAN_ID_LEN);
}

/* serving: what is current when a client sends; an answer must bring it back by itself. */
static void play(struct model *m, struct otel_connection *c, bool client,
                 const struct otel_implicit *serving)
{
    while (m->requested < m->requests_len || m->answered < m->responses_len) {
        size_t requests = m->requests_len - m->requested;
        size_t answers = may_answer(m) - m->answered;
        size_t n;

        if (requests && (!answers || roll(m, 2))) {
            n = some(m, requests);
            if (client)
                otel_context_implicit_set(&serving->ctx, serving->cell);
            tell(c, !client, m, m->requests + m->requested, n);
            m->requested += n;
        } else {
            n = some(m, answers);
            if (client)
                otel_context_implicit_clear();
            tell(c, client, m, m->responses + m->answered, n);
            if (client)
                check_brought_back(m, serving);
            m->answered += n;
        }
        if (!client)
            check_current(m, c);
    }
}

static struct otel_connection *open_one(int fd, enum otel_role role)
{
    struct otel_connection *c = otel_connection_open(fd, AF_UNIX, SOCK_STREAM, role, NULL, 0);

    cr_assert_not_null(c);
    return c;
}

static void check_span(const struct model *m, const struct message *x, bool client,
                       const uint8_t *serving)
{
    uint64_t handle;
    struct otel_record *span;

    cr_assert_eq(otel_queue_take(&handle, 1), 1, "seed %u: a span is missing", m->first_seed);
    span = otel_store_get(handle);
    cr_assert_eq(span->kind, client ? OTEL_KIND_CLIENT : OTEL_KIND_SERVER);
    spans_assert_text(span, "http.request.method", x->method);
    spans_assert_int(span, "http.response.status_code", x->status);
    if (client)
        cr_assert_arr_eq(span->parent_span_id, serving, OTEL_SPAN_ID_LEN, "seed %u", m->first_seed);
    else
        cr_assert_eq(span->parent_span_id[0], x->parent, "seed %u", m->first_seed);
    cr_assert_leq(span->start_mono_ns, span->end_mono_ns);
    otel_store_free(handle);
}

/* One connection from its first byte to its close, on descriptor fd. */
static void live(struct model *m, uint32_t seed, int fd, bool client)
{
    struct otel_connection *c = open_one(fd, client ? OTEL_ROLE_CLIENT : OTEL_ROLE_SERVER);
    const struct otel_span_context *current = client ? otel_context_current() : NULL;
    struct otel_span_context serving = {0};
    struct otel_implicit implicit = otel_tls.implicit;
    uint64_t handle;

    if (current)
        serving = *current;
    make(m, seed);
    m->fd = fd;
    play(m, c, client, &implicit);
    cr_assert_eq(c->protocol, OTEL_PROTOCOL_HTTP1, "seed %u is followed to its end", seed);
    otel_connection_close(fd);
    for (uint32_t i = 0; i < m->count; i++)
        check_span(m, &m->message[i], client, serving.span_id);
    cr_assert_eq(otel_queue_take(&handle, 1), 0, "seed %u: one span too many", seed);
}

Test(observe_model, of_a_server)
{
    static struct model m;
    int pair[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    for (uint32_t seed = 1; seed <= ROUNDS; seed++) {
        live(&m, seed, pair[0], false);
        cr_assert_null(otel_context_current(), "seed %u: nothing is under way", seed);
        cr_assert_eq(otel_serving_open(), 0);
    }
}

Test(observe_model, of_a_client_that_serves)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    static struct model m;
    struct iovec iov = {(void *)(uintptr_t)request, sizeof request - 1};
    struct otel_connection *s;
    int pair[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    s = open_one(pair[1], OTEL_ROLE_SERVER);
    otel_observe_received(s, pair[1], &iov, 1, iov.iov_len);
    for (uint32_t seed = 1; seed <= ROUNDS; seed++) {
        struct otel_exchange_facts x;

        cr_assert(otel_exchange_look_oldest(s, &x));
        otel_serving_enter(&x.own, x.cell);
        live(&m, seed, pair[0], true);
    }
}
