/* SPDX-License-Identifier: Apache-2.0
 *
 * Open server exchanges by the traceparent they received: a proxy that passes the header on names
 * by it the exchange it acts for, whatever its threads and timers do.
 *
 * Threads: any, lock-free; memory is mapped at the first add and fixed. No room: not found.
 */
#ifndef OTEL_CORE_INBOUND_H
#define OTEL_CORE_INBOUND_H

#include <stdbool.h>
#include <stdint.h>

#include "core/span_context.h"

/* ctx: the remote parent of that exchange. Returns false when there is no room. */
bool otel_inbound_add(const struct otel_span_context *ctx, uint64_t exchange);
void otel_inbound_remove(const struct otel_span_context *ctx, uint64_t exchange);

/* The exchange that received ctx (trace id and span id), 0: none, or more than one: who can tell
 * which. prefer: returned when it is among them. */
uint64_t otel_inbound_find(const struct otel_span_context *ctx, uint64_t prefer);

void otel_inbound_reset(void);

#endif
