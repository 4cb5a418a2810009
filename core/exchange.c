/* SPDX-License-Identifier: Apache-2.0 */
#include "core/exchange.h"

#include <string.h>

#include "core/carry.h"
#include "core/clock.h"
#include "core/config.h"
#include "core/context.h"
#include "core/counters.h"
#include "core/http_span.h"
#include "core/ids.h"
#include "core/inbound.h"
#include "core/pool.h"
#include "core/serving.h"
#include "core/socket_span.h"

/* Any thread, lock-free; mapped when first needed. Blocks that are free have cleared heads. */
static struct otel_pool exchanges = OTEL_POOL(sizeof(struct otel_exchange), OTEL_EXCHANGES);

/* tracestate and baggage while they are joined: too long for a host's stack. */
struct scratch {
    char tracestate[OTEL_TRACESTATE_MAX];
    char baggage[OTEL_BAGGAGE_MAX];
};
static struct otel_pool scratches = OTEL_POOL(sizeof(struct scratch), 64);

/* Bits of otel_connection.requesting beside the handle, whose lower half is small. */
#define KEPT ((uint64_t)1 << 30) /* a thread works on the request */
#define OVER ((uint64_t)1 << 31) /* the response ended meanwhile: who keeps it ends it */
_Static_assert(OTEL_EXCHANGES < KEPT, "bits are free in a handle");

static void end(struct otel_exchange *x, struct otel_connection *c);

/* --- the queue of a connection --------------------------------------------------------------- */

struct otel_exchange *otel_exchange_get(uint64_t handle)
{
    return otel_pool_get(&exchanges, handle);
}

struct otel_exchange *otel_exchange_oldest(const struct otel_connection *c)
{
    uint32_t out = atomic_load_explicit(&c->answered, memory_order_relaxed);

    if (atomic_load_explicit(&c->queued, memory_order_acquire) == out)
        return NULL;
    return otel_exchange_get(
        atomic_load_explicit(&c->queue[out % OTEL_PIPELINE_MAX], memory_order_relaxed));
}

/* The block may become another exchange's meanwhile: then what was copied is not to be used. Not
 * looked at by the thread sanitizer, which does not know that. */
__attribute__((no_sanitize("thread"))) bool otel_exchange_look(uint64_t handle,
                                                               struct otel_exchange_facts *facts)
{
    const struct otel_exchange *x = otel_exchange_get(handle);

    if (!x)
        return false;
    facts->cell = atomic_load_explicit(&x->cell, memory_order_acquire);
    facts->server = x->server;
    facts->started = x->started;
    facts->head_done = x->head_done;
    facts->own = x->span.ctx;
    if (!facts->server)
        facts->serving = x->serving;
    atomic_thread_fence(memory_order_acquire);
    return otel_exchange_get(handle) == x;
}

bool otel_exchange_look_oldest(const struct otel_connection *c, struct otel_exchange_facts *facts)
{
    uint32_t out = atomic_load_explicit(&c->answered, memory_order_acquire);

    if (atomic_load_explicit(&c->queued, memory_order_acquire) == out)
        return false;
    return otel_exchange_look(
        atomic_load_explicit(&c->queue[out % OTEL_PIPELINE_MAX], memory_order_relaxed), facts);
}

bool otel_exchange_look_requesting(const struct otel_connection *c,
                                   struct otel_exchange_facts *facts)
{
    uint64_t word = atomic_load_explicit(&c->requesting, memory_order_acquire);

    return !(word & OVER) && otel_exchange_look(word & ~KEPT, facts);
}

struct otel_exchange *otel_exchange_requesting(const struct otel_connection *c)
{
    uint64_t word = atomic_load_explicit(&c->requesting, memory_order_acquire);

    return word & OVER ? NULL : otel_exchange_get(word & ~KEPT);
}

void otel_exchange_keep(struct otel_connection *c)
{
    uint64_t word = atomic_load_explicit(&c->requesting, memory_order_relaxed);

    /* 0 is kept, too: one may begin. It may become 0 under our eyes, but nobody else changes 0. */
    if (!word) {
        atomic_store_explicit(&c->requesting, KEPT, memory_order_relaxed);
        return;
    }
    while (!atomic_compare_exchange_weak_explicit(&c->requesting, &word, word | KEPT,
                                                  memory_order_acq_rel, memory_order_relaxed))
        ;
}

/* Puts word there; what ended while it was kept is over now. Where no request is named nobody else
 * changes it. */
static void replace_requesting(struct otel_connection *c, uint64_t word)
{
    uint64_t before = atomic_load_explicit(&c->requesting, memory_order_relaxed);

    if (!(before & ~KEPT)) {
        atomic_store_explicit(&c->requesting, word, memory_order_release);
        return;
    }
    before = atomic_exchange_explicit(&c->requesting, word, memory_order_acq_rel);
    if (before & OVER)
        end(otel_exchange_get(before & ~(KEPT | OVER)), c);
}

void otel_exchange_leave(struct otel_connection *c)
{
    uint64_t word = atomic_load_explicit(&c->requesting, memory_order_relaxed);

    if (!(word & OVER) &&
        atomic_compare_exchange_strong_explicit(&c->requesting, &word, word & ~KEPT,
                                                memory_order_acq_rel, memory_order_relaxed))
        return;
    replace_requesting(c, 0);
}

/* True: somebody is at work on the request of x, and will end x. */
static bool kept(const struct otel_exchange *x, struct otel_connection *c)
{
    uint64_t word = atomic_load_explicit(&c->requesting, memory_order_acquire);

    while ((word & ~KEPT) == x->self) {
        if (atomic_compare_exchange_weak_explicit(&c->requesting, &word,
                                                  word & KEPT ? word | OVER : 0,
                                                  memory_order_acq_rel, memory_order_acquire))
            return word & KEPT;
    }
    return false;
}

static bool push(struct otel_connection *c, uint64_t handle)
{
    uint32_t in = atomic_load_explicit(&c->queued, memory_order_relaxed);

    if (in - atomic_load_explicit(&c->answered, memory_order_acquire) >= OTEL_PIPELINE_MAX)
        return false;
    atomic_store_explicit(&c->queue[in % OTEL_PIPELINE_MAX], handle, memory_order_relaxed);
    atomic_store_explicit(&c->queued, in + 1, memory_order_release);
    return true;
}

static void pop(struct otel_connection *c)
{
    uint32_t out = atomic_load_explicit(&c->answered, memory_order_relaxed);

    atomic_store_explicit(&c->answered, out + 1, memory_order_release);
}

struct otel_exchange *otel_exchange_begin(struct otel_connection *c, bool server, uint64_t now_ns)
{
    uint64_t handle = otel_pool_alloc(&exchanges);
    struct otel_exchange *x = otel_pool_get(&exchanges, handle);

    if (!x) {
        otel_count(OTEL_COUNT_STARTED, 1);
        otel_count(OTEL_COUNT_DROPPED_STORE_FULL, 1);
        return NULL;
    }
    memset(x, 0, offsetof(struct otel_exchange, request));
    x->self = handle;
    x->connection = c->self;
    x->server = server;
    x->start_ns = now_ns;
    if (!server)
        otel_ids_span(x->span_id);
    replace_requesting(c, handle |
                              (atomic_load_explicit(&c->requesting, memory_order_relaxed) & KEPT));
    if (!push(c, handle)) {
        replace_requesting(c, atomic_load_explicit(&c->requesting, memory_order_relaxed) & KEPT);
        otel_pool_free(&exchanges, handle);
        return NULL;
    }
    c->exchanges++;
    return x;
}

void otel_exchange_reset(void)
{
    otel_pool_reset(&exchanges);
    otel_pool_reset(&scratches);
}

/* --- heads ----------------------------------------------------------------------------------- */

static bool text_is(struct otel_text text, struct otel_text other)
{
    return text.len == other.len && memcmp(text.data, other.data, text.len) == 0;
}

/* The remote parent of a request, and what came with it. */
static void extract(struct otel_exchange *x)
{
    const struct otel_extract *e = &x->request.extract;
    struct otel_extracted_lists lists = {0};
    struct scratch *scratch;
    uint64_t block;

    if (!e->tracestates && !e->baggages) {
        otel_extract_finish(e, &x->remote, &lists);
        return;
    }
    block = otel_pool_alloc(&scratches);
    scratch = otel_pool_get(&scratches, block);
    if (!scratch) {
        struct otel_extract alone = *e;

        alone.tracestates = alone.baggages = 0;
        otel_extract_finish(&alone, &x->remote, &lists);
        return;
    }
    lists.tracestate = scratch->tracestate;
    lists.baggage = scratch->baggage;
    otel_extract_finish(e, &x->remote, &lists);
    x->carry =
        otel_carry_new(lists.tracestate, lists.tracestate_len, lists.baggage, lists.baggage_len);
    otel_pool_free(&scratches, block);
}

uint64_t otel_exchange_baggage(uint64_t carry)
{
    uint64_t block = carry ? otel_pool_alloc(&scratches) : 0;
    struct scratch *scratch = otel_pool_get(&scratches, block);
    uint64_t copy = 0;
    size_t len;

    if (!scratch)
        return 0;
    len = otel_carry_baggage(carry, scratch->baggage, sizeof scratch->baggage);
    if (len)
        copy = otel_carry_new(NULL, 0, scratch->baggage, len);
    otel_pool_free(&scratches, block);
    return copy;
}

static struct otel_http_peer peer_of(const struct otel_address *address, uint8_t family)
{
    return (struct otel_http_peer){
        .address = {address->text, strlen(address->text)},
        .port = address->port,
        .unix_socket = family == AF_UNIX,
    };
}

static void start_server(struct otel_exchange *x, struct otel_connection *c, int fd)
{
    bool known = otel_span_context_valid(&x->remote);
    struct otel_span_start start = {
        .kind = OTEL_KIND_SERVER,
        .scope = OTEL_SCOPE_SOCKET,
        .parent = known ? &x->remote : NULL,
        .root = !known,
        .start_mono_ns = x->start_ns,
        .carry = x->carry,
    };
    struct otel_http_peer peer, local;
    bool recorded;

    recorded = otel_http_server_start(&x->span, &start, &x->request);
    atomic_store_explicit(&x->started, true, memory_order_release);
    x->carry = 0;
    if (!recorded)
        return;
    peer = peer_of(otel_connection_peer_of(c, fd), c->family);
    local = (struct otel_http_peer){0};
    if (!x->request.host.len)
        local = peer_of(otel_connection_local_of(c, fd), c->family);
    otel_http_server_request(&x->span, &x->request, &peer, &local);
}

static void serve(struct otel_exchange *x, struct otel_connection *c)
{
    uint64_t handle;

    if (otel_span_context_valid(&x->remote))
        otel_inbound_add(&x->remote, x->self);
    if (!otel_span_context_valid(&x->span.ctx))
        return;
    handle = otel_context_cell_open();
    otel_serving_own(handle, x->self, c->self, otel_exchange_oldest(c) == x,
                     c->in.http.body == OTEL_HTTP1_NO_BODY);
    atomic_store_explicit(&x->cell, handle, memory_order_release);
}

void otel_exchange_request_head(struct otel_exchange *x, struct otel_connection *c, int fd)
{
    struct otel_http_peer peer;

    x->head_request = text_is(x->request.method, OTEL_TEXT("HEAD"));
    x->connect_request = text_is(x->request.method, OTEL_TEXT("CONNECT"));
    x->upgrade = x->request.upgrade.len > 0;
    if (x->server) {
        extract(x);
        start_server(x, c, fd);
        serve(x, c);
    } else {
        otel_exchange_context(x);
        if (otel_span_recording(&x->span)) {
            peer = peer_of(otel_connection_peer_of(c, fd), c->family);
            otel_http_wire_request(&x->span, &x->request, &peer);
        }
    }
    otel_http_head_clear(&x->request);
    atomic_store_explicit(&x->head_done, true, memory_order_release);
}

/* Before the request head is complete the span is the request side's. */
void otel_exchange_response_head(struct otel_exchange *x)
{
    if (atomic_load_explicit(&x->head_done, memory_order_acquire) &&
        otel_span_recording(&x->span)) {
        if (x->server)
            otel_http_server_response(&x->span, &x->response, OTEL_TEXT(""));
        else
            otel_http_wire_response(&x->span, &x->response, OTEL_TEXT(""), 0);
    }
    otel_http_head_clear(&x->response);
}

/* --- the end --------------------------------------------------------------------------------- */

static void tell_error(struct otel_exchange *x, struct otel_text error)
{
    if (x->server)
        otel_http_server_response(&x->span, NULL, error);
    else
        otel_http_wire_response(&x->span, NULL, error, 0);
}

static void end(struct otel_exchange *x, struct otel_connection *c)
{
    if (!x) /* of a fork child's parent */
        return;
    if (x->server) {
        if (otel_span_context_valid(&x->remote))
            otel_inbound_remove(&x->remote, x->self);
        otel_serving_end(x->cell);
    } else {
        otel_serving_outstanding(x->cell, -1);
    }
    if (x->started) {
        if (!x->head_done) /* its context went out, or was about to, its head did not */
            otel_span_set_name(&x->span, OTEL_TEXT("HTTP"));
        if (x->error.len && otel_span_recording(&x->span))
            tell_error(x, x->error);
        otel_span_end(&x->span, x->end_ns);
        otel_socket_ended(c, &x->span.ctx);
    }
    otel_carry_free(x->carry);
    otel_http_head_clear(&x->request);
    otel_http_head_clear(&x->response);
    otel_pool_free(&exchanges, x->self);
}

void otel_exchange_finish(struct otel_exchange *x, struct otel_connection *c,
                          struct otel_text error, uint64_t now_ns)
{
    x->error = error;
    x->end_ns = now_ns;
    pop(c);
    if (!kept(x, c))
        end(x, c);
}
