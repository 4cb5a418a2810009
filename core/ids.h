/* SPDX-License-Identifier: Apache-2.0
 *
 * Trace and span ids: a xoshiro256++ generator per thread, seeded from getrandom(2), reseeded when
 * the process generation changes (a copied generator would repeat ids after fork).
 * Ids are identifiers, not secrets: they need to be unique and evenly spread, not unpredictable.
 */
#ifndef OTEL_CORE_IDS_H
#define OTEL_CORE_IDS_H

#include <stddef.h>
#include <stdint.h>

#include "core/span_context.h"

/* Never all zero. Any thread, no lock, no system call but the first in a thread or generation. */
void otel_ids_trace(uint8_t out[static OTEL_TRACE_ID_LEN]);
void otel_ids_span(uint8_t out[static OTEL_SPAN_ID_LEN]);

/* Both ids of a new trace's first span, for little more than one of them costs. */
void otel_ids_root(uint8_t trace[static OTEL_TRACE_ID_LEN], uint8_t span[static OTEL_SPAN_ID_LEN]);

/* 64 bits from the thread's generator (jitter, shard choice). */
uint64_t otel_ids_random(void);

/* Lower-case hex of len bytes into 2*len chars, no terminator. */
void otel_hex_encode(char *out, const uint8_t *bytes, size_t len);

/* len bytes from exactly 2*len lower-case hex digits. Returns 0, or -EINVAL when any char is not
 * one of 0-9a-f (upper case is invalid: W3C trace-context 3.2.2); out is then unspecified. */
int otel_hex_decode(uint8_t *out, size_t len, const char *hex);

#endif
