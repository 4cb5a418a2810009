/* SPDX-License-Identifier: Apache-2.0 */
#include "core/gate.h"

#include <limits.h>
#include <stdatomic.h>

#include "core/clock.h"
#include "core/sys.h"

#define MS UINT64_C(1000000)
/* A fork that takes longer is one that will not come back (its thread was left by longjmp). */
#define FORK_MAX_MS 1000

/* 1: the batch thread holds what a child could miss. Written by that thread (futex word). */
static _Atomic uint32_t inside;
/* Forks under way. Any thread (futex word). Sequentially consistent with inside: each side writes
 * its own word and then looks at the other's. */
static _Atomic uint32_t forks;

/* Until *word is 0, or the limit. */
static void await_none(_Atomic uint32_t *word, uint64_t limit_ms)
{
    uint64_t until = 0;

    for (;;) {
        uint32_t seen = atomic_load(word);
        uint64_t now;

        if (!seen)
            return;
        now = otel_clock_mono_ns();
        if (!until)
            until = now + limit_ms * MS;
        if (now >= until)
            return;
        otel_sys.futex_wait(word, seen, (int64_t)(until - now));
    }
}

void otel_gate_leave(void)
{
    atomic_store(&inside, 0);
    if (atomic_load(&forks))
        otel_sys.futex_wake(&inside, INT_MAX);
}

void otel_gate_enter(void)
{
    uint64_t until = 0;

    for (;;) {
        uint64_t now;

        atomic_store(&inside, 1);
        if (__builtin_expect(!atomic_load(&forks), 1))
            return;
        now = otel_clock_mono_ns();
        if (!until)
            until = now + FORK_MAX_MS * MS;
        if (now >= until)
            return;
        otel_gate_leave();
        /* Another fork may begin as soon as this one is done: looked at again, from the front. */
        await_none(&forks, (until - now) / MS + 1);
    }
}

void otel_gate_fork_begin(void)
{
    atomic_fetch_add(&forks, 1);
    await_none(&inside, OTEL_GATE_WAIT_MS);
}

void otel_gate_fork_end(void)
{
    uint32_t seen = atomic_load(&forks);

    while (seen && !atomic_compare_exchange_weak(&forks, &seen, seen - 1))
        ;
    if (seen == 1)
        otel_sys.futex_wake(&forks, INT_MAX);
}

void otel_gate_reset(void)
{
    atomic_store(&inside, 0);
    atomic_store(&forks, 0);
}
