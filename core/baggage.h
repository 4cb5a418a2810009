/* SPDX-License-Identifier: Apache-2.0
 *
 * The baggage header (W3C baggage 3.2, 3.3): checked and passed on, never put on spans.
 */
#ifndef OTEL_CORE_BAGGAGE_H
#define OTEL_CORE_BAGGAGE_H

#include <stddef.h>

/* Joins the values of one or more baggage headers into out: well-formed members are kept in order
 * as they are (properties too), malformed ones left out; members beyond 64 or past cap bytes are
 * left out whole (W3C baggage 3.3.2 lets a platform drop members). Returns the length, 0 when
 * nothing is left. Never fails. */
int otel_baggage_join(char *out, size_t cap, const char *const *values, const size_t *lens,
                      size_t count);

#endif
