/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sql_token.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/guardpage.h"

/* One letter for each token: see kinds below. */
struct token_case {
    const char *text, *kinds;
};

static char kind_letter(enum otel_sql_kind kind)
{
    return "EWQDSN?o#"[kind];
}

static const struct token_case cases[] = {
    {"", ""},
    {" \t\r\n\f", ""},
    {"\xef\xbb\xbfSELECT", "W"},
    {"SELECT a_1 $", "WW#"},
    {"a b\xc3\xa9 c$d", "WWW"},
    {"'a' 'it''s' ''", "SSS"},
    {"x'00ff' X'' N'a' e'b' b'c'", "SSSSS"},
    {"`a``b` [a b] \"a\"\"b\"", "QQD"},
    {"[1] ['a'] [\"a\"] [a.b]", "SSSQ"},
    {"1 1.5 .5 1e5 1e-5 1.E+5 0x1f 1_000 1abc 1.2.3", "NNNNNNNNNN"},
    {"0x1e+5", "NoN"},
    {"t.a 1-5 a.5", "WoWNoNWN"},
    {"? ?1 :a @a $a ?1a", "??????W"},
    {"a::b @@c", "WoWoW"},
    {"a:b 'x'", "W#"},
    {"a@b.c", "W#"},
    {"a? ?", "Wo?"},
    {"$$a 'b' c$$ $t$ $$ $t$ x", "SSW"},
    {"$t$ open", "#"},
    {"a -- b 'c\nd", "WW"},
    {"a -- b", "W"},
    {"a /* b 'c */ d /**/e", "WWW"},
    {"a /* b", "W"},
    {"a /*/ b */ c", "WW"},
    {"- / *", "ooo"},
    {"-", "o"},
    {"/", "o"},
    {"'open", "#"},
    {"\"open", "#"},
    {"`open", "#"},
    {"[open", "#"},
    {"x'open", "#"},
    {"'O'Brien', 1", "#"},
    {"\"O\"Brien", "#"},
    {"'it\\'s', 1", "#"},
    {"'C:\\' b", "#"},
    {"'C:\\\\' b", "SW"},
    {"'\\' b", "SW"},
    {"a # b", "W#"},
    {"a \\ b", "W#"},
    {"<= || -> !=", "oooooooo"},
};

Test(sql_token, kinds)
{
    struct guardpage page;

    guardpage_open(&page, 256);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t len = strlen(cases[i].text), n = 0;
        const char *text = guardpage_put(&page, cases[i].text, len);
        struct otel_sql_lexer lexer;
        struct otel_sql_token token;
        char kinds[64];

        otel_sql_lexer_init(&lexer, text, len);
        for (;;) {
            otel_sql_lexer_next(&lexer, &token);
            if (token.kind == OTEL_SQL_END)
                break;
            kinds[n++] = kind_letter(token.kind);
        }
        kinds[n] = '\0';
        cr_expect_str_eq(kinds, cases[i].kinds, "%s gave %s", cases[i].text, kinds);
        otel_sql_lexer_next(&lexer, &token);
        cr_expect_eq(token.kind, OTEL_SQL_END);
    }
    guardpage_close(&page);
}

Test(sql_token, nul_ends_the_text)
{
    struct otel_sql_lexer lexer;
    struct otel_sql_token token;

    otel_sql_lexer_init(&lexer, "a\0b", 3);
    otel_sql_lexer_next(&lexer, &token);
    otel_sql_lexer_next(&lexer, &token);
    cr_expect_eq(token.kind, OTEL_SQL_END);
}

#define WORD(word) #word,
static const char *const words[] = {"", OTEL_SQL_KEYWORDS(WORD, WORD)};

Test(sql_token, every_keyword_is_found_in_any_case)
{
    for (unsigned i = 1; i < OTEL_SQL_KW_COUNT; i++) {
        char lower[16];
        size_t len = strlen(words[i]);

        cr_expect(i == 1 || strcmp(words[i - 1], words[i]) < 0, "%s is out of order", words[i]);
        for (size_t k = 0; k <= len; k++)
            lower[k] = (char)(words[i][k] | (words[i][k] ? 0x20 : 0));
        cr_expect_eq(otel_sql_keyword_of(words[i], len), i, "%s", words[i]);
        cr_expect_eq(otel_sql_keyword_of(lower, len), i, "%s", lower);
        cr_expect_neq(otel_sql_keyword_of(words[i], len - 1), i, "%s cut", words[i]);
    }
    cr_expect_eq(otel_sql_keyword_of("xylophone", 9), OTEL_SQL_KW_NONE);
    cr_expect_eq(otel_sql_keyword_of("SELECTS", 7), OTEL_SQL_KW_NONE);
    cr_expect_eq(otel_sql_keyword_of("", 0), OTEL_SQL_KW_NONE);
    cr_expect_eq(otel_sql_keyword_of("\xc1\x44", 2), OTEL_SQL_KW_NONE);
    cr_expect(otel_sql_keyword_names(OTEL_SQL_KW_KEY));
    cr_expect(otel_sql_keyword_names(OTEL_SQL_KW_NONE));
    cr_expect_not(otel_sql_keyword_names(OTEL_SQL_KW_SELECT));
}

/* Tokens never overlap, never go back, and what lies between them is space or comment. */
Test(sql_token, any_bytes)
{
    static const char alphabet[] = "ab1.'\"`[]x$?:@-/*\\#e+ \n\xef\xbb\xbf";
    struct guardpage page;
    unsigned seed = 1;

    guardpage_open(&page, 64);
    for (int round = 0; round < 200000; round++) {
        size_t len = (size_t)rand_r(&seed) % 32;
        char *text = guardpage_room(&page, len);
        const char *end = text;
        struct otel_sql_lexer lexer;
        struct otel_sql_token token;

        for (size_t i = 0; i < len; i++)
            text[i] = alphabet[(size_t)rand_r(&seed) % (sizeof alphabet - 1)];
        otel_sql_lexer_init(&lexer, text, len);
        do {
            otel_sql_lexer_next(&lexer, &token);
            cr_assert(token.at >= end && token.at + token.len <= text + len);
            cr_assert(token.space == (token.at > end));
            cr_assert((token.len == 0) == (token.kind == OTEL_SQL_END));
            end = token.at + token.len;
        } while (token.kind != OTEL_SQL_END);
        cr_assert(end == text + len);
    }
    guardpage_close(&page);
}
