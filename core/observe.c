/* SPDX-License-Identifier: Apache-2.0 */
#include "core/observe.h"

#include <errno.h>
#include <string.h>

#include "core/clock.h"
#include "core/context.h"
#include "core/exchange.h"
#include "core/observe_parts.h"
#include "core/pool.h"
#include "core/serving.h"
#include "core/tls.h"

/* Lines that come in pieces; any thread, mapped when first needed. */
static struct otel_pool spills = OTEL_POOL(OTEL_HTTP1_SPILL_SIZE, 512);

/* Which side we are on an inherited socket shows by who speaks first: a client does. Sets up the
 * parser of the direction the caller holds. */
static void settle(struct otel_connection *c, bool received)
{
    struct otel_http1 *http = received ? &c->in.http : &c->out.http;
    uint8_t none = OTEL_ROLE_NONE;
    bool response;

    if (c->role == OTEL_ROLE_NONE)
        atomic_compare_exchange_strong(&c->role, &none,
                                       received ? OTEL_ROLE_SERVER : OTEL_ROLE_CLIENT);
    if (http->wanted || otel_observe_protocol(c) == OTEL_PROTOCOL_OTHER)
        return;
    response = received == (c->role == OTEL_ROLE_CLIENT);
    otel_http1_init(http, response,
                    response ? otel_http_head_wants_response : otel_http_head_wants_request);
}

void otel_observe_prepare(struct otel_connection *c)
{
    settle(c, false);
}

/* --- bytes ----------------------------------------------------------------------------------- */

static bool give_spill(struct otel_direction *d)
{
    if (!otel_pool_get(&spills, d->spill))
        d->spill = otel_pool_alloc(&spills);
    d->http.spill = otel_pool_get(&spills, d->spill);
    return d->http.spill != NULL;
}

void otel_observe_take_spill(struct otel_direction *d)
{
    if (!d->spill || d->http.spilled)
        return;
    d->http.spill = NULL;
    otel_pool_free(&spills, d->spill);
    d->spill = 0;
}

/* The short way through a head. Returns its bytes, 0: it is to go the long way; *good as follow().
 */
static size_t follow_whole(struct otel_observe_chunk *k, const char *p, size_t len, bool *good)
{
    struct otel_http1_whole head;
    struct otel_exchange *x;
    size_t used;

    if (!k->request && (x = otel_exchange_oldest(k->c)) != NULL)
        otel_observe_tell_parser(&k->d->http, x);
    used = otel_http1_whole(&k->d->http, p, len, &head);
    if (used)
        *good = (k->request ? otel_observe_request_whole : otel_observe_response_whole)(k, &head);
    return used;
}

/* Runs len bytes through the parser. False: the connection is not followed any more. */
static bool follow(struct otel_observe_chunk *k, const char *p, size_t len)
{
    struct otel_http1_text text;
    enum otel_http1_event event;
    bool refused = false;
    bool good = true;
    size_t used;

    for (;;) {
        if (len && otel_http1_idle(&k->d->http)) {
            used = follow_whole(k, p, len, &good);
            p += used;
            len -= used;
            if (!good || otel_observe_protocol(k->c) == OTEL_PROTOCOL_OTHER)
                return good;
        }
        event = otel_http1_next(&k->d->http, p, len, &used, &text);
        p += used;
        len -= used;
        if (event == OTEL_HTTP1_MORE)
            return true;
        if (event == OTEL_HTTP1_MALFORMED)
            return false;
        if (event == OTEL_HTTP1_SPILL) {
            if (refused)
                return false;
            refused = !give_spill(k->d);
            continue;
        }
        refused = false;
        if (event == OTEL_HTTP1_NAME || event == OTEL_HTTP1_CLOSING)
            continue;
        if (!(k->request ? otel_observe_request_event : otel_observe_response_event)(k, event,
                                                                                     &text))
            return false;
        if (otel_observe_protocol(k->c) == OTEL_PROTOCOL_OTHER)
            return true;
        if (k->request && k->c->held) {
            k->c->overtook |= len > 0;
            return true;
        }
    }
}

/* A head that goes on: its slices point to bytes that are the program's again. */
static void keep_heads(struct otel_observe_chunk *k)
{
    struct otel_exchange *x =
        k->request ? otel_exchange_requesting(k->c) : otel_exchange_oldest(k->c);

    if (x)
        otel_http_head_keep(k->request ? &x->request : &x->response);
}

/* Before anything is decided: the first byte of a request on a socket that may be another by now. A
 * client's was asked for before it was sent (inject.h). */
static bool trusted(struct otel_observe_chunk *k)
{
    return k->c->role != OTEL_ROLE_SERVER || !k->request || !otel_http1_idle(&k->d->http) ||
           otel_connection_trusted(k->c, k->fd, otel_observe_now(k));
}

/* --- a connection that speaks something else -------------------------------------------------- */

/* The thread writes to it for an exchange; the answer will be that exchange's, unless another
 * one's answer is still awaited. */
static void bind_other(struct otel_connection *c)
{
    uint64_t bound = atomic_load_explicit(&c->bound_cell, memory_order_relaxed);
    enum otel_context_kind kind;
    const struct otel_span_context *current = otel_context_find(&kind);
    uint64_t cell = otel_tls.implicit.cell;

    if (c->role != OTEL_ROLE_CLIENT || c->bound_unsure || cell == bound)
        return;
    if (otel_context_cell(bound) && otel_serving_open() != 1)
        c->bound_unsure = true;
    if (kind != OTEL_CONTEXT_IMPLICIT || c->bound_unsure) {
        atomic_store_explicit(&c->bound_cell, 0, memory_order_relaxed);
        return;
    }
    c->bound = *current;
    atomic_store_explicit(&c->bound_cell, cell, memory_order_relaxed);
    otel_serving_connection(cell, c->self);
}

static void read_other(struct otel_connection *c)
{
    uint64_t bound = atomic_load_explicit(&c->bound_cell, memory_order_relaxed);

    if (c->role == OTEL_ROLE_CLIENT && otel_context_cell(bound))
        otel_serving_enter(&c->bound, bound);
    else if (c->role != OTEL_ROLE_CLIENT || otel_serving_open() > 1)
        otel_context_implicit_clear();
}

/* --- what hooks tell -------------------------------------------------------------------------- */

static void follow_all(struct otel_observe_chunk *k, const struct iovec *iov, size_t iovcnt,
                       size_t n)
{
    bool good = k->c->stream;

    for (size_t i = 0; good && i < iovcnt && n; i++) {
        size_t len = iov[i].iov_len < n ? iov[i].iov_len : n;

        good = len == 0 || follow(k, iov[i].iov_base, len);
        n -= len;
        if (otel_observe_protocol(k->c) == OTEL_PROTOCOL_OTHER)
            return;
    }
    if (!good) {
        otel_observe_give_up(k->c, k->d);
        return;
    }
    if (k->mixed)
        otel_context_implicit_clear();
    otel_observe_take_spill(k->d);
    if (!otel_http1_idle(&k->d->http))
        keep_heads(k);
}

static void observe(struct otel_connection *c, int fd, bool received, const struct iovec *iov,
                    size_t iovcnt, size_t n)
{
    struct otel_direction *d = received ? &c->in : &c->out;
    struct otel_observe_chunk k = {.c = c, .d = d, .fd = fd};

    settle(c, received);
    k.request = received == (c->role != OTEL_ROLE_CLIENT);
    if (!trusted(&k))
        return;
    otel_direction_count(d, n);
    if (k.request && c->held) {
        c->overtook = true;
        return;
    }
    if (k.request)
        otel_exchange_keep(c);
    follow_all(&k, iov, iovcnt, n);
    if (k.request)
        otel_exchange_leave(c);
}

/* Whose bytes were they? The thread serves that one from now on. */
void otel_observe_enter(struct otel_connection *c)
{
    struct otel_exchange_facts x;
    bool any = otel_exchange_look_oldest(c, &x);

    if (any && x.cell)
        otel_serving_enter(x.server ? &x.own : &x.serving, x.cell);
    else if (any || c->role != OTEL_ROLE_CLIENT)
        otel_context_implicit_clear();
}

/* A request that waited for its connection goes out: what follows is for the one it serves. */
static void enter_requesting(struct otel_connection *c)
{
    struct otel_exchange_facts x;

    if (otel_exchange_look_requesting(c, &x) && x.cell && otel_tls.implicit.cell != x.cell)
        otel_serving_enter(&x.serving, x.cell);
}

/* An answer can be here before the thread that sent the request is back from its call and has told
 * of it. That takes but a moment; who does not come back was cancelled there. */
static void await_sender(struct otel_connection *c)
{
    struct otel_exchange *x;
    struct otel_patience patience = {0};

    if (__builtin_expect(!atomic_load_explicit(&c->out.busy, memory_order_acquire), 1) ||
        c->role != OTEL_ROLE_CLIENT)
        return;
    do {
        x = otel_exchange_oldest(c);
        if (!x || x->head_done || !atomic_load_explicit(&c->out.busy, memory_order_acquire))
            return;
    } while (otel_observe_patience(&patience));
}

void otel_observe_received(struct otel_connection *c, int fd, const struct iovec *iov,
                           size_t iovcnt, size_t n)
{
    int saved = errno;
    struct otel_exchange *before;
    bool client;

    if (otel_observe_protocol(c) == OTEL_PROTOCOL_OTHER) {
        otel_direction_count(&c->in, n);
        read_other(c);
        return;
    }
    await_sender(c);
    before = otel_exchange_oldest(c);
    client = c->role == OTEL_ROLE_CLIENT;
    /* The answer's owner becomes current before it may end with these bytes. */
    if (client && before)
        otel_observe_enter(c);
    observe(c, fd, true, iov, iovcnt, n);
    if (otel_observe_protocol(c) == OTEL_PROTOCOL_OTHER)
        read_other(c);
    else if (!client || !before)
        otel_observe_enter(c);
    errno = saved;
}

void otel_observe_sent(struct otel_connection *c, int fd, const struct iovec *iov, size_t iovcnt,
                       size_t n)
{
    int saved = errno;

    if (otel_observe_protocol(c) == OTEL_PROTOCOL_OTHER) {
        otel_direction_count(&c->out, n);
        bind_other(c);
        return;
    }
    /* Who writes an answer serves that request, also where a timer or another thread made it. */
    if (c->role != OTEL_ROLE_CLIENT && c->queued != c->answered)
        otel_observe_enter(c);
    observe(c, fd, false, iov, iovcnt, n);
    if (otel_observe_protocol(c) == OTEL_PROTOCOL_OTHER)
        bind_other(c);
    else if (c->role == OTEL_ROLE_CLIENT)
        enter_requesting(c);
    errno = saved;
}

/* Bytes without a look: right in a body, the end of following anywhere else. */
static void unseen(struct otel_connection *c, int fd, bool received, size_t n)
{
    struct otel_direction *d = received ? &c->in : &c->out;
    struct otel_observe_chunk k = {.c = c, .d = d, .fd = fd};
    enum otel_http1_event event = OTEL_HTTP1_MALFORMED;
    uint64_t used = 0;

    settle(c, received);
    otel_direction_count(d, n);
    if (otel_observe_protocol(c) == OTEL_PROTOCOL_OTHER)
        return;
    k.request = received == (c->role != OTEL_ROLE_CLIENT);
    if (k.request)
        otel_exchange_keep(c);
    if (!otel_http1_idle(&d->http))
        event = otel_http1_skip(&d->http, n, &used);
    if (event == OTEL_HTTP1_END &&
        !(k.request ? otel_observe_request_event : otel_observe_response_event)(&k, event, NULL))
        event = OTEL_HTTP1_MALFORMED;
    if (event == OTEL_HTTP1_MALFORMED || (event == OTEL_HTTP1_END && used < n))
        otel_observe_give_up(c, d);
    if (k.request)
        otel_exchange_leave(c);
}

void otel_observe_received_unseen(struct otel_connection *c, int fd, size_t n)
{
    int saved = errno;

    unseen(c, fd, true, n);
    if (otel_observe_protocol(c) != OTEL_PROTOCOL_OTHER)
        otel_observe_enter(c);
    errno = saved;
}

void otel_observe_sent_unseen(struct otel_connection *c, int fd, size_t n)
{
    int saved = errno;

    unseen(c, fd, false, n);
    errno = saved;
}
