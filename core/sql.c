/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sql.h"

#include <string.h>

#include "core/sql_summary.h"
#include "core/sql_token.h"

/* The text without its literals, as it is being written. */
struct sanitizer {
    char *out;
    size_t cap, len;
    bool full;                  /* something did not fit: nothing more is written */
    bool space;                 /* a blank is owed, by a token that was left out */
    bool held_space;            /* the same for held */
    char held;                  /* ',' or ';' that is written only if something follows, else 0 */
    bool operand;               /* a sign now would be an operator */
    bool in;                    /* IN came last */
    bool list_value;            /* the last thing written is a '?' of the IN list */
    unsigned depth, list_depth; /* parentheses; those of the IN list, 0: in none */
};

static void put(struct sanitizer *w, bool space, const char *p, size_t len)
{
    space = space && w->len;
    if (w->full || len + space > w->cap - w->len) {
        w->full = true;
        return;
    }
    if (space)
        w->out[w->len++] = ' ';
    memcpy(w->out + w->len, p, len);
    w->len += len;
}

static void put_held(struct sanitizer *w)
{
    if (w->held)
        put(w, w->held_space, &w->held, 1);
    w->held = '\0';
}

static bool is_date_word(enum otel_sql_keyword keyword)
{
    return keyword == OTEL_SQL_KW_DATE || keyword == OTEL_SQL_KW_TIME ||
           keyword == OTEL_SQL_KW_TIMESTAMP || keyword == OTEL_SQL_KW_DATETIME ||
           keyword == OTEL_SQL_KW_INTERVAL;
}

/* Is the token a literal, or what stands in a literal's place and cannot be told from one? */
static bool is_literal(const struct otel_sql_token *token, const struct otel_sql_token *next,
                       enum otel_sql_role role, bool behind_dot)
{
    switch (token->kind) {
    case OTEL_SQL_STRING:
    case OTEL_SQL_NUMBER:
    case OTEL_SQL_UNKNOWN:
        return true;
    case OTEL_SQL_DQUOTED:
        return role != OTEL_SQL_ROLE_NAME;
    case OTEL_SQL_QUOTED:
        return role == OTEL_SQL_ROLE_SECRET;
    case OTEL_SQL_WORD:
        return role == OTEL_SQL_ROLE_SECRET ||
               ((token->keyword == OTEL_SQL_KW_TRUE || token->keyword == OTEL_SQL_KW_FALSE) &&
                !behind_dot && !otel_sql_is_op(next, '.'));
    default:
        return false;
    }
}

/* Does token only introduce the literal next: a sign, or DATE '2024-02-29'? */
static bool introduces(const struct sanitizer *w, const struct otel_sql_token *token,
                       const struct otel_sql_token *next)
{
    if (token->kind == OTEL_SQL_WORD)
        return is_date_word(token->keyword) && next->kind == OTEL_SQL_STRING;
    if (otel_sql_is_op(token, '-') || otel_sql_is_op(token, '+'))
        return !w->operand && (next->kind == OTEL_SQL_STRING || next->kind == OTEL_SQL_NUMBER);
    return false;
}

/* A '?', from a literal or as it was written. IN (1, 2, 3) gets one for all. */
static void put_value(struct sanitizer *w, bool space)
{
    if (w->list_value && w->held == ',') {
        w->held = '\0';
        return;
    }
    put_held(w);
    put(w, space, "?", 1);
    w->list_value = w->list_depth && w->list_depth == w->depth;
}

static void put_op(struct sanitizer *w, const struct otel_sql_token *token, bool space)
{
    char c = *token->at;

    if (c == ';' && w->held == ';')
        return;
    put_held(w);
    if (c == '(') {
        w->depth++;
        if (w->in && !w->list_depth)
            w->list_depth = w->depth;
    } else if (c == ')') {
        if (w->list_depth == w->depth)
            w->list_depth = 0;
        w->depth -= w->depth > 0;
    }
    if (c == ';' || (c == ',' && w->list_value)) {
        w->held = c;
        w->held_space = space;
        return;
    }
    w->list_value = false;
    put(w, space, token->at, token->len);
}

static void put_token(struct sanitizer *w, const struct otel_sql_token *token,
                      const struct otel_sql_token *next, enum otel_sql_role role, bool behind_dot)
{
    bool space = token->space || w->space;
    bool value = is_literal(token, next, role, behind_dot);

    w->space = false;
    if (introduces(w, token, next)) {
        w->space = space;
        return;
    }
    if (value || (token->kind == OTEL_SQL_PLACEHOLDER && token->len == 1)) {
        put_value(w, space);
    } else if (token->kind == OTEL_SQL_OP) {
        put_op(w, token, space);
    } else {
        put_held(w);
        put(w, space, token->at, token->len);
        w->list_value = false;
    }
    w->in = token->keyword == OTEL_SQL_KW_IN;
    w->operand = value || token->keyword == OTEL_SQL_KW_END ||
                 (token->kind == OTEL_SQL_OP ? *token->at == ')' || *token->at == ']'
                                             : token->keyword == OTEL_SQL_KW_NONE);
}

/* Is the token none of SQLite's? $tag$…$tag$ would be a placeholder there, and the rest code. */
static bool is_foreign(const struct otel_sql_token *token)
{
    return token->kind == OTEL_SQL_UNKNOWN || (token->kind == OTEL_SQL_STRING && *token->at == '$');
}

/* How much of the text as it stands fits in cap bytes, when it must be cut between tokens: token
 * ends at end. */
static size_t raw_cut(size_t before, size_t end, size_t cap)
{
    return end <= cap ? end : before;
}

void otel_sql_describe(struct otel_sql *sql, char *text_out, size_t cap, const char *text,
                       size_t len, enum otel_db_text mode)
{
    struct sanitizer w = {.out = text_out, .cap = cap};
    struct otel_sql_summary summary;
    struct otel_sql_lexer lexer;
    struct otel_sql_token pair[2], *token = &pair[0], *next = &pair[1];
    bool broken = false, behind_dot = false;
    size_t cut = 0;

    otel_sql_summary_init(&summary, sql);
    otel_sql_lexer_init(&lexer, text, len);
    sql->placeholders = false;
    otel_sql_lexer_next(&lexer, token);
    while (token->kind != OTEL_SQL_END) {
        enum otel_sql_role role;

        otel_sql_lexer_next(&lexer, next);
        role = otel_sql_summary_take(&summary, token, next);
        sql->placeholders = sql->placeholders || token->kind == OTEL_SQL_PLACEHOLDER;
        broken = broken || is_foreign(token);
        cut = raw_cut(cut, (size_t)(token->at - text) + token->len, cap);
        if (mode == OTEL_DB_TEXT_AUTO || mode == OTEL_DB_TEXT_SANITIZE)
            put_token(&w, token, next, role, behind_dot);
        behind_dot = otel_sql_is_op(token, '.');
        token = next;
        next = token == &pair[0] ? &pair[1] : &pair[0];
    }
    len = (size_t)(lexer.end - text);
    /* where it is not sure which parts are literals, placeholders do not count */
    if (mode == OTEL_DB_TEXT_RAW || (mode == OTEL_DB_TEXT_AUTO && sql->placeholders && !broken)) {
        w.full = len > cap;
        w.len = w.full ? cut : len;
        memcpy(text_out, text, w.len);
    }
    sql->text_len = mode == OTEL_DB_TEXT_OFF ? 0 : w.len;
    sql->truncated = mode != OTEL_DB_TEXT_OFF && w.full;
}
