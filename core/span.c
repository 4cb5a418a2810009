/* SPDX-License-Identifier: Apache-2.0 */
#include "core/span.h"

#include <stdatomic.h>
#include <string.h>

#include "core/batch.h"
#include "core/carry.h"
#include "core/clock.h"
#include "core/config.h"
#include "core/context.h"
#include "core/counters.h"
#include "core/generation.h"
#include "core/ids.h"
#include "core/log.h"
#include "core/process_span.h"
#include "core/queue.h"
#include "core/sampler.h"
#include "core/span_data.h"
#include "core/store.h"
#include "core/tail.h"

/* Any thread: each is said once. */
static atomic_flag said_store_full = ATOMIC_FLAG_INIT;
static atomic_flag said_queue_full = ATOMIC_FLAG_INIT;

/* Below a trace that is not decided, or was undecided when the parent started. */
static bool with_held_parent(struct otel_span_context *ctx, const struct otel_span_context *parent)
{
    enum otel_tail_verdict verdict = otel_tail_verdict(parent->tail);

    if (verdict == OTEL_TAIL_OPEN)
        ctx->tail = parent->tail;
    return verdict == OTEL_TAIL_OPEN || verdict == OTEL_TAIL_KEPT;
}

static const struct otel_rule *rule_of(const struct otel_span_start *start)
{
    struct otel_rule_facts facts = start->facts ? *start->facts : (struct otel_rule_facts){0};

    facts.name = start->name;
    facts.kind = start->kind;
    return otel_rules_match(otel_rules, &facts);
}

static bool at_the_end(const struct otel_rule *rule)
{
    return rule->when_error || rule->slower_ns;
}

static bool by_rule(struct otel_span_context *ctx, const struct otel_span_context *parent,
                    const struct otel_span_start *start)
{
    const struct otel_rule *rule;

    if (start->decided)
        return start->decided == OTEL_DECIDED_KEPT;
    rule = rule_of(start);
    if (!rule)
        return otel_sampler_decide(&otel_config.sampler, parent, ctx->trace_id);
    if (otel_sampler_in_ratio(rule->threshold, ctx->trace_id))
        return true;
    if (!at_the_end(rule))
        return false;
    if (otel_config.exporters)
        ctx->tail = otel_tail_open(rule, start->start_mono_ns ? start->start_mono_ns
                                                              : otel_clock_mono_ns());
    return true;
}

/* Where there are rules; they are for what begins here. */
static __attribute__((noinline, cold)) bool decide_ruled(struct otel_span_context *ctx,
                                                         const struct otel_span_context *parent,
                                                         const struct otel_span_start *start)
{
    if (!parent || !otel_sampler_follows(&otel_config.sampler, parent))
        return by_rule(ctx, parent, start);
    if (parent->tail && !parent->remote)
        return with_held_parent(ctx, parent);
    return parent->flags & OTEL_FLAG_SAMPLED;
}

__attribute__((cold)) enum otel_span_decided
otel_span_early(const struct otel_span_start *start, const struct otel_span_context *parent,
                const uint8_t trace_id[static OTEL_TRACE_ID_LEN])
{
    const struct otel_sampler *sampler = &otel_config.sampler;
    const struct otel_rule *rule =
        otel_rules && !(parent && otel_sampler_follows(sampler, parent)) ? rule_of(start) : NULL;
    bool kept;

    if (!rule)
        kept = parent && !parent->remote && otel_rules
                   ? parent->flags & OTEL_FLAG_SAMPLED
                   : otel_sampler_decide(sampler, parent, trace_id);
    else
        kept = at_the_end(rule) || otel_sampler_in_ratio(rule->threshold, trace_id);
    return kept ? OTEL_DECIDED_KEPT : OTEL_DECIDED_DROPPED;
}

/* Ids and flags of the new span. Returns the sampling decision. */
static bool decide(struct otel_span_context *ctx, const struct otel_span_context *parent,
                   const struct otel_span_start *start)
{
    bool sampled;

    if (parent) {
        memcpy(ctx->trace_id, parent->trace_id, sizeof ctx->trace_id);
        ctx->flags = parent->flags & OTEL_FLAG_RANDOM;
        ctx->carry = parent->carry;
    } else {
        ctx->flags = OTEL_FLAG_RANDOM;
        if (start->trace_id)
            memcpy(ctx->trace_id, start->trace_id, sizeof ctx->trace_id);
        else if (start->span_id)
            otel_ids_trace(ctx->trace_id);
        else
            otel_ids_root(ctx->trace_id, ctx->span_id);
    }
    if (start->span_id)
        memcpy(ctx->span_id, start->span_id, sizeof ctx->span_id);
    else if (parent || start->trace_id)
        otel_ids_span(ctx->span_id);
    if (__builtin_expect(otel_rules != NULL, 0))
        sampled = decide_ruled(ctx, parent, start);
    else
        sampled = otel_sampler_decide(&otel_config.sampler, parent, ctx->trace_id);
    if (sampled)
        ctx->flags |= OTEL_FLAG_SAMPLED;
    return sampled;
}

static void fill(struct otel_record *record, struct otel_span_context *ctx,
                 const struct otel_span_context *parent, const struct otel_span_start *start)
{
    memcpy(record->trace_id, ctx->trace_id, sizeof record->trace_id);
    memcpy(record->span_id, ctx->span_id, sizeof record->span_id);
    if (parent) {
        memcpy(record->parent_span_id, parent->span_id, sizeof record->parent_span_id);
        record->parent_remote = parent->remote;
    }
    record->pid = (uint32_t)otel_generation_pid();
    record->local_root = !parent || parent->remote;
    record->kind = (uint8_t)start->kind;
    record->scope = (uint8_t)start->scope;
    record->flags = ctx->flags;
    record->start_mono_ns = start->start_mono_ns ? start->start_mono_ns : otel_clock_mono_ns();
    ctx->clock_offset_ns =
        record->local_root ? otel_clock_offset_ns(record->start_mono_ns) : parent->clock_offset_ns;
    record->clock_offset_ns = ctx->clock_offset_ns;
    otel_data_text(record, OTEL_TAG_NAME, start->name);
    if (ctx->carry)
        otel_data_tracestate(record, ctx->carry);
    atomic_store_explicit(&record->state, OTEL_RECORD_ACTIVE, memory_order_release);
}

bool otel_span_start(struct otel_span *span, const struct otel_span_start *start)
{
    const struct otel_span_context *parent = start->parent;
    struct otel_record *record;

    memset(span, 0, sizeof *span);
    if (!otel_generation())
        return false;
    otel_process_span_ensure();
    if (start->root)
        parent = NULL;
    else if (!parent)
        parent = otel_context_current();
    if (parent && !otel_span_context_valid(parent))
        parent = NULL;
    span->carry = start->carry;
    if (otel_config.disabled) {
        if (parent)
            span->ctx = *parent;
        span->ctx.carry = start->carry ? start->carry : span->ctx.carry;
        return false;
    }
    if (!decide(&span->ctx, parent, start) || !otel_config.exporters) {
        span->ctx.carry = start->carry ? start->carry : span->ctx.carry;
        otel_count(OTEL_COUNT_NOT_SAMPLED, 1);
        return false;
    }
    if (start->carry)
        span->ctx.carry = start->carry;
    otel_count(OTEL_COUNT_STARTED, 1);
    record = otel_store_new(&span->record);
    if (!record) {
        otel_count(OTEL_COUNT_DROPPED_STORE_FULL, 1);
        if (otel_log_once(&said_store_full))
            otel_log(OTEL_LOG_WARN, "no room for more open spans: new ones are dropped");
        if (!parent || parent->tail != span->ctx.tail)
            otel_tail_keep(span->ctx.tail); /* nobody is left to decide it */
        span->ctx.tail = 0;
        return false;
    }
    fill(record, &span->ctx, parent, start);
    return true;
}

/* The record that is still ours to write, or NULL: in a fork child that has not looked yet the
 * memory is its parent's. */
static struct otel_record *writable(const struct otel_span *span)
{
    struct otel_record *record =
        span->record && otel_generation() ? otel_store_get(span->record) : NULL;

    return record &&
                   atomic_load_explicit(&record->state, memory_order_relaxed) == OTEL_RECORD_ACTIVE
               ? record
               : NULL;
}

void otel_span_set(const struct otel_span *span, const struct otel_attr *attr)
{
    struct otel_record *record = writable(span);

    if (record && attr->key.len)
        otel_data_attribute(record, attr);
}

void otel_span_set_text(const struct otel_span *span, struct otel_text key, const char *p,
                        size_t len)
{
    struct otel_attr attr = otel_attr_text(key, p, len);

    otel_span_set(span, &attr);
}

void otel_span_set_int(const struct otel_span *span, struct otel_text key, int64_t v)
{
    struct otel_attr attr = otel_attr_int(key, v);

    otel_span_set(span, &attr);
}

void otel_span_set_bool(const struct otel_span *span, struct otel_text key, bool v)
{
    struct otel_attr attr = otel_attr_bool(key, v);

    otel_span_set(span, &attr);
}

void otel_span_append_wire(const struct otel_span *span, const uint8_t *wire, size_t len,
                           uint16_t count)
{
    struct otel_record *record = writable(span);

    if (record)
        otel_data_append_attributes(record, wire, len, count);
}

void otel_span_set_name(const struct otel_span *span, struct otel_text name)
{
    struct otel_record *record = writable(span);

    if (record)
        otel_data_text(record, OTEL_TAG_NAME, name);
}

void otel_span_set_status(const struct otel_span *span, enum otel_status status,
                          struct otel_text message)
{
    struct otel_record *record = writable(span);

    if (!record || status == OTEL_STATUS_UNSET || record->status == OTEL_STATUS_OK)
        return;
    record->status = (uint8_t)status;
    if (status == OTEL_STATUS_OK)
        message.len = 0;
    otel_data_text(record, OTEL_TAG_STATUS_MESSAGE, message);
}

void otel_span_event(const struct otel_span *span, struct otel_text name, uint64_t mono_ns,
                     const struct otel_attr *attrs, size_t count)
{
    struct otel_record *record = writable(span);

    if (!record)
        return;
    if (!mono_ns)
        mono_ns = otel_clock_mono_ns();
    otel_data_event(record, name, mono_ns + (uint64_t)record->clock_offset_ns, attrs, count);
}

void otel_span_link(const struct otel_span *span, const struct otel_span_context *to,
                    const struct otel_attr *attrs, size_t count)
{
    struct otel_record *record = writable(span);

    if (record && otel_span_context_valid(to))
        otel_data_link(record, to, attrs, count);
}

/* Ended once only, whichever copy of the span comes first; one thread at a time is the contract, so
 * no read-modify-write. */
static bool mark_ended(struct otel_record *record, uint64_t mono_ns)
{
    if (atomic_load_explicit(&record->state, memory_order_relaxed) != OTEL_RECORD_ACTIVE)
        return false;
    if (!mono_ns)
        mono_ns = otel_clock_mono_ns();
    record->end_mono_ns = mono_ns > record->start_mono_ns ? mono_ns : record->start_mono_ns;
    atomic_store_explicit(&record->state, OTEL_RECORD_ENDED, memory_order_release);
    return true;
}

inline __attribute__((always_inline)) void otel_span_publish(uint64_t handle)
{
    uint32_t waiting = otel_queue_push(handle);

    if (waiting) {
        otel_batch_notify(waiting);
        return;
    }
    otel_count(OTEL_COUNT_DROPPED_QUEUE_FULL, 1);
    if (otel_log_once(&said_queue_full))
        otel_log(OTEL_LOG_WARN, "the queue is full: spans that end are dropped");
    otel_store_free(handle);
}

void otel_span_end(struct otel_span *span, uint64_t mono_ns)
{
    struct otel_record *record;
    uint64_t handle = span->record;

    otel_carry_free(span->carry);
    span->carry = 0;
    span->record = 0;
    if (!handle || !otel_generation())
        return;
    record = otel_store_get(handle);
    if (!record || !mark_ended(record, mono_ns))
        return;
    otel_count(OTEL_COUNT_ENDED, 1);
    if (__builtin_expect(span->ctx.tail, 0))
        otel_tail_end(span->ctx.tail, handle);
    else
        otel_span_publish(handle);
}
