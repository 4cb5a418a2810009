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

/* Processors fetch cache lines in pairs, and a pair that two threads write costs both. */
#define LINES 128

/* Untouched blocks are handed to a thread by as many as have their links in one such pair. */
#define CHUNK ((uint32_t)(LINES / sizeof(struct otel_pool_link)))

static size_t round_up(size_t n)
{
    return (n + LINES - 1) & ~(size_t)(LINES - 1);
}

/* Lays blocks, links and state out in one region of the largest size that is granted. */
static bool map_region(struct otel_pool *pool)
{
    for (uint32_t count = pool->count; count >= SMALLEST; count /= 2) {
        size_t blocks = round_up(pool->block_size * count);
        size_t links = round_up(sizeof(struct otel_pool_link) * count);
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

/* Most spans use no more of their record, bytes. */
#define FETCHED 384

/* The block that comes next is asked for while this one is filled: where the batch thread had it
 * last, it lies in another processor's cache, and its lines come one by one when they are needed
 * one by one. */
static inline void fetch(struct otel_pool *pool, uint32_t index)
{
    const char *block =
        atomic_load_explicit(&pool->base, memory_order_relaxed) + (size_t)index * pool->block_size;

    for (size_t at = 0; at < pool->block_size && at < FETCHED; at += 64)
        __builtin_prefetch(block + at, 1);
    __builtin_prefetch(&pool->link[index], 1);
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
                                                  memory_order_acquire)) {
            if (next)
                fetch(pool, (uint32_t)next - 1);
            return index + 1;
        }
    }
    return 0;
}

/* Puts blocks first to last, linked in this order, in front of a list. */
static void push(struct otel_pool *pool, uint32_t shard, uint32_t first, uint32_t last)
{
    _Atomic uint64_t *head = &pool->state->shard[shard].head;
    uint64_t old = atomic_load_explicit(head, memory_order_relaxed);
    uint64_t tagged;

    do {
        atomic_store_explicit(&pool->link[last].next, (uint32_t)old, memory_order_relaxed);
        tagged = ((old >> 32) + 1) << 32 | (first + 1);
    } while (!atomic_compare_exchange_weak_explicit(head, &old, tagged, memory_order_acq_rel,
                                                    memory_order_relaxed));
}

/* One untouched block; those whose links lie beside its link go to the thread's list. */
static uint32_t take_fresh(struct otel_pool *pool, uint32_t shard)
{
    uint32_t fresh = atomic_load_explicit(&pool->state->fresh, memory_order_relaxed);
    uint32_t end;

    do {
        if (fresh >= pool->count)
            return 0;
        end = pool->count - fresh < CHUNK ? pool->count : fresh + CHUNK;
    } while (!atomic_compare_exchange_weak_explicit(&pool->state->fresh, &fresh, end,
                                                    memory_order_relaxed, memory_order_relaxed));
    for (uint32_t i = fresh + 1; i + 1 < end; i++)
        atomic_store_explicit(&pool->link[i].next, i + 2, memory_order_relaxed);
    if (fresh + 1 < end)
        push(pool, shard, fresh + 1, end - 1);
    return fresh + 1;
}

/* The own shard's warm blocks, untouched memory, then what other shards have. */
static uint32_t take(struct otel_pool *pool, uint32_t own)
{
    uint32_t found = pop(pool, own);

    if (!found)
        found = take_fresh(pool, own);
    for (uint32_t i = 1; !found && i < OTEL_SHARDS; i++)
        found = pop(pool, (own + i) % OTEL_SHARDS);
    return found;
}

uint64_t otel_pool_alloc(struct otel_pool *pool)
{
    uint32_t own;
    uint32_t found;
    uint32_t seq;

    if (!mapped(pool))
        return 0;
    own = otel_shard();
    found = take(pool, own);
    if (!found)
        return 0;
    /* While a block is allocated its link remembers whose list it goes back to: freed by the batch
     * thread, it returns to the thread that will want it next. */
    atomic_store_explicit(&pool->link[found - 1].next, own, memory_order_relaxed);
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
    push(pool, owner, index, index);
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
