/* SPDX-License-Identifier: Apache-2.0
 *
 * The short way tells what the long way does, and leaves to it what it cannot read.
 */
#include "core/http1.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/guardpage.h"
#include "tests/support/http1_log.h"
#include "tests/support/http1_samples.h"

static struct http1_log brief, whole;
static struct guardpage page;

static void open_page(void)
{
    guardpage_open(&page, 80000);
}

TestSuite(http1_whole, .init = open_page, .timeout = 60);

/* Both ways over bytes in pieces; afterwards the two parsers have to go on alike. */
static void both(const struct http1_sample *s, const char *bytes, size_t len, size_t first,
                 size_t piece)
{
    struct http1_log *const logs[] = {&brief, &whole};

    for (int i = 0; i < 2; i++) {
        http1_log_init(logs[i], s->response);
        logs[i]->parser.head_request = s->head_request;
        logs[i]->parser.connect_request = s->connect_request;
        logs[i]->brief = true;
        logs[i]->whole = i == 1;
        http1_log_pieces(logs[i], &page, bytes, len, first, piece);
    }
    cr_expect_str_eq(brief.text, whole.text);
    cr_expect_eq(brief.parser.state, whole.parser.state, "%s", brief.text);
    if (brief.over)
        return;
    cr_expect_eq(brief.parser.remaining, whole.parser.remaining, "%s", brief.text);
    cr_expect_eq(brief.parser.keep_alive, whole.parser.keep_alive, "%s", brief.text);
}

static void same(bool response, const char *bytes)
{
    const struct http1_sample s = {.response = response};
    size_t len = strlen(bytes);

    both(&s, bytes, len, len, len);
}

Test(http1_whole, tells_what_the_long_way_tells)
{
    int wholes = 0;

    for (size_t i = 0; i < HTTP1_SAMPLES; i++) {
        const struct http1_sample *s = &http1_samples[i];
        size_t len = strlen(s->bytes);

        both(s, s->bytes, len, len, len);
        wholes += whole.wholes;
        for (size_t first = 1; first < len; first++)
            both(s, s->bytes, len, first, len);
    }
    cr_expect_geq(wholes, (int)HTTP1_SAMPLES, "read by the short way: %d heads", wholes);
}

/* A byte put in place of each byte of each sample. */
Test(http1_whole, finds_the_same_faults)
{
    static const char others[] = "\r\n \t:\x01\x7f\xff/1H";
    char bytes[1024];

    for (size_t i = 0; i < HTTP1_SAMPLES; i++) {
        const struct http1_sample *s = &http1_samples[i];
        size_t len = strlen(s->bytes);

        cr_assert_lt(len, sizeof bytes);
        for (size_t at = 0; at < len; at++)
            for (const char *c = others; *c; c++) {
                memcpy(bytes, s->bytes, len);
                bytes[at] = *c;
                both(s, bytes, len, len, len);
            }
    }
}

Test(http1_whole, leaves_long_heads_and_many_fields_to_the_long_way)
{
    static char bytes[70000];
    size_t n = (size_t)sprintf(bytes, "GET / HTTP/1.1\r\n");

    for (int i = 0; i < OTEL_HTTP1_FIELDS + 1; i++)
        n += (size_t)sprintf(bytes + n, "Host: a\r\n");
    strcpy(bytes + n, "\r\n");
    same(false, bytes);
    cr_expect_eq(whole.wholes, 0);

    n = (size_t)sprintf(bytes, "GET / HTTP/1.1\r\nHost: ");
    memset(bytes + n, 'x', OTEL_HTTP1_SPILL_SIZE);
    strcpy(bytes + n + OTEL_HTTP1_SPILL_SIZE, "\r\n\r\n");
    same(false, bytes);
    cr_expect_eq(whole.wholes, 0);
}

/* What a parser that is not between messages, or has no bytes, is asked for. */
Test(http1_whole, is_refused_elsewhere)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n";
    struct otel_http1_whole read;
    struct otel_http1 p;

    otel_http1_init(&p, true, http1_log_wanted);
    cr_expect_eq(otel_http1_whole(&p, head, 0, &read), 0);
    cr_expect(otel_http1_idle(&p));
    cr_expect_eq(otel_http1_whole(&p, head, sizeof head - 1, &read), sizeof head - 1);
    cr_expect_eq(p.status, 200);
    cr_expect_eq(p.remaining, 4);
    cr_expect_eq(otel_http1_whole(&p, head, sizeof head - 1, &read), 0, "in a body");
    cr_expect_eq(p.remaining, 4);
}
