/* SPDX-License-Identifier: Apache-2.0 */
#include "core/queue.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>

#include "core/sys.h"

Test(queue, first_in_is_first_out)
{
    uint64_t out[4];

    cr_assert_eq(otel_queue_init(3), 0);
    cr_assert_eq(otel_queue_push(11), 1);
    cr_assert_eq(otel_queue_push(12), 2);
    cr_assert_eq(otel_queue_len(), 2);
    cr_assert_eq(otel_queue_take(out, 4), 2);
    cr_assert_eq(out[0], 11);
    cr_assert_eq(out[1], 12);
    cr_assert_eq(otel_queue_len(), 0);
}

Test(queue, holds_what_was_asked_for_and_no_more)
{
    uint64_t out[8];

    cr_assert_eq(otel_queue_init(5), 0); /* the ring has 8 slots */
    for (uint64_t round = 0; round < 100; round++) {
        for (uint32_t i = 0; i < 5; i++)
            cr_assert_eq(otel_queue_push(round * 5 + i), i + 1);
        cr_assert_eq(otel_queue_push(999), 0);
        cr_assert_eq(otel_queue_take(out, 8), 5);
        cr_assert_eq(out[4], round * 5 + 4);
    }
}

static void *no_mmap(size_t len)
{
    (void)len;
    return NULL;
}

Test(queue, without_memory_it_is_full)
{
    void *(*real)(size_t) = otel_sys.mmap;
    uint64_t out;

    otel_sys.mmap = no_mmap;
    cr_assert_eq(otel_queue_init(16), -ENOMEM);
    otel_sys.mmap = real;
    cr_assert_eq(otel_queue_push(1), 0);
    cr_assert_eq(otel_queue_take(&out, 1), 0);
}

#define EACH 100000

static void *produce(void *id)
{
    for (uint64_t i = 0; i < EACH;)
        if (otel_queue_push((uint64_t)(uintptr_t)id << 32 | i))
            i++;
    return NULL;
}

Test(queue, nothing_is_lost_or_doubled_between_threads)
{
    pthread_t t[3];
    uint64_t next[3] = {0};
    uint64_t out[64];
    uint64_t sum = 0;

    cr_assert_eq(otel_queue_init(128), 0);
    for (uintptr_t i = 0; i < 3; i++)
        cr_assert_eq(pthread_create(&t[i], NULL, produce, (void *)i), 0);
    while (sum < 3 * EACH) {
        uint32_t n = otel_queue_take(out, 64);

        for (uint32_t i = 0; i < n; i++) {
            uint64_t from = out[i] >> 32;

            cr_assert_lt(from, 3);
            cr_assert_eq((uint32_t)out[i], next[from]++, "in order for each producer");
        }
        sum += n;
    }
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    cr_assert_eq(otel_queue_len(), 0);
}
