/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sql_token.h"

#include <string.h>

#define KEYWORD_MAX 10

struct keyword {
    char word[KEYWORD_MAX + 1];
    uint8_t len;
    bool names;
};

/* Read-only. Indexed by enum otel_sql_keyword. */
#define ANY(word) {#word, sizeof #word - 1, true},
#define RESERVED(word) {#word, sizeof #word - 1, false},
static const struct keyword keywords[] = {{"", 0, true}, OTEL_SQL_KEYWORDS(ANY, RESERVED)};
#undef ANY
#undef RESERVED

/* Read-only. The first keyword of each letter that has one. */
static const uint8_t first_of_letter[26] = {
    ['A' - 'A'] = OTEL_SQL_KW_ADD,       ['B' - 'A'] = OTEL_SQL_KW_BEGIN,
    ['C' - 'A'] = OTEL_SQL_KW_CASE,      ['D' - 'A'] = OTEL_SQL_KW_DATABASE,
    ['E' - 'A'] = OTEL_SQL_KW_ELSE,      ['F' - 'A'] = OTEL_SQL_KW_FALSE,
    ['G' - 'A'] = OTEL_SQL_KW_GLOB,      ['H' - 'A'] = OTEL_SQL_KW_HAVING,
    ['I' - 'A'] = OTEL_SQL_KW_IF,        ['J' - 'A'] = OTEL_SQL_KW_JOIN,
    ['K' - 'A'] = OTEL_SQL_KW_KEY,       ['L' - 'A'] = OTEL_SQL_KW_LATERAL,
    ['M' - 'A'] = OTEL_SQL_KW_MERGE,     ['N' - 'A'] = OTEL_SQL_KW_NOT,
    ['O' - 'A'] = OTEL_SQL_KW_OFFSET,    ['P' - 'A'] = OTEL_SQL_KW_PLAN,
    ['Q' - 'A'] = OTEL_SQL_KW_QUERY,     ['R' - 'A'] = OTEL_SQL_KW_RECURSIVE,
    ['S' - 'A'] = OTEL_SQL_KW_SAVEPOINT, ['T' - 'A'] = OTEL_SQL_KW_TABLE,
    ['U' - 'A'] = OTEL_SQL_KW_UNION,     ['V' - 'A'] = OTEL_SQL_KW_VACUUM,
    ['W' - 'A'] = OTEL_SQL_KW_WHEN,
};

enum byte_class {
    MARK = 0, /* everything else */
    SPACE = 1,
    WORD = 2,  /* in words behind the first byte */
    DIGIT = 4, /* always with WORD */
    LETTER = 8,
    FOLDED = ~0x20, /* ASCII letters in upper case; no other byte becomes a letter */
};

/* Read-only. '$' is in words, but begins placeholders. */
static const uint8_t classes[256] = {
    ['\t' ... '\r'] = SPACE,
    [' '] = SPACE,
    ['0' ... '9'] = WORD | DIGIT,
    ['A' ... 'Z'] = WORD | LETTER,
    ['a' ... 'z'] = WORD | LETTER,
    ['_'] = WORD,
    ['$'] = WORD,
    [0x80 ... 0xff] = WORD,
};

static bool is(char c, unsigned class)
{
    return classes[(unsigned char)c] & class;
}

static char upper(char c)
{
    return (char)(c & FOLDED);
}

bool otel_sql_word_byte(char c)
{
    return is(c, WORD);
}

bool otel_sql_keyword_names(enum otel_sql_keyword keyword)
{
    return keywords[keyword].names;
}

enum otel_sql_keyword otel_sql_keyword_of(const char *word, size_t len)
{
    char first = len ? upper(word[0]) : '\0';
    unsigned i;

    if (len < 2 || len > KEYWORD_MAX || !is(first, LETTER))
        return OTEL_SQL_KW_NONE;
    i = first_of_letter[first - 'A'];
    if (!i)
        return OTEL_SQL_KW_NONE;
    for (; i < OTEL_SQL_KW_COUNT && keywords[i].word[0] == first; i++) {
        size_t n = 1;

        if (keywords[i].len != len)
            continue;
        while (n < len && upper(word[n]) == keywords[i].word[n])
            n++;
        if (n == len)
            return (enum otel_sql_keyword)i;
    }
    return OTEL_SQL_KW_NONE;
}

void otel_sql_lexer_init(struct otel_sql_lexer *lexer, const char *text, size_t len)
{
    const char *nul = len ? memchr(text, '\0', len) : NULL;

    lexer->start = lexer->at = text;
    lexer->end = nul ? nul : text + len;
}

/* Behind the '\n' or "*" "/" that ends the comment at p, p itself when there is none. */
static const char *skip_comment(const char *p, const char *end)
{
    if (end - p < 2)
        return p;
    if (p[0] == '-' && p[1] == '-') {
        p = memchr(p, '\n', (size_t)(end - p));
        return p ? p + 1 : end;
    }
    if (p[0] == '/' && p[1] == '*') {
        for (p += 2; end - p >= 2; p++)
            if (p[0] == '*' && p[1] == '/')
                return p + 2;
        return end;
    }
    return p;
}

/* White space, comments and the byte order mark, which SQLite takes for space anywhere. */
static const char *skip_space(const char *p, const char *end)
{
    const char *next;

    while (p < end) {
        if (is(*p, SPACE)) {
            p++;
        } else if (*p == '-' || *p == '/') {
            next = skip_comment(p, end);
            if (next == p)
                break;
            p = next;
        } else if (*p == '\xef' && end - p >= 3 && p[1] == '\xbb' && p[2] == '\xbf') {
            p += 3;
        } else {
            break;
        }
    }
    return p;
}

static const char *skip_word(const char *p, const char *end)
{
    while (p < end && is(*p, WORD))
        p++;
    return p;
}

/* Behind the quote that ends the token opened at p, where a doubled quote stands for one; NULL when
 * it is open at the end. */
static const char *skip_quoted(const char *p, const char *end, char quote)
{
    for (p++; p < end; p++) {
        if (*p != quote)
            continue;
        if (p + 1 < end && p[1] == quote)
            p++;
        else
            return p + 1;
    }
    return NULL;
}

/* Is it doubtful that the string from p to end of the text's quote q is over there? In SQL nothing
 * but white space or punctuation follows a string, so 'O'Brien' is a quote somebody forgot to
 * double; and a backslash may be meant to escape the quote (but ESCAPE '\' is a habit). */
static bool doubtful(const char *p, const char *q, const char *end)
{
    size_t slashes = 0;

    if (q < end && is(*q, WORD))
        return true;
    if (q - p <= 3)
        return false;
    while (q - 2 - slashes > p && q[-2 - (ptrdiff_t)slashes] == '\\')
        slashes++;
    return slashes & 1;
}

static void finish(struct otel_sql_token *token, enum otel_sql_kind kind, const char *end)
{
    token->kind = kind;
    token->len = (size_t)(end - token->at);
}

/* A string or "…" whose quote stands at p (behind its prefix). */
static void read_string(struct otel_sql_token *token, const char *p, const char *end,
                        enum otel_sql_kind kind)
{
    const char *q = skip_quoted(p, end, *p);

    if (!q || doubtful(p, q, end))
        finish(token, OTEL_SQL_UNKNOWN, end);
    else
        finish(token, kind, q);
}

/* [name]. With a quote or nothing but digits inside it is an array of some other dialect. */
static void read_bracket(struct otel_sql_token *token, const char *end)
{
    const char *p = token->at + 1, *close = memchr(p, ']', (size_t)(end - p));
    bool plain = false;

    if (!close) {
        finish(token, OTEL_SQL_UNKNOWN, end);
        return;
    }
    for (; p < close && *p != '\'' && *p != '"' && *p != '$'; p++)
        plain = plain || (is(*p, WORD) && !is(*p, DIGIT));
    finish(token, p == close && plain ? OTEL_SQL_QUOTED : OTEL_SQL_STRING, close + 1);
}

/* $tag$ … $tag$ (PostgreSQL) or a placeholder $name. */
static void read_dollar(struct otel_sql_token *token, const char *end)
{
    const char *p = token->at + 1, *close;

    while (p < end && *p != '$' && is(*p, WORD))
        p++;
    if (p < end && *p == '$') {
        p++;
        close = memmem(p, (size_t)(end - p), token->at, (size_t)(p - token->at));
        if (close)
            finish(token, OTEL_SQL_STRING, close + (p - token->at));
        else
            finish(token, OTEL_SQL_UNKNOWN, end);
        return;
    }
    finish(token, p > token->at + 1 ? OTEL_SQL_PLACEHOLDER : OTEL_SQL_UNKNOWN,
           p > token->at + 1 ? p : end);
}

static void read_number(struct otel_sql_token *token, const char *end)
{
    const char *p = token->at;
    bool hex = end - p >= 2 && p[0] == '0' && upper(p[1]) == 'X';

    while (p < end &&
           (is(*p, WORD) || *p == '.' || (!hex && (*p == '+' || *p == '-') && upper(p[-1]) == 'E')))
        p++;
    finish(token, OTEL_SQL_NUMBER, p);
}

/* ? : @ or another mark. glued: it stands right behind a word, as no placeholder does. */
static void read_mark(struct otel_sql_token *token, const char *end, bool glued)
{
    const char *p = token->at + 1;

    if (*token->at == '?') {
        while (p < end && is(*p, DIGIT))
            p++;
        finish(token, glued ? OTEL_SQL_OP : OTEL_SQL_PLACEHOLDER, glued ? token->at + 1 : p);
        return;
    }
    if (p < end && *p == *token->at) /* x::type, @@variable */
        p++;
    else if (p < end && is(*p, WORD)) {
        finish(token, glued ? OTEL_SQL_UNKNOWN : OTEL_SQL_PLACEHOLDER,
               glued ? end : skip_word(p, end));
        return;
    }
    finish(token, OTEL_SQL_OP, p);
}

static void read_word(struct otel_sql_token *token, const char *end)
{
    const char *p = skip_word(token->at, end);

    if (p < end && *p == '\'' && p - token->at == 1 && strchr("XBNE", upper(*token->at))) {
        read_string(token, p, end, OTEL_SQL_STRING);
        return;
    }
    finish(token, OTEL_SQL_WORD, p);
    token->keyword = otel_sql_keyword_of(token->at, token->len);
}

void otel_sql_lexer_next(struct otel_sql_lexer *lexer, struct otel_sql_token *token)
{
    const char *p = skip_space(lexer->at, lexer->end), *end = lexer->end, *close;
    bool glued = p == lexer->at && p > lexer->start && is(p[-1], WORD);

    *token = (struct otel_sql_token){.at = p, .space = p > lexer->at};
    if (p == end)
        finish(token, OTEL_SQL_END, p);
    else if (is(*p, WORD) && !is(*p, DIGIT) && *p != '$')
        read_word(token, end);
    else if (*p == '\'' || *p == '"')
        read_string(token, p, end, *p == '"' ? OTEL_SQL_DQUOTED : OTEL_SQL_STRING);
    else if (*p == '[')
        read_bracket(token, end);
    else if (*p == '`') {
        close = skip_quoted(p, end, '`');
        finish(token, close ? OTEL_SQL_QUOTED : OTEL_SQL_UNKNOWN, close ? close : end);
    } else if (is(*p, DIGIT) || (*p == '.' && end - p >= 2 && is(p[1], DIGIT)))
        read_number(token, end);
    else if (*p == '$')
        read_dollar(token, end);
    else if (*p == '?' || *p == ':' || *p == '@')
        read_mark(token, end, glued);
    else if (*p == '#' || *p == '\\') /* legal in no SQL of SQLite: a comment, an escape? */
        finish(token, OTEL_SQL_UNKNOWN, end);
    else
        finish(token, OTEL_SQL_OP, p + 1);
    lexer->at = token->at + token->len;
}
