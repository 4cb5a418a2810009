/* SPDX-License-Identifier: Apache-2.0
 *
 * What propagates from span to span: a small value, copied freely, without pointers.
 * Sources: OpenTelemetry trace API "SpanContext"; W3C trace-context level 2.
 */
#ifndef OTEL_CORE_SPAN_CONTEXT_H
#define OTEL_CORE_SPAN_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define OTEL_TRACE_ID_LEN 16
#define OTEL_SPAN_ID_LEN 8

#define OTEL_FLAG_SAMPLED 0x01 /* W3C trace-context 3.2.2.5 */
#define OTEL_FLAG_RANDOM 0x02  /* W3C trace-context level 2, 3.2.2.5.2 */

struct otel_span_context {
    uint8_t trace_id[OTEL_TRACE_ID_LEN]; /* all zero: no context */
    uint8_t span_id[OTEL_SPAN_ID_LEN];
    uint64_t carry; /* handle of tracestate and baggage (carry.h), 0: neither */
    uint8_t flags;  /* OTEL_FLAG_… */
    bool remote;    /* came over the wire or the environment */
    uint8_t reserved[2];
    uint32_t tail;           /* number of the undecided trace it is of (tail.h), 0: none */
    int64_t clock_offset_ns; /* of a local span: unix = mono + offset, for all below it (clock.h) */
};

/* The implicit context of a thread (context.h): valid while the cell is live. */
struct otel_implicit {
    struct otel_span_context ctx;
    uint64_t cell; /* liveness cell handle (context.h), 0: none */
};

/* True when both ids have a bit set (W3C trace-context 3.2.2.3 and 3.2.2.4). */
static inline bool otel_span_context_valid(const struct otel_span_context *c)
{
    uint64_t t[2];
    uint64_t s;

    memcpy(t, c->trace_id, sizeof t);
    memcpy(&s, c->span_id, sizeof s);
    return (t[0] | t[1]) && s;
}

#endif
