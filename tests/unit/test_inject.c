/* SPDX-License-Identifier: Apache-2.0 */
#include "core/inject.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/carry.h"
#include "core/config.h"
#include "core/context.h"
#include "core/propagation.h"
#include "core/traceparent.h"
#include "tests/support/guardpage.h"
#include "tests/unit/inject_peer.h"

#define IDS "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"
#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define HOST "Host: example.org\r\n"

TestSuite(inject, .init = peer_open, .fini = peer_close);

/* format with %T replaced by the traceparent of request n. */
static const char *with(const char *format, size_t n)
{
    static char out[32768];
    char value[OTEL_TRACEPARENT_LEN + 1] = {0};
    const char *mark = strstr(format, "%T");

    cr_assert_lt(n, peer_contexts, "no context was asked for");
    otel_traceparent_format(value, &peer_context[n]);
    snprintf(out, sizeof out, "%.*s%s%s", (int)(mark - format), format, value, mark + 2);
    return out;
}

/* What the peer gets of text in calls of any size: by format (see with). */
static void expect_by_all_sizes(const char *text, const char *format)
{
    for (size_t n = 1; n <= strlen(text); n++) {
        peer_again();
        peer_send_by(text, n);
        cr_assert(peer_got(with(format, 0)), "in calls of %zu", n);
    }
}

Test(inject, the_line_stands_at_the_end_of_the_head)
{
    expect_by_all_sizes("GET / HTTP/1.1\r\n" HOST "\r\n",
                        "GET / HTTP/1.1\r\n" HOST "traceparent: %T\r\n\r\n");
    expect_by_all_sizes("POST /x HTTP/1.0\nContent-Length: 5\n\nabcde",
                        "POST /x HTTP/1.0\nContent-Length: 5\ntraceparent: %T\r\n\nabcde");
    expect_by_all_sizes("\r\nGET / HTTP/1.1\r\n\r\n",
                        "\r\nGET / HTTP/1.1\r\ntraceparent: %T\r\n\r\n");
}

Test(inject, each_of_pipelined_requests_has_its_own)
{
    const char *text = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
                       "GET /2 HTTP/1.1\r\n\r\nPUT /3 HTTP/1.1\r\nContent-Length: 2\r\n\r\nab"
                       "GET /4 HTTP/1.1\r\n\r\n";
    char expected[1024];
    char t[4][OTEL_TRACEPARENT_LEN + 1];

    for (size_t n = 1; n <= strlen(text); n++) {
        peer_again();
        peer_send_by(text, n);
        cr_assert_eq(peer_contexts, 4);
        for (size_t i = 0; i < 4; i++) {
            otel_traceparent_format(t[i], &peer_context[i]);
            t[i][OTEL_TRACEPARENT_LEN] = '\0';
            cr_assert(!i || memcmp(t[i] + 36, t[i - 1] + 36, 16));
        }
        snprintf(expected, sizeof expected,
                 "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\ntraceparent: %s\r\n\r\n"
                 "3\r\nabc\r\n0\r\n\r\nGET /2 HTTP/1.1\r\ntraceparent: %s\r\n\r\n"
                 "PUT /3 HTTP/1.1\r\nContent-Length: 2\r\ntraceparent: %s\r\n\r\nab"
                 "GET /4 HTTP/1.1\r\ntraceparent: %s\r\n\r\n",
                 t[0], t[1], t[2], t[3]);
        cr_assert(peer_got(expected), "in calls of %zu", n);
    }
}

/* --- a traceparent of the program's own ------------------------------------------------------- */

Test(inject, a_traceparent_is_overwritten_where_it_stands)
{
    expect_by_all_sizes("GET / HTTP/1.1\r\ntraceparent: 00-" IDS "-01\r\n" HOST "\r\n",
                        "GET / HTTP/1.1\r\ntraceparent: %T\r\n" HOST "\r\n");
    expect_by_all_sizes("GET / HTTP/1.1\r\nTraceParent:00-" IDS "-00 \t\r\n" HOST "\r\n",
                        "GET / HTTP/1.1\r\nTraceParent:%T \t\r\n" HOST "\r\n");
    expect_by_all_sizes("GET / HTTP/1.1\nTRACEPARENT: \t 00-" IDS "-fe\n\n",
                        "GET / HTTP/1.1\nTRACEPARENT: \t %T\n\n");
}

Test(inject, the_programs_context_is_the_parent)
{
    static const char *const flags[] = {"00", "01", "02", "03", "ff", "a8"};
    char text[256], trace[2 * OTEL_TRACE_ID_LEN + 1], whole[OTEL_TRACEPARENT_LEN + 1] = {0};

    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        for (size_t n = 1; n < 120; n++) {
            peer_again();
            snprintf(text, sizeof text, "GET / HTTP/1.1\r\ntraceparent: 00-" IDS "-%s\r\n\r\n",
                     flags[i]);
            peer_send_by(text, n);
            otel_traceparent_format(whole, &peer_context[0]);
            snprintf(trace, sizeof trace, "%.32s", whole + 3);
            cr_assert_str_eq(trace, TRACE);
            cr_assert_eq(whole[54] - '0', (int)(strtoul(flags[i], NULL, 16) & 3));
            cr_assert_neq(memcmp(whole + 36, IDS + 33, 16), 0, "the span id is ours");
        }
    }
}

Test(inject, a_higher_version_is_sent_as_00_without_its_tail)
{
    expect_by_all_sizes("GET / HTTP/1.1\r\ntraceparent: cc-" IDS "-01\r\n\r\n",
                        "GET / HTTP/1.1\r\ntraceparent: %T\r\n\r\n");
    expect_by_all_sizes("GET / HTTP/1.1\r\ntraceparent: 01-" IDS "-01-what-the-future.is\r\n" HOST
                        "\r\n",
                        "GET / HTTP/1.1\r\ntraceparent: %T\r\n" HOST "\r\n");
}

/* A value that is none: ours when it can be seen whole. In pieces what has passed has passed; then
 * the rest of it does too, and nothing of ours stands beside it. */
Test(inject, an_invalid_traceparent_is_replaced_or_left)
{
    static const char *const bad[] = {"",
                                      "x",
                                      "00-" IDS "-0",
                                      "00-" IDS "-01-x",
                                      "00-" IDS "-0G",
                                      "ff-" IDS "-01",
                                      "01-" IDS "-01x",
                                      "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                                      "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01"};
    char text[256];
    char *line;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, "GET / HTTP/1.1\r\ntraceparent: %s\r\n\r\n", bad[i]);
        peer_again();
        peer_send_by(text, sizeof text);
        cr_expect(peer_got(with("GET / HTTP/1.1\r\ntraceparent: %T\r\n\r\n", 0)));
        for (size_t n = 1; n < 30; n++) {
            peer_again();
            peer_send_by(text, n);
            peer_bytes[peer_len] = '\0';
            line = strstr(peer_bytes, "traceparent: ");
            cr_assert_not_null(line);
            cr_assert_null(strstr(line + 1, "traceparent: "), "twice: %s", peer_bytes);
            cr_assert(peer_len == strlen(text) ||
                          (strlen(line) == OTEL_TRACEPARENT_LEN + strlen("traceparent: \r\n\r\n")),
                      "'%s' became '%s' in calls of %zu", text, peer_bytes, n);
            peer_len = 0;
        }
    }
}

Test(inject, a_second_traceparent_is_left)
{
    expect_by_all_sizes("GET / HTTP/1.1\r\ntraceparent: 00-" IDS "-01\r\ntraceparent: 00-" IDS
                        "-01\r\n\r\n",
                        "GET / HTTP/1.1\r\ntraceparent: %T\r\ntraceparent: 00-" IDS "-01\r\n\r\n");
}

Test(inject, keep_changes_nothing)
{
    const char *own = "GET / HTTP/1.1\r\ntraceparent: 01-" IDS "-01-x\r\n\r\n";

    otel_config.existing_keep = true;
    for (size_t n = 1; n <= strlen(own); n++) {
        peer_send_by(own, n);
        cr_assert(peer_got(own));
    }
    peer_again();
    peer_send_by("GET / HTTP/1.1\r\n\r\n", 3);
    cr_expect(peer_got(with("GET / HTTP/1.1\r\ntraceparent: %T\r\n\r\n", 0)), "none of its own");
}

/* --- other headers ---------------------------------------------------------------------------- */

/* A current context with both lists. */
static uint32_t attach(const char *tracestate, const char *baggage)
{
    struct otel_span_context ctx = {.flags = 1, .trace_id = {7}, .span_id = {8}};

    ctx.carry = otel_carry_new(tracestate, strlen(tracestate), baggage, strlen(baggage));
    cr_assert_neq(ctx.carry, 0);
    return otel_context_attach(&ctx);
}

Test(inject, tracestate_and_baggage_go_along)
{
    uint32_t token = attach("a=1,b=2", "user=x");

    expect_by_all_sizes("GET / HTTP/1.1\r\n" HOST "\r\n",
                        "GET / HTTP/1.1\r\n" HOST
                        "traceparent: %T\r\ntracestate: a=1,b=2\r\nbaggage: user=x\r\n\r\n");
    otel_context_detach(token);
}

Test(inject, what_the_program_sends_is_not_sent_twice)
{
    uint32_t token = attach("a=1,b=2", "user=x");

    expect_by_all_sizes("GET / HTTP/1.1\r\nBaggage: mine=1\r\n\r\n",
                        "GET / HTTP/1.1\r\nBaggage: mine=1\r\n"
                        "traceparent: %T\r\ntracestate: a=1,b=2\r\n\r\n");
    expect_by_all_sizes("GET / HTTP/1.1\r\ntraceState: m=1\r\ntraceparent: 00-" IDS "-01\r\n\r\n",
                        "GET / HTTP/1.1\r\ntraceState: m=1\r\ntraceparent: %T\r\n"
                        "baggage: user=x\r\n\r\n");
    otel_context_detach(token);
}

Test(inject, lists_of_full_length_go_along)
{
    static char state[513], baggage[8001], expected[16384];
    char value[OTEL_TRACEPARENT_LEN + 1] = {0};
    const char *text = "GET / HTTP/1.1\r\n\r\n";

    memset(state, 'v', 258);
    state[1] = '=';
    memset(baggage, 'b', 8000);
    baggage[3] = '=';
    attach(state, baggage);
    for (size_t n = 1; n <= strlen(text); n++) {
        peer_again();
        peer_send_by(text, n);
        otel_traceparent_format(value, &peer_context[0]);
        snprintf(expected, sizeof expected,
                 "GET / HTTP/1.1\r\ntraceparent: %s\r\ntracestate: %s\r\nbaggage: %s\r\n\r\n",
                 value, state, baggage);
        cr_assert(peer_got(expected));
    }
}

Test(inject, b3_as_configured_and_never_half)
{
    char value[OTEL_TRACEPARENT_LEN + 1] = {0}, expected[512];

    otel_propagation_init(OTEL_PROPAGATOR_B3MULTI);
    peer_send_by("GET / HTTP/1.1\r\ntraceparent: theirs\r\n\r\n", 9);
    otel_traceparent_format(value, &peer_context[0]);
    snprintf(
        expected, sizeof expected,
        "GET / HTTP/1.1\r\ntraceparent: theirs\r\nx-b3-traceid: %.32s\r\nx-b3-spanid: %.16s\r\n"
        "x-b3-sampled: %d\r\n\r\n",
        value + 3, value + 36, peer_context[0].flags & 1);
    cr_expect(peer_got(expected));
    peer_send_by("GET / HTTP/1.1\r\nX-B3-SpanId: 1\r\n\r\n", 9);
    cr_expect(peer_got("GET / HTTP/1.1\r\nX-B3-SpanId: 1\r\n\r\n"));
}

/* --- what is left alone ----------------------------------------------------------------------- */

Test(inject, what_is_not_http_passes)
{
    static const char *const other[] = {"\x16\x03\x01\x02", "*1\r\n$4\r\nPING\r\n", "EHLO me\r\n",
                                        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                                        "GET / HTTP/1.1\r\nA : b\r\n\r\n"};
    const char *smuggled = "GET / HTTP/1.1\r\nContent-Length: 1\r\n"
                           "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n";

    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        for (size_t n = 1; n <= strlen(other[i]); n++) {
            peer_again();
            peer_send_by(other[i], n);
            cr_expect(peer_got(other[i]), "in calls of %zu", n);
        }
    }
    peer_again();
    peer_send_by(smuggled, 200);
    cr_expect(peer_got(smuggled), "two readers may see two messages");
}

Test(inject, a_body_is_not_looked_at)
{
    struct otel_connection *c;
    struct guardpage page;
    char *head;

    guardpage_open(&page, 4096);
    c = peer_again();
    peer_send_by("POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n", 100);
    cr_expect(!otel_inject_wanted(c, 99999));
    cr_expect(!otel_inject_wanted(c, 100000));
    cr_expect(otel_inject_wanted(c, 100001));
    c = peer_again();
    head = guardpage_put(&page, "PUT / HTTP/1.1\r\nContent-Length: 1000\r\n\r\n", 40);
    peer_send(((struct iovec[]){{head, 40}, {page.guard, 0}}), 2);
    cr_expect(!otel_inject_wanted(c, 1000));
    guardpage_close(&page);
}

Test(inject, servers_datagrams_and_others_are_left_alone)
{
    struct otel_connection *c = peer_again();

    cr_expect(otel_inject_wanted(c, 1));
    cr_expect(!otel_inject_wanted(c, 0));
    c->role = OTEL_ROLE_SERVER;
    cr_expect(!otel_inject_wanted(c, 1));
    c->role = OTEL_ROLE_CLIENT;
    c->stream = false;
    cr_expect(!otel_inject_wanted(c, 1));
    c->stream = true;
    c->protocol = OTEL_PROTOCOL_OTHER;
    cr_expect(!otel_inject_wanted(c, 1));
    c->owed.pending = true;
    cr_expect(otel_inject_wanted(c, 1), "a debt is paid whatever the bytes are now");
    c->owed.pending = false;
}

Test(inject, memory_that_cannot_be_read_is_left_to_the_kernel)
{
    const char head[] = "GET / HTTP/1.1\r\n";
    struct otel_inject_plan plan;
    struct guardpage page;
    struct otel_connection *c = peer_again();
    struct iovec iov[2];

    guardpage_open(&page, 4096);
    iov[0] = (struct iovec){guardpage_put(&page, head, strlen(head)), strlen(head) + 100};
    cr_expect(!otel_inject_prepare(c, -1, iov, 1, iov[0].iov_len, &plan));
    otel_inject_done(&plan);
    iov[0].iov_len = strlen(head);
    iov[1] = (struct iovec){page.guard, 10};
    cr_expect(!otel_inject_prepare(c, -1, iov, 2, iov[0].iov_len + 10, &plan));
    otel_inject_done(&plan);
    iov[0] = (struct iovec){(void *)16, 10};
    cr_expect(!otel_inject_prepare(c, -1, iov, 1, 10, &plan));
    otel_inject_done(&plan);
    guardpage_close(&page);
}

Test(inject, a_head_that_was_not_looked_at_gets_nothing)
{
    struct otel_connection *c = peer_again();

    peer_send_by("GET / HTTP/1.1\r\n", 100);
    otel_inject_skip(c);
    peer_send_by("Host: a\r\n\r\n", 100);
    cr_expect(peer_got("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    peer_send_by("GET / HTTP/1.1\r\n\r\n", 100);
    cr_expect(peer_got(with("GET / HTTP/1.1\r\ntraceparent: %T\r\n\r\n", 0)), "the next one");
}
