/* SPDX-License-Identifier: Apache-2.0 */
#include "core/counters.h"

#include <stdatomic.h>

#include "core/pool.h"
#include "core/tls.h"

struct shard {
    _Alignas(64) _Atomic uint64_t count[OTEL_COUNTERS];
};

/* Any thread adds to its own shard, relaxed; sums are exact once the adders are quiet. */
static struct shard shards[OTEL_SHARDS];

/* Any thread, relaxed: deals the shards out in turn. */
static _Atomic uint32_t next_shard;

uint32_t otel_shard(void)
{
    if (__builtin_expect(otel_tls.shard == 0, 0))
        otel_tls.shard =
            1 + atomic_fetch_add_explicit(&next_shard, 1, memory_order_relaxed) % OTEL_SHARDS;
    return otel_tls.shard - 1;
}

void otel_count(enum otel_counter counter, uint64_t n)
{
    atomic_fetch_add_explicit(&shards[otel_shard()].count[counter], n, memory_order_relaxed);
}

uint64_t otel_counter_sum(enum otel_counter counter)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < OTEL_SHARDS; i++)
        sum += atomic_load_explicit(&shards[i].count[counter], memory_order_relaxed);
    return sum;
}

void otel_counters_reset(void)
{
    for (unsigned i = 0; i < OTEL_SHARDS; i++)
        for (unsigned c = 0; c < OTEL_COUNTERS; c++)
            atomic_store_explicit(&shards[i].count[c], 0, memory_order_relaxed);
}
