/* SPDX-License-Identifier: Apache-2.0
 *
 * SQL text without its literals, and its summary (OpenTelemetry semantic conventions, database:
 * "Sanitization of db.query.text", "Generating a summary of the query"). One pass, no allocation.
 */
#ifndef OTEL_CORE_SQL_H
#define OTEL_CORE_SQL_H

#include <stdbool.h>
#include <stddef.h>

#include "core/config.h"

#define OTEL_SQL_SUMMARY_MAX 255

struct otel_sql {
    size_t text_len;                        /* bytes in text */
    size_t summary_len;                     /* bytes in summary */
    char summary[OTEL_SQL_SUMMARY_MAX + 1]; /* "SELECT documents"; "" when nothing was recognised */
    char operation[32]; /* the main one, for the old names; NUL-terminated, case kept */
    char target[128];   /* the main one's first, NUL-terminated, "" when none */
    bool placeholders;  /* the text has ?, ?1, :a, @a or $a */
    bool truncated;     /* text did not fit: cut at a token */
};

/* Describes one statement of SQL. text_out (cap bytes, no terminator) gets the text to report under
 * mode: literals (strings, numbers, hex, blobs, booleans, dates) as ?, IN (1, 2) as IN (?),
 * comments and the last ';' gone, white space folded; with OTEL_DB_TEXT_AUTO a text with
 * placeholders is kept as it is. It is never longer than the text.
 *
 * In doubt it hides: names in "" that stand alone in an expression (SQLite takes them for strings
 * when there is no such column; "t"."a" stays), and all the rest behind a quote that is not closed,
 * or that seems to be one too few ('O'Brien'), with placeholders or without.
 * Any bytes, any length; pure. */
void otel_sql_describe(struct otel_sql *sql, char *text_out, size_t cap, const char *text,
                       size_t len, enum otel_db_text mode);

#endif
