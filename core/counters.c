/* SPDX-License-Identifier: Apache-2.0 */
#include "core/counters.h"

#include <stdatomic.h>

#include "core/pool.h"
#include "core/tls.h"

/* Shards of one thread each, and behind them as many that the other threads share. */
#define OWNED OTEL_SHARDS
#define SHARDS (OWNED + OTEL_SHARDS)

struct shard {
    _Alignas(128) _Atomic uint64_t count[OTEL_COUNTERS];
};

/* Any thread adds to its shard and sums over all, relaxed; sums are exact once the adders are
 * quiet. */
static struct shard shards[SHARDS];

/* Any thread, relaxed: numbers the threads. 64 bits never come round, so an owned shard never gets
 * a second owner. */
static _Atomic uint64_t threads;

/* The thread's shard among SHARDS. */
static inline uint32_t shard(void)
{
    if (__builtin_expect(otel_tls.shard == 0, 0)) {
        uint64_t number = atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed);

        otel_tls.shard = 1 + (uint32_t)(number < OWNED ? number : OWNED + number % OTEL_SHARDS);
    }
    return otel_tls.shard - 1;
}

uint32_t otel_shard(void)
{
    return shard() % OTEL_SHARDS;
}

/* Nobody else adds to an owned shard but a signal handler on the same thread, and that cannot come
 * between when the addition is one instruction: it need not lock the bus, which costs 5 ns. */
static inline void add_owned(_Atomic uint64_t *count, uint64_t n)
{
#ifdef __x86_64__
    __asm__ volatile("addq %1, %0" : "+m"(*count) : "er"(n) : "cc");
#else
    atomic_fetch_add_explicit(count, n, memory_order_relaxed);
#endif
}

void otel_count(enum otel_counter counter, uint64_t n)
{
    uint32_t own = shard();

    if (__builtin_expect(own < OWNED, 1))
        add_owned(&shards[own].count[counter], n);
    else
        atomic_fetch_add_explicit(&shards[own].count[counter], n, memory_order_relaxed);
}

uint64_t otel_counter_sum(enum otel_counter counter)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < SHARDS; i++)
        sum += atomic_load_explicit(&shards[i].count[counter], memory_order_relaxed);
    return sum;
}

void otel_counters_reset(void)
{
    for (unsigned i = 0; i < SHARDS; i++)
        for (unsigned c = 0; c < OTEL_COUNTERS; c++)
            atomic_store_explicit(&shards[i].count[c], 0, memory_order_relaxed);
}
