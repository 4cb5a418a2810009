/* SPDX-License-Identifier: Apache-2.0
 *
 * Our state for a foreign handle (CURL *, sqlite3_stmt *): a fixed table from pointer to state
 * block. Lock-free; memory is mapped at the first insert and touched only where used; what is
 * removed leaves nothing behind, so a million handles one after another need the space of one.
 *
 * Buckets of 8 keys (a cache line), two candidate buckets for each key, no chains, no tombstones: a
 * look-up reads at most two lines. Full buckets: insert says NULL and the handle goes untracked.
 *
 * Threads: any thread may look up any key; insert and remove of one key are the caller's to order
 * (a handle is born and dies on one thread at a time), as is access to the state itself.
 */
#ifndef OTEL_CORE_HANDLEMAP_H
#define OTEL_CORE_HANDLEMAP_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct otel_handlemap {
    size_t state_size;        /* bytes of state a handle, constant */
    uint32_t buckets;         /* power of two */
    _Atomic(char *) base;     /* keys, then states */
    _Atomic uint32_t mapping; /* as in pool.h */
};

#define OTEL_HANDLEMAP(size, bucket_count)              \
    {                                                   \
        .state_size = (size), .buckets = (bucket_count) \
    }

/* State for key, zeroed. NULL: no room, or key is NULL. A key already there is replaced by a fresh
 * zeroed state (its owner died unseen). */
void *otel_handlemap_insert(struct otel_handlemap *map, const void *key);

/* NULL when key is not there. */
void *otel_handlemap_find(struct otel_handlemap *map, const void *key);

/* Ignores unknown keys. */
void otel_handlemap_remove(struct otel_handlemap *map, const void *key);

#endif
