/* SPDX-License-Identifier: Apache-2.0 */
#include "core/traceparent.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "tests/support/guardpage.h"

#define TRACE "0123456789abcdef0123456789abcdef"
#define SPAN "fedcba9876543210"
#define GOOD "00-" TRACE "-" SPAN "-01"

static const uint8_t trace_id[] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
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

TestSuite(traceparent, .init = open_page, .fini = close_page);

static int parse(struct otel_span_context *ctx, const char *text, size_t len)
{
    memset(ctx, 0xaa, sizeof *ctx);
    return otel_traceparent_parse(ctx, guardpage_put(&page, text, len), len);
}

static bool all_zero(const struct otel_span_context *ctx)
{
    static const struct otel_span_context zero;

    return memcmp(ctx, &zero, sizeof zero) == 0;
}

Test(traceparent, valid)
{
    static const struct {
        const char *text;
        uint8_t flags;
    } cases[] = {
        {GOOD, 1},
        {"00-" TRACE "-" SPAN "-00", 0},
        {"00-" TRACE "-" SPAN "-02", 2},
        {"00-" TRACE "-" SPAN "-03", 3},
        {"00-" TRACE "-" SPAN "-ff", 3}, /* bits nobody has defined are forgotten */
        {"00-" TRACE "-" SPAN "-f8", 0},
        {"01-" TRACE "-" SPAN "-01", 1},
        {"cc-" TRACE "-" SPAN "-01", 1},
        {"fe-" TRACE "-" SPAN "-01", 1},
        {"cc-" TRACE "-" SPAN "-01-", 1},
        {"cc-" TRACE "-" SPAN "-01-what-the-future-will-be-like", 1},
        {" " GOOD, 1},
        {GOOD "\t ", 1},
        {"\t \t" GOOD "\t \t", 1},
        {"cc-" TRACE "-" SPAN "-01- ", 1},
    };
    struct otel_span_context ctx;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect_eq(parse(&ctx, cases[i].text, strlen(cases[i].text)), 0, "%s", cases[i].text);
        cr_expect_arr_eq(ctx.trace_id, trace_id, sizeof trace_id);
        cr_expect_arr_eq(ctx.span_id, span_id, sizeof span_id);
        cr_expect_eq(ctx.flags, cases[i].flags, "%s", cases[i].text);
        cr_expect(ctx.remote);
        cr_expect_eq(ctx.carry, 0);
    }
}

Test(traceparent, invalid)
{
    static const char *const cases[] = {
        "",
        " ",
        "00",
        "00-",
        "ff-" TRACE "-" SPAN "-01", /* version ff */
        "ff-" TRACE "-" SPAN "-01-x",
        "FF-" TRACE "-" SPAN "-01",
        "0-" TRACE "-" SPAN "-01",
        "000-" TRACE "-" SPAN "-01",
        ".0-" TRACE "-" SPAN "-01",
        "0.-" TRACE "-" SPAN "-01",
        "CC-" TRACE "-" SPAN "-01",
        "00-00000000000000000000000000000000-" SPAN "-01", /* zero ids */
        "00-" TRACE "-0000000000000000-01",
        "cc-00000000000000000000000000000000-" SPAN "-01",
        "00-0123456789ABCDEF0123456789abcdef-" SPAN "-01", /* upper case */
        "00-" TRACE "-FEDCBA9876543210-01",
        "00-" TRACE "-" SPAN "-0A",
        "00-" TRACE "-" SPAN "-.0",
        "00-" TRACE "-" SPAN "-0.",
        "00-" TRACE "-" SPAN "-",
        "00-" TRACE "-" SPAN "-0",   /* 54 bytes */
        "00-" TRACE "-" SPAN "-011", /* 56 bytes */
        "00-" TRACE "-" SPAN "-01-", /* version 00 ends here */
        "00-" TRACE "-" SPAN "-01-x",
        "00-" TRACE "-" SPAN "-01.",
        "00-" TRACE "-" SPAN "-01 x",
        "cc-" TRACE "-" SPAN "-0",       /* higher versions need 55 bytes */
        "cc-" TRACE "-" SPAN "-01.what", /* and then a dash */
        "cc-" TRACE "-" SPAN "-011",
        "cc-" TRACE "-" SPAN "-01 -",
        "00_" TRACE "-" SPAN "-01",
        "00-" TRACE "_" SPAN "-01",
        "00-" TRACE "-" SPAN "_01",
        "00--" TRACE SPAN "-01",
        "00-0123456789abcdef0123456789abcde-" SPAN "-01",   /* one digit short */
        "00-0123456789abcdef0123456789abcdef0-" SPAN "-01", /* one too many */
        "00-" TRACE "-edcba9876543210-01",
        "00-" TRACE "-0fedcba9876543210-01",
        "00-0123456789abcdef0123456789abcdeg-" SPAN "-01",
        "00-0123456789abcdef 123456789abcdef-" SPAN "-01",
        "00 -" TRACE "-" SPAN "-01",
        GOOD "," GOOD, /* two, joined by a proxy */
        "\n" GOOD,
        GOOD "\n",
    };
    struct otel_span_context ctx;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect_eq(parse(&ctx, cases[i], strlen(cases[i])), -EINVAL, "'%s'", cases[i]);
        cr_expect(all_zero(&ctx), "'%s'", cases[i]);
    }
}

/* Every prefix ends at the guard page; none is valid. */
Test(traceparent, every_prefix)
{
    static const char *const texts[] = {GOOD, "cc-" TRACE "-" SPAN "-01"};
    struct otel_span_context ctx;

    for (int t = 0; t < 2; t++) {
        for (size_t len = 0; len < OTEL_TRACEPARENT_LEN; len++)
            cr_expect_eq(parse(&ctx, texts[t], len), -EINVAL, "%zu", len);
    }
}

/* Every byte in every place: what is accepted is only what the grammar says. */
Test(traceparent, every_byte)
{
    struct otel_span_context ctx;

    for (size_t at = 0; at < OTEL_TRACEPARENT_LEN; at++) {
        bool dash = at == 2 || at == 35 || at == 52;

        for (int c = 0; c < 256; c++) {
            char text[] = GOOD;
            bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
            bool want = dash ? c == '-' : hex;

            text[at] = (char)c;
            cr_expect_eq(parse(&ctx, text, OTEL_TRACEPARENT_LEN) == 0, want, "byte %d at %zu", c,
                         at);
        }
    }
}

Test(traceparent, nul_is_a_byte_like_others)
{
    struct otel_span_context ctx;

    cr_expect_eq(parse(&ctx, GOOD "\0", OTEL_TRACEPARENT_LEN + 1), -EINVAL);
    cr_expect_eq(parse(&ctx, "cc-" TRACE "-" SPAN "-01\0", OTEL_TRACEPARENT_LEN + 1), -EINVAL);
}

Test(traceparent, format)
{
    struct otel_span_context ctx = {.flags = OTEL_FLAG_SAMPLED};
    char *out = guardpage_room(&page, OTEL_TRACEPARENT_LEN);

    memcpy(ctx.trace_id, trace_id, sizeof trace_id);
    memcpy(ctx.span_id, span_id, sizeof span_id);
    out[-1] = '#';
    otel_traceparent_format(out, &ctx);
    cr_expect_arr_eq(out, GOOD, OTEL_TRACEPARENT_LEN);
    cr_expect_eq(out[-1], '#');
    for (int flags = 0; flags < 256; flags++) {
        ctx.flags = (uint8_t)flags;
        otel_traceparent_format(out, &ctx);
        cr_expect_eq(out[OTEL_TRACEPARENT_FLAGS_AT], '0');
        cr_expect_eq(out[OTEL_TRACEPARENT_FLAGS_AT + 1], '0' + (flags & 3));
    }
}

Test(traceparent, format_is_what_parse_reads)
{
    struct otel_span_context in = {.flags = 3}, ctx;
    char out[OTEL_TRACEPARENT_LEN];

    for (int i = 0; i < 256; i++) {
        memset(in.trace_id, i, sizeof in.trace_id);
        memset(in.span_id, 255 - i, sizeof in.span_id);
        otel_traceparent_format(out, &in);
        cr_expect_eq(parse(&ctx, out, sizeof out), i == 0 || i == 255 ? -EINVAL : 0);
        if (i > 0 && i < 255) {
            cr_expect_arr_eq(ctx.trace_id, in.trace_id, sizeof in.trace_id);
            cr_expect_arr_eq(ctx.span_id, in.span_id, sizeof in.span_id);
        }
    }
}
