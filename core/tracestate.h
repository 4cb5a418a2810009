/* SPDX-License-Identifier: Apache-2.0
 *
 * The tracestate list (W3C trace-context level 2, 3.3). We pass it on and add no member of our own.
 */
#ifndef OTEL_CORE_TRACESTATE_H
#define OTEL_CORE_TRACESTATE_H

#include <stddef.h>

/* Joins the values of one or more tracestate headers, in order, into out: members trimmed, empty
 * ones left out, joined by ','. Returns the length written, 0 when there is no member, or -EINVAL:
 * more than 32 members, a duplicate key, an illegal member; -E2BIG: more than cap bytes. Either
 * error drops the whole tracestate, never the traceparent. */
int otel_tracestate_join(char *out, size_t cap, const char *const *values, const size_t *lens,
                         size_t count);

#endif
