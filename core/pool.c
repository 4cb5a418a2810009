/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pool.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>

#include "core/counters.h"
#include "core/sys.h"

enum mapping { UNMAPPED, MAPPING, MAPPED = OTEL_POOL_MAPPED, REFUSED };

#define SMALLEST 16u /* a pool below this is not worth having: refuse instead */

/* Pages are dropped in units that are whole on every machine, for the sequences lie behind the
 * blocks. */
#define LARGEST_PAGE 65536

static size_t round64(size_t n)
{
    return (n + 63) & ~(size_t)63;
}

/* Lays blocks, links and state out in one region of the largest size that is granted. */
static bool map_region(struct otel_pool *pool)
{
    for (uint32_t count = pool->count; count >= SMALLEST; count /= 2) {
        size_t blocks = round64(pool->block_size * count);
        size_t links = round64(sizeof(struct otel_pool_link) * count);
        char *p = otel_sys.mmap(blocks + links + sizeof(struct otel_pool_state));

        if (!p)
            continue;
        pool->count = count;
        pool->link = (struct otel_pool_link *)(p + blocks);
        pool->state = (struct otel_pool_state *)(p + blocks + links);
        atomic_store_explicit(&pool->base, p, memory_order_release);
        return true;
    }
    return false;
}

/* True when the region is there. One thread maps it, others wait a moment; not for ever, because a
 * signal handler may have interrupted the very thread that maps: its allocation then fails. */
static bool mapped(struct otel_pool *pool)
{
    uint32_t state = atomic_load_explicit(&pool->mapping, memory_order_acquire);
    uint32_t unmapped = UNMAPPED;

    if (__builtin_expect(state == MAPPED, 1))
        return true;
    if (state != UNMAPPED ||
        !atomic_compare_exchange_strong(&pool->mapping, &unmapped, (uint32_t)MAPPING))
        return otel_sys_await_mapping(&pool->mapping, MAPPING, REFUSED) == MAPPED;
    state = map_region(pool) ? MAPPED : REFUSED;
    atomic_store_explicit(&pool->mapping, state, memory_order_release);
    return state == MAPPED;
}

static uint32_t pop(struct otel_pool *pool, uint32_t shard)
{
    _Atomic uint64_t *head = &pool->state->shard[shard].head;
    uint64_t old = atomic_load_explicit(head, memory_order_acquire);

    while ((uint32_t)old) {
        uint32_t index = (uint32_t)old - 1;
        uint64_t next = atomic_load_explicit(&pool->link[index].next, memory_order_relaxed);
        uint64_t tagged = ((old >> 32) + 1) << 32 | next;

        if (atomic_compare_exchange_weak_explicit(head, &old, tagged, memory_order_acq_rel,
                                                  memory_order_acquire))
            return index + 1;
    }
    return 0;
}

static void push(struct otel_pool *pool, uint32_t shard, uint32_t index)
{
    _Atomic uint64_t *head = &pool->state->shard[shard].head;
    uint64_t old = atomic_load_explicit(head, memory_order_relaxed);
    uint64_t tagged;

    do {
        atomic_store_explicit(&pool->link[index].next, (uint32_t)old, memory_order_relaxed);
        tagged = ((old >> 32) + 1) << 32 | (index + 1);
    } while (!atomic_compare_exchange_weak_explicit(head, &old, tagged, memory_order_acq_rel,
                                                    memory_order_relaxed));
}

static uint32_t take_fresh(struct otel_pool *pool)
{
    uint32_t fresh = atomic_load_explicit(&pool->state->fresh, memory_order_relaxed);

    while (fresh < pool->count)
        if (atomic_compare_exchange_weak_explicit(&pool->state->fresh, &fresh, fresh + 1,
                                                  memory_order_relaxed, memory_order_relaxed))
            return fresh + 1;
    return 0;
}

/* The own shard's warm blocks, untouched memory, then what other shards have. */
static uint32_t take(struct otel_pool *pool)
{
    uint32_t own = otel_shard();
    uint32_t found = pop(pool, own);

    if (!found)
        found = take_fresh(pool);
    for (uint32_t i = 1; !found && i < OTEL_SHARDS; i++)
        found = pop(pool, (own + i) % OTEL_SHARDS);
    return found;
}

uint64_t otel_pool_alloc(struct otel_pool *pool)
{
    uint32_t found;
    uint32_t seq;

    if (!mapped(pool))
        return 0;
    found = take(pool);
    if (!found)
        return 0;
    /* While a block is allocated its link remembers whose list it goes back to: freed by the batch
     * thread, it returns to the thread that will want it next. */
    atomic_store_explicit(&pool->link[found - 1].next, otel_shard(), memory_order_relaxed);
    /* The block is ours alone: its sequence needs no read-modify-write. */
    seq = atomic_load_explicit(&pool->link[found - 1].seq, memory_order_relaxed) + 1;
    atomic_store_explicit(&pool->link[found - 1].seq, seq, memory_order_release);
    return (uint64_t)seq << 32 | found;
}

int otel_pool_free(struct otel_pool *pool, uint64_t handle)
{
    uint32_t index = otel_pool_index(pool, handle);
    uint32_t seq = (uint32_t)(handle >> 32);
    uint32_t owner;

    if (index == UINT32_MAX || !(seq & 1))
        return -ESTALE;
    owner = atomic_load_explicit(&pool->link[index].next, memory_order_relaxed) % OTEL_SHARDS;
    if (!atomic_compare_exchange_strong_explicit(&pool->link[index].seq, &seq, seq + 1,
                                                 memory_order_acq_rel, memory_order_relaxed))
        return -ESTALE;
    push(pool, owner, index);
    return 0;
}

void otel_pool_reset(struct otel_pool *pool)
{
    uint32_t used;
    size_t whole;

    if (atomic_load_explicit(&pool->mapping, memory_order_acquire) != MAPPED) {
        atomic_store(&pool->mapping, (uint32_t)UNMAPPED);
        return;
    }
    /* Sequences go on: a handle copied from the parent must not name a block of the child. */
    used = atomic_load_explicit(&pool->state->fresh, memory_order_relaxed);
    for (uint32_t i = 0; i < used && i < pool->count; i++) {
        uint32_t seq = atomic_load_explicit(&pool->link[i].seq, memory_order_relaxed);

        atomic_store_explicit(&pool->link[i].seq, seq + (seq & 1), memory_order_relaxed);
    }
    for (unsigned i = 0; i < OTEL_SHARDS; i++)
        atomic_store_explicit(&pool->state->shard[i].head, 0, memory_order_relaxed);
    atomic_store_explicit(&pool->state->fresh, 0, memory_order_release);
    whole = pool->block_size * pool->count & ~(size_t)(LARGEST_PAGE - 1);
    if (whole)
        otel_sys.madvise(atomic_load(&pool->base), whole, MADV_DONTNEED);
}
