/* SPDX-License-Identifier: Apache-2.0 */
#include "core/exchange.h"

#include <string.h>

#include "core/carry.h"
#include "core/clock.h"
#include "core/config.h"
#include "core/context.h"
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
    return otel_exchange_get(c->queue[out % OTEL_PIPELINE_MAX]);
}

struct otel_exchange *otel_exchange_requesting(const struct otel_connection *c)
{
    return otel_exchange_get(c->requesting);
}

static bool push(struct otel_connection *c, uint64_t handle)
{
    uint32_t in = atomic_load_explicit(&c->queued, memory_order_relaxed);

    if (in - atomic_load_explicit(&c->answered, memory_order_acquire) >= OTEL_PIPELINE_MAX)
        return false;
    c->queue[in % OTEL_PIPELINE_MAX] = handle;
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

    if (!x)
        return NULL;
    if (!push(c, handle)) {
        otel_pool_free(&exchanges, handle);
        return NULL;
    }
    memset(x, 0, offsetof(struct otel_exchange, request));
    x->self = handle;
    x->connection = c->self;
    x->server = server;
    x->start_ns = now_ns;
    if (!server)
        otel_ids_span(x->span_id);
    c->requesting = handle;
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

    x->started = true;
    x->carry = 0;
    if (!otel_span_start(&x->span, &start))
        return;
    peer = peer_of(otel_connection_peer_of(c, fd), c->family);
    local = (struct otel_http_peer){0};
    if (!x->request.host.len)
        local = peer_of(otel_connection_local_of(c, fd), c->family);
    otel_http_server_request(&x->span, &x->request, &peer, &local);
}

static void serve(struct otel_exchange *x, struct otel_connection *c)
{
    struct otel_cell *cell;

    if (otel_span_context_valid(&x->remote))
        otel_inbound_add(&x->remote, x->self);
    if (!otel_span_context_valid(&x->span.ctx))
        return;
    x->cell = otel_context_cell_open();
    cell = otel_context_cell(x->cell);
    if (!cell)
        return;
    atomic_store_explicit(&cell->exchange, x->self, memory_order_relaxed);
    otel_serving_connection(x->cell, c->self);
}

void otel_exchange_request_head(struct otel_exchange *x, struct otel_connection *c, int fd)
{
    struct otel_http_peer peer;

    x->head_done = true;
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
}

void otel_exchange_response_head(struct otel_exchange *x)
{
    if (otel_span_recording(&x->span)) {
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

void otel_exchange_finish(struct otel_exchange *x, struct otel_connection *c,
                          struct otel_text error, uint64_t now_ns)
{
    pop(c);
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
        if (error.len && otel_span_recording(&x->span))
            tell_error(x, error);
        otel_span_end(&x->span, now_ns);
        otel_socket_ended(c, &x->span.ctx);
    }
    otel_carry_free(x->carry);
    otel_http_head_clear(&x->request);
    otel_http_head_clear(&x->response);
    otel_pool_free(&exchanges, x->self);
}
