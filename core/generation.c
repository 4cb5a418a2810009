/* SPDX-License-Identifier: Apache-2.0 */
#include "core/generation.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/mman.h>

#include "core/sys.h"

#define PAGE_LEN 4096 /* a multiple of the page size is not needed: the kernel rounds up */
#define MAX_RESETS 8

/* The two words of a page. Both are wiped together, so a child forked in the middle of a reset
 * starts one of its own. claim stays set until the next fork. */
struct words {
    _Atomic uint32_t generation;
    _Atomic uint32_t claim; /* 1: a thread has taken the reset of this generation */
};

/* Stands in for the page before init and where there is no page. Any thread. */
static struct words without_page = {1, 0};

/* Set once by otel_generation_init() while the process has one thread. */
_Atomic uint32_t *otel_generation_word = &without_page.generation;

/* Copied to a child, unlike the page: the number it continues from, and whose it is. Written by the
 * thread that holds the claim; 0 before init. */
static _Atomic uint32_t last_generation = 1;
static _Atomic int owner_pid;

/* Filled at start-up by one thread, read-only afterwards. */
static void (*resets[MAX_RESETS])(void);
static unsigned reset_count;

/* Init's result, 1 before. One thread, at start-up. */
static int init_result = 1;

static struct words *words(void)
{
    return (struct words *)otel_generation_word;
}

/* The atfork stand-in does to the words what the kernel does to the page. */
static void wipe(void)
{
    atomic_store_explicit(&words()->claim, 0, memory_order_relaxed);
    atomic_store_explicit(&words()->generation, 0, memory_order_release);
}

static int map_page(void)
{
    struct words *page = otel_sys.mmap(PAGE_LEN);
    int err;

    if (!page)
        return -ENOMEM;
    err = otel_sys.madvise(page, PAGE_LEN, MADV_WIPEONFORK);
    if (err < 0) {
        otel_sys.munmap(page, PAGE_LEN);
        return err;
    }
    atomic_store_explicit(&page->generation, 1, memory_order_relaxed);
    otel_generation_word = &page->generation;
    return 0;
}

int otel_generation_init(void)
{
    if (init_result != 1)
        return init_result;
    atomic_store_explicit(&owner_pid, otel_sys.getpid(), memory_order_relaxed);
    init_result = map_page();
    if (init_result < 0)
        pthread_atfork(NULL, NULL, wipe);
    return init_result;
}

void otel_generation_on_fork(void (*reset)(void))
{
    if (reset_count < MAX_RESETS)
        resets[reset_count++] = reset;
}

/* The winner's own nested looks, from the resets or from a signal handler, find the claim taken and
 * get 0 like those of any other thread. */
uint32_t otel_generation_renew(void)
{
    struct words *w = words();
    uint32_t unclaimed = 0;
    uint32_t next;

    if (!atomic_compare_exchange_strong_explicit(&w->claim, &unclaimed, 1, memory_order_acq_rel,
                                                 memory_order_acquire))
        return atomic_load_explicit(&w->generation, memory_order_acquire);
    next = atomic_load_explicit(&last_generation, memory_order_relaxed) + 1;
    atomic_store_explicit(&last_generation, next, memory_order_relaxed);
    atomic_store_explicit(&owner_pid, otel_sys.getpid(), memory_order_relaxed);
    for (unsigned i = 0; i < reset_count; i++)
        resets[i]();
    atomic_store_explicit(&w->generation, next, memory_order_release);
    return next;
}

int otel_generation_pid(void)
{
    return atomic_load_explicit(&owner_pid, memory_order_relaxed);
}

bool otel_generation_is_owner(void)
{
    int owner;

    otel_generation(); /* a child's first look makes it the owner of its own generation */
    owner = atomic_load_explicit(&owner_pid, memory_order_relaxed);
    return !owner || owner == otel_sys.getpid();
}
