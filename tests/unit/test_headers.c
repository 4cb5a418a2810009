/* SPDX-License-Identifier: Apache-2.0 */
#include "core/export/headers.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "tests/support/guardpage.h"

static struct guardpage page; /* each test is a process of its own */
static struct otel_header header;

static void open_page(void)
{
    guardpage_open(&page, 16384);
}

static void close_page(void)
{
    guardpage_close(&page);
}

TestSuite(headers, .init = open_page, .fini = close_page);

/* The first member of text, which ends right before a page that faults. */
static int first(const char *text)
{
    const char *at = guardpage_put(&page, text, strlen(text) + 1);

    return otel_headers_next(&at, &header);
}

static void expect(const char **at, const char *name, const char *value)
{
    cr_assert_eq(otel_headers_next(at, &header), 1);
    cr_assert_str_eq(header.name, name);
    cr_assert_str_eq(header.value, value);
}

Test(headers, members_in_order)
{
    static const char text[] = ",a=1, b = two words ,,c=%41%2c%3D,d=,e=x=y;p=1 ,";
    const char *at = guardpage_put(&page, text, sizeof text);

    expect(&at, "a", "1");
    expect(&at, "b", "two words");
    expect(&at, "c", "A,=");
    expect(&at, "d", "");
    expect(&at, "e", "x=y;p=1");
    cr_assert_eq(otel_headers_next(&at, &header), 0);
    cr_assert_eq(otel_headers_next(&at, &header), 0);
}

Test(headers, nothing)
{
    cr_assert_eq(first(""), 0);
    cr_assert_eq(first(" ,, \t,"), 0);
}

Test(headers, malformed_members)
{
    static const char *const texts[] = {
        "a",     "=1",    "a b=1", "a\x01=1", "a:=1",   "\xc3\xa9=1", "a=%4",  "a=%",   "a=%zz",
        "a=%0a", "a=%0D", "a=%00", "a=%7f",   "a=\x01", " = ",        "(a)=1", "a\"=1", "a=%4\xff"};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        cr_assert_eq(first(texts[i]), -EINVAL, "%s", texts[i]);
}

Test(headers, a_malformed_member_does_not_hide_the_next)
{
    static const char text[] = "bad,good=1";
    const char *at = guardpage_put(&page, text, sizeof text);

    cr_assert_eq(otel_headers_next(&at, &header), -EINVAL);
    expect(&at, "good", "1");
}

Test(headers, name_of_a_bad_value_is_known)
{
    cr_assert_eq(first("api-key=%0a"), -EINVAL);
    cr_assert_str_eq(header.name, "api-key");
    cr_assert_eq(first("bad name=1"), -EINVAL);
    cr_assert_str_eq(header.name, "");
}

Test(headers, lengths)
{
    char text[OTEL_HEADER_NAME_MAX + OTEL_HEADER_VALUE_MAX + 2];

    for (int over = 0; over < 2; over++) {
        size_t name = (size_t)(OTEL_HEADER_NAME_MAX - 1 + over);

        memset(text, 'n', name);
        memcpy(text + name, "=1", 3);
        cr_assert_eq(first(text), over ? -EINVAL : 1);

        memcpy(text, "n=", 2);
        memset(text + 2, 'v', (size_t)(OTEL_HEADER_VALUE_MAX - 1 + over));
        text[2 + OTEL_HEADER_VALUE_MAX - 1 + over] = '\0';
        cr_assert_eq(first(text), over ? -EINVAL : 1);
    }
}

Test(headers, reserved)
{
    cr_assert(otel_headers_reserved("Content-Type"));
    cr_assert(otel_headers_reserved("TE"));
    cr_assert(otel_headers_reserved("Grpc-Timeout"));
    cr_assert(otel_headers_reserved("transfer-encoding"));
    cr_assert_not(otel_headers_reserved("Authorization"));
    cr_assert_not(otel_headers_reserved("grpc"));
    cr_assert_not(otel_headers_reserved("content-typ"));
}

static long decode(size_t cap, const char *text, bool lenient, char *out)
{
    size_t len = strlen(text);

    return otel_percent_decode(out, cap, guardpage_put(&page, text, len), len, lenient);
}

Test(headers, percent_decode)
{
    char out[8];

    cr_assert_eq(decode(sizeof out, "a%20b", false, out), 3);
    cr_assert_str_eq(out, "a b");
    cr_assert_eq(decode(sizeof out, "1234567", false, out), 7);
    cr_assert_eq(decode(sizeof out, "12345678", false, out), -1);
    cr_assert_eq(decode(sizeof out, "12345678", true, out), 7);
    cr_assert_str_eq(out, "1234567");
    cr_assert_eq(decode(sizeof out, "%2", false, out), -1);
    cr_assert_eq(decode(sizeof out, "5%", true, out), 2);
    cr_assert_str_eq(out, "5%");
    cr_assert_eq(decode(sizeof out, "%g1%1g", true, out), 6);
    cr_assert_eq(decode(1, "x", true, out), 0);
    cr_assert_str_eq(out, "");
}
