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
    char operation[32]; /* first operation, for the old names; NUL-terminated, upper case
                           kept as written */
    char target[128];   /* first target, NUL-terminated, "" when none */
    bool placeholders;  /* the text has ?, ?1, :a, @a or $a */
    bool truncated;     /* text did not fit: cut at a token */
};

/* Describes one statement of SQL. text_out (cap bytes) gets the text to report under mode: literals
 * (strings, numbers, hex, blobs, booleans) as ?, comments gone, white space folded; with
 * OTEL_DB_TEXT_AUTO a text with placeholders is kept as it is. Unterminated strings hide the rest.
 * Any bytes, any length; pure. */
void otel_sql_describe(struct otel_sql *sql, char *text_out, size_t cap, const char *text,
                       size_t len, enum otel_db_text mode);

#endif
