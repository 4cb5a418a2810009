/* SPDX-License-Identifier: Apache-2.0
 *
 * SQL as tokens: SQLite's, with what other dialects add where it cannot be mistaken. Inside core's
 * SQL files only.
 *
 * The text may be broken (it is also shown when preparing it failed), so the lexer has a way out:
 * where it is no longer sure what is inside a literal and what is not, the whole rest becomes one
 * token UNKNOWN, which nobody may show.
 */
#ifndef OTEL_CORE_SQL_TOKEN_H
#define OTEL_CORE_SQL_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum otel_sql_kind {
    OTEL_SQL_END,
    OTEL_SQL_WORD,        /* a keyword or a plain name */
    OTEL_SQL_QUOTED,      /* a name in `` or [] */
    OTEL_SQL_DQUOTED,     /* in "": a name or, in SQLite, a string */
    OTEL_SQL_STRING,      /* '..', x'..', N'..', $tag$..$tag$ */
    OTEL_SQL_NUMBER,      /* also 0x1f, and words that begin with a digit */
    OTEL_SQL_PLACEHOLDER, /* ?, ?1, :a, @a, $a */
    OTEL_SQL_OP,          /* one byte of punctuation */
    OTEL_SQL_UNKNOWN,     /* the rest of the text */
};

/* Words with a meaning here, in alphabetical order (sql_token.c relies on it). ANY: may also be the
 * name of a table or column; RESERVED: never. */
/* clang-format off */
#define OTEL_SQL_KEYWORDS(ANY, RESERVED)                                                           \
    RESERVED(ADD) RESERVED(ALL) RESERVED(ALTER) ANY(ANALYZE) RESERVED(AND) RESERVED(AS)            \
    ANY(ATTACH) ANY(BEGIN) RESERVED(BETWEEN) ANY(BY) RESERVED(CASE) ANY(COLUMN) RESERVED(COMMIT)   \
    ANY(CONFLICT) RESERVED(CONSTRAINT) RESERVED(CREATE) ANY(DATABASE) ANY(DATE) ANY(DATETIME)      \
    RESERVED(DEFAULT) RESERVED(DELETE) ANY(DETACH) RESERVED(DISTINCT) ANY(DO) RESERVED(DROP)       \
    RESERVED(ELSE) ANY(END) RESERVED(ESCAPE) RESERVED(EXCEPT) RESERVED(EXISTS) ANY(EXPLAIN)        \
    ANY(FALSE) RESERVED(FROM) ANY(GLOB) RESERVED(GROUP) RESERVED(HAVING) RESERVED(IF)              \
    RESERVED(IN) RESERVED(INDEX) RESERVED(INSERT) RESERVED(INTERSECT) ANY(INTERVAL)                \
    RESERVED(INTO) RESERVED(IS) RESERVED(JOIN) ANY(KEY) RESERVED(LATERAL) ANY(LIKE)                \
    RESERVED(LIMIT) ANY(MERGE) RESERVED(NOT) ANY(OFFSET) RESERVED(ON) RESERVED(ONLY) RESERVED(OR)  \
    RESERVED(ORDER) ANY(PLAN) ANY(PRAGMA) ANY(QUERY) ANY(RECURSIVE) RESERVED(REFERENCES)           \
    ANY(REINDEX) ANY(RELEASE) ANY(RENAME) ANY(REPLACE) RESERVED(RETURNING) ANY(ROLLBACK)           \
    ANY(SAVEPOINT) RESERVED(SELECT) RESERVED(SET) RESERVED(TABLE) RESERVED(THEN) ANY(TIME)         \
    ANY(TIMESTAMP) RESERVED(TO) ANY(TRIGGER) ANY(TRUE) ANY(TRUNCATE) RESERVED(UNION)               \
    RESERVED(UNIQUE) RESERVED(UPDATE) RESERVED(USING) ANY(VACUUM) RESERVED(VALUES) ANY(VIEW)       \
    RESERVED(WHEN) RESERVED(WHERE) ANY(WINDOW) RESERVED(WITH)
/* clang-format on */

#define OTEL_SQL_KEYWORD(word) OTEL_SQL_KW_##word,
enum otel_sql_keyword {
    OTEL_SQL_KW_NONE,
    OTEL_SQL_KEYWORDS(OTEL_SQL_KEYWORD, OTEL_SQL_KEYWORD) OTEL_SQL_KW_COUNT
};
#undef OTEL_SQL_KEYWORD

struct otel_sql_token {
    enum otel_sql_kind kind;
    enum otel_sql_keyword keyword; /* of a WORD, else NONE */
    const char *at;
    size_t len;
    bool space; /* white space or a comment stands before it */
};

struct otel_sql_lexer {
    const char *start, *at, *end;
};

/* A NUL ends the text, as it does for SQLite. */
void otel_sql_lexer_init(struct otel_sql_lexer *lexer, const char *text, size_t len);

/* Reads the next token; END at the end, again and again. Linear in the text's length as a whole. */
void otel_sql_lexer_next(struct otel_sql_lexer *lexer, struct otel_sql_token *token);

/* The keyword a word is, in any case. */
enum otel_sql_keyword otel_sql_keyword_of(const char *word, size_t len);

/* May this keyword also be a name ("key", "date")? True for NONE. */
bool otel_sql_keyword_names(enum otel_sql_keyword keyword);

/* Can c be in a word behind its first byte? Bytes from 0x80 on can. */
bool otel_sql_word_byte(char c);

static inline bool otel_sql_is_op(const struct otel_sql_token *token, char c)
{
    return token->kind == OTEL_SQL_OP && *token->at == c;
}

#endif
