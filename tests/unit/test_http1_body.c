/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies: counted, chunked, up to the end of the stream, and those that go by unseen.
 */
#include "core/http1.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/guardpage.h"
#include "tests/support/http1_log.h"

static struct http1_log whole, cut;
static struct guardpage page;

static void open_page(void)
{
    guardpage_open(&page, 80000);
}

TestSuite(http1_body, .init = open_page, .timeout = 60);

#define CHUNKED_HEAD "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
#define COUNTED_HEAD(length) "HTTP/1.1 200 OK\r\nContent-Length: " length "\r\n\r\n"
#define CLOSE_HEAD "HTTP/1.1 200 OK\r\n\r\n"

/* Opens a response with this head and gives its parser. */
static struct otel_http1 *after(const char *head)
{
    http1_log_init(&whole, true);
    cr_assert(http1_log_feed(&whole, head, strlen(head)));
    whole.text[whole.len = 0] = '\0';
    return &whole.parser;
}

static const char *chunk_events(const char *body, size_t len)
{
    for (int i = 0; i < 2; i++) {
        struct http1_log *log = i ? &cut : &whole;

        http1_log_init(log, true);
        http1_log_feed(log, CHUNKED_HEAD, sizeof CHUNKED_HEAD - 1);
        log->len = 0;
        log->text[0] = '\0';
        http1_log_pieces(log, &page, body, len, i ? 1 : len, 1);
    }
    cr_assert_str_eq(cut.text, whole.text);
    return whole.text;
}

/* The events of a chunked body, the same for its bytes one by one. */
#define CHUNKS(bytes) chunk_events("" bytes, sizeof(bytes) - 1)

Test(http1_body, chunks)
{
    cr_expect_str_eq(CHUNKS("0\r\n\r\n"), "end:0");
    cr_expect_str_eq(CHUNKS("1\r\nx\r\n0\r\n\r\n"), "end:1");
    cr_expect_str_eq(CHUNKS("aB\r\n"
                            "12345678901234567890123456789012345678901234567890"
                            "12345678901234567890123456789012345678901234567890"
                            "12345678901234567890123456789012345678901234567890"
                            "123456789012345678901\r\n0\r\n\r\n"),
                     "end:171");
    cr_expect_str_eq(CHUNKS("3\r\n\r\n\r\r\n00000000000000000000000000000\r\n\r\n"), "end:3");
    cr_expect_str_eq(CHUNKS("1;a\r\nx\r\n1;a=b;c=\"d e\";\r\ny\r\n0;\t\xff\r\n\r\n"), "end:2");
    cr_expect_str_eq(CHUNKS("000000000000000000001\r\nx\r\n0\r\n\r\n"), "end:1");
    cr_expect_str_eq(CHUNKS("1\r\nx\r\n"), "");
}

Test(http1_body, refuses_chunk_lines)
{
    cr_expect_str_eq(CHUNKS("\r\n"), "malformed");
    cr_expect_str_eq(CHUNKS(";a\r\n"), "malformed");
    cr_expect_str_eq(CHUNKS("g\r\n"), "malformed");
    cr_expect_str_eq(CHUNKS("-1\r\n"), "malformed");
    cr_expect_str_eq(CHUNKS("+1\r\n"), "malformed");
    cr_expect_str_eq(CHUNKS(" 1\r\n"), "malformed");
    cr_expect_str_eq(CHUNKS("1 \r\n"), "malformed");
    cr_expect_str_eq(CHUNKS("0x1\r\n"), "malformed");
    cr_expect_str_eq(CHUNKS("1\n"), "malformed");
    cr_expect_str_eq(CHUNKS("1\rx"), "malformed");
    cr_expect_str_eq(CHUNKS("1;a\n"), "malformed");
    cr_expect_str_eq(CHUNKS("1;a\rx"), "malformed");
    cr_expect_str_eq(CHUNKS("1;\0\r\n"), "malformed");
    cr_expect_str_eq(CHUNKS("1\r\nx\n"), "malformed");
    cr_expect_str_eq(CHUNKS("1\r\nxy\r\n"), "malformed");
    cr_expect_str_eq(CHUNKS("1\r\nx\rx"), "malformed");
    cr_expect_str_eq(CHUNKS("1\r\nx0\r\n\r\n"), "malformed");
    cr_expect_str_eq(CHUNKS("8000000000000000\r\n"), "malformed");
    cr_expect_str_eq(CHUNKS("10000000000000001\r\n"), "malformed");
    cr_expect_str_eq(CHUNKS("ffffffffffffffffffff\r\n"), "malformed");
    cr_expect_str_eq(CHUNKS("1\r\nx\r\n7fffffffffffffff\r\n"), "malformed");
    cr_expect_str_eq(CHUNKS("7fffffffffffffff\r\n"), "");
}

Test(http1_body, trailers)
{
    cr_expect_str_eq(CHUNKS("0\r\nEven: x\r\nContent-Type: 5\r\n\r\n"), "end:0");
    cr_expect_str_eq(CHUNKS("0\r\nContent-Length: 5\r\n"), "malformed");
    cr_expect_str_eq(CHUNKS("0\r\na:b\r\ntransfer-ENCODING:x\r\n"), "malformed");
    cr_expect_str_eq(CHUNKS("0\r\na:b\r\nConnection: x\r\n"), "malformed");
    cr_expect_str_eq(CHUNKS("0\r\nConnection-:x\r\nContent-Lengt:x\r\nontent-Length:x\r\n\r\n"),
                     "end:0");
    cr_expect_str_eq(CHUNKS("0;x\r\nA:\r\nbc:\t\xfe\r\n\r\nHTTP/1.1 204 \r\n"),
                     "end:0 begin start:204");
    cr_expect_str_eq(CHUNKS("0\r\n\n"), "malformed");
    cr_expect_str_eq(CHUNKS("0\r\n\rx"), "malformed");
    cr_expect_str_eq(CHUNKS("0\r\na: b\n\r\n"), "malformed");
    cr_expect_str_eq(CHUNKS("0\r\na: b\rx"), "malformed");
    cr_expect_str_eq(CHUNKS("0\r\na : b\r\n"), "malformed");
    cr_expect_str_eq(CHUNKS("0\r\n: b\r\n"), "malformed");
    cr_expect_str_eq(CHUNKS("0\r\na\r\n"), "malformed");
    cr_expect_str_eq(CHUNKS("0\r\na: b\r\n c\r\n"), "malformed");
    cr_expect_str_eq(CHUNKS("0\r\na: \0b\r\n"), "malformed");
}

/* A chunk line, or trailers, of exactly this many bytes. */
static bool fits(const char *begin, char fill, const char *end, size_t len)
{
    char *body = malloc(len + 8);
    size_t ahead = strlen(begin) - strlen(strchr(begin, '\n') ? "0\r\n" : "");
    size_t n = len - ahead - strlen(end);
    size_t at = strlen(begin);
    bool over;

    cr_assert_not_null(body);
    memcpy(body, begin, at);
    memset(body + at, fill, n);
    memcpy(body + at + n, end, strlen(end));
    chunk_events(body, at + n + strlen(end));
    over = whole.over;
    cr_assert_eq(cut.over, over);
    free(body);
    return !over;
}

Test(http1_body, limits_what_stands_between_chunks)
{
    cr_expect(fits("1;", 'x', "\r\n", 16384));
    cr_expect_not(fits("1;", 'x', "\r\n", 16385));
    cr_expect(fits("", '0', "1\r\n", 16384));
    cr_expect_not(fits("", '0', "1\r\n", 16385));
    cr_expect(fits("0\r\na:", 'x', "\r\n\r\n", OTEL_HTTP1_HEAD_MAX));
    cr_expect_not(fits("0\r\na:", 'x', "\r\n\r\n", OTEL_HTTP1_HEAD_MAX + 1));
    cr_expect_not(fits("0\r\n", 'x', ":\r\n\r\n", OTEL_HTTP1_HEAD_MAX + 1));
    cr_expect(fits("0\r\n", 'x', ":\r\n\r\n", OTEL_HTTP1_HEAD_MAX));
}

Test(http1_body, skips_over_four_gigabytes)
{
    struct otel_http1 *p = after(COUNTED_HEAD("10000000001"));
    uint64_t used;

    cr_assert(otel_http1_skips(p, 10000000001));
    cr_assert_not(otel_http1_skips(p, 10000000002));
    cr_assert_eq(otel_http1_skip(p, 5000000000, &used), OTEL_HTTP1_MORE);
    cr_assert_eq(used, 5000000000);
    cr_assert(http1_log_feed(&whole, "x", 1));
    cr_assert_eq(p->body_bytes, 5000000001);
    cr_assert(otel_http1_skips(p, 5000000000));
    cr_assert_not(otel_http1_skips(p, 5000000001));
    cr_assert_eq(otel_http1_skip(p, 6000000000, &used), OTEL_HTTP1_END);
    cr_assert_eq(used, 5000000000);
    cr_assert_eq(p->body_bytes, 10000000001);
    cr_assert(otel_http1_idle(p));
    cr_assert_eq(otel_http1_skip(p, 1000000000, &used), OTEL_HTTP1_MALFORMED);
}

Test(http1_body, skips_to_the_end_exactly)
{
    struct otel_http1 *p = after(COUNTED_HEAD("10"));
    uint64_t used;

    cr_assert_eq(otel_http1_skip(p, 0, &used), OTEL_HTTP1_MORE);
    cr_assert_eq(used, 0);
    cr_assert_eq(otel_http1_skip(p, 10, &used), OTEL_HTTP1_END);
    cr_assert_eq(used, 10);
    cr_assert_eq(otel_http1_skip(p, 0, &used), OTEL_HTTP1_MORE);
    cr_assert(otel_http1_idle(p));
}

Test(http1_body, skips_within_a_chunk)
{
    struct otel_http1 *p = after(CHUNKED_HEAD "200000000\r\n");
    uint64_t used;

    cr_assert(otel_http1_skips(p, 0x200000000));
    cr_assert_not(otel_http1_skips(p, 0x200000001));
    cr_assert_eq(otel_http1_skip(p, 0x1ffffffff, &used), OTEL_HTTP1_MORE);
    cr_assert_eq(otel_http1_skip(p, 1, &used), OTEL_HTTP1_MORE);
    cr_assert_not(otel_http1_skips(p, 1));
    http1_log_feed(&whole, "\r\n5\r\n", 5);
    cr_assert_eq(otel_http1_skip(p, 5, &used), OTEL_HTTP1_MORE);
    http1_log_feed(&whole, "\r\n0\r\n\r\n", 7);
    cr_assert_str_eq(whole.text, "end:8589934597");
    p = after(CHUNKED_HEAD "5\r\n");
    cr_assert_eq(otel_http1_skip(p, 6, &used), OTEL_HTTP1_MALFORMED);
    cr_assert_eq(used, 0);
}

Test(http1_body, skips_nothing_that_needs_a_look)
{
    static const char *const heads[] = {"HTTP/1.1 200",       CHUNKED_HEAD,
                                        CHUNKED_HEAD "5",     CHUNKED_HEAD "1\r\nx",
                                        CHUNKED_HEAD "0\r\n", ""};

    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        struct otel_http1 *p = after(heads[i]);
        uint64_t used;

        cr_expect_not(otel_http1_skips(p, 1), "%s", heads[i]);
        cr_expect_eq(otel_http1_skip(p, 1, &used), OTEL_HTTP1_MALFORMED, "%s", heads[i]);
        cr_expect_eq(used, 0);
    }
}

Test(http1_body, goes_on_to_the_end_of_the_stream)
{
    struct otel_http1 *p = after(CLOSE_HEAD);
    uint64_t used;

    http1_log_feed(&whole, "HTTP/1.1 200 OK\r\n\r\n", 19);
    cr_assert(otel_http1_skips(p, UINT64_MAX));
    cr_assert_eq(otel_http1_skip(p, 5000000000, &used), OTEL_HTTP1_MORE);
    cr_assert_eq(used, 5000000000);
    http1_log_eof(&whole);
    cr_assert_str_eq(whole.text, "end:5000000019");
}

Test(http1_body, a_tunnel_is_not_looked_at)
{
    struct otel_http1 *p = after("HTTP/1.1 101 x\r\n\r\n");
    uint64_t used;

    http1_log_feed(&whole, "HTTP/1.1 200 OK\r\n\r\n", 19);
    cr_assert_str_eq(whole.text, "");
    cr_assert(otel_http1_skips(p, UINT64_MAX));
    cr_assert_eq(otel_http1_skip(p, 77, &used), OTEL_HTTP1_MORE);
    cr_assert_eq(used, 77);
    cr_assert_not(otel_http1_idle(p));
    cr_assert_eq(otel_http1_eof(p), OTEL_HTTP1_MORE);
}

Test(http1_body, end_needs_no_byte)
{
    struct otel_http1_text text;
    size_t used;

    http1_log_init(&whole, false);
    for (const char *at = "GET / HTTP/1.1\r\n\r\n";
         otel_http1_next(&whole.parser, at, strlen(at), &used, &text) != OTEL_HTTP1_HEAD_END;)
        at += used;
    cr_assert_not(otel_http1_idle(&whole.parser));
    cr_assert_eq(otel_http1_next(&whole.parser, NULL, 0, &used, &text), OTEL_HTTP1_END);
    cr_assert_eq(used, 0);
    cr_assert(otel_http1_idle(&whole.parser));
    cr_assert_eq(otel_http1_next(&whole.parser, NULL, 0, &used, &text), OTEL_HTTP1_MORE);
}

Test(http1_body, the_end_of_the_stream)
{
    static const struct {
        const char *bytes;
        enum otel_http1_event event;
    } cases[] = {
        {"", OTEL_HTTP1_MORE},
        {COUNTED_HEAD("1") "x", OTEL_HTTP1_MORE},
        {COUNTED_HEAD("2") "x", OTEL_HTTP1_MALFORMED},
        {"H", OTEL_HTTP1_MALFORMED},
        {"HTTP/1.1 200 OK\r\n\r", OTEL_HTTP1_MALFORMED},
        {CHUNKED_HEAD, OTEL_HTTP1_MALFORMED},
        {CHUNKED_HEAD "1\r\nx\r\n", OTEL_HTTP1_MALFORMED},
        {CHUNKED_HEAD "0\r\n", OTEL_HTTP1_MALFORMED},
        {CHUNKED_HEAD "0\r\n\r\n", OTEL_HTTP1_MORE},
        {CLOSE_HEAD, OTEL_HTTP1_END},
        {CLOSE_HEAD "x", OTEL_HTTP1_END},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        cr_expect_eq(otel_http1_eof(after(cases[i].bytes)), cases[i].event, "%s", cases[i].bytes);
}
