/* SPDX-License-Identifier: Apache-2.0 */
#include "core/members.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/guardpage.h"

static char got[256];

static const char *walk(const char *const *values, const size_t *lens, size_t count)
{
    struct otel_members members = {.values = values, .lens = lens, .count = count};
    struct otel_text member;

    *got = '\0';
    while (otel_members_next(&members, &member))
        sprintf(got + strlen(got), "[%.*s]", (int)member.len, member.data);
    cr_expect_not(otel_members_next(&members, &member));
    return got;
}

Test(members, of_one_value)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"", ""},
        {",", ""},
        {" ,\t, ", ""},
        {"a", "[a]"},
        {"a,b", "[a][b]"},
        {" a ,\tb\t", "[a][b]"},
        {",a,,b,", "[a][b]"},
        {"a b", "[a b]"},
    };
    struct guardpage page;

    guardpage_open(&page, 64);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t len = strlen(cases[i].text);
        const char *value = guardpage_put(&page, cases[i].text, len);

        cr_expect_str_eq(walk(&value, &len, 1), cases[i].want, "'%s'", cases[i].text);
    }
    guardpage_close(&page);
}

Test(members, of_several_values)
{
    static const char *const values[] = {"a,b", NULL, ",", "c,", " d "};
    static const size_t lens[] = {3, 0, 1, 2, 3};

    cr_expect_str_eq(walk(values, lens, 5), "[a][b][c][d]");
    cr_expect_str_eq(walk(NULL, NULL, 0), "");
}

Test(members, trim)
{
    struct otel_text text = otel_text_trim(" \t a b\t ", 8);

    cr_expect_eq(text.len, 3);
    cr_expect_arr_eq(text.data, "a b", 3);
    cr_expect_eq(otel_text_trim(" \t", 2).len, 0);
    cr_expect_eq(otel_text_trim("\n", 1).len, 1);
    cr_expect_eq(otel_text_trim(NULL, 0).len, 0);
}
