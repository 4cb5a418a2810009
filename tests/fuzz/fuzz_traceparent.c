/* SPDX-License-Identifier: Apache-2.0
 *
 * What is accepted has valid ids, and reads the same after being written. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/b3.h"
#include "core/traceparent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_b3(const char *text, size_t len)
{
    struct otel_span_context a, b;
    char out[OTEL_B3_SINGLE_LEN];

    if (otel_b3_parse_single(&a, (struct otel_text){text, len}))
        return;
    otel_b3_format(out, &a);
    if (!otel_span_context_valid(&a) ||
        otel_b3_parse_single(&b, (struct otel_text){out, sizeof out}) ||
        memcmp(&a, &b, sizeof a) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct otel_span_context zero;
    struct otel_span_context a, b;
    char out[OTEL_TRACEPARENT_LEN];
    const char *text = (const char *)data;

    check_b3(text, size);
    if (otel_traceparent_parse(&a, text, size)) {
        if (memcmp(&a, &zero, sizeof a) != 0)
            abort();
        return 0;
    }
    otel_traceparent_format(out, &a);
    if (!otel_span_context_valid(&a) || otel_traceparent_parse(&b, out, sizeof out) ||
        memcmp(&a, &b, sizeof a) != 0)
        abort();
    return 0;
}
