/* SPDX-License-Identifier: Apache-2.0
 *
 * Where records live: a pool of records and a pool of overflow blocks for the few spans whose data
 * outgrows its record. Both lie in a file that outlives the process where that can be (spool.h).
 */
#ifndef OTEL_CORE_STORE_H
#define OTEL_CORE_STORE_H

#include "core/record.h"

/* Sizes the store: room for the queue, a batch under way and the open spans. Once, at start-up;
 * maps nothing yet. */
void otel_store_init(uint32_t queue_size, uint32_t batch_size);

/* A STARTING record with everything but the data zeroed; who has filled in what identifies it makes
 * it ACTIVE. *record is its handle. NULL: full. */
struct otel_record *otel_store_new(uint64_t *record);

/* The record of a live handle, or NULL. */
struct otel_record *otel_store_get(uint64_t record);

/* Where the data of a record lies and how much fits. */
uint8_t *otel_store_data(struct otel_record *record, size_t *capacity);

/* Moves inline data to an overflow block. Returns 0, -ENOSPC when it is there already or there is
 * no block. */
int otel_store_grow(struct otel_record *record);

/* Frees the record and its overflow block. Stale handles are ignored. */
void otel_store_free(uint64_t record);

void otel_store_reset(void);

#endif
