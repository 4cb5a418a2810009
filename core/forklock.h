/* SPDX-License-Identifier: Apache-2.0
 *
 * A lock that a fork child finds open, whichever thread of its parent held it. For the few places
 * that are no hot path and where libc takes a lock itself (system(), popen()); not for signal
 * handlers: not recursive.
 */
#ifndef OTEL_CORE_FORKLOCK_H
#define OTEL_CORE_FORKLOCK_H

#include <stdatomic.h>
#include <stdint.h>

struct otel_forklock {
    _Atomic uint32_t holder; /* the generation of its holder's process, 0: open (futex word) */
};

void otel_forklock_take(struct otel_forklock *lock);
void otel_forklock_give(struct otel_forklock *lock);

#endif
