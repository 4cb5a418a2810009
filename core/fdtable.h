/* SPDX-License-Identifier: Apache-2.0
 *
 * What is known of each descriptor of the process: one word a number, without locks, sized for the
 * hard limit, memory touched only where used.
 *
 * A word is UNKNOWN (never looked at, or closed), PLAIN (not a socket, or one that does not concern
 * us) or the handle of a connection (connection.h). Words may be stale: a descriptor can be closed
 * by a system call no hook sees. PLAIN that is stale is a gap, ended by the next socket(), accept()
 * or dup() of that number; a stale connection is found out by otel_connection_verify().
 *
 * Threads: any. The order of two calls on one number is the host's.
 */
#ifndef OTEL_CORE_FDTABLE_H
#define OTEL_CORE_FDTABLE_H

#include <stdatomic.h>
#include <stdint.h>

#define OTEL_FD_UNKNOWN ((uint64_t)0)
#define OTEL_FD_PLAIN ((uint64_t)1) /* no handle: those have a sequence in the upper half */

/* Written once at start-up; before that, and once it is closed, size is 0 and every descriptor
 * reads as PLAIN. */
extern struct otel_fdtable {
    _Atomic uint64_t *word;
    uint32_t size; /* numbers below are kept, others read as PLAIN */
} otel_fdtable;

/* Maps the table for RLIMIT_NOFILE's hard limit, at most 2^20 numbers. By the only thread, at
 * start-up. Returns 0 or -Exxx (every descriptor then stays PLAIN). */
int otel_fdtable_init(void);

/* From now on every descriptor reads as PLAIN. Any thread. */
void otel_fdtable_close(void);

/* A load and a compare. fd may be anything, negative too. */
static inline uint64_t otel_fd_get(int fd)
{
    if ((uint32_t)fd >= otel_fdtable.size)
        return OTEL_FD_PLAIN;
    return atomic_load_explicit(&otel_fdtable.word[fd], memory_order_acquire);
}

/* Stores; returns what was there (PLAIN for a number outside). */
uint64_t otel_fd_swap(int fd, uint64_t word);

/* UNKNOWN becomes word, anything else stays. Returns what is there afterwards. */
uint64_t otel_fd_claim(int fd, uint64_t word);

/* The lowest number in first … last that holds a connection, or -1; looks only at numbers that were
 * ever used. */
int otel_fd_next(unsigned first, unsigned last);

/* Forgets first … last, connections excepted: those the caller has taken out with otel_fd_next. */
void otel_fd_forget(unsigned first, unsigned last);

#endif
