/* SPDX-License-Identifier: Apache-2.0 */
#include "core/store.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "core/pool.h"
#include "core/spool.h"

/* Spans that may be open at once beside those waiting and being sent. */
#define OPEN_SPANS 4096
/* Spans at once whose data outgrows their record. */
#define OVERFLOWS 256

/* Any thread; pools are lock-free. */
static struct otel_pool records = OTEL_POOL(OTEL_RECORD_SIZE, OPEN_SPANS + 2048 + 512);
static struct otel_pool overflows = OTEL_POOL(OTEL_OVERFLOW_SIZE, OVERFLOWS);

void otel_store_init(uint32_t queue_size, uint32_t batch_size)
{
    records.count = OPEN_SPANS + queue_size + batch_size;
    records.memory = &otel_spool_records;
    overflows.memory = &otel_spool_overflows;
    otel_spool_layout(records.count, overflows.count);
}

struct otel_record *otel_store_new(uint64_t *handle)
{
    struct otel_record *record;

    *handle = otel_pool_alloc(&records);
    record = otel_pool_get(&records, *handle);
    if (!record)
        return NULL;
    memset(record, 0, offsetof(struct otel_record, data));
    atomic_store_explicit(&record->state, OTEL_RECORD_STARTING, memory_order_relaxed);
    return record;
}

struct otel_record *otel_store_get(uint64_t handle)
{
    return otel_pool_get(&records, handle);
}

uint8_t *otel_store_data(struct otel_record *record, size_t *capacity)
{
    uint8_t *block = record->overflow ? otel_pool_get(&overflows, record->overflow) : NULL;

    *capacity = block ? OTEL_OVERFLOW_SIZE : OTEL_RECORD_INLINE;
    return block ? block : record->data;
}

int otel_store_grow(struct otel_record *record)
{
    uint64_t handle;

    if (record->overflow)
        return -ENOSPC;
    handle = otel_pool_alloc(&overflows);
    if (!handle)
        return -ENOSPC;
    memcpy(otel_pool_get(&overflows, handle), record->data, record->used);
    atomic_signal_fence(memory_order_release);
    record->overflow = handle;
    return 0;
}

void otel_store_free(uint64_t handle)
{
    struct otel_record *record = otel_pool_get(&records, handle);

    if (!record)
        return;
    /* In this order: a record that says it is in use owns the block it names. */
    atomic_store_explicit(&record->state, OTEL_RECORD_FREE, memory_order_release);
    otel_pool_free(&overflows, record->overflow);
    otel_pool_free(&records, handle);
}

void otel_store_reset(void)
{
    otel_spool_reset();
    otel_pool_reset(&records);
    otel_pool_reset(&overflows);
}
