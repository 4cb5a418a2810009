/* SPDX-License-Identifier: Apache-2.0
 *
 * The two B3 forms (openzipkin/b3-propagation): single `b3: trace-span[-sampling[-parent]]`, and
 * x-b3-traceid, x-b3-spanid, x-b3-sampled, x-b3-flags. Trace ids of 64 bits are padded with zeroes
 * on the left. The parent span id is checked and forgotten, as OpenTelemetry demands.
 * Pure, but for the sampler of the settings; any thread.
 *
 * Sampling: 1 and d (debug) set OTEL_FLAG_SAMPLED, 0 does not. Where the sender left the decision
 * open it is ours, and taken as the sampler would for a root of that trace id: a span context knows
 * no third state, and "not sampled" would lose the trace. A decision that comes without ids ("b3:
 * 0") gives no context.
 */
#ifndef OTEL_CORE_B3_H
#define OTEL_CORE_B3_H

#include <stddef.h>

#include "core/span_context.h"
#include "core/wire.h"

#define OTEL_B3_TRACE_ID_LEN 32
#define OTEL_B3_SPAN_ID_LEN 16
#define OTEL_B3_SINGLE_LEN 51 /* 32 "-" 16 "-" 1 */

/* Both return 0 and fill ids, flags and remote=true, or -EINVAL with *ctx zeroed: malformed, zero
 * ids, or no ids. Blanks round the values are trimmed; hex is lower case only. */
int otel_b3_parse_single(struct otel_span_context *ctx, struct otel_text value);

/* sampled and flags may be absent (len 0). */
int otel_b3_parse_multi(struct otel_span_context *ctx, struct otel_text trace_id,
                        struct otel_text span_id, struct otel_text sampled, struct otel_text flags);

/* Writes exactly OTEL_B3_SINGLE_LEN chars, no terminator. The fields of the multi form lie in it:
 * the trace id at 0, the span id at OTEL_B3_SPAN_ID_AT, the sampling state at OTEL_B3_SAMPLED_AT.
 */
#define OTEL_B3_SPAN_ID_AT 33
#define OTEL_B3_SAMPLED_AT 50
void otel_b3_format(char out[static OTEL_B3_SINGLE_LEN], const struct otel_span_context *ctx);

#endif
