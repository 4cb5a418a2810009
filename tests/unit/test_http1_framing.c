/* SPDX-License-Identifier: Apache-2.0
 *
 * What the headers say about the message's end, and what they must not say: the shapes by which a
 * request is smuggled past a reader.
 */
#include "core/http1.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/guardpage.h"
#include "tests/support/http1_log.h"

static struct http1_log whole, cut;
static struct guardpage page;

static void open_page(void)
{
    guardpage_open(&page, 4096);
}

TestSuite(http1_framing, .init = open_page, .timeout = 60);

/* What HEAD_END says ("none", "length+keep", …) of a head, "malformed", or "" when it does not end;
 * the same byte by byte. */
static const char *framing(const char *head, bool response, const char *method)
{
    static char said[40];
    size_t len = strlen(head);
    const char *at;

    for (int i = 0; i < 2; i++) {
        struct http1_log *log = i ? &cut : &whole;

        http1_log_init(log, response);
        log->parser.head_request = !strcmp(method, "HEAD");
        log->parser.connect_request = !strcmp(method, "CONNECT");
        http1_log_pieces(log, &page, head, len, i ? 1 : len, 1);
    }
    cr_assert_str_eq(cut.text, whole.text);
    if (whole.over) {
        cr_expect_null(strstr(whole.text, "closing"), "too late: %s", whole.text);
        return "malformed";
    }
    at = strstr(whole.text, " head:");
    if (!at)
        return "";
    snprintf(said, sizeof said, "%.*s", (int)strcspn(at + 6, " "), at + 6);
    return said;
}

#define REQUEST(lines) framing("POST / HTTP/1.1\r\n" lines "\r\n", false, "")
#define REQUEST_10(lines) framing("POST / HTTP/1.0\r\n" lines "\r\n", false, "")
#define RESPONSE(status, lines) framing("HTTP/1.1 " status " x\r\n" lines "\r\n", true, "GET")
#define RESPONSE_10(status, lines) framing("HTTP/1.0 " status " x\r\n" lines "\r\n", true, "GET")
#define RESPONSE_TO(method, status, lines) \
    framing("HTTP/1.1 " status " x\r\n" lines "\r\n", true, method)

Test(http1_framing, reads_lengths)
{
    cr_expect_str_eq(REQUEST("Content-Length: 5\r\n"), "length+keep");
    cr_expect_str_eq(REQUEST("CONTENT-LENGTH:\t05  \r\n"), "length+keep");
    cr_expect_str_eq(REQUEST("cOnTeNt-lEnGtH:0\n"), "none+keep");
    cr_expect_str_eq(REQUEST("Content-Length: 9223372036854775807\r\n"), "length+keep");
    cr_expect_str_eq(REQUEST("Content-Length: 5\r\nContent-Length: 5\r\n"), "length+keep");
    cr_expect_str_eq(REQUEST("Content_Length: 5\r\nXontent-Length: 5\r\n"), "none+keep");
}

Test(http1_framing, refuses_lengths)
{
    static const char *const values[] = {
        "",
        "+5",
        "-5",
        "5 5",
        "5,5",
        "5, 5",
        "5;",
        "0x5",
        "5a",
        "1.0",
        "1e3",
        "five",
        "\"5\"",
        "5\t",
        "5\t6",
        "\xb2",
        ",5",
        "9223372036854775808",
        "18446744073709551621",
        "99999999999999999999999999",
    };

    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char head[200];

        snprintf(head, sizeof head, "POST / HTTP/1.1\r\nContent-Length: %s\r\n\r\n", values[i]);
        cr_expect_str_eq(framing(head, false, ""), "malformed", "%s", values[i]);
    }
    cr_expect_str_eq(REQUEST("Content-Length: 5\r\nContent-Length: 6\r\n"), "malformed");
    cr_expect_str_eq(REQUEST("Content-Length: 0\r\nContent-Length: 6\r\n"), "malformed");
    cr_expect_str_eq(REQUEST("Content-Length: 5\r\nHost: a\r\nContent-Length:\r\n"), "malformed");
    cr_expect_str_eq(REQUEST("Content-Length : 5\r\n"), "malformed");
    cr_expect_str_eq(RESPONSE("200", "Content-Length: 5\r\nContent-Length: 6\r\n"), "malformed");
}

Test(http1_framing, reads_codings)
{
    cr_expect_str_eq(REQUEST("Transfer-Encoding: chunked\r\n"), "chunked+keep");
    cr_expect_str_eq(REQUEST("TRANSFER-encoding:CHUNKED\r\n"), "chunked+keep");
    cr_expect_str_eq(REQUEST("Transfer-Encoding: gzip , chunked \r\n"), "chunked+keep");
    cr_expect_str_eq(REQUEST("Transfer-Encoding: x-gzip\r\nTransfer-Encoding: chunked\r\n"),
                     "chunked+keep");
    cr_expect_str_eq(RESPONSE("200", "Transfer-Encoding: chunked\r\n"), "chunked+keep");
    cr_expect_str_eq(RESPONSE("200", "Transfer-Encoding: deflate\r\n"), "close");
    cr_expect_str_eq(RESPONSE("200", "Transfer-Encoding: identity\r\n"), "close");
}

Test(http1_framing, refuses_codings)
{
    static const char *const values[] = {
        "",
        "xchunked",
        "chunkedx",
        "chunked, gzip",
        "chunked,chunked",
        ", chunked",
        "chunked,",
        "\"chunked\"",
        "chunked\t",
        "gzip,\tchunked",
        "chunked;q=1",
        "chunked chunked",
        "cow",
        "chunked, cow",
        "cow, chunked",
        "[chunked]",
        "chun ked",
        "gzip;",
        "ch\xc3\xbcnked",
        "\xe2\x84\xaahunked",
        "gzip,, chunked",
        "\x0b"
        "chunked",
    };

    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char head[200];

        snprintf(head, sizeof head, "POST / HTTP/1.1\r\nTransfer-Encoding: %s\r\n\r\n", values[i]);
        cr_expect_str_eq(framing(head, false, ""), "malformed", "%s", values[i]);
        snprintf(head, sizeof head, "HTTP/1.1 200 x\r\nTransfer-Encoding: %s\r\n\r\n", values[i]);
        cr_expect_str_eq(framing(head, true, ""), "malformed", "%s", values[i]);
    }
    cr_expect_str_eq(REQUEST("Transfer-Encoding: gzip\r\n"), "malformed");
    cr_expect_str_eq(REQUEST("Transfer-Encoding: identity\r\n"), "malformed");
    cr_expect_str_eq(REQUEST("Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n"),
                     "malformed");
    cr_expect_str_eq(REQUEST("Transfer-Encoding : chunked\r\n"), "malformed");
    cr_expect_str_eq(REQUEST("Transfer-Encoding:\r\n chunked\r\n"), "malformed");
    cr_expect_str_eq(REQUEST("X: y\r\n Transfer-Encoding: chunked\r\n"), "malformed");
    cr_expect_str_eq(REQUEST("X: y\rTransfer-Encoding: chunked\r\n"), "malformed");
}

Test(http1_framing, refuses_length_beside_coding)
{
    cr_expect_str_eq(REQUEST("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), "malformed");
    cr_expect_str_eq(REQUEST("Transfer-Encoding: chunked\r\nHost: a\r\nContent-Length: 0\r\n"),
                     "malformed");
    cr_expect_str_eq(RESPONSE("200", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
                     "malformed");
    cr_expect_str_eq(RESPONSE("200", "Content-Length: 5\r\nTransfer-Encoding: gzip\r\n"),
                     "malformed");
}

Test(http1_framing, refuses_a_coding_in_http_1_0)
{
    cr_expect_str_eq(REQUEST_10("Transfer-Encoding: chunked\r\n"), "malformed");
    cr_expect_str_eq(RESPONSE_10("200", "Transfer-Encoding: chunked\r\n"), "malformed");
    cr_expect_str_eq(RESPONSE_10("200", "Transfer-Encoding: gzip\r\n"), "malformed");
}

Test(http1_framing, a_request_without_length_has_no_body)
{
    cr_expect_str_eq(REQUEST("Host: a\r\n"), "none+keep");
    cr_expect_str_eq(REQUEST_10(""), "none");
}

Test(http1_framing, connect_has_no_body)
{
    cr_expect_str_eq(framing("CONNECT a:1 HTTP/1.1\r\n\r\n", false, ""), "none+keep");
    cr_expect_str_eq(framing("CONNECT a:1 HTTP/1.1\r\nContent-Length: 0\r\n\r\n", false, ""),
                     "none+keep");
    cr_expect_str_eq(framing("CONNECT a:1 HTTP/1.1\r\nContent-Length: 1\r\n\r\n", false, ""),
                     "malformed");
    cr_expect_str_eq(
        framing("CONNECT a:1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", false, ""),
        "malformed");
    cr_expect_str_eq(framing("CONNECTX a:1 HTTP/1.1\r\nContent-Length: 1\r\n\r\n", false, ""),
                     "length+keep");
}

Test(http1_framing, responses)
{
    cr_expect_str_eq(RESPONSE("200", ""), "close");
    cr_expect_str_eq(RESPONSE("200", "Content-Length: 3\r\n"), "length+keep");
    cr_expect_str_eq(RESPONSE("200", "Content-Length: 0\r\n"), "none+keep");
    cr_expect_str_eq(RESPONSE("205", "Content-Length: 1\r\n"), "length+keep");
    cr_expect_str_eq(RESPONSE("404", ""), "close");
    cr_expect_str_eq(RESPONSE_TO("CONNECT", "404", ""), "close");
}

Test(http1_framing, statuses_without_body)
{
    cr_expect_str_eq(RESPONSE("100", ""), "none+keep");
    cr_expect_str_eq(RESPONSE("199", "Content-Length: 0\r\n"), "none+keep");
    cr_expect_str_eq(RESPONSE("204", ""), "none+keep");
    cr_expect_str_eq(RESPONSE("204", "Content-Length: 0\r\n"), "none+keep");
    cr_expect_str_eq(RESPONSE("304", ""), "none+keep");
    cr_expect_str_eq(RESPONSE("304", "Content-Length: 9\r\n"), "none+keep");
    cr_expect_str_eq(RESPONSE("304", "Transfer-Encoding: chunked\r\n"), "none+keep");
    /* Some readers read what such a one announces. */
    cr_expect_str_eq(RESPONSE("204", "Content-Length: 1\r\n"), "malformed");
    cr_expect_str_eq(RESPONSE("204", "Transfer-Encoding: chunked\r\n"), "malformed");
    cr_expect_str_eq(RESPONSE("100", "Content-Length: 1\r\n"), "malformed");
    cr_expect_str_eq(RESPONSE("101", "Transfer-Encoding: chunked\r\n"), "malformed");
}

Test(http1_framing, responses_to_head)
{
    cr_expect_str_eq(RESPONSE_TO("HEAD", "200", ""), "none+keep");
    cr_expect_str_eq(RESPONSE_TO("HEAD", "200", "Content-Length: 7\r\n"), "none+keep");
    cr_expect_str_eq(RESPONSE_TO("HEAD", "200", "Transfer-Encoding: chunked\r\n"), "none+keep");
    cr_expect_str_eq(RESPONSE_TO("HEAD", "200", "Content-Length: x\r\n"), "malformed");
}

Test(http1_framing, tunnels)
{
    cr_expect_str_eq(RESPONSE("101", "Upgrade: x\r\n"), "tunnel");
    cr_expect_str_eq(RESPONSE_TO("HEAD", "101", ""), "tunnel");
    cr_expect_str_eq(RESPONSE_TO("CONNECT", "200", ""), "tunnel");
    cr_expect_str_eq(RESPONSE_TO("CONNECT", "204", "Content-Length: 4\r\n"), "tunnel");
    cr_expect_str_eq(RESPONSE_TO("CONNECT", "299", "Transfer-Encoding: chunked\r\n"), "tunnel");
    cr_expect_str_eq(RESPONSE_TO("CONNECT", "300", "Content-Length: 4\r\n"), "length+keep");
    cr_expect_str_eq(RESPONSE_TO("CONNECT", "100", ""), "none+keep");
}

Test(http1_framing, keeping)
{
    cr_expect_str_eq(REQUEST("Connection: close\r\n"), "none");
    cr_expect_str_eq(REQUEST("Connection: , foo ,CLOSE\t,x\r\n"), "none");
    cr_expect_str_eq(REQUEST("Connection: closed\r\nConnection: xclose, clos e\r\n"), "none+keep");
    cr_expect_str_eq(REQUEST("Connection: foo\r\nConnection: close\r\n"), "none");
    cr_expect_str_eq(REQUEST("Connection: close\r\nConnection: keep-alive\r\n"), "none");
    cr_expect_str_eq(REQUEST("connection: Keep-Alive\r\n"), "none+keep");
    cr_expect_str_eq(REQUEST_10("connection: Keep-Alive\r\n"), "none+keep");
    cr_expect_str_eq(REQUEST_10("Connection: keep-alive, close\r\n"), "none");
    cr_expect_str_eq(RESPONSE_10("200", "Content-Length: 1\r\nConnection: keep-alive\r\n"),
                     "length+keep");
    cr_expect_str_eq(RESPONSE_10("200", "Connection: keep-alive\r\n"), "close");
    cr_expect_str_eq(RESPONSE("200", "Connection: keep-alive\r\n"), "close");
}

/* Folding by a bit must not make a dash of a CR. */
Test(http1_framing, names_and_values_in_capitals)
{
    cr_expect_str_eq(REQUEST("CONTENT-LENGTH: 1\r\nCONNECTION: CLOSE\r\n"), "length");
    cr_expect_str_eq(RESPONSE("200", "TRANSFER-ENCODING: GZIP\r\n"), "close");
    cr_expect_str_eq(RESPONSE("200", "Content\rLength: 1\r\n"), "malformed");
}
