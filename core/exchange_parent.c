/* SPDX-License-Identifier: Apache-2.0
 *
 * Whom a request that a client sends belongs to. */
#include "core/exchange.h"

#include <string.h>

#include "core/clock.h"
#include "core/context.h"
#include "core/inbound.h"
#include "core/serving.h"
#include "core/socket_span.h"
#include "core/tls.h"

/* What the connection was bound to at its connect() is still open. */
static bool bound_is_live(const struct otel_connection *c)
{
    return otel_context_cell(atomic_load_explicit(&c->bound_cell, memory_order_relaxed)) != NULL;
}

static void hang_below(struct otel_exchange *x, const struct otel_span_context *parent,
                       const struct otel_span_context *serving, uint64_t cell)
{
    x->parent = *parent;
    if (!cell)
        return;
    x->serving = *serving;
    atomic_store_explicit(&x->cell, cell, memory_order_release);
    otel_serving_outstanding(cell, 1);
    otel_serving_connection(cell, x->connection);
}

/* The first request behind a connect() that some exchange made. When the thread does not know whom
 * it serves, or serves another, the one that connected counts on the same thread alone, and where
 * it had to wait for the connection, or goes on right behind connect(): in a pool that connects
 * ahead, or hands connections to other threads, nobody can tell. */
static bool bound_wins(const struct otel_connection *c, enum otel_context_kind kind)
{
    if (kind == OTEL_CONTEXT_EXPLICIT)
        return false;
    if (kind == OTEL_CONTEXT_IMPLICIT && otel_tls.implicit.cell == c->bound_cell)
        return true;
    return c->bound_thread == otel_serving_slot() &&
           (c->bound_async ||
            (kind != OTEL_CONTEXT_IMPLICIT && c->bound_turn == otel_serving_turn()));
}

/* In the turn in which this connection's last answer was read, a thread that serves several at a
 * time may as well have taken the next request out of somebody else's queue: while it handles that
 * answer, or at the turn's end. Sure is only who read a request and sends one of its own before the
 * loop's call that handles it has returned. */
static bool taken_from_a_queue(const struct otel_connection *c)
{
    return c->exchanges > 1 &&
           atomic_load_explicit(&c->completed_turn, memory_order_relaxed) == otel_serving_turn() &&
           otel_serving_open() > 1 &&
           (c->completed_cell == otel_tls.implicit.cell || !otel_serving_same_handler());
}

/* Sets the parent, or leaves it invalid: a root. */
static void choose_parent(struct otel_exchange *x, const struct otel_connection *c)
{
    enum otel_context_kind kind;
    const struct otel_span_context *current = otel_context_find(&kind);
    uint64_t implicit = otel_tls.implicit.cell;

    if (c->exchanges <= 1 && bound_is_live(c)) {
        if (bound_wins(c, kind)) {
            hang_below(x, &c->bound, &c->bound, c->bound_cell);
            return;
        }
        if (kind == OTEL_CONTEXT_IMPLICIT)
            return;
    }
    if (!current)
        return;
    if (kind == OTEL_CONTEXT_IMPLICIT) {
        /* Connected for nobody known, and the thread has served others since. */
        if (c->exchanges <= 1 && c->bound_async && !c->bound_cell)
            return;
        if (!taken_from_a_queue(c))
            hang_below(x, current, current, implicit);
        return;
    }
    /* Below a call that is itself part of an exchange, its answer brings that exchange back. */
    if (kind == OTEL_CONTEXT_EXPLICIT && implicit && otel_context_cell(implicit) &&
        !otel_serving_unsure(implicit))
        hang_below(x, current, &otel_tls.implicit.ctx, implicit);
    else
        x->parent = *current;
}

struct otel_exchange *otel_exchange_outgoing(struct otel_connection *c)
{
    struct otel_exchange *x = otel_exchange_requesting(c);

    if (x && !x->request_done) {
        if (!x->sent)
            x->start_ns = otel_clock_mono_ns();
        return x;
    }
    x = otel_exchange_begin(c, false, otel_clock_mono_ns());
    if (!x)
        return NULL;
    choose_parent(x, c);
    otel_socket_used(c);
    return x;
}

void otel_exchange_adopt(struct otel_exchange *x, const struct otel_span_context *ctx)
{
    struct otel_cell *mine = otel_context_cell(x->cell);
    uint64_t prefer = mine ? atomic_load_explicit(&mine->exchange, memory_order_relaxed) : 0;
    uint64_t handle = otel_inbound_find(ctx, prefer);
    struct otel_exchange *server = otel_exchange_get(handle);
    struct otel_exchange_facts facts;

    if (x->started || x->adopted)
        return;
    x->adopted = true;
    if (server && memcmp(server->remote.trace_id, ctx->trace_id, OTEL_TRACE_ID_LEN) == 0 &&
        memcmp(server->remote.span_id, ctx->span_id, OTEL_SPAN_ID_LEN) == 0) {
        if (otel_exchange_look(handle, &facts) && otel_span_context_valid(&facts.own)) {
            otel_serving_outstanding(x->cell, -1);
            x->cell = 0;
            hang_below(x, &facts.own, &facts.own, facts.cell);
            return;
        }
    }
    x->carry = otel_exchange_baggage(x->parent.carry);
    x->parent = *ctx;
    x->parent.remote = true;
    x->parent.carry = 0;
}

const struct otel_span_context *otel_exchange_context(struct otel_exchange *x)
{
    bool known = otel_span_context_valid(&x->parent);
    struct otel_span_start start = {
        .kind = OTEL_KIND_CLIENT,
        .scope = OTEL_SCOPE_SOCKET,
        .parent = known ? &x->parent : NULL,
        .root = !known,
        .start_mono_ns = x->start_ns,
        .span_id = x->span_id,
        .carry = x->carry,
    };

    if (!x->started) {
        x->carry = 0;
        otel_span_start(&x->span, &start);
        atomic_store_explicit(&x->started, true, memory_order_release);
    }
    return &x->span.ctx;
}
