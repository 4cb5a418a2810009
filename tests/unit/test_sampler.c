/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <string.h>

#include "core/sampler.h"

static const uint64_t all = UINT64_C(1) << 56;

/* A trace id whose low 56 bits are random, the others as given. */
static void id_of(uint8_t id[OTEL_TRACE_ID_LEN], uint64_t random, uint8_t above)
{
    memset(id, above, OTEL_TRACE_ID_LEN);
    for (int i = 0; i < 7; i++)
        id[OTEL_TRACE_ID_LEN - 1 - i] = (uint8_t)(random >> 8 * i);
}

Test(sampler, threshold)
{
    cr_expect_eq(otel_sampler_threshold(0), all);
    cr_expect_eq(otel_sampler_threshold(1), 0);
    cr_expect_eq(otel_sampler_threshold(0.5), all / 2);
    cr_expect_eq(otel_sampler_threshold(0.25), all / 4 * 3);
    cr_expect_eq(otel_sampler_threshold(1.0 / (double)all), all - 1);
    cr_expect_eq(otel_sampler_threshold(-1), all);
    cr_expect_eq(otel_sampler_threshold(2), 0);
    cr_expect_eq(otel_sampler_threshold(__builtin_nan("")), all);
}

Test(sampler, ratio_is_decided_by_the_low_56_bits)
{
    static const struct {
        double ratio;
        uint64_t random;
        bool want;
    } cases[] = {
        {0, 0xffffffffffffff, false},
        {1, 0, true},
        {0.5, 0x80000000000000, true},
        {0.5, 0x7fffffffffffff, false},
        {0.25, 0xc0000000000000, true},
        {0.25, 0xbfffffffffffff, false},
        {0.5, 0, false},
        {0.5, 0xffffffffffffff, true},
    };
    uint8_t id[OTEL_TRACE_ID_LEN];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct otel_sampler s = {OTEL_SAMPLER_RATIO, otel_sampler_threshold(cases[i].ratio)};

        id_of(id, cases[i].random, 0x00);
        cr_expect_eq(otel_sampler_decide(&s, NULL, id), cases[i].want, "case %zu", i);
        id_of(id, cases[i].random, 0xff);
        cr_expect_eq(otel_sampler_decide(&s, NULL, id), cases[i].want, "case %zu", i);
    }
}

/* Whoever samples less samples a part of what the others sample. */
Test(sampler, smaller_ratios_nest)
{
    struct otel_sampler less = {OTEL_SAMPLER_RATIO, otel_sampler_threshold(0.1)};
    struct otel_sampler more = {OTEL_SAMPLER_RATIO, otel_sampler_threshold(0.3)};
    uint8_t id[OTEL_TRACE_ID_LEN];
    int kept_less = 0, kept_more = 0;

    for (uint64_t i = 0; i < 10000; i++) {
        bool a, b;

        id_of(id, i * (all / 10000), (uint8_t)i);
        a = otel_sampler_decide(&less, NULL, id);
        b = otel_sampler_decide(&more, NULL, id);
        cr_expect(!a || b);
        kept_less += a;
        kept_more += b;
    }
    cr_expect(kept_less >= 999 && kept_less <= 1001, "%d", kept_less);
    cr_expect(kept_more >= 2999 && kept_more <= 3001, "%d", kept_more);
}

Test(sampler, all_six_with_each_parent)
{
    /* columns: no parent, invalid parent, parent not sampled, parent sampled */
    static const struct {
        enum otel_sampler_kind kind;
        double ratio;
        bool want[4];
    } cases[] = {
        {OTEL_SAMPLER_ALWAYS_ON, 0, {true, true, true, true}},
        {OTEL_SAMPLER_ALWAYS_OFF, 1, {false, false, false, false}},
        {OTEL_SAMPLER_RATIO, 1, {true, true, true, true}},
        {OTEL_SAMPLER_RATIO, 0, {false, false, false, false}},
        {OTEL_SAMPLER_PARENT_ALWAYS_ON, 0, {true, true, false, true}},
        {OTEL_SAMPLER_PARENT_ALWAYS_OFF, 1, {false, false, false, true}},
        {OTEL_SAMPLER_PARENT_RATIO, 1, {true, true, false, true}},
        {OTEL_SAMPLER_PARENT_RATIO, 0, {false, false, false, true}},
    };
    struct otel_span_context invalid = {.trace_id = {1}, .flags = OTEL_FLAG_SAMPLED};
    struct otel_span_context off = {.trace_id = {1}, .span_id = {1}, .flags = OTEL_FLAG_RANDOM};
    struct otel_span_context on = {.trace_id = {1}, .span_id = {1}, .flags = OTEL_FLAG_SAMPLED};
    const struct otel_span_context *parents[4] = {NULL, &invalid, &off, &on};
    uint8_t id[OTEL_TRACE_ID_LEN] = {1, 2, 3};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct otel_sampler s = {cases[i].kind, otel_sampler_threshold(cases[i].ratio)};

        for (int p = 0; p < 4; p++)
            cr_expect_eq(otel_sampler_decide(&s, parents[p], id), cases[i].want[p],
                         "case %zu, parent %d", i, p);
    }
}
