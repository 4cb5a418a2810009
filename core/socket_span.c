/* SPDX-License-Identifier: Apache-2.0 */
#include "core/socket_span.h"

#include <errno.h>
#include <string.h>

#include "core/clock.h"
#include "core/config.h"
#include "core/exchange.h"
#include "core/ids.h"
#include "core/socket_parts.h"
#include "core/store.h"
#include "core/sys.h"
#include "core/tls.h"

enum own { OWN_NONE, OWN_BUSY, OWN_CHOSEN };

/* --- connections ------------------------------------------------------------------------------ */

/* Of a pair nobody was connected to: it stands for a pipe. */
static bool is_pair(const struct otel_connection *c)
{
    return c->transport == OTEL_TRANSPORT_UNIX && c->role == OTEL_ROLE_CLIENT && !c->peer.text[0];
}

/* Bytes that only begin like a request make an exchange, too, but not its span. */
static bool speaks_http(const struct otel_connection *c)
{
    struct otel_exchange_facts x;

    return atomic_load_explicit(&c->socket.http, memory_order_relaxed) ||
           (otel_exchange_look_oldest(c, &x) && x.started);
}

static bool has_span(const struct otel_connection *c)
{
    bool moved = otel_direction_bytes(&c->in) || otel_direction_bytes(&c->out);

    if (!otel_socket_spans_on() || speaks_http(c) || c->connect_error ||
        otel_socket_is_chatter(c) || is_pair(c))
        return false;
    if (c->role == OTEL_ROLE_SERVER || c->transport == OTEL_TRANSPORT_UDP)
        return moved;
    return c->role == OTEL_ROLE_CLIENT;
}

static bool own_chosen(const struct otel_connection *c)
{
    return atomic_load_explicit(&c->socket.own_state, memory_order_acquire) == OWN_CHOSEN;
}

/* Calls below it were given the times of this clock. */
static void keep_clock(const struct otel_span *span, int64_t offset)
{
    struct otel_record *record = otel_store_get(span->record);

    if (record)
        record->clock_offset_ns = offset;
}

static struct otel_span_start start_of(const struct otel_connection *c)
{
    static const struct otel_text names[] = {
        {"tcp.connection", 14}, {"udp.connection", 14}, {"unix.connection", 15}};

    return (struct otel_span_start){
        .name = names[c->transport],
        .kind = c->role == OTEL_ROLE_CLIENT ? OTEL_KIND_CLIENT : OTEL_KIND_SERVER,
        .start_mono_ns = c->opened_ns,
    };
}

static void connection_span(const struct otel_connection *c)
{
    struct otel_span_start start = start_of(c);
    struct otel_span span;

    if (own_chosen(c)) {
        start.trace_id = c->socket.own.trace_id;
        start.span_id = c->socket.own.span_id;
        start.decided =
            c->socket.own.flags & OTEL_FLAG_SAMPLED ? OTEL_DECIDED_KEPT : OTEL_DECIDED_DROPPED;
    }
    if (otel_socket_span_start(&span, c, &start)) {
        if (start.span_id)
            keep_clock(&span, c->socket.own.clock_offset_ns);
        otel_socket_set_network(&span, c);
        otel_span_set_int(&span, OTEL_TEXT("otel_auto.bytes_sent"),
                          (int64_t)otel_direction_bytes(&c->out));
        otel_span_set_int(&span, OTEL_TEXT("otel_auto.bytes_received"),
                          (int64_t)otel_direction_bytes(&c->in));
    }
    otel_span_end(&span, 0);
}

void otel_socket_closing(struct otel_connection *c, int fd)
{
    otel_socket_note_generation(c);
    if (atomic_load_explicit(&c->connecting, memory_order_relaxed))
        otel_socket_connected(c, fd, -1);
    if (!has_span(c))
        return;
    otel_connection_peer_of(c, fd);
    if (c->role == OTEL_ROLE_SERVER)
        otel_connection_local_of(c, fd);
}

void otel_socket_closed(struct otel_connection *c)
{
    int saved = errno;

    otel_socket_note_generation(c);
    otel_socket_attempt_abandon(c);
    otel_socket_used(c);
    if (has_span(c) && !atomic_exchange_explicit(&c->socket.told, 1, memory_order_acq_rel))
        connection_span(c);
    errno = saved;
}

void otel_socket_disconnected(struct otel_connection *c)
{
    otel_socket_closed(c);
    if (otel_direction_enter(&c->in)) {
        c->in.bytes = 0;
        otel_direction_leave(&c->in);
    }
    if (otel_direction_enter(&c->out)) {
        c->out.bytes = 0;
        otel_direction_leave(&c->out);
    }
    atomic_store_explicit(&c->socket.told, 0, memory_order_relaxed);
    atomic_store_explicit(&c->socket.own_state, OWN_NONE, memory_order_relaxed);
}

/* --- calls ------------------------------------------------------------------------------------ */

bool otel_socket_calls(void)
{
    return otel_config.socket_spans == OTEL_SOCKET_SPANS_CALL;
}

void otel_socket_ended(struct otel_connection *c, const struct otel_span_context *request)
{
    atomic_store_explicit(&c->socket.http, 1, memory_order_relaxed);
    if (!otel_socket_calls())
        return;
    otel_tls.ended.ctx = *request;
    otel_tls.ended.cell = c->self;
}

/* As the span itself will be. */
static void choose_own(struct otel_connection *c)
{
    struct otel_span_start start = start_of(c);
    struct otel_span_context *own = &c->socket.own;
    const struct otel_span_context *parent = &c->socket.opener;

    if (otel_span_context_valid(parent)) {
        *own = *parent;
        otel_ids_span(own->span_id);
    } else {
        parent = NULL;
        memset(own, 0, sizeof *own);
        own->flags = OTEL_FLAG_RANDOM;
        otel_ids_root(own->trace_id, own->span_id);
    }
    if (!parent || parent->remote)
        own->clock_offset_ns = otel_clock_offset_ns(c->opened_ns);
    own->remote = false;
    own->flags &= OTEL_FLAG_RANDOM;
    if (otel_span_early(&start, parent, own->trace_id) == OTEL_DECIDED_KEPT)
        own->flags |= OTEL_FLAG_SAMPLED;
}

/* The context of the connection's span, chosen by the first call. Without one (two first calls at a
 * time) the call hangs where the connection does. */
static const struct otel_span_context *own_context(struct otel_connection *c)
{
    uint8_t none = OWN_NONE;

    if (!own_chosen(c)) {
        if (!atomic_compare_exchange_strong_explicit(&c->socket.own_state, &none, OWN_BUSY,
                                                     memory_order_acquire, memory_order_acquire))
            return none == OWN_CHOSEN ? &c->socket.own : &c->socket.opener;
        choose_own(c);
        atomic_store_explicit(&c->socket.own_state, OWN_CHOSEN, memory_order_release);
    }
    return &c->socket.own;
}

/* What the call hangs below: the request that ended in it or is under way, or the connection, once
 * it is known that it will have a span; else what that one hangs below. With none of it only a
 * connection that came in is surely nobody's. */
static void choose_parent(struct otel_span_start *start, struct otel_span_context *parent,
                          struct otel_connection *c)
{
    struct otel_exchange_facts x;

    if (otel_tls.ended.cell == c->self)
        *parent = otel_tls.ended.ctx;
    else if (otel_exchange_look_oldest(c, &x) && x.started)
        *parent = x.own;
    else if (has_span(c) &&
             atomic_load_explicit(&c->protocol, memory_order_relaxed) == OTEL_PROTOCOL_OTHER)
        *parent = *own_context(c);
    else
        *parent = c->socket.opener;
    otel_tls.ended.cell = 0;
    if (otel_span_context_valid(parent))
        start->parent = parent;
    else
        start->root = c->role == OTEL_ROLE_SERVER;
}

static bool is_trouble(int error)
{
    return error != EAGAIN && error != EINTR && error != EINPROGRESS && error != EALREADY;
}

void otel_socket_call(struct otel_connection *c, struct otel_text name, int64_t result, int error,
                      uint64_t started_ns)
{
    int saved = errno;
    const char *error_name = otel_sys_errno_name(error);
    struct otel_span_context parent;
    struct otel_span span;
    struct otel_span_start start = {.name = name,
                                    .kind = OTEL_KIND_INTERNAL,
                                    .scope = OTEL_SCOPE_SOCKET,
                                    .start_mono_ns = started_ns};

    if (!otel_socket_calls() || otel_socket_is_chatter(c))
        return;
    otel_socket_note_generation(c);
    choose_parent(&start, &parent, c);
    if (otel_span_start(&span, &start)) {
        otel_span_set_int(&span, OTEL_TEXT("otel_auto.result"), result);
        if (error)
            otel_span_set_text(&span, OTEL_TEXT("error.type"), error_name, strlen(error_name));
        if (error && is_trouble(error))
            otel_span_set_status(&span, OTEL_STATUS_ERROR, OTEL_TEXT(""));
    }
    otel_span_end(&span, 0);
    errno = saved;
}
