/* SPDX-License-Identifier: Apache-2.0
 *
 * The smallest pieces of OTLP JSON: members, strings, numbers, hex, base64 (RFC 8259, RFC 4648 and
 * the protobuf JSON mapping). Everything is appended to a buffer, whose sticky failure the caller
 * asks for. Pure apart from that.
 */
#ifndef OTEL_CORE_EXPORT_JSON_TEXT_H
#define OTEL_CORE_EXPORT_JSON_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "core/export/buffer.h"

/* The comma before a member or element, unless it is the first behind '{' or '['. */
void otel_json_next(struct otel_buffer *out);

/* Comma as needed, then "name": — name needs no escape. */
void otel_json_key(struct otel_buffer *out, const char *name);

/* A string in quotes; bytes that are not UTF-8 become U+FFFD. */
void otel_json_string(struct otel_buffer *out, const void *text, size_t len);

void otel_json_uint(struct otel_buffer *out, uint64_t v);

/* 64-bit integers are strings in the protobuf JSON mapping. */
void otel_json_uint64(struct otel_buffer *out, uint64_t v);
void otel_json_int64(struct otel_buffer *out, int64_t v);

/* The shortest of 15 to 17 digits that reads back the same, whatever the host's locale; "NaN",
 * "Infinity", "-Infinity" as strings. */
void otel_json_double(struct otel_buffer *out, double v);

/* In quotes. */
void otel_json_hex(struct otel_buffer *out, const uint8_t *bytes, size_t len);
void otel_json_base64(struct otel_buffer *out, const uint8_t *bytes, size_t len);

#endif
