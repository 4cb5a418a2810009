/* SPDX-License-Identifier: Apache-2.0 */
#include "core/serving.h"

#include <string.h>

#include "core/connection.h"
#include "core/context.h"
#include "core/generation.h"
#include "core/tls.h"

#define SLOTS 16384 /* threads that serve at a time; those beyond are never sure */
#define NO_SLOT UINT32_MAX

enum { FREE, TAKEN, FIRST_TAG };

/* Counts of a thread. Padded: threads count on their own line. */
struct slot {
    _Alignas(64) _Atomic uint32_t taken; /* FREE, TAKEN, or the tag of a coroutine that is left */
    _Atomic uint32_t open;               /* cells that are this thread's */
    _Atomic uint32_t waiting;            /* of them, those that wait for something invisible */
};

/* Any thread, atomic; a page of it is touched when its first thread serves. */
static struct slot slots[SLOTS];
/* Where the search for a free slot begins; a hint. */
static _Atomic uint32_t next_slot;
/* Tags of left coroutines; any thread. They repeat after 2^32 switches. */
static _Atomic uint32_t next_tag = FIRST_TAG;

static struct slot *slot_of(uint32_t number)
{
    return number && number != NO_SLOT ? &slots[number - 1] : NULL;
}

static bool take(struct slot *slot)
{
    uint32_t was = atomic_load_explicit(&slot->taken, memory_order_relaxed);

    /* What an ended thread or a left coroutine has open still counts there. */
    return was != TAKEN && !atomic_load_explicit(&slot->open, memory_order_acquire) &&
           atomic_compare_exchange_strong_explicit(&slot->taken, &was, TAKEN, memory_order_acq_rel,
                                                   memory_order_relaxed);
}

static __attribute__((noinline)) uint32_t claim_slot(void)
{
    uint32_t first = atomic_load_explicit(&next_slot, memory_order_relaxed);

    for (uint32_t i = 0; i < SLOTS; i++) {
        uint32_t at = (first + i) % SLOTS;

        if (take(&slots[at])) {
            atomic_store_explicit(&next_slot, at + 1, memory_order_relaxed);
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

/* Who puts a number there takes away the count of the one before, so whatever order threads take,
 * each count that was added is taken away again. */
static void count_waiting(struct otel_cell *cell, uint32_t number)
{
    uint32_t before = atomic_exchange(&cell->waiting, number);
    struct slot *slot;

    if ((slot = slot_of(before)))
        atomic_fetch_sub_explicit(&slot->waiting, 1, memory_order_acq_rel);
    if ((slot = slot_of(number)))
        atomic_fetch_add_explicit(&slot->waiting, 1, memory_order_acq_rel);
}

/* Counts the cell in its thread's slot as waiting, or nowhere. Who ends the cell may have been here
 * before a count that was on its way: it does not stay. */
static void recount(struct otel_cell *cell)
{
    bool waits = atomic_load_explicit(&cell->ready, memory_order_acquire) &&
                 !atomic_load_explicit(&cell->outstanding, memory_order_acquire) &&
                 !atomic_load_explicit(&cell->ended, memory_order_acquire);
    uint32_t now = waits ? atomic_load_explicit(&cell->slot, memory_order_acquire) : 0;

    if (atomic_load_explicit(&cell->waiting, memory_order_relaxed) == now)
        return;
    count_waiting(cell, now);
    if (now && atomic_load(&cell->ended))
        count_waiting(cell, 0);
}

static void count_open(struct otel_cell *cell, uint32_t number)
{
    uint32_t before = atomic_exchange(&cell->slot, number);
    struct slot *slot;

    if ((slot = slot_of(before)))
        atomic_fetch_sub_explicit(&slot->open, 1, memory_order_acq_rel);
    if ((slot = slot_of(number)))
        atomic_fetch_add_explicit(&slot->open, 1, memory_order_acq_rel);
}

static void move(struct otel_cell *cell, uint32_t to)
{
    count_open(cell, to);
    if (to && atomic_load(&cell->ended))
        count_open(cell, 0);
    recount(cell);
}

/* slot and waiting are left: 0, unless a thread that came too late for the exchange before is about
 * to make them so, or is counted there and is taken out by the next who counts. */
void otel_serving_begin(struct otel_cell *cell)
{
    uint32_t now = otel_generation();

    if (atomic_load_explicit(&cell->generation, memory_order_relaxed) != now) {
        atomic_store_explicit(&cell->slot, 0, memory_order_relaxed);
        atomic_store_explicit(&cell->waiting, 0, memory_order_relaxed);
        atomic_store_explicit(&cell->generation, now, memory_order_relaxed);
    }
    for (int i = 0; i < OTEL_SERVING_CONNECTIONS; i++)
        atomic_store_explicit(&cell->connection[i], 0, memory_order_relaxed);
    atomic_store_explicit(&cell->exchange, 0, memory_order_relaxed);
    atomic_store_explicit(&cell->outstanding, 0, memory_order_relaxed);
    atomic_store_explicit(&cell->ready, 0, memory_order_relaxed);
    atomic_store_explicit(&cell->connections, 0, memory_order_relaxed);
    atomic_store_explicit(&cell->ended, 0, memory_order_release);
}

/* The function that waited for events last is on the stack, and we are below it. Reads a word of
 * the thread's own stack. */
__attribute__((no_sanitize("address"))) static bool below_loop(void)
{
    return otel_tls.loop && (uintptr_t)__builtin_frame_address(0) < (uintptr_t)otel_tls.loop &&
           *otel_tls.loop == otel_tls.loop_return;
}

void otel_serving_enter(const struct otel_span_context *ctx, uint64_t handle)
{
    struct otel_cell *cell = otel_context_cell(handle);
    uint32_t number;

    if (!cell) {
        otel_context_implicit_clear();
        return;
    }
    number = own_slot();
    if (atomic_load_explicit(&cell->slot, memory_order_relaxed) != number)
        move(cell, number);
    otel_context_implicit_set(ctx, handle);
    otel_tls.in_loop = below_loop();
}

void otel_serving_ready(uint64_t handle, bool ready)
{
    struct otel_cell *cell = otel_context_cell(handle);

    if (!cell || atomic_load_explicit(&cell->ready, memory_order_relaxed) == ready)
        return;
    atomic_store_explicit(&cell->ready, ready, memory_order_release);
    recount(cell);
}

void otel_serving_outstanding(uint64_t handle, int change)
{
    struct otel_cell *cell = otel_context_cell(handle);

    if (!cell)
        return;
    atomic_fetch_add_explicit(&cell->outstanding, (uint32_t)change, memory_order_acq_rel);
    recount(cell);
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

    if (!cell || atomic_exchange(&cell->ended, 1))
        return;
    move(cell, 0);
    otel_context_cell_close(handle);
}

/* Its connection has brought further requests, and it is busy with one of its own: a program that
 * takes up a whole pipeline at once now acts for any of them. One that takes them up one by one
 * does so when it has answered. */
static bool crowded(const struct otel_cell *cell)
{
    const struct otel_connection *c;

    if (!atomic_load_explicit(&cell->outstanding, memory_order_relaxed))
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
    uint32_t number = !otel_tls.inherited ? otel_tls.serving_slot
                      : cell              ? atomic_load_explicit(&cell->slot, memory_order_relaxed)
                                          : 0;
    struct slot *slot = slot_of(number);
    uint32_t waiting;

    if ((otel_tls.in_loop && !below_loop()) || (cell && crowded(cell)))
        return true;
    if (!slot)
        return number == NO_SLOT;
    waiting = atomic_load_explicit(&slot->waiting, memory_order_acquire);
    if (!waiting)
        return false;
    if (cell && atomic_load_explicit(&cell->waiting, memory_order_acquire) == number)
        waiting--;
    return waiting > 0;
}

uint32_t otel_serving_open(void)
{
    struct slot *slot = slot_of(otel_tls.serving_slot);

    return slot ? atomic_load_explicit(&slot->open, memory_order_relaxed) : 0;
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

__attribute__((no_sanitize("address"))) void otel_serving_loop(const uintptr_t *loop)
{
    otel_tls.loop = loop;
    otel_tls.loop_return = loop ? *loop : 0;
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

    if (!slot || !atomic_load_explicit(&slot->open, memory_order_relaxed)) {
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

void otel_serving_leave(void)
{
    struct slot *slot = slot_of(otel_tls.serving_slot);

    otel_tls.serving_slot = 0;
    if (slot)
        atomic_store_explicit(&slot->taken, FREE, memory_order_release);
}

void otel_serving_reset(void)
{
    for (uint32_t i = 0; i < SLOTS; i++)
        if (atomic_load_explicit(&slots[i].taken, memory_order_relaxed) ||
            atomic_load_explicit(&slots[i].open, memory_order_relaxed))
            memset(&slots[i], 0, sizeof slots[i]);
    otel_tls.serving_slot = 0;
}
