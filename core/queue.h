/* SPDX-License-Identifier: Apache-2.0
 *
 * The queue of ended spans: a bounded ring of record handles, many producers, one consumer.
 * A producer reserves a slot, fills it, publishes it: a reader never sees a slot that was reserved
 * but not filled as empty-and-lost, it waits for it at its next look.
 */
#ifndef OTEL_CORE_QUEUE_H
#define OTEL_CORE_QUEUE_H

#include <stdint.h>

/* Sets the capacity (spans) and maps the ring. Once, at start-up. Returns 0 or -ENOMEM. */
int otel_queue_init(uint32_t capacity);

/* Returns the number of spans waiting after the push (>= 1), or 0 when the queue is full.
 * Lock-free; any thread, signal handlers too. */
uint32_t otel_queue_push(uint64_t record);

/* Takes up to max handles, oldest first. One consumer. Returns how many. */
uint32_t otel_queue_take(uint64_t *records, uint32_t max);

uint32_t otel_queue_len(void);

/* Empties it without looking (fork child). */
void otel_queue_reset(void);

#endif
