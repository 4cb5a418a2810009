/* SPDX-License-Identifier: Apache-2.0
 *
 * The record of one span: fixed size, no pointers, so that the store can be a file that outlives
 * the process. What varies in size (name, attributes, events, links, tracestate, status message) is
 * kept in data as fields of the OTLP Span message in wire form, in the order they were set:
 * exporting a span is a copy of these bytes behind the fixed fields.
 *
 * State: FREE → STARTING → ACTIVE (otel_span_start) → ENDED (otel_span_end) → EXPORTING → FREE
 * (batch). One thread at a time writes an ACTIVE record; an ENDED one belongs to the batch thread.
 *
 * The process may be killed between any two stores, and the record be read by another
 * (spool_format.h). So a state is stored behind what it promises; bytes are appended to data before
 * used counts them; and changing is set while data is not in order.
 */
#ifndef OTEL_CORE_RECORD_H
#define OTEL_CORE_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "core/span_context.h"

#define OTEL_RECORD_SIZE 1024
#define OTEL_OVERFLOW_SIZE 32768

enum otel_record_state {
    OTEL_RECORD_FREE,
    OTEL_RECORD_ACTIVE,
    OTEL_RECORD_ENDED,
    OTEL_RECORD_STARTING,  /* what identifies it is being written */
    OTEL_RECORD_EXPORTING, /* of the batch under way */
};

enum otel_span_kind { /* values of the OTLP enum Span.SpanKind */
                      OTEL_KIND_INTERNAL = 1,
                      OTEL_KIND_SERVER = 2,
                      OTEL_KIND_CLIENT = 3,
                      OTEL_KIND_PRODUCER = 4,
                      OTEL_KIND_CONSUMER = 5,
};

enum otel_status { OTEL_STATUS_UNSET, OTEL_STATUS_OK, OTEL_STATUS_ERROR }; /* Status.StatusCode */

/* Instrumentation scopes; names in otel_scope_name(). */
enum otel_span_scope {
    OTEL_SCOPE_AUTO,
    OTEL_SCOPE_CURL,
    OTEL_SCOPE_SQLITE,
    OTEL_SCOPE_SOCKET,
    OTEL_SCOPE_FUNCTION,
    OTEL_SCOPE_API,
    OTEL_SCOPES,
};

/* OTLP field tags used in data (field number << 3 | wire type). */
#define OTEL_TAG_TRACE_STATE 0x1a
#define OTEL_TAG_NAME 0x2a
#define OTEL_TAG_ATTRIBUTE 0x4a
#define OTEL_TAG_EVENT 0x5a
#define OTEL_TAG_LINK 0x6a
/* Status.message, kept under its own tag because Span.status (0x7a) also holds the code. */
#define OTEL_TAG_STATUS_MESSAGE 0x12

struct otel_record {
    _Atomic uint32_t state; /* enum otel_record_state */
    uint32_t pid;
    uint8_t trace_id[OTEL_TRACE_ID_LEN];
    uint8_t span_id[OTEL_SPAN_ID_LEN];
    uint8_t parent_span_id[OTEL_SPAN_ID_LEN]; /* all zero: a root */
    uint64_t start_mono_ns;
    uint64_t end_mono_ns;
    int64_t clock_offset_ns; /* unix = mono + offset */
    uint64_t overflow;       /* handle of the overflow block that holds data instead, 0: inline */
    uint64_t keys;           /* a bit for each attribute key, by hash: 0 there means not set yet;
                                of an ended span that is held, the next one's handle (tail.c) */
    uint32_t used;           /* bytes of data */
    uint32_t dropped_attributes;
    uint32_t dropped_events;
    uint32_t dropped_links;
    uint16_t attributes; /* counts of what data holds */
    uint16_t events;
    uint16_t links;
    uint8_t kind;          /* enum otel_span_kind */
    uint8_t scope;         /* enum otel_span_scope */
    uint8_t flags;         /* W3C flags */
    uint8_t status;        /* enum otel_status */
    uint8_t parent_remote; /* the parent is not of this process */
    uint8_t local_root;    /* no parent in this process: with its end a trace is complete here */
    uint8_t changing;      /* data is being moved */
    uint8_t died;          /* it was open when its process died */
    uint8_t data[];        /* inline, up to OTEL_RECORD_SIZE */
};

#define OTEL_RECORD_INLINE (OTEL_RECORD_SIZE - offsetof(struct otel_record, data))

/* A record with its data wherever it lies: what exporters get. Valid during the export call. */
struct otel_record_view {
    const struct otel_record *record;
    const uint8_t *data;
    size_t data_len;
};

const char *otel_scope_name(enum otel_span_scope scope);

#endif
