/* SPDX-License-Identifier: Apache-2.0 */
#include "core/fdtable.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sys/resource.h>

#include "core/sys.h"

#define HANDLE ((uint64_t)3 << 32 | 7)

Test(fdtable, before_init_everything_is_plain)
{
    cr_assert_eq(otel_fd_get(0), OTEL_FD_PLAIN);
    cr_assert_eq(otel_fd_swap(0, HANDLE), OTEL_FD_PLAIN);
    cr_assert_eq(otel_fd_claim(0, HANDLE), OTEL_FD_PLAIN);
    cr_assert_eq(otel_fd_next(0, UINT_MAX), -1);
    otel_fd_forget(0, UINT_MAX);
    cr_assert_eq(otel_fd_get(0), OTEL_FD_PLAIN);
}

Test(fdtable, numbers_outside_are_plain)
{
    static const int outside[] = {-1, INT_MIN, INT_MAX, 1 << 20};

    cr_assert_eq(otel_fdtable_init(), 0);
    for (unsigned i = 0; i < sizeof outside / sizeof *outside; i++) {
        cr_assert_eq(otel_fd_get(outside[i]), OTEL_FD_PLAIN);
        cr_assert_eq(otel_fd_swap(outside[i], HANDLE), OTEL_FD_PLAIN);
        cr_assert_eq(otel_fd_claim(outside[i], HANDLE), OTEL_FD_PLAIN);
        cr_assert_eq(otel_fd_get(outside[i]), OTEL_FD_PLAIN);
    }
}

Test(fdtable, a_word_is_stored_swapped_and_claimed_once)
{
    otel_fdtable_init();
    cr_assert_eq(otel_fd_get(5), OTEL_FD_UNKNOWN);
    cr_assert_eq(otel_fd_claim(5, HANDLE), HANDLE);
    cr_assert_eq(otel_fd_claim(5, OTEL_FD_PLAIN), HANDLE);
    cr_assert_eq(otel_fd_get(5), HANDLE);
    cr_assert_eq(otel_fd_swap(5, OTEL_FD_PLAIN), HANDLE);
    cr_assert_eq(otel_fd_claim(5, HANDLE), OTEL_FD_PLAIN);
    cr_assert_eq(otel_fd_swap(5, OTEL_FD_UNKNOWN), OTEL_FD_PLAIN);
}

Test(fdtable, next_finds_connections_in_order_and_within_bounds)
{
    otel_fdtable_init();
    cr_assert_eq(otel_fd_next(0, UINT_MAX), -1);
    otel_fd_swap(3, HANDLE);
    otel_fd_swap(4, OTEL_FD_PLAIN);
    otel_fd_swap(900, HANDLE);
    cr_assert_eq(otel_fd_next(0, UINT_MAX), 3);
    cr_assert_eq(otel_fd_next(3, 3), 3);
    cr_assert_eq(otel_fd_next(4, 899), -1);
    cr_assert_eq(otel_fd_next(4, 900), 900);
    cr_assert_eq(otel_fd_next(901, UINT_MAX), -1);
    cr_assert_eq(otel_fd_next(4, 3), -1);
}

Test(fdtable, forget_leaves_connections)
{
    otel_fdtable_init();
    otel_fd_swap(3, HANDLE);
    otel_fd_swap(4, OTEL_FD_PLAIN);
    otel_fd_swap(5, OTEL_FD_PLAIN);
    otel_fd_forget(0, 4);
    cr_assert_eq(otel_fd_get(3), HANDLE);
    cr_assert_eq(otel_fd_get(4), OTEL_FD_UNKNOWN);
    cr_assert_eq(otel_fd_get(5), OTEL_FD_PLAIN);
    otel_fd_forget(0, UINT_MAX);
    cr_assert_eq(otel_fd_get(5), OTEL_FD_UNKNOWN);
}

Test(fdtable, has_the_size_of_the_hard_limit)
{
    struct rlimit limit;

    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max = 20;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    cr_assert_eq(otel_fdtable_init(), 0);
    cr_assert_eq(otel_fdtable.size, 20);
    cr_assert_eq(otel_fd_get(19), OTEL_FD_UNKNOWN);
    cr_assert_eq(otel_fd_get(20), OTEL_FD_PLAIN);
}

static size_t granted;

static void *mmap_some(size_t len)
{
    return len > granted ? NULL : calloc(1, len);
}

Test(fdtable, a_tight_address_space_makes_it_smaller)
{
    granted = 10000 * sizeof(uint64_t);
    otel_sys.mmap = mmap_some;
    cr_assert_eq(otel_fdtable_init(), 0);
    cr_assert_leq(otel_fdtable.size, 10000);
    cr_assert_gt(otel_fdtable.size, 1000);
}

Test(fdtable, without_memory_everything_stays_plain)
{
    granted = 0;
    otel_sys.mmap = mmap_some;
    cr_assert_eq(otel_fdtable_init(), -ENOMEM);
    cr_assert_eq(otel_fd_get(3), OTEL_FD_PLAIN);
}

static _Atomic int winners;

static void *claimer(void *arg)
{
    uint64_t mine = (uint64_t)(uintptr_t)arg << 32 | 1;

    for (int fd = 0; fd < 1000; fd++) {
        if (otel_fd_claim(fd, mine) == mine)
            winners++;
    }
    return NULL;
}

Test(fdtable, one_thread_wins_each_claim)
{
    pthread_t threads[4];

    otel_fdtable_init();
    for (uintptr_t i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, claimer, (void *)(i + 1));
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    cr_assert_eq(winners, 1000);
    cr_assert_eq(otel_fd_next(999, UINT_MAX), 999);
}
