/* SPDX-License-Identifier: Apache-2.0
 *
 * The ring of D. Vyukov's bounded queue: a sequence number in each slot says whose turn it is, so
 * that a slot is never read before it is filled. Reserving is one compare-and-swap of tail.
 */
#include "core/queue.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

#include "core/sys.h"

struct slot {
    _Atomic uint64_t turn; /* == position: free for it; == position + 1: filled for it */
    uint64_t record;
};

/* Written by otel_queue_init() before any second thread, read-only afterwards. */
static struct slot *slots;
static uint64_t mask;
static uint64_t capacity;

/* Producers reserve at tail, the one consumer takes at head; apart, so that they do not share a
 * cache line. */
static _Alignas(64) _Atomic uint64_t tail;
static _Alignas(64) _Atomic uint64_t head;

int otel_queue_init(uint32_t wanted)
{
    uint64_t size = 1;

    while (size < wanted)
        size *= 2;
    slots = otel_sys.mmap(size * sizeof(struct slot));
    if (!slots)
        return -ENOMEM;
    mask = size - 1;
    capacity = wanted;
    otel_queue_reset();
    return 0;
}

void otel_queue_reset(void)
{
    atomic_store(&head, 0);
    atomic_store(&tail, 0);
    for (uint64_t i = 0; slots && i <= mask; i++)
        atomic_store_explicit(&slots[i].turn, i, memory_order_relaxed);
}

uint32_t otel_queue_push(uint64_t record)
{
    uint64_t at = atomic_load_explicit(&tail, memory_order_relaxed);

    if (!slots)
        return 0;
    for (;;) {
        struct slot *slot = &slots[at & mask];
        uint64_t turn = atomic_load_explicit(&slot->turn, memory_order_acquire);
        uint64_t taken = atomic_load_explicit(&head, memory_order_relaxed);

        if (at >= taken && at - taken >= capacity)
            return 0;
        if (turn == at) {
            if (!atomic_compare_exchange_weak_explicit(&tail, &at, at + 1, memory_order_relaxed,
                                                       memory_order_relaxed))
                continue;
            slot->record = record;
            atomic_store_explicit(&slot->turn, at + 1, memory_order_release);
            return at >= taken ? (uint32_t)(at - taken + 1) : 1;
        }
        if (turn < at)
            return 0;
        at = atomic_load_explicit(&tail, memory_order_relaxed);
    }
}

uint32_t otel_queue_take(uint64_t *records, uint32_t max)
{
    uint64_t at = atomic_load_explicit(&head, memory_order_relaxed);
    uint32_t n = 0;

    for (; slots && n < max; n++, at++) {
        struct slot *slot = &slots[at & mask];

        if (atomic_load_explicit(&slot->turn, memory_order_acquire) != at + 1)
            break;
        records[n] = slot->record;
        atomic_store_explicit(&slot->turn, at + mask + 1, memory_order_release);
    }
    atomic_store_explicit(&head, at, memory_order_release);
    return n;
}

uint32_t otel_queue_len(void)
{
    uint64_t taken = atomic_load_explicit(&head, memory_order_acquire);
    uint64_t end = atomic_load_explicit(&tail, memory_order_acquire);

    return end > taken ? (uint32_t)(end - taken) : 0;
}
