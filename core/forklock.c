/* SPDX-License-Identifier: Apache-2.0 */
#include "core/forklock.h"

#include "core/generation.h"
#include "core/sys.h"

#define MS INT64_C(1000000)

void otel_forklock_take(struct otel_forklock *lock)
{
    uint32_t mine = otel_generation();

    for (;;) {
        uint32_t seen = 0;

        if (atomic_compare_exchange_strong(&lock->holder, &seen, mine))
            return;
        if (seen != mine && atomic_compare_exchange_strong(&lock->holder, &seen, mine))
            return; /* of the parent of a fork, or open by now */
        otel_sys.futex_wait(&lock->holder, mine, MS);
    }
}

void otel_forklock_give(struct otel_forklock *lock)
{
    atomic_store(&lock->holder, 0);
    otel_sys.futex_wake(&lock->holder, 1);
}
