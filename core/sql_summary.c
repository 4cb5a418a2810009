/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sql_summary.h"

#include <string.h>

void otel_sql_summary_init(struct otel_sql_summary *s, struct otel_sql *out)
{
    memset(s, 0, sizeof *s);
    s->out = out;
    s->head = true;
    out->summary_len = 0;
    out->summary[0] = '\0';
    out->operation[0] = '\0';
    out->target[0] = '\0';
}

static uint64_t bit(const struct otel_sql_summary *s)
{
    return s->depth < 64 ? UINT64_C(1) << s->depth : 0;
}

/* Copies p to a NUL-terminated field, cut where it is full. */
static void copy(char *to, size_t size, const char *p, size_t len)
{
    if (len > size - 1)
        len = size - 1;
    memcpy(to, p, len);
    to[len] = '\0';
}

/* Appends behind separator (0: none), whole or, when it does not fit, not at all. */
static void append(struct otel_sql_summary *s, char separator, const char *p, size_t len)
{
    struct otel_sql *out = s->out;

    if (s->closed || s->full)
        return;
    if (len + (separator != 0) > OTEL_SQL_SUMMARY_MAX - out->summary_len) {
        s->full = true;
        return;
    }
    if (separator && out->summary_len)
        out->summary[out->summary_len++] = separator;
    memcpy(out->summary + out->summary_len, p, len);
    out->summary_len += len;
    out->summary[out->summary_len] = '\0';
}

/* ---- names ---- */

/* `t`, "t" and [t] without their quotes, where the name needs none. */
static void unquote(const struct otel_sql_token *token, const char **p, size_t *len)
{
    *p = token->at;
    *len = token->len;
    if (token->kind == OTEL_SQL_WORD || token->len < 3 ||
        (token->at[1] >= '0' && token->at[1] <= '9'))
        return;
    for (size_t i = 1; i < token->len - 1; i++)
        if (!otel_sql_word_byte(token->at[i]))
            return;
    *p = token->at + 1;
    *len = token->len - 2;
}

static bool same_name(const char *a, const char *b, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char x = a[i] >= 'A' && a[i] <= 'Z' ? (char)(a[i] + 32) : a[i];
        char y = b[i] >= 'A' && b[i] <= 'Z' ? (char)(b[i] + 32) : b[i];

        if (x != y)
            return false;
    }
    return true;
}

static bool is_cte(const struct otel_sql_summary *s, const char *p, size_t len)
{
    for (unsigned i = 0; i < s->ctes; i++)
        if (s->cte[i].len == len && same_name(s->cte[i].at, p, len))
            return true;
    return false;
}

/* Keys of an encrypted database are given by these (SQLite's SEE, SQLCipher), also unquoted. */
static bool is_key_pragma(const char *p, size_t len)
{
    return len >= 3 && same_name(p + len - 3, "key", 3);
}

/* p: the last part of the target's name. */
static void finish_target(struct otel_sql_summary *s, const char *p, size_t len)
{
    struct otel_sql *out = s->out;
    size_t start = s->target_at + 1u; /* behind the space */

    if (start < out->summary_len && (!out->target[0] || (s->target_nested && !s->depth))) {
        copy(out->target, sizeof out->target, out->summary + start, out->summary_len - start);
        s->target_nested = s->depth != 0;
    }
    s->expect = OTEL_SQL_EXPECT_NOTHING;
    s->was_target = (s->from & bit(s)) != 0;
    s->names_next = s->names_after;
    s->names_after = false;
    if (s->first == OTEL_SQL_KW_PRAGMA)
        s->secret = is_key_pragma(p, len);
    if (s->first == OTEL_SQL_KW_PRAGMA || s->first == OTEL_SQL_KW_ALTER ||
        s->object == OTEL_SQL_KW_TRIGGER)
        s->closed = true;
}

/* One part of a target's name. more: a dot follows. */
static void take_target(struct otel_sql_summary *s, const struct otel_sql_token *token, bool more)
{
    size_t len;
    const char *p;
    bool full = s->full;

    unquote(token, &p, &len);
    if (!s->in_target)
        s->target_at = (uint16_t)s->out->summary_len;
    if (s->in_target)
        append(s, '.', p, len);
    else if (more || !is_cte(s, p, len))
        append(s, ' ', p, len);
    if (s->full && !full) { /* no half names */
        s->out->summary_len = s->target_at;
        s->out->summary[s->target_at] = '\0';
    }
    s->in_target = more;
    if (!more)
        finish_target(s, p, len);
}

static void take_cte(struct otel_sql_summary *s, const struct otel_sql_token *token)
{
    s->expect = OTEL_SQL_EXPECT_NOTHING;
    s->names_next = true;
    if (s->ctes == OTEL_SQL_CTES)
        return;
    unquote(token, &s->cte[s->ctes].at, &s->cte[s->ctes].len);
    s->ctes++;
}

/* Before the token is taken. A name in "" that is not certain to be one is a value for us: SQLite
 * takes WHERE name = "x" for a string when there is no column x. So one that stands alone in an
 * expression (SELECT "a" … WHERE "b" = 1) is hidden with the strings; "t"."a" is not. */
static bool only_a_name(const struct otel_sql_summary *s, const struct otel_sql_token *next)
{
    enum otel_sql_keyword prev = s->prev;

    if (s->prev_op == '.' || otel_sql_is_op(next, '.'))
        return true;
    if (s->expect != OTEL_SQL_EXPECT_NOTHING && s->expect != OTEL_SQL_EXPECT_OBJECT)
        return true;
    if (s->was_target || prev == OTEL_SQL_KW_AS || prev == OTEL_SQL_KW_CONSTRAINT)
        return true;
    if ((s->names & bit(s)) && (s->prev_op == '(' || s->prev_op == ','))
        return true;
    if ((s->sets & bit(s)) && (prev == OTEL_SQL_KW_SET || s->prev_op == ','))
        return otel_sql_is_op(next, '=');
    return s->first == OTEL_SQL_KW_ALTER && (prev == OTEL_SQL_KW_TO || prev == OTEL_SQL_KW_COLUMN ||
                                             prev == OTEL_SQL_KW_ADD || prev == OTEL_SQL_KW_RENAME);
}

static void take_name(struct otel_sql_summary *s, const struct otel_sql_token *token,
                      const struct otel_sql_token *next)
{
    bool more = otel_sql_is_op(next, '.');

    if (s->expect == OTEL_SQL_EXPECT_TARGET) {
        take_target(s, token, more);
    } else if (s->expect == OTEL_SQL_EXPECT_CTE) {
        take_cte(s, token);
    } else if (s->expect == OTEL_SQL_EXPECT_NAME && !more) {
        s->expect = OTEL_SQL_EXPECT_NOTHING;
        s->names_next = true;
    }
}

/* ---- operations ---- */

static void add_operation(struct otel_sql_summary *s, const struct otel_sql_token *token)
{
    struct otel_sql *out = s->out;

    append(s, ' ', token->at, token->len);
    if (s->closed)
        return;
    if (!out->operation[0] || (s->operation_nested && !s->depth)) {
        copy(out->operation, sizeof out->operation, token->at, token->len);
        s->operation_nested = s->depth != 0;
    }
}

/* TABLE behind CREATE: the operation is "CREATE TABLE". */
static void take_object(struct otel_sql_summary *s, const struct otel_sql_token *token)
{
    struct otel_sql *out = s->out;
    size_t len = strlen(out->operation);

    append(s, ' ', token->at, token->len);
    if (!s->closed && len + 1 + token->len < sizeof out->operation) {
        out->operation[len] = ' ';
        copy(out->operation + len + 1, sizeof out->operation - len - 1, token->at, token->len);
    }
    s->object = token->keyword;
    s->expect = OTEL_SQL_EXPECT_TARGET;
    s->names_after = s->first == OTEL_SQL_KW_CREATE &&
                     (s->object == OTEL_SQL_KW_TABLE || s->object == OTEL_SQL_KW_VIEW);
}

static bool operation_here(const struct otel_sql_summary *s, enum otel_sql_keyword keyword,
                           bool head, const struct otel_sql_token *next)
{
    switch (keyword) {
    case OTEL_SQL_KW_SELECT:
        return true;
    case OTEL_SQL_KW_WITH:
        return head || s->prev == OTEL_SQL_KW_AS || s->first == OTEL_SQL_KW_INSERT ||
               s->first == OTEL_SQL_KW_REPLACE;
    case OTEL_SQL_KW_REPLACE:
        return head && !otel_sql_is_op(next, '(');
    default:
        return head;
    }
}

/* What may come behind an operation. */
static void open_operation(struct otel_sql_summary *s, enum otel_sql_keyword keyword)
{
    s->from &= ~bit(s);
    s->names &= ~bit(s);
    s->sets &= ~bit(s);
    s->with &= ~bit(s);
    s->expect = OTEL_SQL_EXPECT_NOTHING;
    switch (keyword) {
    case OTEL_SQL_KW_UPDATE: /* UPDATE a, b SET … FROM c */
        s->from |= bit(s);
        s->expect = OTEL_SQL_EXPECT_TARGET;
        s->pending |= bit(s);
        break;
    case OTEL_SQL_KW_SELECT:
    case OTEL_SQL_KW_DELETE:
        s->pending |= bit(s);
        break;
    case OTEL_SQL_KW_CREATE:
    case OTEL_SQL_KW_DROP:
    case OTEL_SQL_KW_ALTER:
        s->expect = OTEL_SQL_EXPECT_OBJECT;
        break;
    case OTEL_SQL_KW_PRAGMA:
    case OTEL_SQL_KW_ANALYZE:
    case OTEL_SQL_KW_REINDEX:
    case OTEL_SQL_KW_TRUNCATE:
        s->expect = OTEL_SQL_EXPECT_TARGET;
        break;
    case OTEL_SQL_KW_INSERT:
    case OTEL_SQL_KW_REPLACE:
    case OTEL_SQL_KW_MERGE:
        s->into = true;
        break;
    case OTEL_SQL_KW_VALUES:
        break;
    case OTEL_SQL_KW_EXPLAIN:
        s->head = true;
        break;
    default: /* BEGIN, SAVEPOINT x, ATTACH …: names of savepoints have no bound */
        s->closed = true;
    }
}

static void take_operation(struct otel_sql_summary *s, const struct otel_sql_token *token)
{
    if (token->keyword == OTEL_SQL_KW_WITH) {
        s->with |= bit(s);
        s->expect = OTEL_SQL_EXPECT_CTE;
        return;
    }
    add_operation(s, token);
    if (!s->depth && s->object != OTEL_SQL_KW_TRIGGER && token->keyword != OTEL_SQL_KW_SELECT &&
        token->keyword != OTEL_SQL_KW_VALUES)
        s->first = token->keyword;
    open_operation(s, token->keyword);
}

/* ---- clauses ---- */

static void end_clause(struct otel_sql_summary *s)
{
    s->from &= ~bit(s);
    s->sets &= ~bit(s);
    s->pending &= ~bit(s);
    s->expect = OTEL_SQL_EXPECT_NOTHING;
}

static void take_from(struct otel_sql_summary *s)
{
    bool distinct = s->prev == OTEL_SQL_KW_DISTINCT &&
                    (s->prev2 == OTEL_SQL_KW_IS || s->prev2 == OTEL_SQL_KW_NOT);

    s->expect = OTEL_SQL_EXPECT_NOTHING;
    if (distinct || !(s->pending & bit(s))) /* a IS DISTINCT FROM b, trim(x FROM y) */
        return;
    s->pending &= ~bit(s);
    s->sets &= ~bit(s);
    s->from |= bit(s);
    s->expect = OTEL_SQL_EXPECT_TARGET;
}

static void take_on(struct otel_sql_summary *s)
{
    s->expect = OTEL_SQL_EXPECT_NOTHING;
    if (s->object != OTEL_SQL_KW_INDEX && s->object != OTEL_SQL_KW_TRIGGER)
        return;
    if (s->first == OTEL_SQL_KW_CREATE && !s->on_done) {
        s->on_done = true;
        s->expect = OTEL_SQL_EXPECT_NAME;
    }
}

/* A keyword that is no operation here. */
static void take_clause(struct otel_sql_summary *s, enum otel_sql_keyword keyword)
{
    switch (keyword) {
    case OTEL_SQL_KW_FROM:
        take_from(s);
        break;
    case OTEL_SQL_KW_JOIN:
        s->expect = s->from & bit(s) ? OTEL_SQL_EXPECT_TARGET : OTEL_SQL_EXPECT_NOTHING;
        break;
    case OTEL_SQL_KW_INTO: /* VACUUM INTO is followed by a value */
        s->expect = s->into ? OTEL_SQL_EXPECT_TARGET : OTEL_SQL_EXPECT_NOTHING;
        s->names_after = s->into;
        s->into = false;
        break;
    case OTEL_SQL_KW_SET:
        end_clause(s);
        s->pending |= bit(s);
        s->sets |= bit(s);
        s->names_next = true;
        break;
    case OTEL_SQL_KW_ON:
        take_on(s);
        break;
    case OTEL_SQL_KW_USING:
        s->expect =
            s->first == OTEL_SQL_KW_MERGE ? OTEL_SQL_EXPECT_TARGET : OTEL_SQL_EXPECT_NOTHING;
        s->names_next = (s->from & bit(s)) != 0;
        break;
    case OTEL_SQL_KW_REFERENCES:
        s->expect = OTEL_SQL_EXPECT_NAME;
        break;
    case OTEL_SQL_KW_KEY: /* ATTACH … KEY is followed by a value */
    case OTEL_SQL_KW_UNIQUE:
        s->names_next = s->first == OTEL_SQL_KW_CREATE || s->first == OTEL_SQL_KW_ALTER;
        break;
    case OTEL_SQL_KW_CONFLICT:
        s->names_next = true;
        break;
    case OTEL_SQL_KW_WHERE:
    case OTEL_SQL_KW_GROUP:
    case OTEL_SQL_KW_ORDER:
    case OTEL_SQL_KW_HAVING:
    case OTEL_SQL_KW_LIMIT:
    case OTEL_SQL_KW_WINDOW:
    case OTEL_SQL_KW_RETURNING:
    case OTEL_SQL_KW_UNION:
    case OTEL_SQL_KW_INTERSECT:
    case OTEL_SQL_KW_EXCEPT:
        end_clause(s);
        break;
    default:
        s->expect = OTEL_SQL_EXPECT_NOTHING;
    }
}

static bool is_operation(enum otel_sql_keyword keyword)
{
    switch (keyword) {
    case OTEL_SQL_KW_ALTER:
    case OTEL_SQL_KW_ANALYZE:
    case OTEL_SQL_KW_ATTACH:
    case OTEL_SQL_KW_BEGIN:
    case OTEL_SQL_KW_COMMIT:
    case OTEL_SQL_KW_CREATE:
    case OTEL_SQL_KW_DELETE:
    case OTEL_SQL_KW_DETACH:
    case OTEL_SQL_KW_DROP:
    case OTEL_SQL_KW_END:
    case OTEL_SQL_KW_EXPLAIN:
    case OTEL_SQL_KW_INSERT:
    case OTEL_SQL_KW_MERGE:
    case OTEL_SQL_KW_PRAGMA:
    case OTEL_SQL_KW_REINDEX:
    case OTEL_SQL_KW_RELEASE:
    case OTEL_SQL_KW_REPLACE:
    case OTEL_SQL_KW_ROLLBACK:
    case OTEL_SQL_KW_SAVEPOINT:
    case OTEL_SQL_KW_SELECT:
    case OTEL_SQL_KW_TRUNCATE:
    case OTEL_SQL_KW_UPDATE:
    case OTEL_SQL_KW_VACUUM:
    case OTEL_SQL_KW_VALUES:
    case OTEL_SQL_KW_WITH:
        return true;
    default:
        return false;
    }
}

/* Words that may stand between an operation and its target: IF NOT EXISTS, OR REPLACE, ONLY … */
static bool skipped(const struct otel_sql_summary *s, const struct otel_sql_token *token)
{
    if (s->expect == OTEL_SQL_EXPECT_CTE)
        return token->keyword == OTEL_SQL_KW_RECURSIVE;
    if (s->expect != OTEL_SQL_EXPECT_TARGET || s->in_target)
        return false;
    switch (token->keyword) {
    case OTEL_SQL_KW_IF:
    case OTEL_SQL_KW_NOT:
    case OTEL_SQL_KW_EXISTS:
    case OTEL_SQL_KW_OR:
    case OTEL_SQL_KW_ONLY:
    case OTEL_SQL_KW_LATERAL:
    case OTEL_SQL_KW_TABLE:
        return true;
    default:
        return s->prev == OTEL_SQL_KW_OR;
    }
}

static void take_keyword(struct otel_sql_summary *s, const struct otel_sql_token *token,
                         const struct otel_sql_token *next, bool head)
{
    enum otel_sql_keyword keyword = token->keyword;

    if (s->expect == OTEL_SQL_EXPECT_OBJECT) {
        if (keyword == OTEL_SQL_KW_TABLE || keyword == OTEL_SQL_KW_INDEX ||
            keyword == OTEL_SQL_KW_VIEW || keyword == OTEL_SQL_KW_TRIGGER ||
            keyword == OTEL_SQL_KW_DATABASE)
            take_object(s, token);
        return;
    }
    if (head && s->first == OTEL_SQL_KW_EXPLAIN &&
        (keyword == OTEL_SQL_KW_QUERY || keyword == OTEL_SQL_KW_PLAN)) {
        s->head = true;
        return;
    }
    if (s->object == OTEL_SQL_KW_TRIGGER && keyword == OTEL_SQL_KW_BEGIN)
        s->head = true;
    else if (is_operation(keyword) && operation_here(s, keyword, head, next))
        take_operation(s, token);
    else
        take_clause(s, keyword);
}

/* ---- punctuation ---- */

static void open_paren(struct otel_sql_summary *s, bool names)
{
    bool tables = s->expect == OTEL_SQL_EXPECT_TARGET && (s->from & bit(s));

    s->depth++;
    s->pending &= ~bit(s);
    s->from &= ~bit(s);
    s->names &= ~bit(s);
    s->sets &= ~bit(s);
    s->with &= ~bit(s);
    if (names)
        s->names |= bit(s);
    if (tables) /* FROM (a, b) */
        s->from |= bit(s);
    else
        s->expect = OTEL_SQL_EXPECT_NOTHING;
    s->head = true;
}

static void end_statement(struct otel_sql_summary *s)
{
    bool trigger = s->object == OTEL_SQL_KW_TRIGGER;

    s->pending = s->from = s->names = s->sets = s->with = 0;
    s->depth = 0;
    s->expect = OTEL_SQL_EXPECT_NOTHING;
    s->head = true;
    s->into = s->secret = s->in_target = false;
    if (trigger) /* the statements of its body are not ours */
        return;
    s->first = s->object = OTEL_SQL_KW_NONE;
    s->on_done = s->closed = s->names_after = false;
    s->ctes = 0;
}

static void take_op(struct otel_sql_summary *s, char c, bool names)
{
    switch (c) {
    case '(':
        open_paren(s, names);
        break;
    case ')':
        s->depth -= s->depth > 0;
        s->expect = OTEL_SQL_EXPECT_NOTHING;
        s->was_target = (s->from & bit(s)) != 0;
        s->head = (s->with & bit(s)) != 0;
        break;
    case ',':
        s->expect = s->with & bit(s)   ? OTEL_SQL_EXPECT_CTE
                    : s->from & bit(s) ? OTEL_SQL_EXPECT_TARGET
                                       : OTEL_SQL_EXPECT_NOTHING;
        break;
    case ';':
        end_statement(s);
        break;
    case '.':
        break;
    default:
        s->expect = OTEL_SQL_EXPECT_NOTHING;
    }
    s->in_target = s->in_target && c == '.';
}

static bool acts_as_name(const struct otel_sql_summary *s, const struct otel_sql_token *token,
                         const struct otel_sql_token *next)
{
    bool wanted = s->expect == OTEL_SQL_EXPECT_TARGET || s->expect == OTEL_SQL_EXPECT_CTE ||
                  s->expect == OTEL_SQL_EXPECT_NAME;

    if (token->kind != OTEL_SQL_WORD)
        return token->kind == OTEL_SQL_QUOTED || token->kind == OTEL_SQL_DQUOTED;
    return token->keyword == OTEL_SQL_KW_NONE || s->prev_op == '.' || otel_sql_is_op(next, '.') ||
           (wanted && otel_sql_keyword_names(token->keyword));
}

enum otel_sql_role otel_sql_summary_take(struct otel_sql_summary *s,
                                         const struct otel_sql_token *token,
                                         const struct otel_sql_token *next)
{
    bool secret = s->secret, head = s->head, names = s->names_next;
    bool skip = token->kind == OTEL_SQL_WORD && skipped(s, token);
    bool name = !skip && acts_as_name(s, token, next), certain = name && only_a_name(s, next);

    s->head = s->names_next = s->was_target = false;
    if (token->kind == OTEL_SQL_OP)
        take_op(s, *token->at, names);
    else if (name)
        take_name(s, token, next);
    else if (token->kind == OTEL_SQL_WORD && !skip)
        take_keyword(s, token, next, head);
    else if (!skip)
        s->expect = OTEL_SQL_EXPECT_NOTHING;
    s->prev2 = s->prev;
    s->prev = name ? OTEL_SQL_KW_NONE : token->keyword;
    s->prev_op = token->kind == OTEL_SQL_OP ? *token->at : '\0';
    return secret ? OTEL_SQL_ROLE_SECRET : certain ? OTEL_SQL_ROLE_NAME : OTEL_SQL_ROLE_ANY;
}
