/* SPDX-License-Identifier: Apache-2.0
 *
 * Inject and extract for the propagators of OTEL_PROPAGATORS, over name/value pairs: the caller
 * knows where headers lie (a curl_slist, a request head, the environment), this file what they
 * mean. Sources: OpenTelemetry "Propagators API", W3C trace-context, W3C baggage, B3 (single: `b3:
 * trace-span-flags-parent`; multi: x-b3-traceid, x-b3-spanid, x-b3-sampled, x-b3-flags).
 * No allocation, no state but the settings; any thread.
 */
#ifndef OTEL_CORE_PROPAGATION_H
#define OTEL_CORE_PROPAGATION_H

#include <stdbool.h>
#include <stddef.h>

#include "core/span_context.h"
#include "core/wire.h"

/* Bit set of struct otel_config.propagators. */
enum otel_propagator {
    OTEL_PROPAGATOR_TRACECONTEXT = 1,
    OTEL_PROPAGATOR_BAGGAGE = 2,
    OTEL_PROPAGATOR_B3 = 4,
    OTEL_PROPAGATOR_B3MULTI = 8,
};

/* Selects what inject writes and extract reads; once at start-up. */
void otel_propagation_init(unsigned propagators);

/* --- extract --------------------------------------------------------------------------------- */

/* Collects headers of one message. Zero-initialise, add every header (any case, any order; the
 * values must stay valid until finish), then finish. */
#define OTEL_EXTRACT_VALUES 32
struct otel_extract {
    unsigned traceparents; /* how many were seen: two make a new trace (W3C 3.2.1) */
    struct otel_text traceparent;
    struct otel_text b3, b3_trace_id, b3_span_id, b3_sampled, b3_flags;
    size_t tracestates, baggages; /* values beyond the array drop that list */
    const char *tracestate[OTEL_EXTRACT_VALUES];
    size_t tracestate_len[OTEL_EXTRACT_VALUES];
    const char *baggage[OTEL_EXTRACT_VALUES];
    size_t baggage_len[OTEL_EXTRACT_VALUES];
};

/* Returns true when the header concerned a propagator. */
bool otel_extract_header(struct otel_extract *extract, const char *name, size_t name_len,
                         const char *value, size_t value_len);

/* Would otel_extract_header() take a header of this name? */
bool otel_extract_wants(const char *name, size_t len);

/* Lets the propagators decide, in the order tracecontext, b3, b3multi (the first valid context
 * wins) and baggage. tracestate and baggage go to *state and *baggage, joined, into the caller's
 * buffers; lengths 0 when none. Returns true when *ctx holds a valid remote context (carry 0).
 * Baggage may be there without a context. */
struct otel_extracted_lists {
    char *tracestate; /* capacity OTEL_TRACESTATE_MAX (carry.h) */
    size_t tracestate_len;
    char *baggage; /* capacity OTEL_BAGGAGE_MAX */
    size_t baggage_len;
};
bool otel_extract_finish(const struct otel_extract *extract, struct otel_span_context *ctx,
                         struct otel_extracted_lists *lists);

/* --- inject ---------------------------------------------------------------------------------- */

/* Longest name and fixed-size value inject produces apart from tracestate and baggage. */
#define OTEL_INJECT_MAX 8

/* Which headers inject would write for ctx, as lower-case names with values, in emission order.
 * Values of traceparent, b3 … are formatted into buf (capacity OTEL_INJECT_BUF), those of
 * tracestate and baggage are fetched from ctx->carry into the same buffer and left out when they do
 * not fit. Returns how many pairs were written to pairs. Invalid ctx: only baggage. */
#define OTEL_INJECT_BUF 12800
struct otel_inject_pair {
    struct otel_text name;
    struct otel_text value;
};
size_t otel_inject(const struct otel_span_context *ctx, char buf[static OTEL_INJECT_BUF],
                   struct otel_inject_pair pairs[static OTEL_INJECT_MAX]);

/* True when a traceparent is all that inject would write for ctx, whose ids may be invalid. */
bool otel_inject_plain(const struct otel_span_context *ctx);

/* True when name (any case) is one that inject would write under the current settings: what a
 * program set itself must then not go out beside ours. */
bool otel_inject_owns(const char *name, size_t len);

#endif
