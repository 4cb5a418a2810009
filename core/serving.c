/* SPDX-License-Identifier: Apache-2.0 */
#include "core/serving.h"

#include <string.h>

#include "core/connection.h"
#include "core/context.h"
#include "core/tls.h"

#define SLOTS 16384 /* threads that serve at a time; those beyond are never sure */
#define NO_SLOT UINT16_MAX

/* Of a cell's state (serving.h). */
#define SLOT UINT64_C(0xffff)
#define OUTSTANDING (UINT64_C(0x7fff) << 16)
#define ONE_OUTSTANDING (UINT64_C(1) << 16)
#define READY (UINT64_C(1) << 31)

enum { FREE, TAKEN, FIRST_TAG };

/* A number in two parts, modulo 2^32: what the slot's own thread added, and what all others did. */
struct count {
    _Atomic uint32_t own, others;
};

/* Counts of a thread. Padded: threads count on their own line. */
struct slot {
    _Alignas(64) _Atomic uint32_t taken; /* FREE, TAKEN, or the tag of a coroutine that is left */
    struct count open;                   /* cells that are this thread's */
    struct count waiting;                /* of them, those that wait for something invisible */
};

/* Any thread, atomic; a page of it is touched when its first thread serves. */
static struct slot slots[SLOTS];
/* Where the search for a free slot begins; a hint. */
static _Atomic uint32_t next_slot;
/* Slots from here on were never taken, so a fork child need not look at them. Any thread. */
static _Atomic uint32_t slots_used;
/* Tags of left coroutines; any thread. They repeat after 2^32 switches. */
static _Atomic uint32_t next_tag = FIRST_TAG;

static struct slot *slot_of(uint32_t number)
{
    return number && number != NO_SLOT ? &slots[number - 1] : NULL;
}

static uint32_t sum(const struct count *count)
{
    return atomic_load_explicit(&count->own, memory_order_acquire) +
           atomic_load_explicit(&count->others, memory_order_acquire);
}

/* A slot has one thread at a time, and the only other one that adds there is a signal handler of
 * that thread's: an addition that is one instruction need not lock the bus. */
static inline void add_own(_Atomic uint32_t *word, uint32_t n)
{
#ifdef __x86_64__
    __asm__ volatile("addl %1, %0" : "+m"(*word) : "er"(n) : "cc", "memory");
#else
    atomic_fetch_add_explicit(word, n, memory_order_acq_rel);
#endif
}

static inline void add(struct count *count, bool own, uint32_t n)
{
    if (__builtin_expect(own, 1))
        add_own(&count->own, n);
    else
        atomic_fetch_add_explicit(&count->others, n, memory_order_acq_rel);
}

static bool take(struct slot *slot)
{
    uint32_t was = atomic_load_explicit(&slot->taken, memory_order_relaxed);

    /* What an ended thread or a left coroutine has open still counts there. */
    return was != TAKEN && !sum(&slot->open) &&
           atomic_compare_exchange_strong_explicit(&slot->taken, &was, TAKEN, memory_order_acq_rel,
                                                   memory_order_relaxed);
}

static void note_used(uint32_t number)
{
    uint32_t was = atomic_load_explicit(&slots_used, memory_order_relaxed);

    while (was < number &&
           !atomic_compare_exchange_weak_explicit(&slots_used, &was, number, memory_order_relaxed,
                                                  memory_order_relaxed))
        ;
}

static __attribute__((noinline)) uint32_t claim_slot(void)
{
    uint32_t first = atomic_load_explicit(&next_slot, memory_order_relaxed);

    for (uint32_t i = 0; i < SLOTS; i++) {
        uint32_t at = (first + i) % SLOTS;

        if (take(&slots[at])) {
            atomic_store_explicit(&next_slot, at + 1, memory_order_relaxed);
            note_used(at + 1);
            return at + 1;
        }
    }
    return NO_SLOT;
}

static uint32_t own_slot(void)
{
    if (__builtin_expect(!otel_tls.serving_slot, 0))
        otel_tls.serving_slot = claim_slot();
    return otel_tls.serving_slot;
}

uint32_t otel_serving_slot(void)
{
    uint32_t number = own_slot();

    return number == NO_SLOT ? 0 : number;
}

static inline uint32_t slot_in(uint64_t state)
{
    return (uint32_t)(state & SLOT);
}

/* Where a cell in that state counts as waiting for something invisible, 0: nowhere. */
static inline uint32_t waits_in(uint64_t state)
{
    return (state & (READY | OUTSTANDING)) == READY ? slot_in(state) : 0;
}

/* Each change of a state is counted by who made it, so whatever order threads take, each count that
 * was added is taken away again. */
static inline void count(uint64_t before, uint64_t after)
{
    uint32_t was = slot_in(before), is = slot_in(after);
    uint32_t waited = waits_in(before), waits = waits_in(after);
    uint32_t own = otel_tls.serving_slot;
    struct slot *slot;

    if (was != is) {
        if ((slot = slot_of(was)))
            add(&slot->open, was == own, UINT32_MAX);
        if ((slot = slot_of(is)))
            add(&slot->open, is == own, 1);
    }
    if (waited != waits) {
        if ((slot = slot_of(waited)))
            add(&slot->waiting, waited == own, UINT32_MAX);
        if ((slot = slot_of(waits)))
            add(&slot->waiting, waits == own, 1);
    }
}

/* The state of a cell that is live: a handle's upper half is its sequence. */
static inline bool is_of(uint64_t state, uint64_t handle)
{
    return state >> 32 == handle >> 32;
}

/* Takes the bits of `out` out of the state and puts those of `in` there. */
static inline void change(struct otel_cell *cell, uint64_t handle, uint64_t out, uint64_t in)
{
    uint64_t before = atomic_load_explicit(&cell->state, memory_order_acquire);
    uint64_t after;

    do {
        after = (before & ~out) | in;
        if (!is_of(before, handle) || after == before)
            return;
    } while (!atomic_compare_exchange_weak_explicit(&cell->state, &before, after,
                                                    memory_order_acq_rel, memory_order_acquire));
    count(before, after);
}

void otel_serving_begin(struct otel_cell *cell, uint64_t handle)
{
    for (int i = 0; i < OTEL_SERVING_CONNECTIONS; i++)
        atomic_store_explicit(&cell->connection[i], 0, memory_order_relaxed);
    atomic_store_explicit(&cell->exchange, 0, memory_order_relaxed);
    atomic_store_explicit(&cell->connections, 0, memory_order_relaxed);
    atomic_store_explicit(&cell->state, handle >> 32 << 32, memory_order_release);
}

void otel_serving_own(uint64_t handle, uint64_t exchange, uint64_t connection, bool read,
                      bool ready)
{
    struct otel_cell *cell = otel_context_cell(handle);
    uint64_t born, state;

    if (!cell)
        return;
    atomic_store_explicit(&cell->exchange, exchange, memory_order_relaxed);
    atomic_store_explicit(&cell->connection[0], connection, memory_order_relaxed);
    atomic_store_explicit(&cell->connections, 1, memory_order_relaxed);
    born = atomic_load_explicit(&cell->state, memory_order_relaxed);
    state = born | (read ? own_slot() : 0) | (ready ? READY : 0);
    atomic_store_explicit(&cell->state, state, memory_order_release);
    count(born, state);
}

/* The function that waited for events last is on the stack, and we are below it. Reads a word of
 * the thread's own stack. */
__attribute__((no_sanitize("address"))) static bool below_loop(void)
{
    return otel_tls.loop && (uintptr_t)__builtin_frame_address(0) < (uintptr_t)otel_tls.loop &&
           *otel_tls.loop == otel_tls.loop_return;
}

/* The place of the return address of the loop's call that is under way lies between its frame and
 * ours. */
__attribute__((no_sanitize("address"))) static uintptr_t handler_now(void)
{
    const uintptr_t *call = otel_tls.loop_call;

    return call && (uintptr_t)__builtin_frame_address(0) < (uintptr_t)call && below_loop() ? *call
                                                                                           : 0;
}

void otel_serving_enter(const struct otel_span_context *ctx, uint64_t handle)
{
    struct otel_cell *cell = otel_context_cell(handle);

    if (!cell) {
        otel_context_implicit_clear();
        return;
    }
    change(cell, handle, SLOT, own_slot());
    otel_context_implicit_set(ctx, handle);
    otel_tls.in_loop = below_loop();
    otel_tls.handler = otel_tls.in_loop ? handler_now() : 0;
}

void otel_serving_ready(uint64_t handle, bool ready)
{
    struct otel_cell *cell = otel_context_cell(handle);

    if (cell)
        change(cell, handle, READY, ready ? READY : 0);
}

void otel_serving_outstanding(uint64_t handle, int by)
{
    struct otel_cell *cell = otel_context_cell(handle);
    uint64_t before, after;

    if (!cell)
        return;
    before = atomic_load_explicit(&cell->state, memory_order_acquire);
    do {
        after = before + (by > 0 ? ONE_OUTSTANDING : -ONE_OUTSTANDING);
        if (!is_of(before, handle) || (before & OUTSTANDING) == (by > 0 ? OUTSTANDING : 0))
            return;
    } while (!atomic_compare_exchange_weak_explicit(&cell->state, &before, after,
                                                    memory_order_acq_rel, memory_order_acquire));
    count(before, after);
}

void otel_serving_connection(uint64_t handle, uint64_t connection)
{
    struct otel_cell *cell = otel_context_cell(handle);
    uint32_t at;

    if (!cell || otel_serving_has(handle, connection))
        return;
    at = atomic_fetch_add_explicit(&cell->connections, 1, memory_order_relaxed);
    /* The first is the exchange's own and stays. */
    if (at >= OTEL_SERVING_CONNECTIONS)
        at = 1 + (at - 1) % (OTEL_SERVING_CONNECTIONS - 1);
    atomic_store_explicit(&cell->connection[at], connection, memory_order_relaxed);
}

bool otel_serving_has(uint64_t handle, uint64_t connection)
{
    struct otel_cell *cell = otel_context_cell(handle);

    if (!cell || !connection)
        return false;
    for (int i = 0; i < OTEL_SERVING_CONNECTIONS; i++)
        if (atomic_load_explicit(&cell->connection[i], memory_order_relaxed) == connection)
            return true;
    return false;
}

void otel_serving_end(uint64_t handle)
{
    struct otel_cell *cell = otel_context_cell(handle);
    uint64_t before;

    if (!cell)
        return;
    before = atomic_load_explicit(&cell->state, memory_order_acquire);
    do
        if (!is_of(before, handle))
            return;
    while (!atomic_compare_exchange_weak_explicit(&cell->state, &before, 0, memory_order_acq_rel,
                                                  memory_order_acquire));
    count(before, 0);
    otel_context_cell_close(handle);
}

/* Its connection has brought further requests, and it is busy with one of its own: a program that
 * takes up a whole pipeline at once now acts for any of them. One that takes them up one by one
 * does so when it has answered. */
static bool crowded(const struct otel_cell *cell)
{
    const struct otel_connection *c;

    if (!(atomic_load_explicit(&cell->state, memory_order_relaxed) & OUTSTANDING))
        return false;
    c = otel_connection_get(atomic_load_explicit(&cell->connection[0], memory_order_relaxed));
    return c && atomic_load_explicit(&c->queued, memory_order_acquire) -
                        atomic_load_explicit(&c->answered, memory_order_acquire) >
                    1;
}

bool otel_serving_unsure(uint64_t handle)
{
    struct otel_cell *cell = otel_context_cell(handle);
    /* Work that a thread was made for may come from whatever its maker's exchanges wait for. */
    uint64_t state = cell ? atomic_load_explicit(&cell->state, memory_order_acquire) : 0;
    uint32_t number = otel_tls.inherited ? slot_in(state) : otel_tls.serving_slot;
    struct slot *slot = slot_of(number);
    uint32_t waiting;

    if ((otel_tls.in_loop && !below_loop()) || (cell && crowded(cell)))
        return true;
    if (!slot)
        return number == NO_SLOT;
    waiting = sum(&slot->waiting);
    if (!waiting)
        return false;
    if (waits_in(state) == number)
        waiting--;
    return waiting > 0;
}

uint32_t otel_serving_open(void)
{
    struct slot *slot = slot_of(otel_tls.serving_slot);

    return slot ? sum(&slot->open) : 0;
}

uint64_t otel_serving_cell(void)
{
    enum otel_context_kind kind;

    otel_context_find(&kind);
    return kind == OTEL_CONTEXT_IMPLICIT ? otel_tls.implicit.cell : 0;
}

void otel_serving_turn_next(void)
{
    otel_tls.turn++;
}

__attribute__((no_sanitize("address"))) void otel_serving_loop(const uintptr_t *loop,
                                                               const uintptr_t *call)
{
    otel_tls.loop = loop;
    otel_tls.loop_return = loop ? *loop : 0;
    otel_tls.loop_call = loop ? call : NULL;
}

bool otel_serving_same_handler(void)
{
    return otel_tls.in_loop && otel_tls.handler && handler_now() == otel_tls.handler;
}

uint64_t otel_serving_turn(void)
{
    return otel_tls.turn;
}

uint64_t otel_serving_park(void)
{
    uint32_t number = otel_tls.serving_slot;
    struct slot *slot = slot_of(number);
    uint32_t tag;

    if (!slot || !sum(&slot->open)) {
        otel_serving_leave();
        return 0;
    }
    tag = atomic_fetch_add_explicit(&next_tag, 1, memory_order_relaxed);
    tag = tag < FIRST_TAG ? FIRST_TAG : tag;
    otel_tls.serving_slot = 0;
    atomic_store_explicit(&slot->taken, tag, memory_order_release);
    return (uint64_t)tag << 32 | number;
}

void otel_serving_unpark(uint64_t parked)
{
    struct slot *slot = slot_of((uint32_t)parked);
    uint32_t tag = (uint32_t)(parked >> 32);

    otel_serving_leave();
    if (slot && atomic_compare_exchange_strong_explicit(&slot->taken, &tag, TAKEN,
                                                        memory_order_acq_rel, memory_order_relaxed))
        otel_tls.serving_slot = (uint32_t)parked;
}

/* The next thread looks here first: threads that come and go share few slots. */
void otel_serving_leave(void)
{
    uint32_t number = otel_tls.serving_slot;
    struct slot *slot = slot_of(number);

    otel_tls.serving_slot = 0;
    if (!slot)
        return;
    atomic_store_explicit(&slot->taken, FREE, memory_order_release);
    atomic_store_explicit(&next_slot, number - 1, memory_order_relaxed);
}

void otel_serving_reset(void)
{
    uint32_t used = atomic_load_explicit(&slots_used, memory_order_relaxed);

    for (uint32_t i = 0; i < used; i++)
        if (atomic_load_explicit(&slots[i].taken, memory_order_relaxed) || sum(&slots[i].open))
            memset(&slots[i], 0, sizeof slots[i]);
    otel_tls.serving_slot = 0;
}
