/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pool.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>

#include "core/counters.h"
#include "core/sys.h"
#include "core/tracer.h"

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

static size_t links_size(uint32_t count)
{
    return round_up(sizeof(struct otel_pool_link) * count) + sizeof(struct otel_pool_state);
}

static void lay_out(struct otel_pool *pool, char *links, uint32_t count)
{
    pool->count = count;
    pool->link = (struct otel_pool_link *)links;
    pool->state =
        (struct otel_pool_state *)(links + round_up(sizeof(struct otel_pool_link) * count));
}

static void use_blocks(struct otel_pool *pool, char *blocks, uint32_t there, bool lent)
{
    pool->lent = lent;
    atomic_store_explicit(&pool->there, there, memory_order_relaxed);
    atomic_store_explicit(&pool->base, blocks, memory_order_release);
}

/* Blocks from where the pool was told to have them, links and state in memory of their own; those
 * of a fork child's parent are gone on with. */
static bool borrow_region(struct otel_pool *pool)
{
    uint32_t there = 0;
    char *links = (char *)pool->link;
    char *blocks;

    if (!pool->memory)
        return false;
    if (!links) {
        links = otel_sys.mmap(links_size(pool->count));
        if (!links)
            return false;
        lay_out(pool, links, pool->count);
    }
    blocks = pool->memory->map(pool, &there);
    if (blocks)
        use_blocks(pool, blocks, there, true);
    return blocks != NULL;
}

/* Lays blocks, links and state out in one region of the largest size that is granted. A pool that
 * has links already (it was to borrow its blocks, or it has lent ones behind it) keeps them. */
static bool map_region(struct otel_pool *pool)
{
    if (borrow_region(pool))
        return true;
    for (uint32_t count = pool->count; count >= SMALLEST; count /= 2) {
        size_t blocks = round_up(pool->block_size * count);
        char *p = otel_sys.mmap(blocks + (pool->link ? 0 : links_size(count)));

        if (!p)
            continue;
        if (pool->link)
            pool->count = count;
        else
            lay_out(pool, p + blocks, count);
        use_blocks(pool, p, count, false);
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
        uint64_t next;
        uint64_t tagged;

        /* Somebody has written into our memory: go no further in it. */
        if (__builtin_expect(index >= pool->count, 0)) {
            otel_tracer_pass_through("the lists of the store are destroyed");
            return 0;
        }
        next = atomic_load_explicit(&pool->link[index].next, memory_order_relaxed);
        tagged = ((old >> 32) + 1) << 32 | next;
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

/* Blocks that may be touched, more than `had`: perhaps after another thread has seen to it. The
 * wait has an end, as that for the mapping. */
static __attribute__((noinline)) uint32_t more(struct otel_pool *pool, uint32_t had)
{
    uint32_t none = 0;
    uint32_t there;

    if (!pool->memory || had >= pool->count)
        return had;
    if (!atomic_compare_exchange_strong(&pool->growing, &none, 1)) {
        otel_sys_await_mapping(&pool->growing, 1, 0);
        return atomic_load_explicit(&pool->there, memory_order_acquire);
    }
    there = atomic_load_explicit(&pool->there, memory_order_acquire);
    if (there <= had) {
        there = pool->memory->grow(pool, there);
        atomic_store_explicit(&pool->there, there, memory_order_release);
    }
    atomic_store_explicit(&pool->growing, 0, memory_order_release);
    return there;
}

/* One untouched block; those whose links lie beside its link go to the thread's list. */
static uint32_t take_fresh(struct otel_pool *pool, uint32_t shard)
{
    uint32_t fresh = atomic_load_explicit(&pool->state->fresh, memory_order_relaxed);
    uint32_t there = atomic_load_explicit(&pool->there, memory_order_acquire);
    uint32_t end;

    do {
        if (fresh >= there)
            there = more(pool, there);
        if (fresh >= there)
            return 0;
        end = there - fresh < CHUNK ? there : fresh + CHUNK;
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
        atomic_store(&pool->growing, 0);
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
    atomic_store_explicit(&pool->growing, 0, memory_order_relaxed);
    if (pool->lent) {
        atomic_store_explicit(&pool->base, NULL, memory_order_relaxed);
        atomic_store_explicit(&pool->mapping, (uint32_t)UNMAPPED, memory_order_release);
        return;
    }
    whole = pool->block_size * pool->count & ~(size_t)(LARGEST_PAGE - 1);
    if (whole)
        otel_sys.madvise(atomic_load(&pool->base), whole, MADV_DONTNEED);
}
