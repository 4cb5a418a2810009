/* SPDX-License-Identifier: Apache-2.0 */
#include "core/fdtable.h"

#include <errno.h>

#include "core/sys.h"

#define MOST (1u << 20)
#define LEAST 1024u /* a table below this is not worth having */

/* Written by otel_fdtable_init() while the process has one thread; size once more at most, to 0. */
struct otel_fdtable otel_fdtable;

/* One above the highest number ever stored: what a scan must look at. It only grows, any thread. */
static _Atomic uint32_t used;

int otel_fdtable_init(void)
{
    struct rlimit limit;
    uint32_t size = MOST;

    if (otel_fdtable.size)
        return 0;
    if (otel_sys.getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max < MOST)
        size = (uint32_t)limit.rlim_max;
    /* A host with a tight address space may still have a smaller one. */
    for (uint32_t least = size < LEAST ? size : LEAST; size && size >= least; size /= 2) {
        void *word = otel_sys.mmap(size * sizeof *otel_fdtable.word);

        if (!word)
            continue;
        otel_fdtable.word = word;
        otel_fdtable.size = size;
        return 0;
    }
    return -ENOMEM;
}

/* The memory stays: another thread may be at a look-up. */
void otel_fdtable_close(void)
{
    __atomic_store_n(&otel_fdtable.size, 0, __ATOMIC_RELAXED);
}

static void note_used(uint32_t fd)
{
    uint32_t now = atomic_load_explicit(&used, memory_order_relaxed);

    while (fd >= now && !atomic_compare_exchange_weak_explicit(
                            &used, &now, fd + 1, memory_order_relaxed, memory_order_relaxed))
        ;
}

uint64_t otel_fd_swap(int fd, uint64_t word)
{
    if ((uint32_t)fd >= otel_fdtable.size)
        return OTEL_FD_PLAIN;
    note_used((uint32_t)fd);
    return atomic_exchange_explicit(&otel_fdtable.word[fd], word, memory_order_acq_rel);
}

uint64_t otel_fd_claim(int fd, uint64_t word)
{
    uint64_t there = OTEL_FD_UNKNOWN;

    if ((uint32_t)fd >= otel_fdtable.size)
        return OTEL_FD_PLAIN;
    note_used((uint32_t)fd);
    if (atomic_compare_exchange_strong_explicit(&otel_fdtable.word[fd], &there, word,
                                                memory_order_acq_rel, memory_order_acquire))
        return word;
    return there;
}

/* One above the last number of first … last that is worth a look. */
static uint32_t end_of(unsigned last)
{
    uint32_t end = atomic_load_explicit(&used, memory_order_relaxed);

    if (end > otel_fdtable.size)
        end = otel_fdtable.size;
    return last < end ? last + 1 : end;
}

int otel_fd_next(unsigned first, unsigned last)
{
    for (uint32_t fd = first, end = end_of(last); fd < end; fd++) {
        if (otel_fd_get((int)fd) > OTEL_FD_PLAIN)
            return (int)fd;
    }
    return -1;
}

void otel_fd_forget(unsigned first, unsigned last)
{
    for (uint32_t fd = first, end = end_of(last); fd < end; fd++) {
        uint64_t plain = OTEL_FD_PLAIN;

        if (otel_fd_get((int)fd) == OTEL_FD_PLAIN)
            atomic_compare_exchange_strong_explicit(&otel_fdtable.word[fd], &plain, OTEL_FD_UNKNOWN,
                                                    memory_order_acq_rel, memory_order_relaxed);
    }
}
