/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tracestate.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/guardpage.h"

#define CAP 4096

static struct guardpage in, out;

static void open_pages(void)
{
    guardpage_open(&in, 65536);
    guardpage_open(&out, 65536);
}

static void close_pages(void)
{
    guardpage_close(&in);
    guardpage_close(&out);
}

TestSuite(tracestate, .init = open_pages, .fini = close_pages);

static char joined[CAP + 1];

/* One header; the result in joined. */
static int join_cap(const char *text, size_t cap)
{
    size_t len = strlen(text);
    const char *value = guardpage_put(&in, text, len);
    char *room = guardpage_room(&out, cap);
    int n = otel_tracestate_join(room, cap, &value, &len, 1);

    if (n >= 0) {
        memcpy(joined, room, (size_t)n);
        joined[n] = '\0';
    }
    return n;
}

static int join(const char *text)
{
    return join_cap(text, CAP);
}

static const char *repeat(char c, int n)
{
    static char text[4][600];
    static int turn;
    char *t = text[turn++ % 4];

    memset(t, c, (size_t)n);
    t[n] = '\0';
    return t;
}

Test(tracestate, kept)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"foo=1", "foo=1"},
        {"foo=1,bar=2", "foo=1,bar=2"},
        {" foo=1 \t,\t bar=2\t", "foo=1,bar=2"},
        {"", ""},
        {"  \t", ""},
        {",", ""},
        {" , ,,\t", ""},
        {"foo=1,", "foo=1"},
        {",foo=1,,bar=2,", "foo=1,bar=2"},
        {"foo=1, ,bar=2", "foo=1,bar=2"},
        {"foo=  1", "foo=  1"}, /* leading spaces belong to the value */
        {"foo=1 2 3", "foo=1 2 3"},
        {"foo=1;bar", "foo=1;bar"},
        {"0=1", "0=1"},
        {"1a-_*/=x", "1a-_*/=x"},
        {"tenant@system=1", "tenant@system=1"},
        {"0tenant@system=1,system=2", "0tenant@system=1,system=2"},
        {"foo@=1", "foo@=1"}, /* Level 2: '@' is a char like others, but not the first */
        {"a@b@c=1", "a@b@c=1"},
        {"foo=!\"#$%&'()*+-./09:;<>?@AZ[\\]^_`az{|}~",
         "foo=!\"#$%&'()*+-./09:;<>?@AZ[\\]^_`az{|}~"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect_eq(join(cases[i].text), (int)strlen(cases[i].want), "'%s'", cases[i].text);
        cr_expect_str_eq(joined, cases[i].want);
    }
}

Test(tracestate, dropped)
{
    static const char *const cases[] = {
        "foo",          "=1",          "foo=",     "foo= ",     "Foo=1",
        "foo =1",       "foo.bar=1",   "_foo=1",   "@foo=1",    "-foo=1",
        "foo=1=2",      "foo==",       "foo=a\tb", "foo=\x7f",  "foo=\x80",
        "foo=\xc3\xa4", "f\xff=1",     "foo=\x1f", "foo=1,bar", "foo=1,BAR=2",
        "foo=1,foo=2",  "a=1,b=2,a=1", "foo=1,\n", "foo\x80=1", "foo=1,bar =2",
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_eq(join(cases[i]), -EINVAL, "'%s'", cases[i]);
}

Test(tracestate, nul_is_illegal)
{
    const char *value = guardpage_put(&in, "a\0=1", 4);
    size_t len = 4;
    char room[16];

    cr_expect_eq(otel_tracestate_join(room, sizeof room, &value, &len, 1), -EINVAL);
    value = guardpage_put(&in, "a=\0001", 4);
    cr_expect_eq(otel_tracestate_join(room, sizeof room, &value, &len, 1), -EINVAL);
}

Test(tracestate, lengths_of_key_and_value)
{
    static const struct {
        int key, value, want;
    } cases[] = {
        {256, 1, 258}, {257, 1, -EINVAL}, {1, 256, 258}, {1, 257, -EINVAL}, {256, 256, 513},
    };
    char text[700];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(text, sizeof text, "%s=%s", repeat('k', cases[i].key),
                 repeat('v', cases[i].value));
        cr_expect_eq(join(text), cases[i].want, "case %zu", i);
    }
}

static void many(char *text, int count)
{
    *text = '\0';
    for (int i = 0; i < count; i++)
        sprintf(text + strlen(text), "%sk%d=%d", i ? "," : "", i, i);
}

Test(tracestate, at_most_32_members)
{
    char text[1024];

    many(text, 32);
    cr_expect_eq(join(text), (int)strlen(text));
    cr_expect_str_eq(joined, text);
    many(text, 33);
    cr_expect_eq(join(text), -EINVAL);
    many(text, 32);
    strcat(text, ",,,"); /* empty ones do not count */
    cr_expect(join(text) > 0);
}

Test(tracestate, at_least_512_bytes_are_kept)
{
    char text[700];

    snprintf(text, sizeof text, "a=%s,b=%s", repeat('x', 255), repeat('y', 252));
    cr_expect_eq(strlen(text), 512);
    cr_expect_eq(join(text), 512);
    cr_expect_str_eq(joined, text);
}

Test(tracestate, several_headers_in_order)
{
    static const char *const values[] = {"foo=1,bar=2", "", " baz=3 ", ",", "x=4"};
    static const size_t lens[] = {11, 0, 7, 1, 3};
    static const char *const twice[] = {"foo=1", "foo=2"};
    static const size_t twice_lens[] = {5, 5};
    char room[64];
    int n = otel_tracestate_join(room, sizeof room, values, lens, 5);

    cr_expect_eq(n, 21);
    cr_expect_arr_eq(room, "foo=1,bar=2,baz=3,x=4", 21);
    cr_expect_eq(otel_tracestate_join(room, sizeof room, twice, twice_lens, 2), -EINVAL);
    cr_expect_eq(otel_tracestate_join(room, sizeof room, NULL, NULL, 0), 0);
}

Test(tracestate, capacity)
{
    cr_expect_eq(join_cap("foo=1,bar=2", 11), 11);
    cr_expect_eq(join_cap("foo=1,bar=2", 10), -E2BIG);
    cr_expect_eq(join_cap("foo=1,bar=2", 5), -E2BIG);
    cr_expect_eq(join_cap("foo=1", 0), -E2BIG);
    cr_expect_eq(join_cap("  foo=1 , ", 5), 5);
}

/* Cut anywhere, the parser must stop at the end. */
Test(tracestate, every_prefix)
{
    static const char text[] = " foo=1 , tenant@sys=a b ,,bar=\"2\" ";
    char room[64];

    for (size_t len = 0; len < sizeof text; len++) {
        const char *value = guardpage_put(&in, text, len);

        otel_tracestate_join(room, sizeof room, &value, &len, 1);
    }
}
