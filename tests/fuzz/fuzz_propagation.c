/* SPDX-License-Identifier: Apache-2.0
 *
 * The first byte chooses the propagators; each line behind it is "name:value". What is extracted,
 * injected and extracted again is the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/carry.h"
#include "core/propagation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One thread fuzzes. */
static char state[2][OTEL_TRACESTATE_MAX], baggage[2][OTEL_BAGGAGE_MAX];
static char buf[OTEL_INJECT_BUF];

static void extract_lines(struct otel_extract *e, const char *text, size_t size)
{
    while (size) {
        const char *end = memchr(text, '\n', size);
        size_t len = end ? (size_t)(end - text) : size;
        const char *colon = memchr(text, ':', len);
        size_t name = colon ? (size_t)(colon - text) : len;

        if (colon)
            otel_extract_header(e, text, name, colon + 1, len - name - 1);
        else
            otel_extract_header(e, text, name, text, 0);
        otel_inject_owns(text, name);
        if (!end)
            return;
        size -= len + 1;
        text = end + 1;
    }
}

static void check_same(const struct otel_span_context *a, const struct otel_span_context *b,
                       const struct otel_extracted_lists *x, const struct otel_extracted_lists *y)
{
    /* B3 has no random flag. */
    if (memcmp(a->trace_id, b->trace_id, sizeof a->trace_id) != 0 ||
        memcmp(a->span_id, b->span_id, sizeof a->span_id) != 0 ||
        ((a->flags ^ b->flags) & OTEL_FLAG_SAMPLED))
        abort();
    if (x->tracestate_len != y->tracestate_len || x->baggage_len != y->baggage_len ||
        memcmp(x->tracestate, y->tracestate, x->tracestate_len) != 0 ||
        memcmp(x->baggage, y->baggage, x->baggage_len) != 0)
        abort();
}

static void check_round_trip(const struct otel_span_context *ctx,
                             const struct otel_extracted_lists *lists)
{
    struct otel_extracted_lists again = {.tracestate = state[1], .baggage = baggage[1]};
    struct otel_inject_pair pairs[OTEL_INJECT_MAX];
    struct otel_span_context out = *ctx, back;
    struct otel_extract e = {0};
    size_t count;

    out.carry = otel_carry_new(lists->tracestate, lists->tracestate_len, lists->baggage,
                               lists->baggage_len);
    count = otel_inject(&out, buf, pairs);
    otel_carry_free(out.carry);
    if (count > OTEL_INJECT_MAX)
        abort();
    for (size_t i = 0; i < count; i++) {
        if (!otel_extract_header(&e, pairs[i].name.data, pairs[i].name.len, pairs[i].value.data,
                                 pairs[i].value.len))
            abort();
    }
    if (!otel_extract_finish(&e, &back, &again))
        abort();
    check_same(ctx, &back, lists, &again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct otel_extracted_lists lists = {.tracestate = state[0], .baggage = baggage[0]};
    struct otel_span_context ctx;
    struct otel_extract e = {0};

    if (!size)
        return 0;
    otel_propagation_init(data[0] & 15);
    extract_lines(&e, (const char *)data + 1, size - 1);
    if (otel_extract_finish(&e, &ctx, &lists)) {
        if (!otel_span_context_valid(&ctx) || !ctx.remote || ctx.carry)
            abort();
        check_round_trip(&ctx, &lists);
    } else if (otel_span_context_valid(&ctx) || lists.tracestate_len) {
        abort();
    }
    return 0;
}
