/* SPDX-License-Identifier: Apache-2.0
 *
 * Header lines: names, values, limits, and lines in pieces.
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

TestSuite(http1_head, .init = open_page, .timeout = 60);

static const char *line_events(const char *line, size_t len)
{
    static const char start[] = "GET / HTTP/1.1\r\n";
    char *bytes = malloc(sizeof start + len);

    cr_assert_not_null(bytes);
    memcpy(bytes, start, sizeof start - 1);
    memcpy(bytes + sizeof start - 1, line, len);
    len += sizeof start - 1;
    http1_log_init(&whole, false);
    http1_log_pieces(&whole, &page, bytes, len, len, len);
    http1_log_init(&cut, false);
    http1_log_pieces(&cut, &page, bytes, len, 1, 1);
    cr_assert_str_eq(cut.text, whole.text);
    free(bytes);
    return whole.text + (whole.len < 17 ? whole.len : 17);
}

/* The events of header lines behind a request line, the same for the bytes one by one. */
#define LINES(lines) line_events("" lines, sizeof(lines) - 1)

Test(http1_head, trims_values)
{
    cr_expect_str_eq(LINES("Host:a\r\n"), " name:Host header:Host:a");
    cr_expect_str_eq(LINES("Host: \t a \t b\t \t\r\n"), " name:Host header:Host:a \t b");
    cr_expect_str_eq(LINES("Host:\r\n"), " name:Host header:Host:");
    cr_expect_str_eq(LINES("Host:\n"), " name:Host header:Host:");
    cr_expect_str_eq(LINES("Host: \t \r\n"), " name:Host header:Host:");
    cr_expect_str_eq(LINES("Host: :a:\n"), " name:Host header:Host::a:");
}

Test(http1_head, reports_what_is_wanted)
{
    cr_expect_str_eq(LINES("Odd: 1\r\nEven: 2\r\nabc: 3\r\nEVEN: 4\r\nx: 5\r\n"),
                     " name:Even header:Even:2 name:EVEN header:EVEN:4");
    cr_expect_str_eq(LINES("!#$%&'*+-.^_`|~09azAZ: v\r\n"), "");
    cr_expect_not(whole.over);
    cr_expect_str_eq(LINES("!#$%&'*+-.^_`|~09azAZz: v\r\n"),
                     " name:!#$%&'*+-.^_`|~09azAZz header:!#$%&'*+-.^_`|~09azAZz:v");
}

Test(http1_head, refuses_names)
{
    cr_expect_str_eq(LINES("Host : a\r\n"), " malformed");
    cr_expect_str_eq(LINES("Host\t: a\r\n"), " malformed");
    cr_expect_str_eq(LINES(": a\r\n"), " malformed");
    cr_expect_str_eq(LINES("Host\r\n"), " malformed");
    cr_expect_str_eq(LINES("Ho st: a\r\n"), " malformed");
    cr_expect_str_eq(LINES("Ho\xc3\xb6t: a\r\n"), " malformed");
    cr_expect_str_eq(LINES("Host\0: a\r\n"), " malformed");
    cr_expect_str_eq(LINES("(a): a\r\n"), " malformed");
    cr_expect_str_eq(LINES(" Host: a\r\n"), " malformed");
}

Test(http1_head, refuses_folded_lines)
{
    cr_expect_str_eq(LINES("Host: a\r\n b\r\n"), " name:Host header:Host:a malformed");
    cr_expect_str_eq(LINES("Host: a\r\n\tb\r\n"), " name:Host header:Host:a malformed");
    cr_expect_str_eq(LINES("Abc: a\n b\r\n"), " malformed");
}

Test(http1_head, refuses_control_characters)
{
    for (int c = 0; c < 256; c++) {
        bool allowed = c == '\t' || c == '\n' || (c >= ' ' && c != 0x7f);
        char even[] = "Host: aaaaaaaaaaaaaaaaaab\r\n";
        char odd[] = "Odd:a\r\n";

        even[6 + c % 16] = (char)c;
        odd[4] = (char)c;
        line_events(even, sizeof even - 1);
        cr_expect_eq(whole.over, !allowed || c == '\n', "%d", c);
        line_events(odd, sizeof odd - 1);
        cr_expect_eq(whole.over, !allowed, "%d", c);
    }
    cr_expect_str_eq(LINES("Host: a\rb\r\n"), " name:Host malformed");
    cr_expect_str_eq(LINES("Host: a\r\r\n"), " name:Host malformed");
    cr_expect_str_eq(LINES("Abc: a\r\r\n"), " malformed");
}

Test(http1_head, the_empty_line_is_crlf_or_lf)
{
    cr_expect_str_eq(LINES("\r\n"), " closing head:none+keep end:0");
    cr_expect_str_eq(LINES("\n"), " closing head:none+keep end:0");
    cr_expect_str_eq(LINES("\rX"), " closing malformed");
    cr_expect_str_eq(LINES("\r\r\n"), " closing malformed");
}

/* A head of len bytes: a line that is not wanted, then one that is, then the empty line. */
static char *head_of(size_t len)
{
    char *head = malloc(len);

    cr_assert_not_null(head);
    memset(head, 'v', len);
    memcpy(head, "GET / HTTP/1.1\r\nOdd:", 20);
    memcpy(head + len - 13, "\r\nHost: a\r\n\r\n", 13);
    return head;
}

Test(http1_head, limits_a_head)
{
    static const size_t lengths[] = {OTEL_HTTP1_HEAD_MAX - 1, OTEL_HTTP1_HEAD_MAX,
                                     OTEL_HTTP1_HEAD_MAX + 1, OTEL_HTTP1_HEAD_MAX + 2,
                                     OTEL_HTTP1_HEAD_MAX + 3, OTEL_HTTP1_HEAD_MAX + 10};
    static const size_t pieces[] = {1, 1000, 65535, 65536, 65537};

    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        char *head = head_of(lengths[i]);

        http1_log_init(&whole, false);
        whole.places = true;
        http1_log_pieces(&whole, &page, head, lengths[i], lengths[i], 1);
        cr_expect_eq(whole.over, lengths[i] > OTEL_HTTP1_HEAD_MAX, "%zu: %s", lengths[i],
                     whole.text);
        for (size_t k = 0; k < sizeof pieces / sizeof pieces[0]; k++) {
            http1_log_init(&cut, false);
            cut.places = true;
            http1_log_pieces(&cut, &page, head, lengths[i], pieces[k], pieces[k]);
            cr_expect_str_eq(cut.text, whole.text);
        }
        free(head);
    }
}

Test(http1_head, a_head_without_end_is_malformed)
{
    char *head = head_of(70000);

    http1_log_init(&whole, true);
    memcpy(head, "HTTP/1.1 200 OK ....", 20);
    http1_log_feed(&whole, head, OTEL_HTTP1_HEAD_MAX);
    cr_expect_not(whole.over);
    http1_log_feed(&whole, "v", 1);
    cr_expect_str_eq(whole.text, "begin malformed");
    free(head);
}

/* "GET …" and a line "name: value" of these lengths, then an empty line. */
static size_t line_of(char *bytes, size_t name, size_t blanks, size_t value)
{
    size_t at = 16;

    memcpy(bytes, "GET / HTTP/1.1\r\n", at);
    memset(bytes + at, 'n', name);
    at += name;
    bytes[at++] = ':';
    memset(bytes + at, ' ', blanks);
    at += blanks;
    memset(bytes + at, 'v', value);
    at += value;
    memcpy(bytes + at, "\r\n\r\n", 4);
    return at + 4;
}

Test(http1_head, limits_a_wanted_line)
{
    static const size_t pieces[] = {1, 1000, 16384, 30000};
    static char bytes[60000];

    for (size_t value = OTEL_HTTP1_SPILL_SIZE - 10; value <= OTEL_HTTP1_SPILL_SIZE; value++) {
        size_t len = line_of(bytes, 8, 20000, value);

        http1_log_init(&whole, false);
        http1_log_pieces(&whole, &page, bytes, len, len, len);
        cr_expect_eq(strstr(whole.text, " header:") != NULL, value + 8 <= OTEL_HTTP1_SPILL_SIZE);
        cr_expect_not_null(strstr(whole.text, " name:nnnnnnnn"));
        cr_expect_not_null(strstr(whole.text, " head:none+keep end:0"));
        for (size_t k = 0; k < sizeof pieces / sizeof pieces[0]; k++) {
            http1_log_init(&cut, false);
            http1_log_pieces(&cut, &page, bytes, len, pieces[k], pieces[k]);
            cr_expect_str_eq(cut.text, whole.text);
        }
    }
}

Test(http1_head, limits_a_name)
{
    static char bytes[60000];

    for (size_t name = OTEL_HTTP1_SPILL_SIZE - 2; name <= OTEL_HTTP1_SPILL_SIZE + 2; name++) {
        size_t len = line_of(bytes, name, 0, 0);

        http1_log_init(&whole, false);
        http1_log_pieces(&whole, &page, bytes, len, len, len);
        cr_expect_eq(whole.over, name > OTEL_HTTP1_SPILL_SIZE);
        for (size_t piece = 1; piece < 20000; piece = piece * 5 + 7) {
            http1_log_init(&cut, false);
            http1_log_pieces(&cut, &page, bytes, len, piece, piece);
            cr_expect_str_eq(cut.text, whole.text);
        }
    }
}

/* Feeds two pieces and returns how often a buffer was asked for. */
static int spills(const char *first, const char *second, bool refuse)
{
    http1_log_init(&cut, false);
    cut.refuse = refuse;
    if (http1_log_feed(&cut, first, strlen(first)))
        http1_log_feed(&cut, second, strlen(second));
    return cut.spills;
}

#define START "GET / HTTP/1.1\r\n"

Test(http1_head, asks_for_a_buffer_only_where_it_needs_one)
{
    cr_expect_eq(spills(START, "Host: a\r\n\r\n", false), 0);
    cr_expect_eq(spills(START "Host: a\r\n", "Host: b\r\n\r\n", false), 0);
    cr_expect_eq(spills(START "Host: a\r\n\r", "\n", false), 0);
    cr_expect_eq(spills(START "Odd: a", "b\r\n\r\n", false), 0);
    cr_expect_eq(spills(START "Odd:", "\r\n\r\n", true), 0);
    cr_expect_not(cut.over);
    cr_expect_eq(spills(START "Host: a", "b\r\n\r\n", false), 1);
    cr_expect_eq(spills(START "Ho", "st: b\r\n\r\n", false), 1);
    cr_expect_eq(spills(START "Transfer-Encoding: chu", "nked\r\n\r\n", false), 1);
    cr_expect_str_eq(cut.text, "begin start:GET:/ closing head:chunked+keep");
}

Test(http1_head, goes_on_without_a_buffer)
{
    cr_expect_eq(spills(START "Host: a", "b\r\nFrom: x\r\n\r\n", true), 1);
    cr_expect_str_eq(cut.text, "begin start:GET:/ name:Host name:From header:From:x closing "
                               "head:none+keep end:0");
    spills(START "Ho", "st: b\r\n\r\n", true);
    cr_expect_str_eq(cut.text, "begin start:GET:/ malformed");
    spills(START "Content-Length: 1", "2\r\n\r\n", true);
    cr_expect_str_eq(cut.text, "begin start:GET:/ malformed");
    spills(START "Transfer-Encoding:", " chunked\r\n\r\n", true);
    cr_expect_str_eq(cut.text, "begin start:GET:/ malformed");
}

Test(http1_head, the_buffer_may_be_taken_back)
{
    spills(START "Host: a", "b\r\nFrom: x\r\nHo", false);
    cr_expect_eq(cut.spills, 2);
    cr_expect_str_eq(cut.text,
                     "begin start:GET:/ name:Host header:Host:ab name:From header:From:x");
    cr_expect_eq(cut.parser.spilled, 2);
}

/* inject.h follows a copy ahead of the bytes that are sent. */
Test(http1_head, a_copy_may_run_ahead)
{
    struct otel_http1 ahead;
    struct otel_http1_text text;
    size_t used;

    http1_log_init(&cut, false);
    http1_log_feed(&cut, START "Host: ab", strlen(START "Host: ab"));
    ahead = cut.parser;
    cr_assert_eq(otel_http1_next(&ahead, "XYZ\r\n", 5, &used, &text), OTEL_HTTP1_HEADER);
    cr_assert_eq(text.value.len, 5);
    cr_assert_arr_eq(text.value.data, "abXYZ", 5);
    http1_log_feed(&cut, "c", 1);
    http1_log_feed(&cut, "d\r\n", 3);
    cr_assert_str_eq(cut.text, "begin start:GET:/ name:Host header:Host:abcd");
}

/* The rest after NAME, given elsewhere against the contract, reads nothing that is gone. */
Test(http1_head, a_value_given_elsewhere_is_not_reported)
{
    static const char bytes[] = START "Host: a\r\nContent-Length: 1\r\n\r\n";
    struct otel_http1 p;
    struct otel_http1_text text;
    enum otel_http1_event event = OTEL_HTTP1_MORE;
    char *copy = malloc(sizeof bytes);
    size_t at = 0;
    size_t used;

    cr_assert_not_null(copy);
    memcpy(copy, bytes, sizeof bytes);
    otel_http1_init(&p, false, http1_log_wanted);
    while (event != OTEL_HTTP1_NAME) {
        event = otel_http1_next(&p, copy + at, sizeof bytes - 1 - at, &used, &text);
        at += used;
    }
    free(copy);
    event = otel_http1_next(&p, bytes + at, sizeof bytes - 1 - at, &used, &text);
    cr_assert_eq(event, OTEL_HTTP1_NAME);
    cr_assert_eq(text.name.len, 14);
    at += used;
    copy = malloc(5);
    cr_assert_not_null(copy);
    memcpy(copy, bytes + at, 5);
    cr_assert_eq(otel_http1_next(&p, copy, 5, &used, &text), OTEL_HTTP1_MALFORMED);
    free(copy);
}
