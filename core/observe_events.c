/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parser tells becomes what happens to exchanges. */
#include "core/clock.h"
#include "core/context.h"
#include "core/exchange.h"
#include "core/observe_parts.h"
#include "core/serving.h"
#include "core/tls.h"

uint64_t otel_observe_now(struct otel_observe_chunk *k)
{
    if (!k->now_ns)
        k->now_ns = otel_clock_mono_ns();
    return k->now_ns;
}

/* What the parser gave out of its spill buffer is there until its next event. */
static void keep_spilled(const struct otel_observe_chunk *k, struct otel_http_head *head)
{
    if (k->d->http.spill)
        otel_http_head_keep(head);
}

/* --- events of requests ---------------------------------------------------------------------- */

/* A request begins with these bytes. NULL: no room for it. */
static struct otel_exchange *request_begins(struct otel_observe_chunk *k)
{
    struct otel_exchange *x = k->c->role == OTEL_ROLE_CLIENT
                                  ? otel_exchange_outgoing(k->c)
                                  : otel_exchange_begin(k->c, true, otel_observe_now(k));

    if (!x)
        return NULL;
    atomic_store_explicit(&x->sent, true, memory_order_release);
    if (x->server) /* not yet known for whom this is */
        otel_context_implicit_clear();
    return x;
}

static void request_ends(struct otel_observe_chunk *k, struct otel_exchange *x)
{
    if (x->connect_request || x->upgrade) {
        x->request_done = true; /* in order: the answer is looked at behind that store */
        k->c->held = !x->response_begun;
    } else {
        atomic_store_explicit(&x->request_done, true, memory_order_release);
    }
    if (x->server && !x->response_begun)
        otel_serving_ready(x->cell, true);
}

bool otel_observe_request_event(struct otel_observe_chunk *k, enum otel_http1_event event,
                                const struct otel_http1_text *text)
{
    struct otel_exchange *x = otel_exchange_requesting(k->c);

    if (event == OTEL_HTTP1_BEGIN)
        return request_begins(k) != NULL;
    if (!x) /* answered before it was complete */
        return true;
    if (event == OTEL_HTTP1_START) {
        otel_http_head_start(&x->request, &k->d->http, text);
        keep_spilled(k, &x->request);
        return otel_observe_is_http(k->c);
    } else if (event == OTEL_HTTP1_HEADER && !x->head_done) {
        otel_http_head_add(&x->request, false, text);
        keep_spilled(k, &x->request);
    } else if (event == OTEL_HTTP1_HEAD_END) {
        otel_exchange_request_head(x, k->c, k->fd);
    } else if (event == OTEL_HTTP1_END) {
        request_ends(k, x);
    }
    return true;
}

/* The same of a head that was read in one go. */
bool otel_observe_request_whole(struct otel_observe_chunk *k, const struct otel_http1_whole *head)
{
    struct otel_exchange *x = request_begins(k);

    if (!x)
        return false;
    otel_http_head_start(&x->request, &k->d->http, &head->start);
    if (!otel_observe_is_http(k->c))
        return false;
    for (size_t i = 0; i < head->count; i++)
        otel_http_head_add(&x->request, false, &head->field[i]);
    otel_exchange_request_head(x, k->c, k->fd);
    return true;
}

/* --- events of responses --------------------------------------------------------------------- */

static bool interim(const struct otel_http1 *http)
{
    return http->status < 200 && http->status != 101;
}

/* The next request of a pipeline is served without a read. */
static void serve_next(struct otel_connection *c, uint64_t ended_cell)
{
    struct otel_exchange *next = otel_exchange_oldest(c);

    if (next && next->server && next->cell && otel_tls.implicit.cell == ended_cell)
        otel_serving_enter(&next->span.ctx, next->cell);
}

static void answered(struct otel_observe_chunk *k, struct otel_exchange *x)
{
    uint64_t cell = x->cell;
    bool tunnel = k->d->http.body == OTEL_HTTP1_TUNNEL;

    atomic_store_explicit(&k->c->completed_turn, otel_serving_turn(), memory_order_relaxed);
    atomic_store_explicit(&k->c->completed_cell, cell, memory_order_relaxed);
    otel_exchange_finish(x, k->c, OTEL_TEXT(""), otel_observe_now(k));
    if (tunnel)
        otel_observe_set_protocol(k->c, OTEL_PROTOCOL_OTHER);
    else if (k->c->role != OTEL_ROLE_CLIENT)
        serve_next(k->c, cell);
}

/* What the parser has to know of the request that is answered. */
void otel_observe_tell_parser(struct otel_http1 *http, struct otel_exchange *x)
{
    bool known = atomic_load_explicit(&x->head_done, memory_order_acquire);

    http->head_request = known && x->head_request;
    http->connect_request = known && x->connect_request;
}

static void response_begins(struct otel_exchange *x)
{
    atomic_store_explicit(&x->response_begun, true, memory_order_release);
    if (x->server)
        otel_serving_ready(x->cell, false);
}

/* False: what follows the request may be HTTP or not. */
static bool response_head(struct otel_observe_chunk *k, struct otel_exchange *x)
{
    if (interim(&k->d->http)) {
        otel_http_head_clear(&x->response);
        return true;
    }
    otel_exchange_response_head(x);
    if (atomic_load_explicit(&x->head_done, memory_order_acquire) &&
        (x->connect_request || x->upgrade) && k->d->http.body != OTEL_HTTP1_TUNNEL) {
        if (k->c->overtook)
            return false;
        k->c->held = false;
    }
    if (k->d->http.body == OTEL_HTTP1_TUNNEL)
        answered(k, x);
    return true;
}

static void response_ends(struct otel_observe_chunk *k, struct otel_exchange *x)
{
    if (interim(&k->d->http)) {
        x->response_begun = false;
        if (x->server && x->request_done)
            otel_serving_ready(x->cell, true);
    } else if (k->d->http.body != OTEL_HTTP1_TUNNEL) {
        answered(k, x);
    }
}

/* Whose response these bytes are part of; NULL: nobody asked for one. */
static struct otel_exchange *response_of(struct otel_observe_chunk *k)
{
    struct otel_exchange *x = otel_exchange_oldest(k->c);

    if (!x || !x->sent)
        return NULL;
    k->mixed |= k->answered && k->answered != x->cell;
    k->answered = x->cell;
    return x;
}

bool otel_observe_response_event(struct otel_observe_chunk *k, enum otel_http1_event event,
                                 const struct otel_http1_text *text)
{
    struct otel_exchange *x = response_of(k);

    if (!x)
        return false;
    if (event == OTEL_HTTP1_BEGIN) {
        otel_observe_tell_parser(&k->d->http, x);
        response_begins(x);
    } else if (event == OTEL_HTTP1_START) {
        otel_http_head_start(&x->response, &k->d->http, text);
        keep_spilled(k, &x->response);
    } else if (event == OTEL_HTTP1_HEADER) {
        otel_http_head_add(&x->response, true, text);
        keep_spilled(k, &x->response);
    } else if (event == OTEL_HTTP1_HEAD_END) {
        return response_head(k, x);
    } else if (event == OTEL_HTTP1_END) {
        response_ends(k, x);
    }
    return true;
}

/* The same of a head that was read in one go. */
bool otel_observe_response_whole(struct otel_observe_chunk *k, const struct otel_http1_whole *head)
{
    struct otel_exchange *x = response_of(k);

    if (!x)
        return false;
    response_begins(x);
    otel_http_head_start(&x->response, &k->d->http, NULL);
    for (size_t i = 0; i < head->count; i++)
        otel_http_head_add(&x->response, true, &head->field[i]);
    return response_head(k, x);
}
