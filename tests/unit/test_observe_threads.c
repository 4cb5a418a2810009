/* SPDX-License-Identifier: Apache-2.0
 *
 * One connection and three threads: one reads, one writes, one closes, at any moment. What is asked
 * is that nothing is lost on the way: every span that was started is ended once, and every pool
 * comes out as full as it went in.
 */
#include "core/observe.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/context.h"
#include "core/counters.h"
#include "core/exchange.h"
#include "core/generation.h"
#include "core/inject.h"
#include "core/propagation.h"
#include "core/serving.h"
#include "tests/unit/spans.h"

#define ROUNDS 2000
#define MESSAGES 6
#define CELLS 16384
#define HEADS 1024

static void begin(void)
{
    spans_begin();
    otel_generation_init();
    otel_propagation_init(OTEL_PROPAGATOR_TRACECONTEXT | OTEL_PROPAGATOR_BAGGAGE);
    otel_fdtable_init();
}

TestSuite(observe_threads, .init = begin, .timeout = 120);

/* Bytes of one direction, and how far they may be told. */
struct stream {
    char bytes[4096];
    size_t len;
    _Atomic size_t told;     /* given to the observer, or to the kernel before it */
    size_t due[MESSAGES];    /* message k of the other direction may come behind so many */
    size_t begins[MESSAGES]; /* where message k begins */
};

struct scene {
    int fd;
    struct otel_connection *c;
    uint64_t handle;
    bool client;
    struct stream requests, responses;
    uint32_t seed;
    _Atomic bool closed;
};

static uint32_t roll(uint32_t *seed, uint32_t below)
{
    *seed = *seed * 1664525 + 1013904223;
    return (*seed >> 8) % below;
}

static void add(struct stream *s, const char *text)
{
    s->len += (size_t)snprintf(s->bytes + s->len, sizeof s->bytes - s->len, "%s", text);
}

#define PARENT "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

/* A pipeline; a response may come behind its request, its request's head, or early. */
static void write_scene(struct scene *s)
{
    static const char *const requests[] = {
        "GET /a HTTP/1.1\r\nHost: h\r\n\r\n",
        "HEAD /a HTTP/1.1\r\nHost: h\r\ntraceparent: " PARENT "\r\n\r\n",
        "POST /b HTTP/1.1\r\nHost: h\r\nbaggage: a=b\r\nContent-Length: 200\r\n\r\n",
        "PUT /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    };
    uint32_t count = 1 + roll(&s->seed, MESSAGES);

    for (uint32_t i = 0; i < count; i++) {
        uint32_t kind = roll(&s->seed, 4);
        size_t at = s->requests.len;

        add(&s->requests, requests[kind]);
        for (int n = 0; kind == 2 && n < 20; n++)
            add(&s->requests, "0123456789");
        s->responses.begins[i] = s->responses.len;
        s->requests.due[i] = roll(&s->seed, 2) ? s->requests.len : at + strlen(requests[kind]);
        if (!roll(&s->seed, 16))
            s->requests.due[i] = at + 1;
        add(&s->responses, kind == 1 ? "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"
                                     : "HTTP/1.1 404 No\r\nContent-Length: 3\r\n\r\nabc");
    }
    for (uint32_t i = count; i < MESSAGES; i++)
        s->responses.begins[i] = SIZE_MAX;
}

/* As hooks do. */
static void tell(struct scene *s, bool in, const char *bytes, size_t n, int error)
{
    struct otel_direction *d = in ? &s->c->in : &s->c->out;
    struct iovec iov = {(void *)(uintptr_t)bytes, n};

    if (otel_connection_get(s->handle) != s->c)
        return;
    if (!otel_direction_enter(d)) {
        otel_observe_lost(s->c);
        return;
    }
    if (otel_connection_get(s->handle) == s->c) {
        if (in && n)
            otel_observe_received(s->c, s->fd, &iov, 1, n);
        else if (in)
            otel_observe_receive_end(s->c, error);
        else if (n)
            otel_observe_sent(s->c, s->fd, &iov, 1, n);
        else
            otel_observe_send_end(s->c, error);
    }
    otel_direction_leave(d);
}

/* A client's bytes are looked at before they go, and may be answered before they are told of. */
static void send_looked_at(struct scene *s, const char *bytes, size_t n)
{
    struct iovec iov = {(void *)(uintptr_t)bytes, n};
    struct iovec pieces[OTEL_INJECT_IOV];
    struct otel_inject_plan plan;
    size_t total = n;

    if (otel_connection_get(s->handle) != s->c)
        return;
    if (!otel_direction_enter(&s->c->out)) {
        otel_observe_lost(s->c);
        return;
    }
    if (otel_inject_prepare(s->c, s->fd, &iov, 1, n, &plan))
        otel_inject_pieces(&plan, &iov, 1, pieces, &total);
    atomic_fetch_add(&s->requests.told, plan.length);
    n = otel_inject_sent(s->c, &plan, &iov, 1, total);
    if (n && otel_connection_get(s->handle) == s->c)
        otel_observe_sent(s->c, s->fd, &iov, 1, n);
    otel_inject_done(&plan);
    otel_direction_leave(&s->c->out);
}

static void pass(struct scene *s, uint32_t *seed, bool requests)
{
    struct stream *t = requests ? &s->requests : &s->responses;
    size_t at = requests ? atomic_load(&t->told) : t->told;
    size_t n = 1 + roll(seed, roll(seed, 2) ? 8 : 300);
    size_t end = t->len;

    for (int i = 0; !requests && i < MESSAGES; i++)
        if (t->begins[i] != SIZE_MAX && t->begins[i] >= at && s->requests.due[i] &&
            atomic_load(&s->requests.told) < s->requests.due[i]) {
            end = t->begins[i];
            break;
        }
    if (n > end - at)
        n = end - at;
    if (!n)
        return;
    if (requests && s->client) {
        send_looked_at(s, t->bytes + at, n);
        return;
    }
    tell(s, requests != s->client, t->bytes + at, n, 0);
    atomic_store(&t->told, at + n);
}

static void run(struct scene *s, bool requests, uint32_t salt)
{
    struct stream *t = requests ? &s->requests : &s->responses;
    uint32_t seed = s->seed + salt;

    while (!atomic_load(&s->closed) && atomic_load(&t->told) < t->len)
        pass(s, &seed, requests);
    if (!roll(&seed, 4))
        tell(s, requests != s->client, NULL, 0, roll(&seed, 2) ? ECONNRESET : 0);
    otel_context_implicit_clear();
    otel_serving_leave();
}

static void *requesting(void *scene)
{
    run(scene, true, 17);
    return NULL;
}

static void *answering(void *scene)
{
    run(scene, false, 31);
    return NULL;
}

/* Half of them in the middle of it. */
static void close_sometime(struct scene *s)
{
    uint32_t seed = s->seed + 5;
    uint32_t spins = roll(&seed, 2) ? roll(&seed, 40000) : UINT32_MAX;

    while (spins-- && atomic_load(&s->responses.told) < s->responses.len)
        atomic_signal_fence(memory_order_seq_cst);
    otel_connection_close(s->fd);
    atomic_store(&s->closed, true);
}

static void play(bool client, uint32_t round)
{
    static struct scene s;
    pthread_t one, other;
    int pair[2];

    memset(&s, 0, sizeof s);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    s.seed = round * 7919 + client;
    s.client = client;
    s.fd = pair[0];
    s.c = otel_connection_open(s.fd, AF_UNIX, SOCK_STREAM,
                               client ? OTEL_ROLE_CLIENT : OTEL_ROLE_SERVER, NULL, 0);
    cr_assert_not_null(s.c);
    s.c->peer_known = s.c->local_known = true;
    s.handle = s.c->self;
    write_scene(&s);
    cr_assert_eq(pthread_create(&one, NULL, requesting, &s), 0);
    cr_assert_eq(pthread_create(&other, NULL, answering, &s), 0);
    close_sometime(&s);
    pthread_join(one, NULL);
    pthread_join(other, NULL);
    close(pair[0]);
    close(pair[1]);
}

/* Those that ended are taken as the batch thread would. */
static void drain(void)
{
    uint64_t handle;

    while (otel_queue_take(&handle, 1))
        otel_store_free(handle);
}

/* What waits for a thread to leave a connection is over now. */
static void flush_retired(void)
{
    for (int i = 0; i < 200; i++) {
        cr_assert_not_null(
            otel_connection_open(3, AF_UNIX, SOCK_STREAM, OTEL_ROLE_SERVER, NULL, 0));
        otel_connection_close(3);
    }
    drain();
}

static uint32_t free_exchanges(void)
{
    static struct otel_connection c;
    uint32_t n = 0;

    for (; otel_exchange_begin(&c, true, 1); n++)
        c.answered = c.queued;
    return n;
}

static uint32_t free_cells(void)
{
    uint32_t n = 0;

    while (otel_context_cell_open())
        n++;
    return n;
}

static uint32_t free_heads(void)
{
    static struct otel_http_head head;
    struct otel_http1 parser = {.response = false};
    uint32_t n = 0;

    for (;; n++) {
        memset(&head, 0, sizeof head);
        otel_http_head_start(&head, &parser,
                             &(struct otel_http1_text){OTEL_TEXT("GET"), OTEL_TEXT("/")});
        otel_http_head_keep(&head);
        if (!head.block)
            return n;
    }
}

static void expect_nothing_left(void)
{
    flush_retired();
    cr_expect_eq(otel_counter_sum(OTEL_COUNT_STARTED), otel_counter_sum(OTEL_COUNT_ENDED),
                 "%llu spans started, %llu ended",
                 (unsigned long long)otel_counter_sum(OTEL_COUNT_STARTED),
                 (unsigned long long)otel_counter_sum(OTEL_COUNT_ENDED));
    cr_expect_eq(otel_counter_sum(OTEL_COUNT_DROPPED_QUEUE_FULL), 0);
    cr_expect_eq(free_exchanges(), OTEL_EXCHANGES);
    cr_expect_eq(free_cells(), CELLS);
    cr_expect_eq(free_heads(), HEADS);
}

Test(observe_threads, a_server_reads_writes_and_closes)
{
    for (uint32_t i = 0; i < ROUNDS; i++) {
        play(false, i);
        drain();
    }
    cr_expect_gt(otel_counter_sum(OTEL_COUNT_STARTED), ROUNDS);
    expect_nothing_left();
}

Test(observe_threads, a_client_writes_reads_and_closes)
{
    for (uint32_t i = 0; i < ROUNDS; i++) {
        play(true, i);
        drain();
    }
    cr_expect_gt(otel_counter_sum(OTEL_COUNT_STARTED), ROUNDS);
    expect_nothing_left();
}

Test(observe_threads, what_was_closed_under_a_thread_ends_at_exit)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    struct iovec iov = {(void *)(uintptr_t)request, sizeof request - 1};
    struct otel_connection *c;
    int pair[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    c = otel_connection_open(pair[0], AF_UNIX, SOCK_STREAM, OTEL_ROLE_SERVER, NULL, 0);
    otel_observe_received(c, pair[0], &iov, 1, iov.iov_len);
    cr_assert(otel_direction_enter(&c->out));
    otel_connection_close(pair[0]);
    cr_assert_eq(otel_counter_sum(OTEL_COUNT_ENDED), 0);
    otel_direction_leave(&c->out);
    otel_connection_finish_all();
    cr_assert_eq(otel_counter_sum(OTEL_COUNT_ENDED), 1);
    expect_nothing_left();
}
