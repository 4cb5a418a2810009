/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing the data of a record (record.h): fields of the OTLP Span message in wire form, appended,
 * replaced, and moved to an overflow block when the record is full. What does not fit is counted in
 * the record's dropped_* fields. Not public: span.c is the only caller.
 *
 * Every function takes a record in state ACTIVE that the caller owns; none allocates or blocks.
 */
#ifndef OTEL_CORE_SPAN_DATA_H
#define OTEL_CORE_SPAN_DATA_H

#include "core/record.h"
#include "core/wire.h"

/* Longest value of one string attribute, in bytes; longer ones are cut. The OTLP limit is "none" by
 * default, but a record's room is not endless. */
#define OTEL_VALUE_MAX 16384

/* Replaces the text field of tag (name, status message); len 0 removes it. */
void otel_data_text(struct otel_record *record, uint8_t tag, struct otel_text text);

/* Writes the tracestate of a carry handle (carry.h) as the span's trace_state. */
void otel_data_tracestate(struct otel_record *record, uint64_t carry);

/* Sets an attribute, replacing one of the same key; obeys the count and length limits. */
void otel_data_attribute(struct otel_record *record, const struct otel_attr *attr);

/* Appends count attributes in wire form; all or none. */
void otel_data_append_attributes(struct otel_record *record, const uint8_t *wire, size_t len,
                                 uint16_t count);

void otel_data_event(struct otel_record *record, struct otel_text name, uint64_t unix_ns,
                     const struct otel_attr *attrs, size_t count);

void otel_data_link(struct otel_record *record, const struct otel_span_context *to,
                    const struct otel_attr *attrs, size_t count);

#endif
