/* SPDX-License-Identifier: Apache-2.0
 *
 * The six samplers of OTEL_TRACES_SAMPLER. The ratio is decided from the trace id alone, so every
 * process that sees the trace agrees: R, the low 56 bits of the trace id (big-endian), is sampled
 * when R >= 2^56 * (1 - ratio)  (OpenTelemetry "Probability Sampling", W3C level 2 random flag).
 * Pure; any thread.
 */
#ifndef OTEL_CORE_SAMPLER_H
#define OTEL_CORE_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/span_context.h"

enum otel_sampler_kind {
    OTEL_SAMPLER_ALWAYS_ON,
    OTEL_SAMPLER_ALWAYS_OFF,
    OTEL_SAMPLER_RATIO,
    OTEL_SAMPLER_PARENT_ALWAYS_ON,
    OTEL_SAMPLER_PARENT_ALWAYS_OFF,
    OTEL_SAMPLER_PARENT_RATIO,
};

struct otel_sampler {
    enum otel_sampler_kind kind;
    uint64_t threshold; /* from otel_sampler_threshold() */
};

/* The threshold of a ratio in [0, 1]: 0 gives 2^56 (none is sampled), 1 gives 0 (all are). */
uint64_t otel_sampler_threshold(double ratio);

/* The ratio's part of it. */
bool otel_sampler_in_ratio(uint64_t threshold, const uint8_t trace_id[static OTEL_TRACE_ID_LEN]);

/* Does a span with that parent go as the parent does, whatever rules or a ratio say of it? parent:
 * valid. */
static inline bool otel_sampler_follows(const struct otel_sampler *sampler,
                                        const struct otel_span_context *parent)
{
    return !parent->remote || sampler->kind >= OTEL_SAMPLER_PARENT_ALWAYS_ON;
}

/* parent: NULL for a root. */
bool otel_sampler_decide(const struct otel_sampler *sampler, const struct otel_span_context *parent,
                         const uint8_t trace_id[static OTEL_TRACE_ID_LEN]);

#endif
