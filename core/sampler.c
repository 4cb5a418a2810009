/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sampler.h"

#define RANDOM_BITS 56
#define RANDOM_BYTES (RANDOM_BITS / 8)

/* 2^56 - 2^56 * ratio, not 2^56 * (1 - ratio): the ratio scales without rounding, so that also one
 * smaller than a double's distance from 1 samples something. */
uint64_t otel_sampler_threshold(double ratio)
{
    const uint64_t all = UINT64_C(1) << RANDOM_BITS;

    if (!(ratio > 0))
        return all;
    if (ratio >= 1)
        return 0;
    return all - (uint64_t)(ratio * (double)all + 0.5);
}

bool otel_sampler_in_ratio(uint64_t threshold, const uint8_t trace_id[static OTEL_TRACE_ID_LEN])
{
    uint64_t random = 0;

    for (int i = OTEL_TRACE_ID_LEN - RANDOM_BYTES; i < OTEL_TRACE_ID_LEN; i++)
        random = random << 8 | trace_id[i];
    return random >= threshold;
}

bool otel_sampler_decide(const struct otel_sampler *sampler, const struct otel_span_context *parent,
                         const uint8_t trace_id[static OTEL_TRACE_ID_LEN])
{
    bool has_parent = parent && otel_span_context_valid(parent);

    if (has_parent && sampler->kind >= OTEL_SAMPLER_PARENT_ALWAYS_ON)
        return parent->flags & OTEL_FLAG_SAMPLED;
    switch (sampler->kind) {
    case OTEL_SAMPLER_ALWAYS_OFF:
    case OTEL_SAMPLER_PARENT_ALWAYS_OFF:
        return false;
    case OTEL_SAMPLER_RATIO:
    case OTEL_SAMPLER_PARENT_RATIO:
        return otel_sampler_in_ratio(sampler->threshold, trace_id);
    case OTEL_SAMPLER_ALWAYS_ON:
    case OTEL_SAMPLER_PARENT_ALWAYS_ON:
        break;
    }
    return true;
}
