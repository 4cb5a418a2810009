/* SPDX-License-Identifier: Apache-2.0 */
#include "core/inbound.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "core/ids.h"
#include "core/sys.h"

#define BUCKETS 2048 /* power of two */
#define WAYS 8
#define RESERVED ((uint64_t)1) /* a place being filled; no handle is this small */

enum { UNMAPPED, MAPPING, MAPPED, REFUSED };

struct place {
    _Atomic uint64_t key;
    _Atomic uint64_t exchange; /* 0: free */
};

/* Any thread, lock-free; mapped by the first add, never unmapped. */
static _Atomic(struct place *) table;
static _Atomic uint32_t mapping;
/* Makes the places of hostile ids unpredictable; written before the table is published. */
static uint64_t seed;

static struct place *places(void)
{
    struct place *t = atomic_load_explicit(&table, memory_order_acquire);
    uint32_t state = UNMAPPED;

    if (__builtin_expect(t != NULL, 1))
        return t;
    if (!atomic_compare_exchange_strong(&mapping, &state, MAPPING)) {
        otel_sys_await_mapping(&mapping, MAPPING, REFUSED);
        return atomic_load_explicit(&table, memory_order_acquire);
    }
    seed = otel_ids_random() | 1;
    t = otel_sys.mmap(sizeof(struct place) * BUCKETS * WAYS);
    atomic_store_explicit(&table, t, memory_order_release);
    atomic_store_explicit(&mapping, t ? MAPPED : REFUSED, memory_order_release);
    return t;
}

static uint64_t key_of(const struct otel_span_context *ctx)
{
    uint64_t word[3];
    uint64_t h = seed;

    memcpy(word, ctx->trace_id, 16);
    memcpy(word + 2, ctx->span_id, 8);
    for (int i = 0; i < 3; i++) {
        h = (h ^ word[i]) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    return h;
}

static struct place *bucket(struct place *t, uint64_t key)
{
    return &t[(key >> 32 & (BUCKETS - 1)) * WAYS];
}

bool otel_inbound_add(const struct otel_span_context *ctx, uint64_t exchange)
{
    struct place *t = places();
    struct place *p;
    uint64_t key;

    if (!t)
        return false;
    key = key_of(ctx);
    p = bucket(t, key);
    for (int i = 0; i < WAYS; i++) {
        uint64_t empty = 0;

        if (atomic_load_explicit(&p[i].exchange, memory_order_relaxed) ||
            !atomic_compare_exchange_strong(&p[i].exchange, &empty, RESERVED))
            continue;
        atomic_store_explicit(&p[i].key, key, memory_order_relaxed);
        atomic_store_explicit(&p[i].exchange, exchange, memory_order_release);
        return true;
    }
    return false;
}

void otel_inbound_remove(const struct otel_span_context *ctx, uint64_t exchange)
{
    struct place *t = atomic_load_explicit(&table, memory_order_acquire);
    struct place *p;

    if (!t || !exchange)
        return;
    p = bucket(t, key_of(ctx));
    for (int i = 0; i < WAYS; i++)
        if (atomic_load_explicit(&p[i].exchange, memory_order_relaxed) == exchange) {
            atomic_store_explicit(&p[i].exchange, 0, memory_order_release);
            return;
        }
}

uint64_t otel_inbound_find(const struct otel_span_context *ctx, uint64_t prefer)
{
    struct place *t = atomic_load_explicit(&table, memory_order_acquire);
    uint64_t found = 0;
    struct place *p;
    uint64_t key;

    if (!t)
        return 0;
    key = key_of(ctx);
    p = bucket(t, key);
    for (int i = 0; i < WAYS; i++) {
        uint64_t exchange = atomic_load_explicit(&p[i].exchange, memory_order_acquire);

        if (exchange <= RESERVED || atomic_load_explicit(&p[i].key, memory_order_relaxed) != key)
            continue;
        if (exchange == prefer)
            return prefer;
        found = found ? RESERVED : exchange; /* of several none, but prefer */
    }
    return found == RESERVED ? 0 : found;
}

void otel_inbound_reset(void)
{
    struct place *t = atomic_load_explicit(&table, memory_order_acquire);

    for (size_t i = 0; t && i < (size_t)BUCKETS * WAYS; i++)
        if (atomic_load_explicit(&t[i].exchange, memory_order_relaxed))
            atomic_store_explicit(&t[i].exchange, 0, memory_order_relaxed);
}
