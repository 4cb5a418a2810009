/* SPDX-License-Identifier: Apache-2.0
 *
 * A batch as OTLP JSON (OTLP specification "JSON Protobuf Encoding": ids in hex, enums as numbers,
 * lowerCamelCase names, 64-bit integers as strings, NaN and infinities as strings, bytes in
 * base64), and the JSON answer to it. Threads: any, one at a time on one buffer.
 */
#ifndef OTEL_CORE_EXPORT_JSON_H
#define OTEL_CORE_EXPORT_JSON_H

#include <stddef.h>

#include "core/export/buffer.h"
#include "core/export/module.h"
#include "core/export/otlp.h"

/* Appends one ExportTraceServiceRequest object, {"resourceSpans":[…]}, on one line without a
 * newline. Returns 0, -EFBIG when it is larger than OTEL_OTLP_REQUEST_MAX, -ENOMEM; on failure
 * out->len is as it was. */
int otel_json_encode(struct otel_buffer *out, const struct otel_batch *batch);

/* Reads partialSuccess out of an ExportTraceServiceResponse. Tolerant: unknown members are skipped,
 * rejectedSpans may be a number or a string. Returns 0 (partial filled, all zero when there is no
 * partial success, and for an empty body), -EBADMSG when the body is not a JSON object, -EMSGSIZE
 * when it is longer than OTEL_OTLP_RESPONSE_MAX. */
int otel_json_response(const char *body, size_t len, struct otel_otlp_partial *partial);

#endif
