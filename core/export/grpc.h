/* SPDX-License-Identifier: Apache-2.0
 *
 * What gRPC puts round a message (gRPC over HTTP2, "Length-Prefixed-Message" and "Responses"). Not
 * the transport: that is libcurl's HTTP/2. Pure; any bytes, any length; never reads past the end.
 */
#ifndef OTEL_CORE_EXPORT_GRPC_H
#define OTEL_CORE_EXPORT_GRPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OTEL_GRPC_PREFIX_LEN 5
#define OTEL_GRPC_PATH "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

/* Writes the prefix of a message of len bytes. */
void otel_grpc_prefix(uint8_t out[static OTEL_GRPC_PREFIX_LEN], bool compressed, uint32_t len);

/* Finds the one message of a unary answer. Returns 0 and where it lies, or -EBADMSG: it is cut,
 * compressed (we never offer to read that), or something stands behind it. */
int otel_grpc_message(const uint8_t *body, size_t len, const uint8_t **message,
                      size_t *message_len);

/* The code of a grpc-status value, or -1 when it is no number from 0 to 16. */
int otel_grpc_status(const char *value, size_t len);

/* Looks for google.rpc.RetryInfo in the value of grpc-status-details-bin (base64, padded or not, of
 * a google.rpc.Status). Returns the delay in ns, or OTEL_RETRY_NONE (retry.h) when there is none.
 * Values beyond 4 KiB are not read. */
int64_t otel_grpc_retry_info_ns(const char *value, size_t len);

#endif
