/* SPDX-License-Identifier: Apache-2.0
 *
 * Each shard is the ring of D. Vyukov's bounded queue: a word in each slot says whose turn it is,
 * so that a slot is never read before it is filled. Reserving is one compare-and-swap of tail.
 *
 * A ring has room for the whole capacity. What bounds the sum is leave: places that are neither
 * used nor lent lie in `room`; a shard whose limit is reached borrows some at a time; the consumer
 * puts back what it takes out. So the lines that all threads write are written once in many spans.
 */
#include "core/queue.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "core/counters.h"
#include "core/pool.h"
#include "core/sys.h"

struct slot {
    _Atomic uint64_t turn; /* lap of the ring * 2: free for it; * 2 + 1: filled in it. 0: fresh */
    uint64_t record;
};

/* Positions count on from 0 for ever. What the producers write and what the consumer writes lie
 * two cache lines apart, because processors fetch lines in pairs. */
struct shard {
    _Alignas(128) _Atomic uint64_t tail; /* the next position to be reserved */
    _Atomic uint64_t limit;              /* positions below it may be */
    _Atomic uint64_t others;             /* what other shards had when this one last looked */
    _Alignas(128) _Atomic uint64_t head; /* the next position to be taken */
    uint64_t mark;                       /* the consumer's */
};

/* Any thread, as each field says. */
static struct shard shards[OTEL_SHARDS];

/* Places that no shard has. Any thread. */
static _Alignas(128) _Atomic uint64_t room;

/* Where the consumer begins its next round. The consumer's. */
static _Alignas(128) unsigned first;

/* Written by otel_queue_init() before any second thread, read-only afterwards. */
static struct slot *slots; /* ring after ring */
static unsigned bits;      /* of a position within its ring */
static unsigned rings;     /* OTEL_SHARDS, or 1 where memory is short */
static uint64_t capacity;

static uint64_t load(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

/* Acquire: whose leave it was before has found the slots below free. */
static uint64_t limit_of(const struct shard *shard)
{
    return atomic_load_explicit(&shard->limit, memory_order_acquire);
}

static struct slot *slot_of(unsigned ring, uint64_t at)
{
    return &slots[((uint64_t)ring << bits) + (at & ((UINT64_C(1) << bits) - 1))];
}

static size_t size(void)
{
    return ((size_t)rings << bits) * sizeof(struct slot);
}

/* Fresh slots need no writing: a process that has no span touches none. */
static void forget(void)
{
    for (unsigned i = 0; i < OTEL_SHARDS; i++) {
        atomic_store_explicit(&shards[i].tail, 0, memory_order_relaxed);
        atomic_store_explicit(&shards[i].limit, 0, memory_order_relaxed);
        atomic_store_explicit(&shards[i].others, 0, memory_order_relaxed);
        atomic_store_explicit(&shards[i].head, 0, memory_order_relaxed);
        shards[i].mark = 0;
    }
    atomic_store(&room, capacity);
}

int otel_queue_init(uint32_t wanted)
{
    for (bits = 0; (UINT64_C(1) << bits) < wanted;)
        bits++;
    rings = OTEL_SHARDS;
    slots = otel_sys.mmap(size());
    if (!slots) {
        rings = 1;
        slots = otel_sys.mmap(size());
    }
    capacity = slots ? wanted : 0;
    forget();
    return slots ? 0 : -ENOMEM;
}

void otel_queue_reset(void)
{
    bool used = false;

    for (unsigned i = 0; i < rings; i++)
        used |= load(&shards[i].limit) != 0;
    if (slots && used && otel_sys.madvise(slots, size(), MADV_DONTNEED) < 0)
        memset(slots, 0, size());
    forget();
}

/* Up to OTEL_QUEUE_LEAVE places of the common store; fewer when few are left, so that other shards
 * find some too. */
static uint64_t borrow(struct shard *own)
{
    uint64_t have = load(&room);
    uint64_t wanted;

    do {
        wanted = have / 4 < OTEL_QUEUE_LEAVE ? have / 4 : OTEL_QUEUE_LEAVE;
        wanted = wanted ? wanted : have != 0;
    } while (wanted &&
             !atomic_compare_exchange_weak_explicit(&room, &have, have - wanted,
                                                    memory_order_acquire, memory_order_relaxed));
    if (wanted) {
        uint64_t limit = atomic_fetch_add_explicit(&own->limit, wanted, memory_order_release);
        uint64_t lent = limit + wanted - load(&own->head);
        uint64_t used = capacity - (have - wanted);

        atomic_store_explicit(&own->others, used > lent ? used - lent : 0, memory_order_relaxed);
    }
    return wanted;
}

/* A place that another shard has leave for and does not use. */
static uint64_t beg(struct shard *own)
{
    for (unsigned i = 0; i < rings; i++) {
        uint64_t limit = limit_of(&shards[i]);

        while (&shards[i] != own && (int64_t)(limit - load(&shards[i].tail)) > 0) {
            if (!atomic_compare_exchange_weak_explicit(&shards[i].limit, &limit, limit - 1,
                                                       memory_order_acq_rel, memory_order_acquire))
                continue;
            atomic_fetch_add_explicit(&own->limit, 1, memory_order_release);
            return 1;
        }
    }
    return 0;
}

static __attribute__((noinline)) bool more_leave(struct shard *own)
{
    return borrow(own) || beg(own);
}

uint32_t otel_queue_push(uint64_t record)
{
    unsigned ring = rings == 1 ? 0 : otel_shard();
    struct shard *own = &shards[ring];
    uint64_t at = load(&own->tail);
    uint64_t lap;

    if (!slots)
        return 0;
    for (;;) {
        struct slot *slot = slot_of(ring, at);
        uint64_t turn;

        if (__builtin_expect((int64_t)(limit_of(own) - at) <= 0, 0)) {
            if (!more_leave(own))
                return 0;
            at = load(&own->tail);
            continue;
        }
        turn = atomic_load_explicit(&slot->turn, memory_order_acquire);
        lap = at >> bits;
        if (turn == 2 * lap) {
            uint64_t taken = load(&own->head);

            if (!atomic_compare_exchange_weak_explicit(&own->tail, &at, at + 1,
                                                       memory_order_relaxed, memory_order_relaxed))
                continue;
            slot->record = record;
            atomic_store_explicit(&slot->turn, 2 * lap + 1, memory_order_release);
            return (uint32_t)((at >= taken ? at - taken + 1 : 1) + load(&own->others));
        }
        if (turn < 2 * lap)
            return 0;
        at = load(&own->tail);
    }
}

/* Takes from one ring. */
static uint32_t take(unsigned ring, uint64_t *records, uint32_t max)
{
    struct shard *from = &shards[ring];
    uint64_t at = load(&from->head);
    uint32_t n = 0;

    for (; n < max; n++, at++) {
        struct slot *slot = slot_of(ring, at);
        uint64_t lap = at >> bits;

        if (atomic_load_explicit(&slot->turn, memory_order_acquire) != 2 * lap + 1)
            break;
        records[n] = slot->record;
        atomic_store_explicit(&slot->turn, 2 * lap + 2, memory_order_release);
    }
    if (n) {
        atomic_store_explicit(&from->head, at, memory_order_release);
        /* Who borrows these places finds the slots free. */
        atomic_fetch_add_explicit(&room, n, memory_order_release);
    }
    return n;
}

/* Each round begins one ring on, so that a busy thread does not keep the others' spans here. */
uint32_t otel_queue_take(uint64_t *records, uint32_t max)
{
    unsigned begin = first++;
    uint32_t n = 0;

    for (unsigned i = 0; slots && n < max && i < rings; i++)
        n += take((begin + i) % rings, records + n, max - n);
    return n;
}

static uint64_t len_of(struct shard *shard)
{
    uint64_t taken = atomic_load_explicit(&shard->head, memory_order_acquire);
    uint64_t end = atomic_load_explicit(&shard->tail, memory_order_acquire);

    return end > taken ? end - taken : 0;
}

uint32_t otel_queue_len(void)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < rings; i++)
        sum += len_of(&shards[i]);
    return (uint32_t)sum;
}

uint32_t otel_queue_count(void)
{
    struct shard *own = &shards[rings == 1 ? 0 : otel_shard()];
    uint32_t sum = otel_queue_len();
    uint64_t mine = len_of(own);

    atomic_store_explicit(&own->others, sum > mine ? sum - mine : 0, memory_order_relaxed);
    return sum;
}

void otel_queue_mark(void)
{
    for (unsigned i = 0; i < rings; i++)
        shards[i].mark = atomic_load_explicit(&shards[i].tail, memory_order_acquire);
}

bool otel_queue_marked(void)
{
    for (unsigned i = 0; i < rings; i++)
        if (load(&shards[i].head) < shards[i].mark)
            return true;
    return false;
}
