/* SPDX-License-Identifier: Apache-2.0 */
#include "core/propagation.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "core/carry.h"

#define TRACE "0123456789abcdef0123456789abcdef"
#define OTHER "11111111111111111111111111111111"
#define SPAN "fedcba9876543210"
#define W3C "00-" TRACE "-" SPAN "-01"

enum { T = OTEL_PROPAGATOR_TRACECONTEXT, G = OTEL_PROPAGATOR_BAGGAGE };
enum { B = OTEL_PROPAGATOR_B3, M = OTEL_PROPAGATOR_B3MULTI };

static char state[OTEL_TRACESTATE_MAX], baggage[OTEL_BAGGAGE_MAX];
static struct otel_extracted_lists lists = {.tracestate = state, .baggage = baggage};
static struct otel_span_context ctx;

/* "name: value" lines, as many as there are; the last is NULL. */
static bool extract(const char *const *lines)
{
    struct otel_extract e = {0};

    for (; *lines; lines++) {
        const char *colon = strstr(*lines, ": ");

        otel_extract_header(&e, *lines, (size_t)(colon - *lines), colon + 2, strlen(colon + 2));
    }
    memset(&ctx, 0xaa, sizeof ctx);
    lists.tracestate_len = lists.baggage_len = 99;
    return otel_extract_finish(&e, &ctx, &lists);
}

#define EXTRACT(...) extract((const char *const[]){__VA_ARGS__, NULL})

#define expect_list(which, want)                           \
    do {                                                   \
        cr_expect_eq(lists.which##_len, strlen(want));     \
        cr_expect_arr_eq(lists.which, want, strlen(want)); \
    } while (0)

static void expect_none(void)
{
    static const struct otel_span_context zero;

    cr_expect_eq(memcmp(&ctx, &zero, sizeof zero), 0);
    cr_expect_eq(lists.tracestate_len, 0);
}

Test(propagation, defaults)
{
    cr_expect(EXTRACT("traceparent: " W3C, "tracestate: a=1", "baggage: k=v"));
    cr_expect_eq(ctx.trace_id[1], 0x23);
    cr_expect_eq(ctx.span_id[0], 0xfe);
    cr_expect_eq(ctx.flags, 1);
    cr_expect(ctx.remote);
    expect_list(tracestate, "a=1");
    expect_list(baggage, "k=v");
    cr_expect_not(EXTRACT("b3: " TRACE "-" SPAN "-1"));
    expect_none();
}

Test(propagation, nothing)
{
    cr_expect_not(EXTRACT("host: x"));
    expect_none();
    cr_expect_eq(lists.baggage_len, 0);
}

Test(propagation, names_in_any_case)
{
    cr_expect(EXTRACT("TraceParent: " W3C, "TRACESTATE: a=1", "bagGAGE: k=v"));
    expect_list(tracestate, "a=1");
    expect_list(baggage, "k=v");
    cr_expect_not(EXTRACT("trace-parent: " W3C, "trace_parent: " W3C, "traceparen: " W3C,
                          "traceparentt: " W3C));
    cr_expect(EXTRACT("TRACEPARENT: " W3C));
}

Test(propagation, two_traceparents_make_a_new_trace)
{
    otel_propagation_init(T | G | B);
    cr_expect_not(EXTRACT("traceparent: " W3C, "Traceparent: " W3C, "tracestate: a=1",
                          "baggage: k=v", "b3: " TRACE "-" SPAN "-1"));
    expect_none();
    expect_list(baggage, "k=v");
    cr_expect_not(EXTRACT("traceparent: " W3C, "traceparent: "));
    cr_expect_not(EXTRACT("traceparent: ", "traceparent: " W3C));
}

Test(propagation, an_invalid_traceparent_drops_the_tracestate)
{
    cr_expect_not(EXTRACT("traceparent: 00-x", "tracestate: a=1"));
    expect_none();
    cr_expect_not(EXTRACT("tracestate: a=1"));
    expect_none();
    cr_expect_not(EXTRACT("traceparent: ", "tracestate: a=1"));
    expect_none();
}

Test(propagation, an_invalid_tracestate_spares_the_traceparent)
{
    cr_expect(EXTRACT("traceparent: " W3C, "tracestate: a=1,a=2"));
    expect_list(tracestate, "");
    cr_expect(EXTRACT("traceparent: " W3C, "tracestate: a=1", "tracestate: bad"));
    expect_list(tracestate, "");
}

Test(propagation, several_lists_are_joined)
{
    cr_expect(EXTRACT("tracestate: a=1", "baggage: k=1", "traceparent: " W3C,
                      "tracestate: ", "tracestate: b=2", "baggage: l=2"));
    expect_list(tracestate, "a=1,b=2");
    expect_list(baggage, "k=1,l=2");
}

Test(propagation, too_many_headers_drop_their_list)
{
    const char *lines[OTEL_EXTRACT_VALUES + 3] = {"traceparent: " W3C};
    char texts[OTEL_EXTRACT_VALUES + 1][32];

    for (int i = 0; i <= OTEL_EXTRACT_VALUES; i++) {
        snprintf(texts[i], sizeof texts[i], "tracestate: k%d=v", i);
        lines[i + 1] = texts[i];
    }
    cr_expect(extract(lines));
    expect_list(tracestate, "");
    lines[OTEL_EXTRACT_VALUES + 1] = NULL;
    cr_expect(extract(lines));
    cr_expect_gt(lists.tracestate_len, 100);
    for (int i = 0; i <= OTEL_EXTRACT_VALUES; i++) {
        snprintf(texts[i], sizeof texts[i], "baggage: k%d=v", i);
        lines[i + 1] = texts[i];
    }
    cr_expect(extract(lines));
    expect_list(baggage, "");
}

Test(propagation, baggage_alone)
{
    cr_expect_not(EXTRACT("baggage: k=v,bad"));
    expect_none();
    expect_list(baggage, "k=v");
}

Test(propagation, header_says_whether_it_concerns_us)
{
    static const char *const names[] = {"traceparent",  "tracestate",   "baggage",
                                        "b3",           "x-b3-traceid", "x-b3-spanid",
                                        "X-B3-Sampled", "x-b3-flags",   "x-b3-parentspanid"};
    static const struct {
        unsigned propagators;
        unsigned read, owned; /* a bit for each name */
    } cases[] = {
        {0, 0, 0},         {T, 0x003, 0x003}, {G, 0x004, 0x004},
        {B, 0x0f8, 0x008}, {M, 0x0f8, 0x070}, {T | G | B | M, 0x0ff, 0x07f},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        otel_propagation_init(cases[i].propagators);
        for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
            struct otel_extract e = {0};
            size_t len = strlen(names[k]);

            cr_expect_eq(otel_extract_header(&e, names[k], len, "x", 1), cases[i].read >> k & 1,
                         "case %zu, %s", i, names[k]);
            cr_expect_eq(otel_inject_owns(names[k], len), cases[i].owned >> k & 1, "case %zu, %s",
                         i, names[k]);
        }
    }
    cr_expect_not(otel_inject_owns("", 0));
}

Test(propagation, b3_forms)
{
    otel_propagation_init(B);
    cr_expect(EXTRACT("b3: " TRACE "-" SPAN "-1"));
    cr_expect_eq(ctx.flags, 1);
    cr_expect(EXTRACT("X-B3-TraceId: " TRACE, "X-B3-SpanId: " SPAN, "X-B3-Sampled: 0"));
    cr_expect_eq(ctx.flags, 0);
    /* single before multi, multi when single is of no use */
    cr_expect(EXTRACT("b3: " OTHER "-" SPAN "-1", "X-B3-TraceId: " TRACE, "X-B3-SpanId: " SPAN));
    cr_expect_eq(ctx.trace_id[0], 0x11);
    cr_expect(EXTRACT("b3: rubbish", "X-B3-TraceId: " TRACE, "X-B3-SpanId: " SPAN));
    cr_expect_eq(ctx.trace_id[0], 0x01);
    cr_expect_not(EXTRACT("b3: 0"));
    expect_none();
    cr_expect_not(EXTRACT("X-B3-TraceId: " TRACE, "X-B3-Sampled: 1"));
    expect_none();
    /* the first of several */
    cr_expect(EXTRACT("b3: " OTHER "-" SPAN "-1", "b3: " TRACE "-" SPAN "-1"));
    cr_expect_eq(ctx.trace_id[0], 0x11);
    cr_expect_not(EXTRACT("traceparent: " W3C));
    otel_propagation_init(M);
    cr_expect(EXTRACT("b3: " TRACE "-" SPAN "-1"));
}

Test(propagation, tracecontext_comes_before_b3)
{
    otel_propagation_init(T | B);
    cr_expect(EXTRACT("b3: " OTHER "-" SPAN "-0", "traceparent: " W3C, "tracestate: a=1"));
    cr_expect_eq(ctx.trace_id[0], 0x01);
    expect_list(tracestate, "a=1");
    cr_expect(EXTRACT("b3: " OTHER "-" SPAN "-0", "traceparent: bad", "tracestate: a=1"));
    cr_expect_eq(ctx.trace_id[0], 0x11);
    expect_list(tracestate, "");
}

static char text[16384];
static char buf[OTEL_INJECT_BUF];

/* What inject writes, as "name: value\n" lines. */
static const char *inject(const struct otel_span_context *c)
{
    struct otel_inject_pair pairs[OTEL_INJECT_MAX];
    size_t count = otel_inject(c, buf, pairs);

    *text = '\0';
    for (size_t i = 0; i < count; i++) {
        cr_assert(pairs[i].value.data >= buf);
        cr_assert(pairs[i].value.data + pairs[i].value.len <= buf + sizeof buf);
        sprintf(text + strlen(text), "%.*s: %.*s\n", (int)pairs[i].name.len, pairs[i].name.data,
                (int)pairs[i].value.len, pairs[i].value.data);
    }
    return text;
}

static struct otel_span_context sample(uint64_t carry)
{
    struct otel_span_context c;

    cr_assert(EXTRACT("traceparent: " W3C));
    c = ctx;
    c.carry = carry;
    return c;
}

Test(propagation, inject_by_propagator)
{
    struct otel_span_context c = sample(0);

    cr_expect_str_eq(inject(&c), "traceparent: " W3C "\n");
    c.carry = otel_carry_new("a=1,b=2", 7, "k=v", 3);
    cr_expect_str_eq(inject(&c), "traceparent: " W3C "\ntracestate: a=1,b=2\nbaggage: k=v\n");
    otel_propagation_init(T);
    cr_expect_str_eq(inject(&c), "traceparent: " W3C "\ntracestate: a=1,b=2\n");
    otel_propagation_init(G);
    cr_expect_str_eq(inject(&c), "baggage: k=v\n");
    otel_propagation_init(B);
    cr_expect_str_eq(inject(&c), "b3: " TRACE "-" SPAN "-1\n");
    c.flags = 0;
    otel_propagation_init(M);
    cr_expect_str_eq(inject(&c),
                     "x-b3-traceid: " TRACE "\nx-b3-spanid: " SPAN "\nx-b3-sampled: 0\n");
    otel_propagation_init(0);
    cr_expect_str_eq(inject(&c), "");
}

Test(propagation, inject_without_a_context)
{
    struct otel_span_context c = {.carry = otel_carry_new("a=1", 3, "k=v", 3)};

    otel_propagation_init(T | G | B | M);
    cr_expect_str_eq(inject(&c), "baggage: k=v\n");
    c.carry = 0;
    cr_expect_str_eq(inject(&c), "");
}

Test(propagation, inject_everything_at_its_largest)
{
    struct otel_span_context c = sample(0);
    struct otel_inject_pair pairs[OTEL_INJECT_MAX];

    memset(state, 's', sizeof state);
    memset(baggage, 'b', sizeof baggage);
    otel_propagation_init(T | G | B | M);
    c.carry = otel_carry_new(state, sizeof state, baggage, sizeof baggage);
    cr_assert_neq(c.carry, 0);
    cr_assert_eq(otel_inject(&c, buf, pairs), 7);
    cr_expect_eq(pairs[1].value.len, sizeof state);
    cr_expect_arr_eq(pairs[1].value.data, state, sizeof state);
    cr_expect_arr_eq(pairs[0].value.data, W3C, pairs[0].value.len);
    cr_expect_eq(pairs[6].value.len, sizeof baggage);
    cr_expect_arr_eq(pairs[6].value.data, baggage, sizeof baggage);
    cr_expect_arr_eq(pairs[2].value.data, TRACE "-" SPAN "-1", pairs[2].value.len);
}

Test(propagation, what_goes_out_comes_back)
{
    static const unsigned sets[] = {T, B, M, T | B | M};
    struct otel_span_context c = sample(0);

    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        struct otel_inject_pair pairs[OTEL_INJECT_MAX];
        struct otel_extract e = {0};
        size_t count;

        otel_propagation_init(sets[i]);
        count = otel_inject(&c, buf, pairs);
        for (size_t k = 0; k < count; k++) {
            cr_expect(otel_extract_header(&e, pairs[k].name.data, pairs[k].name.len,
                                          pairs[k].value.data, pairs[k].value.len));
            cr_expect(otel_inject_owns(pairs[k].name.data, pairs[k].name.len));
        }
        cr_expect(otel_extract_finish(&e, &ctx, &lists));
        cr_expect_eq(memcmp(&ctx, &c, sizeof c), 0, "set %zu", i);
    }
}
