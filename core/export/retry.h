/* SPDX-License-Identifier: Apache-2.0
 *
 * When to send a batch again, and after how long (OTLP specification, "Failures" of OTLP/HTTP and
 * OTLP/gRPC). Pure, but for the clock that an HTTP-date is compared with, which is an argument.
 */
#ifndef OTEL_CORE_EXPORT_RETRY_H
#define OTEL_CORE_EXPORT_RETRY_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define OTEL_RETRY_FIRST_NS UINT64_C(1000000000) /* nominal wait before the first retry */
#define OTEL_RETRY_LONGEST_NS UINT64_C(30000000000)
#define OTEL_RETRY_NONE INT64_C(-1) /* the server named no wait */

/* True for 429, 502, 503, 504 and nothing else. */
bool otel_retry_http_status(long status);

/* True for the retryable gRPC codes; RESOURCE_EXHAUSTED (8) only when the server sent RetryInfo. */
bool otel_retry_grpc_code(int code, bool has_retry_info);

/* The gRPC code that stands for an HTTP status which came without grpc-status (gRPC's "HTTP to gRPC
 * Status Code Mapping"). */
int otel_retry_grpc_of_http(long status);

/* The wait before retry number attempt (0, 1, …): doubles from FIRST to LONGEST, then spread over
 * [half, one and a half) of that by random, so that processes which failed together do not come
 * back together. */
uint64_t otel_retry_backoff_ns(unsigned attempt, uint64_t random);

/* The wait a Retry-After value asks for: seconds, or an HTTP-date compared with now. A date gone by
 * gives 0, more than a year counts as a year. OTEL_RETRY_NONE when it is neither. */
int64_t otel_retry_after_ns(const char *value, time_t now);

#endif
