/* SPDX-License-Identifier: Apache-2.0 */
#include "core/baggage.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/guardpage.h"

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

TestSuite(baggage, .init = open_pages, .fini = close_pages);

static char joined[8193];

static int join_cap(const char *text, size_t cap)
{
    size_t len = strlen(text);
    const char *value = guardpage_put(&in, text, len);
    char *room = guardpage_room(&out, cap);
    int n = otel_baggage_join(room, cap, &value, &len, 1);

    memcpy(joined, room, (size_t)n);
    joined[n] = '\0';
    return n;
}

Test(baggage, cases)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"a=1", "a=1"},
        {"a=1,b=2", "a=1,b=2"},
        {" a=1 ,\tb=2 ", "a=1,b=2"},
        {"a = 1", "a = 1"},
        {"a=", "a="},
        {"a=b=c", "a=b=c"},
        {"a=%20x%C3%A4", "a=%20x%C3%A4"},
        {"a=1;p", "a=1;p"},
        {"a=1;p;q=2 ; r = 3", "a=1;p;q=2 ; r = 3"},
        {"userId=alice,serverNode=DF%2028,isProduction=false",
         "userId=alice,serverNode=DF%2028,isProduction=false"},
        {"!#$%&'*+-.^_`|~=x", "!#$%&'*+-.^_`|~=x"},
        {"a=1,a=2", "a=1,a=2"},
        {"", ""},
        {",,", ""},
        /* malformed members go, the others stay */
        {"a", ""},
        {"=1", ""},
        {" =1,b=2", "b=2"},
        {"a=1,b,c=3", "a=1,c=3"},
        {"a b=1,c=3", "c=3"},
        {"a=x y,c=3", "c=3"},
        {"a=\"q\",c=3", "c=3"},
        {"a=x\\y,c=3", "c=3"},
        {"a=\x7f,c=3", "c=3"},
        {"a=\xc3\xa4,c=3", "c=3"},
        {"\xc3\xa4=1,c=3", "c=3"},
        {"a=1;,c=3", "c=3"},
        {"a=1;=x,c=3", "c=3"},
        {"a=1;p q,c=3", "c=3"},
        {"a=1;p=\",c=3", "c=3"},
        {";,c=3", "c=3"},
        {"a@b=1,c=3", "c=3"},
        {"a=1\r\nx: y,c=3", "c=3"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect_eq(join_cap(cases[i].text, 8192), (int)strlen(cases[i].want), "'%s'",
                     cases[i].text);
        cr_expect_str_eq(joined, cases[i].want);
    }
}

Test(baggage, at_most_64_members)
{
    char text[1024] = "", want[1024] = "";

    for (int i = 0; i < 70; i++) {
        sprintf(text + strlen(text), "%sk%d=%d", i ? "," : "", i, i);
        if (i == 63)
            strcpy(want, text);
    }
    join_cap(text, 8192);
    cr_expect_str_eq(joined, want);
}

Test(baggage, members_past_the_capacity_are_left_out_whole)
{
    cr_expect_eq(join_cap("a=1,b=2", 7), 7);
    cr_expect_eq(join_cap("a=1,b=2", 6), 3);
    cr_expect_str_eq(joined, "a=1");
    cr_expect_eq(join_cap("a=1,b=22,c=3", 7), 7);
    cr_expect_str_eq(joined, "a=1,c=3");
    cr_expect_eq(join_cap("a=1", 0), 0);
}

Test(baggage, several_headers)
{
    static const char *const values[] = {"a=1", " ", "b=2;p,bad", "c=3"};
    static const size_t lens[] = {3, 1, 9, 3};
    char room[64];

    cr_expect_eq(otel_baggage_join(room, sizeof room, values, lens, 4), 13);
    cr_expect_arr_eq(room, "a=1,b=2;p,c=3", 13);
    cr_expect_eq(otel_baggage_join(room, sizeof room, NULL, NULL, 0), 0);
}

Test(baggage, every_prefix)
{
    static const char text[] = " a = 1 ; p ; q = 2 , bad ;, c=3;=";
    char room[64];

    for (size_t len = 0; len < sizeof text; len++) {
        const char *value = guardpage_put(&in, text, len);

        otel_baggage_join(room, sizeof room, &value, &len, 1);
    }
}
