/* SPDX-License-Identifier: Apache-2.0
 *
 * The traceparent value (W3C trace-context level 2, 3.2). Pure parsers over pointer and length.
 */
#ifndef OTEL_CORE_TRACEPARENT_H
#define OTEL_CORE_TRACEPARENT_H

#include <stddef.h>

#include "core/span_context.h"

#define OTEL_TRACEPARENT_LEN 55 /* "00-" 32 "-" 16 "-" 2 */

/* Offsets inside a version 00 value, for overwriting in place. */
#define OTEL_TRACEPARENT_TRACE_ID_AT 3
#define OTEL_TRACEPARENT_SPAN_ID_AT 36
#define OTEL_TRACEPARENT_FLAGS_AT 53

/* Writes version 00, exactly OTEL_TRACEPARENT_LEN chars, no terminator. Flags other than sampled
 * and random are sent as 0. */
void otel_traceparent_format(char out[static OTEL_TRACEPARENT_LEN],
                             const struct otel_span_context *ctx);

/* Parses a header value; spaces and tabs round it are trimmed (RFC 9110 5.5). Returns 0 and fills
 * ids, flags and remote=true (carry 0), or -EINVAL with *ctx zeroed. Version ff, zero ids,
 * upper-case hex and trailing bytes in version 00 are invalid; a higher version needs 55 bytes and
 * then the end or '-' (3.2.4). */
int otel_traceparent_parse(struct otel_span_context *ctx, const char *value, size_t len);

#endif
