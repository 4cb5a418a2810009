/* SPDX-License-Identifier: Apache-2.0 */
#include "core/http_head.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/carry.h"
#include "core/config.h"
#include "core/counters.h"
#include "core/sys.h"
#include "tests/support/guardpage.h"
#include "tests/unit/env.h"

#define PARENT "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

static struct otel_text text(const char *p)
{
    return (struct otel_text){p, strlen(p)};
}

static void add_text(struct otel_http_head *head, const char *name, struct otel_text value)
{
    otel_http_head_add(head, false, &(struct otel_http1_text){text(name), value});
}

static void add(struct otel_http_head *head, const char *name, const char *value)
{
    add_text(head, name, text(value));
}

#define expect_text(got, expected)                                                              \
    cr_expect((got).len == strlen(expected) && !memcmp((got).data, expected, strlen(expected)), \
              "'%.*s', not '%s'", (int)(got).len, (got).data, expected)

/* Lets the propagators decide. */
static bool finish(const struct otel_http_head *head, struct otel_span_context *ctx,
                   struct otel_extracted_lists *lists)
{
    static char tracestate[OTEL_TRACESTATE_MAX], baggage[OTEL_BAGGAGE_MAX];

    *lists = (struct otel_extracted_lists){.tracestate = tracestate, .baggage = baggage};
    return otel_extract_finish(&head->extract, ctx, lists);
}

static bool wants(const char *name)
{
    struct guardpage page;
    bool wanted;

    guardpage_open(&page, 256);
    wanted = otel_http_head_wants_request(guardpage_put(&page, name, strlen(name)), strlen(name));
    guardpage_close(&page);
    return wanted;
}

Test(http_head, wanted_headers)
{
    static const char *const yes[] = {"host",
                                      "Host",
                                      "HOST",
                                      "User-Agent",
                                      "Forwarded",
                                      "Tracestate",
                                      "BAGGAGE",
                                      "X-Forwarded-For",
                                      "x-forwarded-host",
                                      "X-FORWARDED-PROTO",
                                      "TraceParent"};
    static const char *const no[] = {"",
                                     "h",
                                     "hosts",
                                     "hast",
                                     "Cookie",
                                     "Accept",
                                     "Connection",
                                     "Authorization",
                                     "b3",
                                     "X-B3-TraceId",
                                     "x-forwarded-port",
                                     "\xe8ost"};

    otel_propagation_init(OTEL_PROPAGATOR_TRACECONTEXT | OTEL_PROPAGATOR_BAGGAGE);
    otel_http_head_init();
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        cr_expect(wants(yes[i]), "%s", yes[i]);
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        cr_expect_not(wants(no[i]), "%s", no[i]);
    cr_expect_not(otel_http_head_wants_response("host", 4));
    cr_expect_not(otel_http_head_wants_response("traceparent", 11));
    otel_propagation_init(OTEL_PROPAGATOR_B3);
    cr_expect(wants("B3") && wants("X-B3-TraceId") && wants("x-b3-sampled"));
    cr_expect_not(wants("traceparent"));
}

Test(http_head, a_request)
{
    struct otel_http1 parser = {.minor = 1};
    struct otel_http_head head = {.status = 0};
    struct otel_span_context ctx;
    struct otel_extracted_lists lists;

    otel_http_head_start(&head, &parser, &(struct otel_http1_text){text("GET"), text("/a?b")});
    add(&head, "Host", "example.com");
    add(&head, "host", "second");
    add(&head, "USER-AGENT", "");
    add(&head, "user-agent", "the first one counts, empty as it is");
    add(&head, "Forwarded", "for=_a");
    add(&head, "X-Forwarded-For", "192.0.2.1");
    add(&head, "x-forwarded-host", "front");
    add(&head, "x-forwarded-proto", "https");
    add(&head, "Traceparent", PARENT);
    add(&head, "tracestate", "a=1");
    add(&head, "TraceState", "b=2");
    add(&head, "Cookie", "not wanted, not kept");
    expect_text(head.method, "GET");
    expect_text(head.target, "/a?b");
    cr_expect_eq(head.minor, 1);
    expect_text(head.host, "example.com");
    expect_text(head.user_agent, "");
    expect_text(head.forwarded, "for=_a");
    expect_text(head.forwarded_for, "192.0.2.1");
    expect_text(head.forwarded_host, "front");
    expect_text(head.forwarded_proto, "https");
    cr_expect_eq(head.captured_count, 0);
    cr_expect(finish(&head, &ctx, &lists));
    cr_expect(lists.tracestate_len == 7 && !memcmp(lists.tracestate, "a=1,b=2", 7));
    cr_expect_eq(head.block, 0, "nothing was copied");
}

Test(http_head, a_response)
{
    struct otel_http1 parser = {.response = true, .minor = 0, .status = 404};
    struct otel_http_head head = {.status = 0};

    env_set("OTEL_AUTO_HTTP_CAPTURE_RESPONSE_HEADERS", "Content-Type");
    env_load();
    otel_http_head_init();
    otel_http_head_start(&head, &parser, &(struct otel_http1_text){text(""), text("")});
    otel_http_head_add(&head, true, &(struct otel_http1_text){text("host"), text("h")});
    otel_http_head_add(&head, true, &(struct otel_http1_text){text("traceparent"), text(PARENT)});
    otel_http_head_add(&head, true, &(struct otel_http1_text){text("content-TYPE"), text("a/b")});
    cr_expect_eq(head.status, 404);
    cr_expect_eq(head.minor, 0);
    cr_expect_null(head.host.data);
    cr_expect_eq(head.extract.traceparents, 0);
    cr_assert_eq(head.captured_count, 1);
    expect_text(head.captured[0].name, "content-type");
    expect_text(head.captured[0].value, "a/b");
    cr_expect(otel_http_head_wants_response("Content-Type", 12));
    cr_expect_not(otel_http_head_wants_request("Content-Type", 12));
}

Test(http_head, captured_request_headers)
{
    struct otel_http_head head = {.status = 0};

    env_set("OTEL_AUTO_HTTP_CAPTURE_REQUEST_HEADERS", " X-Tenant , host,,traceparent,X-A");
    env_load();
    otel_http_head_init();
    expect_quiet();
    cr_expect(wants("x-tenant") && wants("X-a") && wants("user-agent"));
    cr_expect_not(wants("x-tenan") || wants("x-b"));
    add(&head, "x-TENANT", "one");
    add(&head, "X-Tenant", "two");
    add(&head, "Host", "h");
    add(&head, "Traceparent", PARENT);
    expect_text(head.host, "h");
    cr_expect_eq(head.extract.traceparents, 1);
    cr_assert_eq(head.captured_count, 4);
    expect_text(head.captured[0].name, "x-tenant");
    expect_text(head.captured[0].value, "one");
    expect_text(head.captured[1].value, "two");
    expect_text(head.captured[2].name, "host");
    expect_text(head.captured[3].value, PARENT);
    for (int i = 0; i < 40; i++)
        add(&head, "X-A", "more than there is room for");
    cr_expect_eq(head.captured_count, OTEL_HTTP_CAPTURED_MAX);
}

Test(http_head, names_that_are_none)
{
    static char longest[65], many[OTEL_HTTP_CAPTURED_MAX * 4 + 8];

    env_load_one("OTEL_AUTO_HTTP_CAPTURE_REQUEST_HEADERS", "a b,x-a");
    otel_http_head_init();
    expect_warning("OTEL_AUTO_HTTP_CAPTURE_REQUEST_HEADERS: ignored 'a b'");
    cr_expect(wants("x-a"));
    memset(longest, 'a', 64);
    env_load_one("OTEL_AUTO_HTTP_CAPTURE_RESPONSE_HEADERS", longest);
    otel_http_head_init();
    expect_warning("OTEL_AUTO_HTTP_CAPTURE_RESPONSE_HEADERS: ignored 'aaaa");
    cr_expect_not(otel_http_head_wants_response(longest, 64));
    for (int i = 0; i <= OTEL_HTTP_CAPTURED_MAX; i++)
        snprintf(many + 4 * i, 5, "x%02d,", i);
    env_load_one("OTEL_AUTO_HTTP_CAPTURE_REQUEST_HEADERS", many);
    otel_http_head_init();
    expect_warning("'x16': more than 16");
    cr_expect(wants("x15"));
    cr_expect_not(wants("x16"));
}

/* Everything is kept, the bytes it was read from are overwritten, and it is still there. */
Test(http_head, keep)
{
    static char bytes[1024];
    struct otel_http1 parser = {.minor = 1};
    struct otel_http_head head = {.status = 0};
    struct otel_span_context ctx;
    struct otel_extracted_lists lists;
    uint32_t used;

    strcpy(bytes, "POST /x h1 " PARENT " a=1 k=v ua");
    otel_http_head_start(&head, &parser, &(struct otel_http1_text){{bytes, 4}, {bytes + 5, 2}});
    add_text(&head, "host", (struct otel_text){bytes + 8, 2});
    otel_http_head_keep(&head);
    cr_assert_neq(head.block, 0);
    used = head.block_used;
    cr_assert_eq(used, 8);
    add_text(&head, "traceparent", (struct otel_text){bytes + 11, 55});
    add_text(&head, "tracestate", (struct otel_text){bytes + 67, 3});
    add_text(&head, "baggage", (struct otel_text){bytes + 71, 3});
    add_text(&head, "user-agent", (struct otel_text){bytes + 75, 2});
    otel_http_head_keep(&head);
    otel_http_head_keep(&head);
    cr_assert_eq(head.block_used, used + 55 + 3 + 3 + 2, "once");
    memset(bytes, 'X', sizeof bytes);
    expect_text(head.method, "POST");
    expect_text(head.target, "/x");
    expect_text(head.host, "h1");
    expect_text(head.user_agent, "ua");
    cr_assert(finish(&head, &ctx, &lists));
    cr_expect(lists.tracestate_len == 3 && !memcmp(lists.tracestate, "a=1", 3));
    cr_expect(lists.baggage_len == 3 && !memcmp(lists.baggage, "k=v", 3));
    otel_http_head_clear(&head);
    cr_expect_eq(head.block, 0);
    cr_expect_null(head.host.data);
    cr_expect_eq(head.extract.traceparents + head.extract.tracestates + head.captured_count, 0);
    cr_expect_not(finish(&head, &ctx, &lists));
}

Test(http_head, what_finds_no_room)
{
    static char large[OTEL_HTTP_HEAD_BLOCK + 1];
    struct otel_http_head head = {.status = 0};
    struct otel_span_context ctx;
    struct otel_extracted_lists lists;

    memset(large, 'a', sizeof large);
    add_text(&head, "user-agent", (struct otel_text){large, sizeof large});
    add(&head, "host", "h");
    otel_http_head_keep(&head);
    cr_expect_eq(head.user_agent.len, 0);
    expect_text(head.host, "h");
    add(&head, "user-agent", "late");
    cr_expect_eq(head.user_agent.len, 0, "the first one counts, lost as it is");

    /* what propagates goes first */
    otel_http_head_clear(&head);
    add_text(&head, "user-agent", (struct otel_text){large, OTEL_HTTP_HEAD_BLOCK - 10});
    add(&head, "traceparent", PARENT);
    otel_http_head_keep(&head);
    cr_expect_eq(head.user_agent.len, 0);
    cr_expect(finish(&head, &ctx, &lists));

    /* but what is kept stays */
    otel_http_head_clear(&head);
    add_text(&head, "user-agent", (struct otel_text){large, OTEL_HTTP_HEAD_BLOCK - 57});
    otel_http_head_keep(&head);
    add(&head, "traceparent", PARENT);
    add(&head, "tracestate", "a=1");
    otel_http_head_keep(&head);
    cr_expect_eq(head.block_used, OTEL_HTTP_HEAD_BLOCK - 2);
    cr_expect(finish(&head, &ctx, &lists));
    cr_expect_eq(lists.tracestate_len, 0, "the context is valid without it");

    otel_http_head_clear(&head);
    add_text(&head, "user-agent", (struct otel_text){large, OTEL_HTTP_HEAD_BLOCK - 54});
    otel_http_head_keep(&head);
    add(&head, "traceparent", PARENT);
    otel_http_head_keep(&head);
    cr_expect_not(finish(&head, &ctx, &lists));
    add(&head, "traceparent", PARENT);
    cr_expect_not(finish(&head, &ctx, &lists), "lost is lost");
    otel_http_head_clear(&head);
}

/* Of B3 in several headers all is kept or nothing. */
Test(http_head, half_of_b3)
{
    static char large[OTEL_HTTP_HEAD_BLOCK];
    struct otel_http_head head = {.status = 0};
    struct otel_span_context ctx;
    struct otel_extracted_lists lists;

    otel_propagation_init(OTEL_PROPAGATOR_B3MULTI);
    memset(large, 'a', sizeof large);
    for (size_t room = 40; room <= 50; room += 10) {
        otel_http_head_clear(&head);
        add_text(&head, "user-agent", (struct otel_text){large, sizeof large - room});
        otel_http_head_keep(&head);
        add(&head, "x-b3-traceid", "0af7651916cd43dd8448eb211c80319c");
        add(&head, "x-b3-spanid", "b7ad6b7169203331");
        add(&head, "x-b3-sampled", "1");
        otel_http_head_keep(&head);
        cr_expect_eq(finish(&head, &ctx, &lists), room == 50);
        add(&head, "x-b3-spanid", "b7ad6b7169203331");
        cr_expect_eq(finish(&head, &ctx, &lists), room == 50);
    }
    otel_http_head_clear(&head);
}

static void *no_memory(size_t len)
{
    (void)len;
    return NULL;
}

Test(http_head, no_blocks)
{
    struct otel_http_head head = {.status = 0};
    struct otel_span_context ctx;
    struct otel_extracted_lists lists;

    otel_sys.mmap = no_memory;
    add(&head, "host", "h");
    add(&head, "traceparent", PARENT);
    add(&head, "tracestate", "a=1");
    otel_http_head_keep(&head);
    cr_expect_eq(head.block, 0);
    cr_expect_eq(head.host.len, 0);
    cr_expect_not(finish(&head, &ctx, &lists));
    cr_expect_eq(lists.tracestate_len, 0);
    otel_http_head_clear(&head);
}

/* Blocks come back, also more of them than there are; after a fork the handle names none. */
Test(http_head, blocks_come_back)
{
    struct otel_http_head head = {.status = 0};

    for (int i = 0; i < 5000; i++) {
        add(&head, "host", "h");
        otel_http_head_keep(&head);
        cr_assert_neq(head.block, 0);
        otel_http_head_clear(&head);
    }
    add(&head, "host", "h");
    otel_http_head_keep(&head);
    otel_http_head_reset();
    add(&head, "user-agent", "u");
    otel_http_head_keep(&head);
    cr_expect_eq(head.user_agent.len, 0, "the block is gone");
    otel_http_head_clear(&head);
}

static void *churn(void *arg)
{
    char name[16];
    struct otel_http_head head = {.status = 0};

    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "%s-%d", (const char *)arg, i);
        add(&head, "host", name);
        otel_http_head_keep(&head);
        memset(name, 'x', sizeof name);
        cr_assert(!strncmp(head.host.data, arg, 1));
        otel_http_head_clear(&head);
    }
    return NULL;
}

Test(http_head, threads)
{
    pthread_t a, b;

    cr_assert_eq(pthread_create(&a, NULL, churn, "a"), 0);
    cr_assert_eq(pthread_create(&b, NULL, churn, "b"), 0);
    pthread_join(a, NULL);
    pthread_join(b, NULL);
}
