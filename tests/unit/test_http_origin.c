/* SPDX-License-Identifier: Apache-2.0 */
#include "core/http_origin.h"

#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/guardpage.h"

static struct otel_text text(const char *p)
{
    return (struct otel_text){p, strlen(p)};
}

static bool is(struct otel_text got, const char *expected)
{
    return got.len == strlen(expected) && (!got.len || !memcmp(got.data, expected, got.len));
}

Test(http_origin, forwarded)
{
    const char *header = "For=\"[::1]:80\";by=_b ; HOST = a:1;proto=https , for=second;x=y";

    cr_expect(is(otel_http_forwarded(text(header), "for"), "[::1]:80"));
    cr_expect(is(otel_http_forwarded(text(header), "by"), "_b"));
    cr_expect(is(otel_http_forwarded(text(header), "host"), "a:1"));
    cr_expect(is(otel_http_forwarded(text(header), "proto"), "https"));
    cr_expect(is(otel_http_forwarded(text(header), "x"), ""), "the first element counts");
    cr_expect(is(otel_http_forwarded(text("a=\",;for=b\";for=c"), "for"), "c"));
    cr_expect(is(otel_http_forwarded(text("for"), "for"), ""));
    cr_expect(is(otel_http_forwarded(text("for="), "for"), ""));
    cr_expect(is(otel_http_forwarded(text("for=\""), "for"), ""));
    cr_expect(is(otel_http_forwarded(text(""), "for"), ""));
}

Test(http_origin, nodes)
{
    static const char *const cases[][2] = {
        {"192.0.2.1", "192.0.2.1"},
        {"192.0.2.1:80", "192.0.2.1"},
        {"\"192.0.2.1:80\"", "192.0.2.1"},
        {"[2001:db8::1]:80", "2001:db8::1"},
        {"2001:db8::1", "2001:db8::1"},
        {"_hidden:_port", "_hidden"},
        {"Unknown", ""},
        {"unknown:80", ""},
        {"a b", ""},
        {"\"", ""},
        {"[", ""},
        {"[]", ""},
        {"", ""},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect(is(otel_http_node(text(cases[i][0])), cases[i][1]), "%s", cases[i][0]);
}

Test(http_origin, first_of_a_list)
{
    cr_expect(is(otel_http_first(text(" a , b")), "a"));
    cr_expect(is(otel_http_first(text("a")), "a"));
    cr_expect(is(otel_http_first(text(", b")), ""));
    cr_expect(is(otel_http_first(text("")), ""));
}

/* Whatever comes, nothing is read behind it, everything ends, and texts lie within. */
Test(http_origin, any_bytes)
{
    static const char alphabet[] = "a1:;,=\"\\[]/@?# \t%*.\xff"
                                   "for";
    struct guardpage page;
    unsigned seed = 7;
    char bytes[48];

    guardpage_open(&page, sizeof bytes);
    for (int round = 0; round < 100000; round++) {
        size_t len = (seed >> 9) % sizeof bytes;
        struct otel_http_head head = {.method = {"CONNECT", round % 2 ? 7 : 3}};
        struct otel_http_target target;
        struct otel_http_host host;
        struct otel_text in;

        for (size_t i = 0; i < len; i++) /* the NUL is one of them */
            bytes[i] = alphabet[((seed = seed * 1103515245 + 12345) >> 16) % sizeof alphabet];
        in = (struct otel_text){guardpage_put(&page, bytes, len), len};
        head.target = in;
        otel_http_target_read(&target, &head);
        cr_assert_leq(target.path.len + target.query.len, len + 1);
        otel_http_host_read(&host, in);
        cr_assert_leq(host.name.len, len);
        cr_assert_leq(otel_http_node(in).len, len);
        cr_assert_leq(otel_http_forwarded(in, "for").len, len);
        cr_assert_leq(otel_http_first(in).len, len);
    }
    guardpage_close(&page);
}
