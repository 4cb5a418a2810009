/* SPDX-License-Identifier: Apache-2.0
 *
 * tracestate and baggage of a remote parent: bytes too long for a span context, kept once for each
 * exchange (or the process) and named by a handle that every context derived from it copies.
 * The owner (the local root) frees it; a stale handle then simply finds nothing, it never finds
 * somebody else's bytes.
 */
#ifndef OTEL_CORE_CARRY_H
#define OTEL_CORE_CARRY_H

#include <stddef.h>
#include <stdint.h>

#define OTEL_TRACESTATE_MAX 4096 /* W3C trace-context 3.3.1.5 asks for at least 512 */
#define OTEL_BAGGAGE_MAX 8192    /* W3C baggage 3.3.2 */

/* Keeps a copy of both (lengths may be 0). Returns a handle, or 0: both empty, too long or no
 * room. Any thread, lock-free, no allocation after the first. */
uint64_t otel_carry_new(const char *tracestate, size_t tracestate_len, const char *baggage,
                        size_t baggage_len);

/* Copies what handle keeps into out (capacity cap bytes, no terminator). Returns the length; 0 when
 * there is none, the handle is stale, or it does not fit. Any thread. */
size_t otel_carry_tracestate(uint64_t handle, char *out, size_t cap);
size_t otel_carry_baggage(uint64_t handle, char *out, size_t cap);

/* How long the two are; 0 each when there is none. Returns that of tracestate. Any thread. */
size_t otel_carry_lengths(uint64_t handle, size_t *baggage_len);

/* Frees; 0 and stale handles are ignored. */
void otel_carry_free(uint64_t handle);

/* In a fork child, before the reset, while it has one thread: keeps what handle names for as long
 * as the process lives, and returns a handle for it; 0 when there is nothing. One only: the next
 * call replaces it. */
uint64_t otel_carry_keep(uint64_t handle);

/* Forgets all in a fork child, except the process's own (otel_carry_process_new) and what was kept.
 */
void otel_carry_reset(void);

/* As otel_carry_new, for the process's own parent: lives as long as the process, survives fork. */
uint64_t otel_carry_process_new(const char *tracestate, size_t tracestate_len, const char *baggage,
                                size_t baggage_len);

#endif
