/* SPDX-License-Identifier: Apache-2.0 */
#include "core/inject.h"

#include <string.h>

#include "core/clock.h"
#include "core/config.h"
#include "core/exchange.h"
#include "core/ids.h"
#include "core/inject_scan.h"
#include "core/observe.h"
#include "core/propagation.h"

#define ID_TEXT (OTEL_TRACEPARENT_LEN - OTEL_TRACEPARENT_SPAN_ID_AT) /* span id, dash, flags */
#define PLAIN_LINE (sizeof "traceparent: \r\n" - 1 + OTEL_TRACEPARENT_LEN)

_Static_assert(PLAIN_LINE <= OTEL_INJECT_TEXT, "a plain line needs no block");
_Static_assert(OTEL_INJECT_BUF <= OTEL_INJECT_HALF, "the values fit into half a block");

bool otel_inject_wanted(const struct otel_connection *c, size_t len)
{
    uint8_t protocol = atomic_load_explicit(&c->protocol, memory_order_relaxed);

    if (c->owed.pending)
        return true;
    if (protocol == OTEL_PROTOCOL_OTHER || !len || !c->stream || c->held)
        return false;
    if (protocol == OTEL_PROTOCOL_NEW) /* an inherited socket may not know its role yet */
        return c->role == OTEL_ROLE_CLIENT || c->role == OTEL_ROLE_NONE;
    return c->role == OTEL_ROLE_CLIENT && !otel_http1_skips(&c->out.http, len);
}

/* --- the plan --------------------------------------------------------------------------------- */

static void edit(struct otel_inject_plan *plan, size_t at, size_t drop, const char *bytes,
                 size_t insert)
{
    plan->edit[plan->count++] = (struct otel_edit){at, (uint32_t)drop, (uint32_t)insert, bytes};
}

/* Of a program that fell silent before the byte that was to follow; what it owes is as before. */
static void edit_owed(const struct otel_connection *c, struct otel_inject_plan *plan, size_t len)
{
    const struct otel_owed *owed = &c->owed;
    const char *bytes = owed->bytes;

    if (owed->block) {
        bytes = otel_inject_block(owed->block);
        bytes = bytes ? bytes + OTEL_INJECT_HALF : NULL;
    }
    plan->owed = true;
    edit(plan, 0, owed->drop < len ? owed->drop : len, bytes ? bytes + owed->sent : NULL,
         bytes ? owed->len - owed->sent : 0);
}

/* Bytes k0 … k1 of a value that comes in pieces, of which `from` stands at start. */
static void edit_range(struct otel_inject_plan *plan, const struct otel_inject_value *v,
                       uint8_t low, uint8_t high, const char *ours)
{
    uint8_t k0 = v->from > low ? v->from : low;
    uint8_t k1 = v->to < high ? v->to : high;

    if (k0 < k1)
        edit(plan, v->start + (size_t)(k0 - v->from), (size_t)(k1 - k0), ours + k0 - low,
             (size_t)(k1 - k0));
}

static void edit_pieces(struct otel_inject_plan *plan, struct otel_exchange *x,
                        const struct otel_inject_value *v)
{
    const struct otel_span_context *ctx;
    char whole[OTEL_TRACEPARENT_LEN];

    memcpy(plan->text, "................-0.", ID_TEXT);
    otel_hex_encode(plan->text, x->span_id, OTEL_SPAN_ID_LEN);
    if (v->known) {
        ctx = otel_exchange_context(x);
        if (!otel_span_context_valid(ctx))
            return;
        otel_traceparent_format(whole, ctx);
        memcpy(plan->text, whole + OTEL_TRACEPARENT_SPAN_ID_AT, ID_TEXT);
    }
    edit_range(plan, v, 0, 2, "00");
    edit_range(plan, v, OTEL_TRACEPARENT_SPAN_ID_AT, OTEL_TRACEPARENT_LEN, plan->text);
    if (v->tail_len)
        edit(plan, v->tail_at, v->tail_len, NULL, 0);
}

/* The program's own traceparent: its context is our parent, its bytes become ours. */
static void edit_value(struct otel_inject_plan *plan, struct otel_exchange *x,
                       const struct otel_inject_value *v)
{
    const struct otel_span_context *ctx;

    if (v->known && v->valid && !x->started)
        otel_exchange_adopt(x, &v->ctx);
    if (plan->after.seen & OTEL_SEEN_UNTOUCHED)
        return;
    if (!v->whole) {
        edit_pieces(plan, x, v);
        return;
    }
    ctx = otel_exchange_context(x);
    if (!otel_span_context_valid(ctx))
        return;
    otel_traceparent_format(plan->text, ctx);
    edit(plan, v->start, v->len, plan->text, OTEL_TRACEPARENT_LEN);
    plan->replaced = (uint8_t)plan->count;
}

/* --- our lines -------------------------------------------------------------------------------- */

static char *put(char *at, struct otel_text text)
{
    memcpy(at, text.data, text.len);
    return at + text.len;
}

static char *put_line(char *at, struct otel_text name, struct otel_text value)
{
    at = put(put(put(at, name), OTEL_TEXT(": ")), value);
    return put(at, OTEL_TEXT("\r\n"));
}

static size_t plain_line(char *at, const struct otel_span_context *ctx, uint8_t seen)
{
    char value[OTEL_TRACEPARENT_LEN];

    if ((seen & OTEL_SEEN_TRACEPARENT) || !otel_span_context_valid(ctx))
        return 0;
    otel_traceparent_format(value, ctx);
    put_line(at, OTEL_TEXT("traceparent"), (struct otel_text){value, sizeof value});
    return PLAIN_LINE;
}

/* What the program sends itself is not sent twice. */
static bool sent_already(struct otel_text name, uint8_t seen)
{
    return seen & otel_inject_header(name);
}

/* Everything of fixed size, a tracestate and a baggage fit with their names into half a block; what
 * would not is left out. */
static size_t long_lines(char *block, const struct otel_span_context *ctx, uint8_t seen)
{
    struct otel_inject_pair pairs[OTEL_INJECT_MAX];
    size_t count = otel_inject(ctx, block, pairs);
    char *lines = block + OTEL_INJECT_HALF;
    char *at = lines;

    for (size_t i = 0; i < count; i++) {
        size_t room = (size_t)(lines + OTEL_INJECT_HALF - at);

        if (!sent_already(pairs[i].name, seen) &&
            pairs[i].name.len + pairs[i].value.len + sizeof ": \r\n" <= room)
            at = put_line(at, pairs[i].name, pairs[i].value);
    }
    return (size_t)(at - lines);
}

static void edit_closing(struct otel_inject_plan *plan, struct otel_exchange *x, size_t at)
{
    const struct otel_span_context *ctx = otel_exchange_context(x);
    char *block = NULL;
    char *bytes = plan->text;
    size_t len;

    if (!otel_inject_plain(ctx)) {
        plan->block = otel_inject_block_new();
        block = otel_inject_block(plan->block);
    }
    if (block) {
        bytes = block + OTEL_INJECT_HALF;
        len = long_lines(block, ctx, plan->after.seen);
    } else {
        len = otel_inject_owns("traceparent", sizeof "traceparent" - 1)
                  ? plain_line(plan->text, ctx, plan->after.seen)
                  : 0;
    }
    if (!len)
        return;
    edit(plan, at, 0, bytes, len);
    plan->closing = (uint8_t)plan->count;
}

/* --- before the call -------------------------------------------------------------------------- */

static struct otel_inject_scan scan_of(const struct otel_connection *c, const struct iovec *iov,
                                       size_t iovcnt, size_t len)
{
    return (struct otel_inject_scan){
        .iov = iov,
        .iovcnt = iovcnt,
        .len = len,
        .http = c->out.http,
        .state = c->inject,
        .keep = otel_config.existing_keep || otel_config.disabled,
    };
}

/* What the scan found becomes edits. False: the descriptor is another socket by now. */
static bool decide(struct otel_connection *c, int fd, const struct otel_inject_scan *s,
                   struct otel_inject_plan *plan)
{
    const struct otel_inject_value *v = &s->value;
    bool value = v->whole || v->from < v->to || v->tail_len;
    bool lines = s->closes && !(s->state.seen & OTEL_SEEN_UNTOUCHED);
    struct otel_exchange *x;

    if ((value || lines) && !otel_connection_trusted(c, fd, otel_clock_mono_ns()))
        return false;
    if (s->began)
        x = otel_exchange_outgoing(c);
    else
        x = value || lines ? otel_exchange_requesting(c) : NULL;
    if (!x || x->request_done) /* answered before it was complete: no span to name */
        return true;
    if (value)
        edit_value(plan, x, v);
    if (lines)
        edit_closing(plan, x, s->closing);
    return true;
}

static bool follows(const struct otel_connection *c)
{
    return c->role == OTEL_ROLE_CLIENT &&
           atomic_load_explicit(&c->protocol, memory_order_relaxed) != OTEL_PROTOCOL_OTHER;
}

bool otel_inject_prepare(struct otel_connection *c, int fd, const struct iovec *iov, size_t iovcnt,
                         size_t len, struct otel_inject_plan *plan)
{
    struct otel_inject_scan s;
    bool same = true;

    plan->length = len;
    plan->count = 0;
    plan->block = 0;
    plan->owed = false;
    plan->replaced = plan->closing = 0;
    plan->after = c->inject;
    if (c->owed.pending) {
        same = otel_connection_verify(c, fd);
        if (!same)
            return false;
        edit_owed(c, plan, len);
    }
    otel_observe_prepare(c);
    if (len > (c->owed.pending ? c->owed.drop : 0) && follows(c)) {
        s = scan_of(c, iov, iovcnt, len);
        otel_inject_scan(&s, c->owed.pending ? c->owed.drop : 0);
        plan->after = s.state;
        if (!s.unfit) {
            plan->length = s.cursor.at;
            otel_exchange_keep(c);
            same = decide(c, fd, &s, plan);
            otel_exchange_leave(c);
        }
    }
    if (!same)
        plan->count = 0;
    return same && (plan->count || plan->length < len);
}
