/* SPDX-License-Identifier: Apache-2.0
 *
 * What the console remembers of a span: enough for its line, cleaned and cut, so that thousands can
 * wait for their root in little memory. Batch thread only.
 */
#ifndef OTEL_CORE_EXPORT_CONSOLE_SPAN_H
#define OTEL_CORE_EXPORT_CONSOLE_SPAN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/record.h"

/* Code points kept of each text. */
#define OTEL_CONSOLE_NAME_MAX 64
#define OTEL_CONSOLE_DETAIL_MAX 160
#define OTEL_CONSOLE_CODE_MAX 12
#define OTEL_CONSOLE_ERROR_MAX 60

struct otel_console_piece { /* UTF-8 fit for a terminal, inside the span's text */
    const char *data;
    size_t len;
};

struct otel_console_span {
    struct otel_console_span *next; /* the next of its trace to have ended */
    uint64_t order;                 /* of ending; also tells the batch it came with */
    uint64_t start_ns;              /* Unix time */
    uint64_t end_ns;                /* >= start_ns */
    uint8_t span_id[OTEL_SPAN_ID_LEN];
    uint8_t parent_span_id[OTEL_SPAN_ID_LEN];
    uint8_t kind; /* enum otel_span_kind */
    bool error;
    bool local_root;

    struct otel_console_piece name;
    struct otel_console_piece detail; /* URL, query, route …: what may be cut */
    struct otel_console_piece code;   /* HTTP status code, unless error says it */
    struct otel_console_piece error_text;

    /* Written by console_tree.c while it draws. */
    struct otel_console_span *parent, *child, *sibling;
    size_t mark;

    char text[];
};

/* Allocates with otel_buffer_realloc; freed with free(). NULL when there is no memory. */
struct otel_console_span *otel_console_span_new(const struct otel_record_view *view);

#endif
