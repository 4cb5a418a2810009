/* SPDX-License-Identifier: Apache-2.0 */
#include "core/export/console_text.h"

#include <criterion/criterion.h>
#include <string.h>

#include "core/utf8.h"
#include "tests/support/guardpage.h"

static char found[256];

static const char *clean(const char *text, size_t max)
{
    size_t len = strlen(text);
    struct guardpage page;
    size_t n;

    guardpage_open(&page, len + 1);
    n = otel_console_clean(found, sizeof found - 1, guardpage_put(&page, text, len), len, max);
    guardpage_close(&page);
    found[n] = '\0';
    return found;
}

Test(console_text, keeps_what_is_harmless)
{
    cr_assert_str_eq(clean("", 10), "");
    cr_assert_str_eq(clean("GET /a?b=c", 99), "GET /a?b=c");
    cr_assert_str_eq(clean("größe 日本 😀", 99), "größe 日本 😀");
}

Test(console_text, what_commands_a_terminal_becomes_a_question_mark)
{
    cr_assert_str_eq(clean("\x1b[31mred\x1b]0;title\a", 99), "?[31mred?]0;title?");
    cr_assert_str_eq(clean("a\x7f\x08z", 99), "a??z");
    cr_assert_str_eq(clean("\xc2\x9b"
                           "2J",
                           99),
                     "?2J"); /* C1 CSI as UTF-8 */
    cr_assert_str_eq(clean("\x9b"
                           "2J",
                           99),
                     "?2J"); /* C1 CSI as a byte */
    cr_assert_str_eq(clean("a\xe2\x80\xae"
                           "b\xe2\x80\x8b",
                           99),
                     "a?b?"); /* right-to-left override, zero width */
}

Test(console_text, broken_utf8_becomes_question_marks)
{
    cr_assert_str_eq(clean("\xff\xfe", 99), "??");
    cr_assert_str_eq(clean("a\xe2\x82", 99), "a??");                /* ends too early */
    cr_assert_str_eq(clean("\xed\xa0\x80|\xc0\x80", 99), "???|??"); /* surrogate, overlong */
}

Test(console_text, white_space_is_one_space)
{
    cr_assert_str_eq(clean("\n SELECT *\r\n\t FROM  t\n", 99), "SELECT * FROM t");
    cr_assert_str_eq(clean("a\xc2\xa0\xe2\x80\xa8z", 99), "a z");
}

Test(console_text, cuts_by_characters)
{
    cr_assert_str_eq(clean("abcdef", 6), "abcdef");
    cr_assert_str_eq(clean("abcdefg", 6), "abcde…");
    cr_assert_str_eq(clean("ääääääää", 3), "ää…");
    cr_assert_str_eq(clean("abc", 1), "…");
    cr_assert_str_eq(clean("abc", 0), "");
}

Test(console_text, never_writes_more_than_fits)
{
    const char *text = "aä日😀\x1b\xff z aä日😀aä日😀";
    char out[64];

    for (size_t cap = 0; cap < sizeof out; cap++) {
        struct guardpage page;
        char *to;
        size_t n;

        guardpage_open(&page, sizeof out);
        to = guardpage_room(&page, cap);
        n = otel_console_clean(to, cap, text, strlen(text), 99);
        cr_assert_leq(n, cap);
        cr_assert(otel_utf8_valid(to, n));
        guardpage_close(&page);
    }
}

Test(console_text, columns_and_fit)
{
    cr_assert_eq(otel_console_columns("größe", strlen("größe")), 5);
    cr_assert_eq(otel_console_fit("größe", strlen("größe"), 3), 4);
    cr_assert_eq(otel_console_fit("größe", strlen("größe"), 9), strlen("größe"));
    cr_assert_eq(otel_console_fit("größe", strlen("größe"), 0), 0);
}

Test(console_text, durations)
{
    const struct {
        uint64_t ns;
        const char *text;
    } cases[] = {
        {0, "0 ns"},
        {999, "999 ns"},
        {1000, "1.00 µs"},
        {999999, "999 µs"},
        {12345678, "12.3 ms"},
        {999999999, "999 ms"},
        {1250000000, "1.25 s"},
        {59999999999, "59.9 s"},
        {123000000000, "2m 03s"},
        {3600000000000, "1h 00m"},
        {UINT64_MAX, "5124095h 34m"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[OTEL_CONSOLE_DURATION_MAX];
        size_t columns = otel_console_duration(out, cases[i].ns);

        cr_assert_str_eq(out, cases[i].text);
        cr_assert_eq(columns, otel_console_columns(out, strlen(out)));
    }
}
