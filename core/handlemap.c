/* SPDX-License-Identifier: Apache-2.0 */
#include "core/handlemap.h"

#include <stdbool.h>
#include <string.h>

#include "core/sys.h"

#define WAYS 8 /* keys of a bucket: one cache line */

/* A slot being filled: no pointer a library hands out has this value. */
#define RESERVED ((uintptr_t)1)

enum mapping { UNMAPPED, MAPPING, MAPPED, REFUSED };

static size_t slots_of(const struct otel_handlemap *map)
{
    return (size_t)map->buckets * WAYS;
}

static bool map_region(struct otel_handlemap *map)
{
    for (; map->buckets >= 2; map->buckets /= 2) {
        char *p = otel_sys.mmap(slots_of(map) * (sizeof(uintptr_t) + map->state_size));

        if (p) {
            atomic_store_explicit(&map->base, p, memory_order_release);
            return true;
        }
    }
    return false;
}

static bool mapped(struct otel_handlemap *map, bool create)
{
    uint32_t state = atomic_load_explicit(&map->mapping, memory_order_acquire);
    uint32_t unmapped = UNMAPPED;

    if (__builtin_expect(state == MAPPED, 1))
        return true;
    if (!create)
        return false;
    if (state != UNMAPPED ||
        !atomic_compare_exchange_strong(&map->mapping, &unmapped, (uint32_t)MAPPING))
        return otel_sys_await_mapping(&map->mapping, MAPPING, REFUSED) == MAPPED;
    state = map_region(map) ? MAPPED : REFUSED;
    atomic_store_explicit(&map->mapping, state, memory_order_release);
    return state == MAPPED;
}

static _Atomic uintptr_t *keys(struct otel_handlemap *map)
{
    return (_Atomic uintptr_t *)(void *)atomic_load_explicit(&map->base, memory_order_relaxed);
}

static char *state_at(struct otel_handlemap *map, size_t slot)
{
    return (char *)keys(map) + slots_of(map) * sizeof(uintptr_t) + slot * map->state_size;
}

/* The first slot of a key's first or second bucket: allocators align, so the low bits are mixed. */
static size_t bucket(const struct otel_handlemap *map, const void *key, bool second)
{
    uint64_t h = (uintptr_t)key * UINT64_C(0x9e3779b97f4a7c15);

    h = second ? (h ^ h >> 29) * UINT64_C(0xbf58476d1ce4e5b9) : h;
    return (size_t)(h >> 32 & (map->buckets - 1)) * WAYS;
}

/* The slot in which a candidate bucket of key holds wanted, or SIZE_MAX. */
static size_t slot_with(struct otel_handlemap *map, const void *key, uintptr_t wanted)
{
    for (int second = 0; second < 2; second++) {
        size_t first = bucket(map, key, second);

        for (size_t i = first; i < first + WAYS; i++)
            if (atomic_load_explicit(&keys(map)[i], memory_order_acquire) == wanted)
                return i;
    }
    return SIZE_MAX;
}

void *otel_handlemap_insert(struct otel_handlemap *map, const void *key)
{
    size_t slot;
    char *state;

    if (!key || !mapped(map, true))
        return NULL;
    otel_handlemap_remove(map, key);
    for (;;) {
        uintptr_t empty = 0;

        slot = slot_with(map, key, 0);
        if (slot == SIZE_MAX)
            return NULL;
        if (atomic_compare_exchange_strong_explicit(&keys(map)[slot], &empty, RESERVED,
                                                    memory_order_acquire, memory_order_relaxed))
            break;
    }
    state = state_at(map, slot);
    memset(state, 0, map->state_size);
    atomic_store_explicit(&keys(map)[slot], (uintptr_t)key, memory_order_release);
    return state;
}

void *otel_handlemap_find(struct otel_handlemap *map, const void *key)
{
    size_t slot;

    if (!key || !mapped(map, false))
        return NULL;
    slot = slot_with(map, key, (uintptr_t)key);
    return slot == SIZE_MAX ? NULL : state_at(map, slot);
}

void otel_handlemap_remove(struct otel_handlemap *map, const void *key)
{
    size_t slot;

    if (!key || !mapped(map, false))
        return;
    slot = slot_with(map, key, (uintptr_t)key);
    if (slot != SIZE_MAX)
        atomic_store_explicit(&keys(map)[slot], 0, memory_order_release);
}
