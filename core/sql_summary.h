/* SPDX-License-Identifier: Apache-2.0
 *
 * Follows the tokens of a statement just closely enough to know its operations and the tables they
 * are about (the summary), and whether a token stands where only a name can stand. Not a parser: it
 * accepts anything. Inside core's SQL files only.
 */
#ifndef OTEL_CORE_SQL_SUMMARY_H
#define OTEL_CORE_SQL_SUMMARY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/sql.h"
#include "core/sql_token.h"

#define OTEL_SQL_CTES 8

enum otel_sql_role {
    OTEL_SQL_ROLE_ANY,    /* a name or a value, as far as can be told */
    OTEL_SQL_ROLE_NAME,   /* certainly a name */
    OTEL_SQL_ROLE_SECRET, /* an unquoted secret: what follows PRAGMA key */
};

enum otel_sql_expect {
    OTEL_SQL_EXPECT_NOTHING,
    OTEL_SQL_EXPECT_TARGET, /* a table, for the summary */
    OTEL_SQL_EXPECT_OBJECT, /* TABLE, INDEX … behind CREATE, DROP, ALTER */
    OTEL_SQL_EXPECT_CTE,    /* the name of a common table expression */
    OTEL_SQL_EXPECT_NAME,   /* a name the summary leaves out */
};

/* Nested parentheses have a bit each in the masks; those deeper than 63 have none, and there
 * nothing is recognised. */
struct otel_sql_summary {
    struct otel_sql *out;
    uint64_t pending; /* a SELECT, DELETE or UPDATE may still have its FROM */
    uint64_t from;    /* inside the list of tables */
    uint64_t names;   /* the parentheses hold names: columns of INSERT, CREATE TABLE … */
    uint64_t sets;    /* inside SET a = 1, b = 2 */
    uint64_t with;    /* between WITH and its main statement */
    unsigned depth;
    enum otel_sql_expect expect;
    enum otel_sql_keyword first;       /* the statement's operation */
    enum otel_sql_keyword object;      /* what CREATE, DROP or ALTER is about */
    enum otel_sql_keyword prev, prev2; /* the last two tokens, where they were keywords */
    char prev_op;                      /* the last token, when it was punctuation */
    bool head;                         /* an operation may stand here */
    bool names_next;                   /* if '(' comes now, it opens a list of names */
    bool names_after;                  /* the next target is followed by such a list */
    bool was_target; /* a table or ')' of a FROM list came last: an alias may follow */
    bool in_target;  /* between the parts of a.b */
    bool into;       /* an INSERT still has its INTO */
    bool on_done;    /* the ON of CREATE INDEX or TRIGGER has been */
    bool secret;     /* words of this statement are to be hidden */
    bool closed;     /* nothing more is wanted of this statement */
    bool full;       /* the summary is at its limit */
    bool operation_nested, target_nested; /* what out holds came from inside parentheses */
    uint16_t target_at;                   /* where the target being read begins in the summary */
    uint8_t ctes;
    struct {
        const char *at;
        size_t len;
    } cte[OTEL_SQL_CTES];
};

/* Empties what out says of operations and targets. */
void otel_sql_summary_init(struct otel_sql_summary *summary, struct otel_sql *out);

/* Takes the next token; next: the one behind it. Tells token's role. */
enum otel_sql_role otel_sql_summary_take(struct otel_sql_summary *summary,
                                         const struct otel_sql_token *token,
                                         const struct otel_sql_token *next);

#endif
