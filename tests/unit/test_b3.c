/* SPDX-License-Identifier: Apache-2.0 */
#include "core/b3.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "core/config.h"
#include "tests/support/guardpage.h"

#define TRACE "0123456789abcdef0123456789abcdef"
#define SHORT "0123456789abcdef"
#define SPAN "fedcba9876543210"
#define PARENT "00000000000000aa"

static const uint8_t long_id[] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
                                  0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};
static const uint8_t short_id[] = {0,    0,    0,    0,    0,    0,    0,    0,
                                   0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};
static const uint8_t span_id[] = {0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10};

static struct guardpage page;

static void open_page(void)
{
    guardpage_open(&page, 4096);
}

static void close_page(void)
{
    guardpage_close(&page);
}

TestSuite(b3, .init = open_page, .fini = close_page);

static int single(struct otel_span_context *ctx, const char *text, size_t len)
{
    memset(ctx, 0xaa, sizeof *ctx);
    return otel_b3_parse_single(ctx, (struct otel_text){guardpage_put(&page, text, len), len});
}

Test(b3, single_valid)
{
    static const struct {
        const char *text;
        bool sampled;
        const uint8_t *trace_id;
    } cases[] = {
        {TRACE "-" SPAN "-1", true, long_id},
        {TRACE "-" SPAN "-0", false, long_id},
        {TRACE "-" SPAN "-d", true, long_id},
        {SHORT "-" SPAN "-1", true, short_id},
        {SHORT "-" SPAN "-0", false, short_id},
        {TRACE "-" SPAN "-1-" PARENT, true, long_id},
        {SHORT "-" SPAN "-d-" PARENT, true, short_id},
        {" " TRACE "-" SPAN "-1\t", true, long_id},
        {TRACE "-" SPAN, true, long_id}, /* open: our sampler keeps everything */
    };
    struct otel_span_context ctx;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect_eq(single(&ctx, cases[i].text, strlen(cases[i].text)), 0, "%s", cases[i].text);
        cr_expect_arr_eq(ctx.trace_id, cases[i].trace_id, OTEL_TRACE_ID_LEN);
        cr_expect_arr_eq(ctx.span_id, span_id, OTEL_SPAN_ID_LEN);
        cr_expect_eq(ctx.flags, cases[i].sampled ? OTEL_FLAG_SAMPLED : 0, "%s", cases[i].text);
        cr_expect(ctx.remote);
    }
}

Test(b3, single_invalid)
{
    static const char *const cases[] = {
        "",
        "0", /* decisions without ids */
        "1",
        "d",
        "-",
        "---",
        TRACE,
        TRACE "-",
        TRACE "-" SPAN "-",
        TRACE "-" SPAN "-2",
        TRACE "-" SPAN "-D",
        TRACE "-" SPAN "-11",
        TRACE "-" SPAN "-true",
        TRACE "-" SPAN "--" PARENT,
        TRACE "-" SPAN "-1-",
        TRACE "-" SPAN "-1-0",
        TRACE "-" SPAN "-1-" PARENT "-",
        TRACE "-" SPAN "-1-" PARENT "0",
        TRACE "-" SPAN "-1-00000000000000AA",
        TRACE "-" SPAN "-" PARENT, /* a parent needs a sampling state before it */
        TRACE "-fedcba987654321-1",
        TRACE "-" SPAN "0-1",
        TRACE "0-" SPAN "-1",
        "0" SHORT "-" SPAN "-1",
        "0123456789ABCDEF-" SPAN "-1",
        SHORT "-FEDCBA9876543210-1",
        "00000000000000000000000000000000-" SPAN "-1",
        "0000000000000000-" SPAN "-1",
        TRACE "-0000000000000000-1",
        TRACE "_" SPAN "-1",
        "g123456789abcdef-" SPAN "-1",
    };
    static const struct otel_span_context zero;
    struct otel_span_context ctx;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect_eq(single(&ctx, cases[i], strlen(cases[i])), -EINVAL, "'%s'", cases[i]);
        cr_expect_eq(memcmp(&ctx, &zero, sizeof zero), 0, "'%s'", cases[i]);
    }
}

Test(b3, single_every_prefix)
{
    static const char text[] = TRACE "-" SPAN "-1-" PARENT;
    struct otel_span_context ctx;

    for (size_t len = 0; len < sizeof text; len++) {
        bool want = len == 49 || len == 51 || len == 68;

        cr_expect_eq(single(&ctx, text, len) == 0, want, "%zu", len);
    }
}

/* "Defer" leaves the decision to the receiver: what our sampler says of that trace id. */
Test(b3, open_decision_is_our_samplers)
{
    struct otel_span_context ctx;

    otel_config.sampler.kind = OTEL_SAMPLER_PARENT_ALWAYS_OFF;
    cr_expect_eq(single(&ctx, TRACE "-" SPAN, 49), 0);
    cr_expect_eq(ctx.flags, 0);
    otel_config.sampler.kind = OTEL_SAMPLER_PARENT_RATIO;
    otel_config.sampler.threshold = otel_sampler_threshold(0.5);
    cr_expect_eq(single(&ctx, "00000000000000ff0080000000000000-" SPAN, 49), 0);
    cr_expect_eq(ctx.flags, OTEL_FLAG_SAMPLED);
    cr_expect_eq(single(&ctx, "00000000000000ff007fffffffffffff-" SPAN, 49), 0);
    cr_expect_eq(ctx.flags, 0);
}

static struct otel_text text_of(const char *text)
{
    return (struct otel_text){text, text ? strlen(text) : 0};
}

Test(b3, multi)
{
    static const struct {
        const char *trace, *span, *sampled, *flags;
        int err;
        uint8_t want;
    } cases[] = {
        {TRACE, SPAN, "1", NULL, 0, 1},
        {TRACE, SPAN, "0", NULL, 0, 0},
        {SHORT, SPAN, "1", NULL, 0, 1},
        {" " TRACE " ", "\t" SPAN, " 1", NULL, 0, 1},
        {TRACE, SPAN, "true", NULL, 0, 1},
        {TRACE, SPAN, "false", NULL, 0, 0},
        {TRACE, SPAN, NULL, NULL, 0, 1},
        {TRACE, SPAN, NULL, "1", 0, 1},
        {TRACE, SPAN, "0", "1", 0, 1}, /* debug beats */
        {TRACE, SPAN, "0", "0", 0, 0},
        {TRACE, SPAN, "0", "x", 0, 0},
        {TRACE, SPAN, "2", NULL, -EINVAL, 0},
        {TRACE, SPAN, "d", NULL, -EINVAL, 0},
        {TRACE, NULL, "1", NULL, -EINVAL, 0},
        {NULL, SPAN, "1", NULL, -EINVAL, 0},
        {TRACE "0", SPAN, "1", NULL, -EINVAL, 0},
        {TRACE, SPAN "0", "1", NULL, -EINVAL, 0},
        {"0123456789ABCDEF", SPAN, "1", NULL, -EINVAL, 0},
        {"0000000000000000", SPAN, "1", NULL, -EINVAL, 0},
        {TRACE, "0000000000000000", "1", NULL, -EINVAL, 0},
    };
    struct otel_span_context ctx;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int err = otel_b3_parse_multi(&ctx, text_of(cases[i].trace), text_of(cases[i].span),
                                      text_of(cases[i].sampled), text_of(cases[i].flags));

        cr_expect_eq(err, cases[i].err, "case %zu", i);
        cr_expect_eq(ctx.flags, cases[i].want, "case %zu", i);
        cr_expect_eq(otel_span_context_valid(&ctx), !err, "case %zu", i);
        cr_expect_eq(ctx.remote, !err, "case %zu", i);
    }
}

Test(b3, format)
{
    struct otel_span_context ctx = {.flags = OTEL_FLAG_SAMPLED | OTEL_FLAG_RANDOM};
    char *out = guardpage_room(&page, OTEL_B3_SINGLE_LEN);

    memcpy(ctx.trace_id, long_id, sizeof long_id);
    memcpy(ctx.span_id, span_id, sizeof span_id);
    otel_b3_format(out, &ctx);
    cr_expect_arr_eq(out, TRACE "-" SPAN "-1", OTEL_B3_SINGLE_LEN);
    ctx.flags = OTEL_FLAG_RANDOM;
    otel_b3_format(out, &ctx);
    cr_expect_arr_eq(out, TRACE "-" SPAN "-0", OTEL_B3_SINGLE_LEN);
}
