/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the observer share: observe.c follows bytes, observe_end.c ends what they were
 * part of. Nobody else includes this.
 */
#ifndef OTEL_CORE_OBSERVE_PARTS_H
#define OTEL_CORE_OBSERVE_PARTS_H

#include <stdatomic.h>

#include "core/connection.h"

static inline uint8_t otel_observe_protocol(const struct otel_connection *c)
{
    return atomic_load_explicit(&c->protocol, memory_order_relaxed);
}

static inline void otel_observe_set_protocol(struct otel_connection *c, enum otel_protocol protocol)
{
    atomic_store_explicit(&c->protocol, (uint8_t)protocol, memory_order_release);
}

/* The thread serves the request that these bytes belong to, or nobody, when none is open. */
void otel_observe_enter(struct otel_connection *c);

/* Gives the direction's spill block back, unless the parser has bytes in it. */
void otel_observe_take_spill(struct otel_direction *d);

/* Ends what is under way without an error: the connection cannot be followed. held: the direction
 * the caller holds; when another thread is at work on the other one, the connection's end does it.
 */
void otel_observe_give_up(struct otel_connection *c, struct otel_direction *held);

#endif
