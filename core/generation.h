/* SPDX-License-Identifier: Apache-2.0
 *
 * Which process is this? A word on a MADV_WIPEONFORK page holds the generation; in a child made by
 * fork, raw fork or clone without CLONE_VM the kernel hands over zeroes, so the child notices at
 * its next look (one load), without getpid and without pthread_atfork, which misses raw clones.
 * vfork and CLONE_VM children share the page and so count as the parent: callers that change
 * process state on their behalf compare otel_generation_is_owner().
 * Where the kernel has no MADV_WIPEONFORK (before 4.14) pthread_atfork stands in.
 */
#ifndef OTEL_CORE_GENERATION_H
#define OTEL_CORE_GENERATION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Points at the word; a static word before otel_generation_init(). Written once at init. */
extern _Atomic uint32_t *otel_generation_word;

/* Maps the page, sets generation 1. Idempotent; by the only thread, at start-up. Returns 0 or -Exxx
 * (then pthread_atfork is used). */
int otel_generation_init(void);

/* Registers what a child must do at its first look (drop queues, reseed …); called in the child by
 * the one thread that wins the race, in the order of registration, while other threads see
 * otel_generation() == 0. At most 8; call before any second thread exists. */
void otel_generation_on_fork(void (*reset)(void));

/* Slow path of otel_generation(): resets the child once. Returns 0 while another thread does it. */
uint32_t otel_generation_renew(void);

/* The generation, >= 1, or 0 when a reset is under way on another thread: trace nothing now. */
static inline uint32_t otel_generation(void)
{
    uint32_t g = atomic_load_explicit(otel_generation_word, memory_order_acquire);

    return g ? g : otel_generation_renew();
}

/* The process id of this generation, 0 before init: a load, for it is asked for each span. */
int otel_generation_pid(void);

/* True when the caller's process id is the one of this generation: false in a vfork or CLONE_VM
 * child. True before otel_generation_init(). A system call; not for hot paths. */
bool otel_generation_is_owner(void);

#endif
