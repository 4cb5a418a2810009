/* SPDX-License-Identifier: Apache-2.0
 *
 * Database client spans by the stable semantic conventions (database-spans). The attributes of a
 * statement do not change between its executions, so they are put in wire form once, when it is
 * prepared, and appended as they are each time it runs.
 */
#ifndef OTEL_CORE_DB_SPAN_H
#define OTEL_CORE_DB_SPAN_H

#include "core/span.h"
#include "core/sql.h"
#include "core/wire.h"

/* The fixed part of a statement's span. wire holds attributes (db.system.name, db.namespace,
 * db.query.text, db.query.summary and under database/dup the old names). */
struct otel_db_statement {
    uint16_t wire_len;
    uint16_t attributes; /* how many wire holds */
    uint16_t name_len;
    char name[OTEL_SQL_SUMMARY_MAX + 1]; /* the summary, else the system; NUL-terminated */
    uint8_t wire[];
};

/* Fills st for text run on namespace_ of system ("sqlite"). wire_cap: room in st->wire; at most
 * 16 KiB of it are used. A query text that does not fit is cut at a token; under database/dup it
 * is there twice. What has no room at all is left out. Needs no guard; allocates nothing.
 * scratch: room for the text as reported, at most len bytes; where it is shorter the text is
 * cut; NULL: no text. */
void otel_db_statement_build(struct otel_db_statement *st, size_t wire_cap, struct otel_text system,
                             struct otel_text namespace_, struct otel_text text, char *scratch,
                             size_t scratch_cap);

/* Starts the CLIENT span of one execution below the current context. */
bool otel_db_span_start(struct otel_span *span, const struct otel_db_statement *st,
                        enum otel_span_scope scope, uint64_t start_mono_ns);

/* Sets returned rows (>= 0), affected rows (>= 0, old names only) and ends the span. */
void otel_db_span_end(struct otel_span *span, int64_t returned_rows, int64_t affected_rows);

/* As above with an error: db.response.status_code = code, error.type = type, status Error. */
void otel_db_span_fail(struct otel_span *span, struct otel_text code, struct otel_text type,
                       int64_t returned_rows);

#endif
