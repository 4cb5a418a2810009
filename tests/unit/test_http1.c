/* SPDX-License-Identifier: Apache-2.0 */
#include "core/http1.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/guardpage.h"
#include "tests/support/http1_log.h"
#include "tests/support/http1_samples.h"

static struct http1_log whole, cut;
static struct guardpage page;

static void open_page(void)
{
    guardpage_open(&page, 80000);
}

TestSuite(http1, .init = open_page, .timeout = 60);

/* The events of bytes in one buffer. */
static const char *events(bool response, const char *bytes, size_t len)
{
    http1_log_init(&whole, response);
    http1_log_pieces(&whole, &page, bytes, len, len, len);
    return whole.text;
}

#define REQUEST(bytes) events(false, "" bytes, sizeof(bytes) - 1)
#define RESPONSE(bytes) events(true, "" bytes, sizeof(bytes) - 1)

static void sample_log(struct http1_log *log, const struct http1_sample *s, size_t first,
                       size_t piece, bool places)
{
    http1_log_init(log, s->response);
    log->parser.head_request = s->head_request;
    log->parser.connect_request = s->connect_request;
    log->places = places;
    http1_log_pieces(log, &page, s->bytes, strlen(s->bytes), first, piece);
}

Test(http1, tells_what_it_sees)
{
    for (size_t i = 0; i < HTTP1_SAMPLES; i++) {
        const struct http1_sample *s = &http1_samples[i];

        sample_log(&whole, s, 1 << 20, 1, false);
        cr_expect_str_eq(whole.text, s->expect);
        cr_expect_eq(whole.spills, 0, "a whole head needs no buffer: sample %zu", i);
    }
}

Test(http1, cuts_make_no_difference)
{
    for (size_t i = 0; i < HTTP1_SAMPLES; i++) {
        const struct http1_sample *s = &http1_samples[i];
        size_t len = strlen(s->bytes);

        sample_log(&whole, s, len, len, true);
        for (size_t piece = 1; piece <= len; piece++)
            for (size_t first = 1; first <= (piece == len ? len : piece); first++) {
                sample_log(&cut, s, first, piece, true);
                cr_assert_str_eq(cut.text, whole.text, "sample %zu, %zu and %zu bytes", i, first,
                                 piece);
            }
    }
}

Test(http1, consumes_nothing_with_begin_and_closing)
{
    http1_log_init(&whole, false);
    whole.places = true;
    http1_log_feed(&whole, "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 29);
    cr_assert_str_eq(whole.text, "begin@2 start:GET:/@18 name:Host@23 header:Host:a@27 closing@27 "
                                 "head:none+keep@29 end:0@29");
}

Test(http1, name_comes_with_the_colon)
{
    http1_log_init(&whole, false);
    http1_log_feed(&whole, "GET / HTTP/1.1\r\nHost", 20);
    cr_assert_str_eq(whole.text, "begin start:GET:/");
    http1_log_feed(&whole, ":", 1);
    cr_assert_str_eq(whole.text, "begin start:GET:/ name:Host");
    http1_log_feed(&whole, " a\r", 3);
    cr_assert_str_eq(whole.text, "begin start:GET:/ name:Host");
    http1_log_feed(&whole, "\n", 1);
    cr_assert_str_eq(whole.text, "begin start:GET:/ name:Host header:Host:a");
}

Test(http1, begins_with_one_byte)
{
    http1_log_init(&whole, false);
    cr_assert(otel_http1_idle(&whole.parser));
    http1_log_feed(&whole, "G", 1);
    cr_assert_str_eq(whole.text, "begin");
    cr_assert_not(otel_http1_idle(&whole.parser));
}

Test(http1, is_idle_between_messages_only)
{
    static const char bytes[] = "POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx\r\n";

    http1_log_init(&whole, false);
    for (size_t i = 0; i < sizeof bytes - 1; i++) {
        cr_expect_eq(otel_http1_idle(&whole.parser), i == 0 || i == sizeof bytes - 3, "%zu", i);
        http1_log_feed(&whole, bytes + i, 1);
    }
    cr_assert(otel_http1_idle(&whole.parser));
}

Test(http1, fits_its_room)
{
    cr_assert_leq(sizeof(struct otel_http1), 128);
}

/* How many of these bytes it takes, one by one, to know that they are no HTTP. */
static size_t known_after(bool response, const char *bytes, size_t len)
{
    http1_log_init(&cut, response);
    for (size_t i = 0; i < len; i++)
        if (!http1_log_feed(&cut, bytes + i, 1))
            return i + 1;
    return 0;
}

#define KNOWN_AFTER(response, bytes) known_after(response, "" bytes, sizeof(bytes) - 1)

Test(http1, knows_other_protocols_by_their_first_bytes)
{
    cr_expect_eq(KNOWN_AFTER(false, "\x16\x03\x01\x02"), 1);
    cr_expect_eq(KNOWN_AFTER(false, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 12);
    cr_expect_eq(KNOWN_AFTER(false, "*1\r\n$4\r\nPING\r\n"), 3);
    cr_expect_eq(KNOWN_AFTER(false, "PING\r\n"), 5);
    cr_expect_eq(KNOWN_AFTER(false, "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), 31);
    cr_expect_eq(KNOWN_AFTER(false, "get x\r\n"), 6);
    cr_expect_eq(KNOWN_AFTER(false, "\0\0\0\x08\x04\xd2\x16\x2f"), 1);
    cr_expect_eq(KNOWN_AFTER(false, "EHLO a.example SMTP"), 16);
    cr_expect_eq(KNOWN_AFTER(true, "\x16\x03\x03"), 1);
    cr_expect_eq(KNOWN_AFTER(true, "SSH-2.0-OpenSSH_9.2p1\r\n"), 1);
    cr_expect_eq(KNOWN_AFTER(true, "+PONG\r\n"), 1);
    cr_expect_eq(KNOWN_AFTER(true, "HTTP/2 200\r\n"), 6);
    cr_expect_eq(KNOWN_AFTER(true, "HELLO"), 2);
    cr_expect_str_eq(REQUEST("\x16\x03\x01"), "malformed");
    cr_expect_str_eq(REQUEST("PRI * HTTP/2.0\r\n\r\n"), "begin malformed");
    cr_expect_str_eq(REQUEST("PRI * HTTP/2"), "begin malformed");
    cr_expect_str_eq(RESPONSE("220 smtp\r\n"), "malformed");
}

Test(http1, refuses_request_lines)
{
    static const char *const lines[] = {
        "GET\r\n",
        "GET \r\n",
        "GET /\r\n",
        "GET / \r\n",
        "GET  / HTTP/1.1\r\n",
        "GET /  HTTP/1.1\r\n",
        "GET HTTP/1.1\r\n",
        "GET / HTTP/1.1 \r\n",
        "GET / HTTP/1.11\r\n",
        "GET / HTTP/1.\r\n",
        "GET / HTTP/1\r\n",
        "GET / HTTP/0.9\r\n",
        "GET / HTTP/11\r\n",
        "GET / http/1.1\r\n",
        "GET / HTTP/1.1\r\r\n",
        "GET / HTTP/1.1\rX",
        "GET\t/ HTTP/1.1\r\n",
        "GET /\tx HTTP/1.1\r\n",
        "GET /\x7f HTTP/1.1\r\n",
        "GET /a b HTTP/1.1\r\n",
        "G(T / HTTP/1.1\r\n",
        " GET / HTTP/1.1\r\n",
        "GET / ICY/1.1\r\n",
        "G\xc3T / HTTP/1.1\r\n",
    };

    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        const char *text = events(false, lines[i], strlen(lines[i]));

        cr_expect_null(strstr(text, "start"), "%s", lines[i]);
        cr_expect(whole.over, "%s", lines[i]);
        cr_expect_gt(known_after(false, lines[i], strlen(lines[i])), 0, "%s", lines[i]);
    }
    cr_expect_str_eq(events(false, "GET /\0 HTTP/1.1\r\n", 17), "begin malformed");
    cr_expect_str_eq(REQUEST("\rGET / HTTP/1.1\r\n"), "malformed");
}

Test(http1, refuses_status_lines)
{
    static const char *const lines[] = {
        "HTTP/1.1\r\n",         "HTTP/1.1 \r\n",     "HTTP/1.1 20\r\n",  "HTTP/1.1 2000\r\n",
        "HTTP/1.1 099 x\r\n",   "HTTP/1.1  200\r\n", "HTTP/1.1 2x0\r\n", "HTTP/1.1\t200 OK\r\n",
        "HTTP/1.1 200\tOK\r\n", "HTTP/2.0 200\r\n",  "HTTP/1.x 200\r\n", "HTTP/1.1 200 O\x01K\r\n",
        "HTTP/1.1 200 OK\rX",   "HTTP/1.1 200\rX",   "HTTP/1.1 -20\r\n",
    };

    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        cr_expect_str_eq(events(true, lines[i], strlen(lines[i])), "begin malformed", "%s",
                         lines[i]);
        cr_expect_gt(known_after(true, lines[i], strlen(lines[i])), 0, "%s", lines[i]);
    }
    cr_expect_str_eq(RESPONSE("\r\nHTTP/1.1 200 OK\r\n"), "malformed");
    cr_expect_str_eq(RESPONSE("http/1.1 200 OK\r\n"), "malformed");
}

Test(http1, limits_a_method)
{
    char line[64];

    memset(line, 'A', sizeof line);
    memcpy(line + 32, " / HTTP/1.1\r\n", 13);
    http1_log_init(&whole, false);
    http1_log_feed(&whole, line, 45);
    cr_assert_str_eq(whole.text, "begin start:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA:/");
    memcpy(line + 32, "A / HTTP/1.1\r\n", 14);
    cr_assert_str_eq(events(false, line, 46), "begin malformed");
    cr_assert_eq(known_after(false, line, 46), 33);
    cr_assert_str_eq(events(false, line, 33), "begin malformed");
}

/* A request line of len bytes. */
static char *long_line(size_t len)
{
    char *line = malloc(len);

    cr_assert_not_null(line);
    memset(line, 'x', len);
    memcpy(line, "GET /", 5);
    memcpy(line + len - 11, " HTTP/1.1\r\n", 11);
    return line;
}

Test(http1, limits_a_request_line)
{
    static const size_t lengths[] = {8192,
                                     OTEL_HTTP1_SPILL_SIZE - 1,
                                     OTEL_HTTP1_SPILL_SIZE,
                                     OTEL_HTTP1_SPILL_SIZE + 1,
                                     OTEL_HTTP1_SPILL_SIZE + 2,
                                     70000};
    static const size_t pieces[] = {1, 7, 4096, 16383, 16384, 16385};

    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        char *line = long_line(lengths[i]);

        events(false, line, lengths[i]);
        cr_expect_eq(whole.over, lengths[i] > OTEL_HTTP1_SPILL_SIZE);
        cr_expect_eq(strstr(whole.text, "start") != NULL, !whole.over);
        for (size_t k = 0; k < sizeof pieces / sizeof pieces[0]; k++) {
            http1_log_init(&cut, false);
            http1_log_pieces(&cut, &page, line, lengths[i], pieces[k], pieces[k]);
            cr_expect_str_eq(cut.text, whole.text);
        }
        free(line);
    }
}

Test(http1, a_request_line_in_pieces_needs_a_buffer)
{
    http1_log_init(&whole, false);
    whole.refuse = true;
    http1_log_feed(&whole, "GET / HT", 8);
    cr_assert_str_eq(whole.text, "begin malformed");
}

Test(http1, a_status_line_in_pieces_needs_none)
{
    static const char line[] = "HTTP/1.1 200 A long reason\r\n";

    http1_log_init(&whole, true);
    whole.refuse = true;
    for (size_t i = 0; i < sizeof line - 1; i++)
        http1_log_feed(&whole, line + i, 1);
    cr_assert_str_eq(whole.text, "begin start:200");
    cr_assert_eq(whole.spills, 0);
}

Test(http1, says_malformed_for_good)
{
    struct otel_http1_text text;
    uint64_t passed;
    size_t used = 9;

    REQUEST("?\r\n");
    cr_assert(whole.over);
    cr_assert_eq(otel_http1_next(&whole.parser, "GET / HTTP/1.1\r\n", 16, &used, &text),
                 OTEL_HTTP1_MALFORMED);
    cr_assert_eq(used, 0);
    cr_assert_eq(otel_http1_next(&whole.parser, "", 0, &used, &text), OTEL_HTTP1_MALFORMED);
    cr_assert_eq(otel_http1_skip(&whole.parser, 1, &passed), OTEL_HTTP1_MALFORMED);
    cr_assert_eq(passed, 0);
    cr_assert_eq(otel_http1_eof(&whole.parser), OTEL_HTTP1_MALFORMED);
    cr_assert_not(otel_http1_idle(&whole.parser));
    cr_assert_not(otel_http1_skips(&whole.parser, 1));
}

Test(http1, minor_versions_are_digits)
{
    cr_expect_str_eq(REQUEST("GET / HTTP/1.9\r\n\r\n"),
                     "begin start:GET:/ closing head:none+keep end:0");
    cr_expect_eq(whole.parser.minor, 9);
    REQUEST("GET / HTTP/1.0\r\n\r\n");
    cr_expect_eq(whole.parser.minor, 0);
    RESPONSE("HTTP/1.1 599 x\r\n");
    cr_expect_eq(whole.parser.minor, 1);
    cr_expect_eq(whole.parser.status, 599);
}
