/* SPDX-License-Identifier: Apache-2.0 */
#include "core/clock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define NS_PER_S 1000000000LL

Test(clock, readings_are_those_of_the_system_and_keep_errno)
{
    struct timespec now;
    uint64_t before = otel_clock_mono_ns();
    uint64_t unix_ns;

    errno = 4711;
    unix_ns = otel_clock_unix_ns();
    cr_assert_leq(before, otel_clock_mono_ns());
    cr_assert_eq(errno, 4711);
    clock_gettime(CLOCK_REALTIME, &now);
    cr_assert_leq(llabs((int64_t)unix_ns - (now.tv_sec * NS_PER_S + now.tv_nsec)), 60 * NS_PER_S);
}

Test(clock, mono_plus_offset_is_wall_time)
{
    uint64_t mono = otel_clock_mono_ns();
    int64_t offset = otel_clock_offset_ns(mono);
    int64_t now = (int64_t)otel_clock_unix_ns();

    /* Loose, for the clock may be slewed and the machine busy: an error of unit or sign is not. */
    cr_assert_leq(llabs((int64_t)otel_clock_mono_ns() + offset - now), 60 * NS_PER_S);
}

Test(clock, one_offset_is_shared_within_a_second)
{
    uint64_t mono = otel_clock_mono_ns();
    int64_t offset = otel_clock_offset_ns(mono);

    for (int i = 0; i < 1000; i++)
        cr_assert_eq(otel_clock_offset_ns(mono + (uint64_t)i * 900000), offset);
    cr_assert_eq(otel_clock_offset_ns(mono - 5), offset, "a time before the reading is no refresh");
}

Test(clock, an_older_offset_is_read_again)
{
    uint64_t mono = otel_clock_mono_ns();
    int64_t first = otel_clock_offset_ns(mono);
    int changed = 0;

    /* Two readings of two clocks differ by some ns sooner or later. */
    for (int i = 0; i < 100000 && !changed; i++)
        changed = otel_clock_offset_ns(otel_clock_mono_ns() + 2 * NS_PER_S) != first;
    cr_assert(changed);
}

static void *ask(void *arg)
{
    for (int i = 0; i < 10000; i++) {
        uint64_t mono = otel_clock_mono_ns() + (i % 100 == 0 ? 2 * NS_PER_S : 0);
        int64_t wall = (int64_t)mono + otel_clock_offset_ns(mono);

        if (llabs(wall - (int64_t)otel_clock_unix_ns()) > 60 * NS_PER_S)
            *(int *)arg = 1;
    }
    return NULL;
}

Test(clock, threads_never_see_a_half_made_offset)
{
    pthread_t threads[4];
    int wrong[4] = {0, 0, 0, 0};

    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, ask, &wrong[i]);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        cr_assert_not(wrong[i]);
    }
}
