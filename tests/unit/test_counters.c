/* SPDX-License-Identifier: Apache-2.0 */
#include "core/counters.h"

#include <criterion/criterion.h>
#include <pthread.h>

#include "core/pool.h"

static void *count_many(void *unused)
{
    for (int i = 0; i < 100000; i++)
        otel_count(OTEL_COUNT_STARTED, 1);
    return unused;
}

Test(counters, sums_over_threads)
{
    pthread_t t[4];

    for (int i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&t[i], NULL, count_many, NULL), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    otel_count(OTEL_COUNT_EXPORTED, 7);
    cr_assert_eq(otel_counter_sum(OTEL_COUNT_STARTED), 400000);
    cr_assert_eq(otel_counter_sum(OTEL_COUNT_EXPORTED), 7);
    otel_counters_reset();
    cr_assert_eq(otel_counter_sum(OTEL_COUNT_STARTED), 0);
}

Test(counters, a_thread_keeps_its_shard)
{
    uint32_t shard = otel_shard();

    cr_assert_lt(shard, OTEL_SHARDS);
    cr_assert_eq(otel_shard(), shard);
}
