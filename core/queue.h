/* SPDX-License-Identifier: Apache-2.0
 *
 * The queue of ended spans: bounded, many producers, one consumer.
 *
 * It is several rings, one a shard of threads (counters.h), so that threads that end spans at the
 * same time do not write the same cache lines. What came from one thread is taken in its order;
 * between threads there is none. The capacity is that of all together: a shard takes leave to put
 * spans in from a common store, some at a time.
 *
 * A producer reserves a slot, fills it, publishes it: a reader never sees a slot that was reserved
 * but not filled as empty-and-lost, it waits for it at its next look.
 */
#ifndef OTEL_CORE_QUEUE_H
#define OTEL_CORE_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

/* Sets the capacity (spans) and maps the rings. Once, at start-up. Returns 0 or -ENOMEM. */
int otel_queue_init(uint32_t capacity);

/* Returns 0 when the queue is full, else about how many spans wait after the push (>= 1): exact
 * while one thread ends spans; too high by what other shards have leave for, or too low by what
 * they put in since this one last looked, each at most OTEL_QUEUE_LEAVE a shard.
 * Lock-free; any thread, signal handlers too. */
uint32_t otel_queue_push(uint64_t record);

#define OTEL_QUEUE_LEAVE 32

/* As otel_queue_len(), and what pushes of the calling thread's shard return goes on from there. */
uint32_t otel_queue_count(void);

/* Takes up to max handles. One consumer. Returns how many. */
uint32_t otel_queue_take(uint64_t *records, uint32_t max);

/* How many wait. Any thread. */
uint32_t otel_queue_len(void);

/* Marks the end of what waits now; then tells whether some of that is still there. The consumer. */
void otel_queue_mark(void);
bool otel_queue_marked(void);

/* Empties it without looking (fork child). */
void otel_queue_reset(void);

#endif
