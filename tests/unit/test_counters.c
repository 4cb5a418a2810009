/* SPDX-License-Identifier: Apache-2.0 */
#include "core/counters.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

#include "core/pool.h"

static void *count_many(void *unused)
{
    for (int i = 0; i < 100000; i++)
        otel_count(OTEL_COUNT_STARTED, 1);
    return unused;
}

Test(counters, sums_over_threads)
{
    pthread_t t[20]; /* more than have a shard to themselves */

    for (int i = 0; i < 20; i++)
        cr_assert_eq(pthread_create(&t[i], NULL, count_many, NULL), 0);
    for (int i = 0; i < 20; i++)
        pthread_join(t[i], NULL);
    otel_count(OTEL_COUNT_EXPORTED, 7);
    cr_assert_eq(otel_counter_sum(OTEL_COUNT_STARTED), 2000000);
    cr_assert_eq(otel_counter_sum(OTEL_COUNT_EXPORTED), 7);
    otel_counters_reset();
    cr_assert_eq(otel_counter_sum(OTEL_COUNT_STARTED), 0);
}

/* Counted in the handler; it runs on the thread it interrupts. */
static volatile sig_atomic_t interruptions;

static void count_one(int signal)
{
    (void)signal;
    interruptions++;
    otel_count(OTEL_COUNT_ENDED, 1);
}

Test(counters, a_signal_handler_comes_between_nothing, .timeout = 30)
{
    struct itimerval often = {{0, 50}, {0, 50}};
    uint64_t counted = 0;

#ifdef __SANITIZE_THREAD__
    cr_skip_test("the thread sanitizer holds signals back until a call that blocks");
#endif
    signal(SIGVTALRM, count_one); /* SIGALRM is the runner's */
    cr_assert_eq(setitimer(ITIMER_VIRTUAL, &often, NULL), 0);
    for (; interruptions < 500; counted++)
        otel_count(OTEL_COUNT_ENDED, 1);
    signal(SIGVTALRM, SIG_IGN);
    cr_assert_eq(otel_counter_sum(OTEL_COUNT_ENDED), counted + (uint64_t)interruptions);
}

Test(counters, a_thread_keeps_its_shard)
{
    uint32_t shard = otel_shard();

    cr_assert_lt(shard, OTEL_SHARDS);
    cr_assert_eq(otel_shard(), shard);
}
