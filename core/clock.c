/* SPDX-License-Identifier: Apache-2.0 */
#include "core/clock.h"

#include <stdatomic.h>
#include <time.h>

#define NS_PER_S 1000000000ULL

/* Offset between the clocks and the monotonic time it was read at (0: never). Any thread refreshes
 * them; the offset is stored before the first read_at is, and is whole at any time. */
static _Atomic int64_t offset_ns;
static _Atomic uint64_t read_at_ns;

/* These two clocks come from the vDSO and cannot fail: errno stays as it is. */
static uint64_t read_ns(clockid_t clock)
{
    struct timespec now = {0, 0};

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t otel_clock_mono_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

uint64_t otel_clock_unix_ns(void)
{
    return read_ns(CLOCK_REALTIME);
}

/* The tightest of three readings: a thread that lost the processor between two of them would be
 * wrong by that time. */
static int64_t measure(uint64_t *at_ns)
{
    uint64_t tightest = UINT64_MAX;
    int64_t offset = 0;

    for (int i = 0; i < 3; i++) {
        uint64_t before = otel_clock_mono_ns();
        uint64_t wall = otel_clock_unix_ns();
        uint64_t gap = otel_clock_mono_ns() - before;

        if (gap < tightest) {
            tightest = gap;
            offset = (int64_t)(wall - (before + gap / 2));
            *at_ns = before;
        }
    }
    return offset;
}

int64_t otel_clock_offset_ns(uint64_t mono_ns)
{
    uint64_t last = atomic_load_explicit(&read_at_ns, memory_order_acquire);
    uint64_t at_ns = 0;
    int64_t offset;

    if (last && (mono_ns <= last || mono_ns - last < NS_PER_S))
        return atomic_load_explicit(&offset_ns, memory_order_relaxed);
    offset = measure(&at_ns);
    atomic_store_explicit(&offset_ns, offset, memory_order_relaxed);
    atomic_store_explicit(&read_at_ns, at_ns, memory_order_release);
    return offset;
}
