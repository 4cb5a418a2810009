/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tail.h"

#include <stdatomic.h>
#include <string.h>

#include "core/clock.h"
#include "core/counters.h"
#include "core/log.h"
#include "core/record.h"
#include "core/span.h"
#include "core/store.h"

/* Undecided traces that are passed over in search of room. */
#define TRIES 16

/* Values of the list's head that are no handles: the upper half of one is never 0. */
#define EMPTY ((uint64_t)0)
#define KEEP ((uint64_t)1)
#define DROP ((uint64_t)2)

/* One trace. Number n lies at n modulo OTEL_TAIL_TRACES, and stays until a later number takes its
 * place, which none does while it is undecided. Any thread; what a rule says is written before the
 * number is. A span of a trace that was decided before may find the place taken between two looks:
 * then it is held with, and goes the way of, the later one. */
struct held {
    _Alignas(64) _Atomic uint32_t number;
    _Atomic uint32_t taking; /* 1: somebody puts another number in */
    _Atomic uint64_t head;   /* newest held record, linked by their keys; or KEEP, or DROP */
    _Atomic uint32_t failed;
    _Atomic uint32_t when_error;
    _Atomic uint64_t slower_ns;
    _Atomic uint64_t start_ns;
};

static struct held traces[OTEL_TAIL_TRACES];
static _Atomic uint32_t last; /* number given out last */
static _Atomic uint32_t held; /* records in all lists */

/* Any thread: each is said once. */
static atomic_flag said_traces = ATOMIC_FLAG_INIT;
static atomic_flag said_spans = ATOMIC_FLAG_INIT;

static struct held *place(uint32_t number)
{
    return &traces[number % OTEL_TAIL_TRACES];
}

static bool decided(uint64_t head)
{
    return head == KEEP || head == DROP;
}

/* --- beginning ------------------------------------------------------------------------------- */

/* Takes the place of a decided trace for that number. */
static bool take(struct held *t, uint32_t number, const struct otel_rule *rule, uint64_t start_ns)
{
    uint32_t free = 0;

    if (!atomic_compare_exchange_strong_explicit(&t->taking, &free, 1, memory_order_acquire,
                                                 memory_order_relaxed))
        return false;
    if (atomic_load_explicit(&t->number, memory_order_relaxed) &&
        !decided(atomic_load_explicit(&t->head, memory_order_acquire))) {
        atomic_store_explicit(&t->taking, 0, memory_order_release);
        return false;
    }
    /* An exchange, not a store: what follows must not be seen before it. */
    atomic_exchange_explicit(&t->number, 0, memory_order_acq_rel);
    atomic_store_explicit(&t->when_error, rule->when_error, memory_order_relaxed);
    atomic_store_explicit(&t->slower_ns, rule->slower_ns, memory_order_relaxed);
    atomic_store_explicit(&t->start_ns, start_ns, memory_order_relaxed);
    atomic_store_explicit(&t->failed, 0, memory_order_relaxed);
    atomic_store_explicit(&t->head, EMPTY, memory_order_relaxed);
    atomic_store_explicit(&t->number, number, memory_order_release);
    atomic_store_explicit(&t->taking, 0, memory_order_release);
    return true;
}

uint32_t otel_tail_open(const struct otel_rule *rule, uint64_t start_ns)
{
    for (int i = 0; i < TRIES; i++) {
        uint32_t number = atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;

        if (number && take(place(number), number, rule, start_ns))
            return number;
    }
    otel_count(OTEL_COUNT_KEPT_NO_ROOM, 1);
    if (otel_log_once(&said_traces))
        otel_log(OTEL_LOG_WARN, "no room for more undecided traces: new ones are kept");
    return 0;
}

/* --- deciding -------------------------------------------------------------------------------- */

static void drop(uint64_t record)
{
    otel_count(OTEL_COUNT_DROPPED_BY_RULE, 1);
    otel_store_free(record);
}

static void settle_one(uint64_t record, uint64_t verdict)
{
    if (verdict == KEEP)
        otel_span_publish(record);
    else
        drop(record);
}

static uint64_t reversed(uint64_t list)
{
    uint64_t oldest = EMPTY;

    while (list) {
        struct otel_record *record = otel_store_get(list);
        uint64_t next = record ? record->keys : EMPTY;

        if (record)
            record->keys = oldest;
        oldest = record ? list : oldest;
        list = next;
    }
    return oldest;
}

/* What is decided first stands. Held spans go in the order in which they ended. Returns the
 * verdict. */
static uint64_t settle(struct held *t, uint64_t verdict)
{
    uint64_t head = atomic_load_explicit(&t->head, memory_order_acquire);
    uint64_t next;
    uint32_t n = 0;

    do {
        if (decided(head))
            return head;
    } while (!atomic_compare_exchange_weak_explicit(&t->head, &head, verdict, memory_order_acq_rel,
                                                    memory_order_acquire));
    for (uint64_t at = reversed(head); at; at = next, n++) {
        struct otel_record *record = otel_store_get(at);

        next = record ? record->keys : EMPTY;
        settle_one(at, verdict);
    }
    atomic_fetch_sub_explicit(&held, n, memory_order_relaxed);
    return verdict;
}

/* Of one that is decided already it may mix two traces' facts, and does not count. */
static uint64_t judge(const struct held *t, uint64_t end_ns)
{
    uint64_t start_ns = atomic_load_explicit(&t->start_ns, memory_order_relaxed);
    uint64_t slower_ns = atomic_load_explicit(&t->slower_ns, memory_order_relaxed);

    if (atomic_load_explicit(&t->when_error, memory_order_relaxed) &&
        atomic_load_explicit(&t->failed, memory_order_acquire))
        return KEEP;
    return slower_ns && end_ns >= start_ns && end_ns - start_ns >= slower_ns ? KEEP : DROP;
}

/* Room for one more held span; false: there is none. */
static bool reserve(void)
{
    if (atomic_fetch_add_explicit(&held, 1, memory_order_relaxed) < OTEL_TAIL_SPANS)
        return true;
    atomic_fetch_sub_explicit(&held, 1, memory_order_relaxed);
    otel_count(OTEL_COUNT_KEPT_NO_ROOM, 1);
    if (otel_log_once(&said_spans))
        otel_log(OTEL_LOG_WARN, "no room for more spans of undecided traces: those are kept");
    return false;
}

/* Puts it into the list. Returns what was decided meanwhile, or EMPTY. */
static uint64_t hold(struct held *t, uint64_t handle, struct otel_record *record)
{
    uint64_t head = atomic_load_explicit(&t->head, memory_order_acquire);

    if (decided(head))
        return head;
    if (!reserve())
        return settle(t, KEEP);
    do {
        if (decided(head)) {
            atomic_fetch_sub_explicit(&held, 1, memory_order_relaxed);
            return head;
        }
        record->keys = head;
    } while (!atomic_compare_exchange_weak_explicit(&t->head, &head, handle, memory_order_acq_rel,
                                                    memory_order_acquire));
    return EMPTY;
}

void otel_tail_end(uint32_t number, uint64_t handle)
{
    struct otel_record *record = otel_store_get(handle);
    struct held *t = place(number);
    uint64_t verdict;

    if (!record)
        return;
    if (atomic_load_explicit(&t->number, memory_order_acquire) != number) {
        drop(handle);
        return;
    }
    if (record->status == OTEL_STATUS_ERROR)
        atomic_store_explicit(&t->failed, 1, memory_order_release);
    if (record->local_root)
        verdict = settle(t, judge(t, record->end_mono_ns));
    else
        verdict = hold(t, handle, record);
    if (verdict)
        settle_one(handle, verdict);
}

enum otel_tail_verdict otel_tail_verdict(uint32_t number)
{
    struct held *t = place(number);
    uint64_t head = atomic_load_explicit(&t->head, memory_order_acquire);

    if (atomic_load_explicit(&t->number, memory_order_acquire) != number)
        return OTEL_TAIL_FORGOTTEN;
    if (!decided(head))
        return OTEL_TAIL_OPEN;
    return head == KEEP ? OTEL_TAIL_KEPT : OTEL_TAIL_DROPPED;
}

void otel_tail_keep(uint32_t number)
{
    if (number && atomic_load_explicit(&place(number)->number, memory_order_acquire) == number)
        settle(place(number), KEEP);
}

void otel_tail_decide_all(void)
{
    uint64_t now;

    if (!atomic_load_explicit(&last, memory_order_relaxed))
        return;
    now = otel_clock_mono_ns();
    for (uint32_t i = 0; i < OTEL_TAIL_TRACES; i++)
        if (atomic_load_explicit(&traces[i].number, memory_order_acquire))
            settle(&traces[i], judge(&traces[i], now));
}

uint32_t otel_tail_held(void)
{
    return atomic_load_explicit(&held, memory_order_relaxed);
}

void otel_tail_reset(void)
{
    if (!atomic_load_explicit(&last, memory_order_relaxed))
        return;
    memset(traces, 0, sizeof traces);
    atomic_store_explicit(&held, 0, memory_order_relaxed);
}
