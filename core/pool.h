/* SPDX-License-Identifier: Apache-2.0
 *
 * A pool of fixed-size blocks in one mapped region, named by handles instead of pointers.
 *
 * Free blocks form a few LIFO lists (one a shard, so that two threads rarely meet and the warm
 * block comes back first); untouched memory is handed out last, some blocks at a time, so that
 * neighbours, whose links share a cache line, are of one shard. Push and pop are one
 * compare-and-swap with a tag against ABA. No pointer lies in the blocks: they can be a file's
 * (struct otel_pool_memory), while links and lists stay in memory of the process's own.
 *
 * A handle is (sequence << 32) | (index + 1). A block's sequence is odd while it is allocated and
 * grows with each allocation and free: a stale handle is recognised, never followed.
 */
#ifndef OTEL_CORE_POOL_H
#define OTEL_CORE_POOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OTEL_SHARDS 8

struct otel_pool_shard {
    _Alignas(128) _Atomic uint64_t head; /* tag << 32 | index + 1 */
};

struct otel_pool_state {
    struct otel_pool_shard shard[OTEL_SHARDS];
    _Alignas(128) _Atomic uint32_t fresh; /* blocks below were handed out at least once */
};

/* What is kept of a block, side by side: who asks for one of the two asks for the other. */
struct otel_pool_link {
    _Atomic uint32_t seq;
    _Atomic uint32_t next; /* in its free list; while allocated, whose list that is */
};

struct otel_pool;

/* Where a pool's blocks lie when not in memory that is simply there at its first touch. */
struct otel_pool_memory {
    /* Memory for count blocks, zeroed, of which the first *there may be touched. NULL: there is
     * none, plain memory is to be used. */
    void *(*map)(const struct otel_pool *pool, uint32_t *there);
    /* Has more of it ready: returns how many blocks may be touched now, at most count. As many as
     * before: there is no more. One thread at a time. */
    uint32_t (*grow)(const struct otel_pool *pool, uint32_t there);
};

struct otel_pool {
    size_t block_size;                     /* bytes, constant */
    uint32_t count;                        /* blocks wanted; lowered when the mapping is refused */
    _Atomic(char *) base;                  /* the blocks; NULL until the first allocation */
    struct otel_pool_link *link;           /* one a block, behind the blocks or apart */
    struct otel_pool_state *state;         /* behind the links */
    _Atomic uint32_t mapping;              /* 0 unmapped, 1 being mapped, 2 mapped, 3 refused */
    _Atomic uint32_t there;                /* blocks that may be touched */
    _Atomic uint32_t growing;              /* 1: a thread is at it */
    const struct otel_pool_memory *memory; /* NULL: plain; set before the first allocation */
    bool lent;                             /* the blocks are memory's, not the pool's own */
};

#define OTEL_POOL_MAPPED 2

/* A static initialiser; the region is mapped at the first allocation. */
#define OTEL_POOL(size, blocks)                 \
    {                                           \
        .block_size = (size), .count = (blocks) \
    }

/* Returns a handle, or 0: none free or the mapping was refused. The block's content is what it last
 * held (zero when fresh). Lock-free, any thread, signal handlers too. */
uint64_t otel_pool_alloc(struct otel_pool *pool);

/* Frees; returns 0, or -ESTALE when the handle is not that of an allocated block. */
int otel_pool_free(struct otel_pool *pool, uint64_t handle);

/* The index of a handle that is in range, or UINT32_MAX. */
static inline uint32_t otel_pool_index(struct otel_pool *pool, uint64_t handle)
{
    uint32_t index = (uint32_t)handle - 1;

    if (!handle || atomic_load_explicit(&pool->mapping, memory_order_acquire) != OTEL_POOL_MAPPED ||
        index >= pool->count)
        return UINT32_MAX;
    return index;
}

/* The block of a live handle, or NULL. Inline: the hot path asks for each attribute. */
static inline void *otel_pool_get(struct otel_pool *pool, uint64_t handle)
{
    uint32_t index = otel_pool_index(pool, handle);

    if (index == UINT32_MAX || atomic_load_explicit(&pool->link[index].seq, memory_order_acquire) !=
                                   (uint32_t)(handle >> 32))
        return NULL;
    return atomic_load_explicit(&pool->base, memory_order_relaxed) + index * pool->block_size;
}

/* Forgets every block (fork child, one thread) and drops the pages, but goes on with the sequences:
 * a handle copied from the parent names nothing in the child. Blocks that were lent are left to who
 * lent them: the next allocation asks for others. */
void otel_pool_reset(struct otel_pool *pool);

#endif
