/* SPDX-License-Identifier: Apache-2.0
 *
 * Spans. struct otel_span is a small value its owner keeps (on the stack, in a handle's state): the
 * context that propagates and, when the span is recorded, the handle of its record. Copies name the
 * same span; ending it once ends it for all, later calls on any copy do nothing.
 *
 * Starting, changing and ending take no lock, allocate nothing, do no I/O and never fail visibly:
 * what cannot be recorded is counted (counters.h) and still propagates. Never call with the guard
 * needed: these functions make no call that a hook interposes.
 * Threads: any; but one thread at a time on one span.
 */
#ifndef OTEL_CORE_SPAN_H
#define OTEL_CORE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/record.h"
#include "core/rules.h"
#include "core/span_context.h"
#include "core/wire.h"

struct otel_span {
    struct otel_span_context ctx; /* invalid (all zero): not started, e.g. OTEL_SDK_DISABLED */
    uint64_t record;              /* handle, 0: not recorded */
    uint64_t carry;               /* owned: freed at the end; 0: none (carry.h) */
};

/* Sampling, where it was decided before the span starts (otel_span_early). */
enum otel_span_decided { OTEL_DECIDED_NOT, OTEL_DECIDED_DROPPED, OTEL_DECIDED_KEPT };

struct otel_span_start {
    struct otel_text name;
    enum otel_span_kind kind;
    enum otel_span_scope scope;
    const struct otel_span_context *parent; /* NULL: the current context (context.h) */
    bool root;                              /* ignore parent and current: a new trace */
    uint64_t start_mono_ns;                 /* 0: now */
    const uint8_t *trace_id; /* of a new root, OTEL_TRACE_ID_LEN bytes; NULL: generate */
    const uint8_t *span_id;  /* chosen before by otel_ids_span(); NULL: generate */
    enum otel_span_decided decided;
    const struct otel_rule_facts
        *facts;     /* for rules (rules.h), but for name and kind; NULL: none */
    uint64_t carry; /* tracestate and baggage that came with a remote parent: the span
                       owns the handle and frees it when it ends; 0: the parent's */
};

/* Starts a span: parent, sampling decision, ids, record. span->ctx is valid afterwards unless the
 * SDK is disabled and there is no parent (with a parent, ctx is then the parent's: it passes on
 * what came in). Does not make it current. Returns true when the span is recorded: attributes that
 * cost something to compute are worth computing. */
bool otel_span_start(struct otel_span *span, const struct otel_span_start *start);

/* The sampling decision for a span of that trace that will be started like this later, with what is
 * returned as decided. What a rule would decide at its end (tail.h) is kept. */
enum otel_span_decided otel_span_early(const struct otel_span_start *start,
                                       const struct otel_span_context *parent,
                                       const uint8_t trace_id[static OTEL_TRACE_ID_LEN]);

static inline bool otel_span_recording(const struct otel_span *span)
{
    return span->record != 0;
}

/* Sets an attribute; the value of a key set before is replaced. Over the count limit or out of
 * room: counted as dropped. An empty key is ignored. */
void otel_span_set(const struct otel_span *span, const struct otel_attr *attr);
void otel_span_set_text(const struct otel_span *span, struct otel_text key, const char *p,
                        size_t len);
void otel_span_set_int(const struct otel_span *span, struct otel_text key, int64_t v);
void otel_span_set_bool(const struct otel_span *span, struct otel_text key, bool v);

/* Appends attributes already in wire form (otel_wire_attr with OTEL_TAG_ATTRIBUTE), count of them.
 * Keys are not compared with those set before: the caller knows they are new. */
void otel_span_append_wire(const struct otel_span *span, const uint8_t *wire, size_t len,
                           uint16_t count);

void otel_span_set_name(const struct otel_span *span, struct otel_text name);

/* Status: OK is final; ERROR replaces UNSET; UNSET is ignored (trace API "Set Status"). message is
 * kept for ERROR only; may be empty. */
void otel_span_set_status(const struct otel_span *span, enum otel_status status,
                          struct otel_text message);

/* mono_ns: when it happened (CLOCK_MONOTONIC), 0: now. */
void otel_span_event(const struct otel_span *span, struct otel_text name, uint64_t mono_ns,
                     const struct otel_attr *attrs, size_t count);

void otel_span_link(const struct otel_span *span, const struct otel_span_context *to,
                    const struct otel_attr *attrs, size_t count);

/* Ends the span at mono_ns (0: now) and hands it to the queue. span->record becomes 0, the context
 * stays readable. */
void otel_span_end(struct otel_span *span, uint64_t mono_ns);

/* Hands the record of an ended span to the queue, for what held it (tail.h). */
void otel_span_publish(uint64_t record);

#endif
