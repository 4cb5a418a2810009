/* SPDX-License-Identifier: Apache-2.0
 *
 * A batch as the OTLP message ExportTraceServiceRequest (spec: opentelemetry-proto 1.10,
 * collector.trace.v1), and the answer to it. Not the transport.
 *
 * Encoding costs little by design: a record's data is in wire form already, so a span is its fixed
 * fields and a copy. protobuf-c decodes the answers, and proves the encoder in the tests.
 * Threads: any, one at a time on one buffer.
 */
#ifndef OTEL_CORE_EXPORT_OTLP_H
#define OTEL_CORE_EXPORT_OTLP_H

#include <stddef.h>
#include <stdint.h>

#include "core/export/buffer.h"
#include "core/export/module.h"

#define OTEL_OTLP_REQUEST_MAX ((size_t)64 << 20) /* OTLP specification: largest request */
#define OTEL_OTLP_RESPONSE_MAX ((size_t)4 << 20) /* largest response that is read */
#define OTEL_OTLP_MESSAGE_MAX 256

/* Span.flags besides the low eight bits, which are the W3C flags (SpanFlags in trace.proto). */
#define OTEL_OTLP_FLAG_HAS_IS_REMOTE 0x100
#define OTEL_OTLP_FLAG_IS_REMOTE 0x200

/* What a collector said about a batch it took (ExportTracePartialSuccess). */
struct otel_otlp_partial {
    uint32_t rejected;                   /* 0 when it took all; negative or absurd counts are cut */
    char message[OTEL_OTLP_MESSAGE_MAX]; /* "" when none; cut, control characters made '?' */
};

/* Appends the request to out (so that a transport can put its own prefix before it), spans grouped
 * by instrumentation scope. A record whose data is damaged is sent up to the damage.
 * Returns 0, -EFBIG when the request would be larger than OTEL_OTLP_REQUEST_MAX (send the batch in
 * parts), -ENOMEM. On failure out->len is as it was. */
int otel_otlp_encode(struct otel_buffer *out, const struct otel_batch *batch);

/* Decodes an ExportTraceServiceResponse. Returns 0 (partial filled; all zero when the response has
 * no partial success), -EBADMSG when it is none or asks for unreasonable memory, -EMSGSIZE when it
 * is longer than OTEL_OTLP_RESPONSE_MAX. */
int otel_otlp_response(const uint8_t *body, size_t len, struct otel_otlp_partial *partial);

/* Fills partial from what a decoder found (text: not terminated, may be NULL when len is 0). */
void otel_otlp_partial_set(struct otel_otlp_partial *partial, int64_t rejected, const char *text,
                           size_t len);

#endif
