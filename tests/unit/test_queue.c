/* SPDX-License-Identifier: Apache-2.0 */
#include "core/queue.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

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

static size_t largest;
static void *(*real_mmap)(size_t);

static void *short_mmap(size_t len)
{
    return len > largest ? NULL : real_mmap(len);
}

Test(queue, short_of_memory_all_threads_share_a_ring)
{
    uint64_t out[20];

    real_mmap = otel_sys.mmap;
    otel_sys.mmap = short_mmap;
    largest = 16 * 16;
    cr_assert_eq(otel_queue_init(16), 0);
    otel_sys.mmap = real_mmap;
    for (uint32_t i = 0; i < 16; i++)
        cr_assert_eq(otel_queue_push(i), i + 1);
    cr_assert_eq(otel_queue_push(16), 0);
    cr_assert_eq(otel_queue_take(out, 20), 16);
}

static _Atomic uint32_t pushed;

static void *push_all(void *unused)
{
    while (otel_queue_push(7))
        pushed++;
    return unused;
}

static void *push_one(void *unused)
{
    return otel_queue_push(1) ? unused : "full";
}

static void in_a_thread(void *(*work)(void *))
{
    pthread_t t;
    void *wrong;

    cr_assert_eq(pthread_create(&t, NULL, work, NULL), 0);
    pthread_join(t, &wrong);
    cr_assert_null(wrong, "%s", (char *)wrong);
}

/* Each thread holds leave it does not use; what it bounds is the sum all the same. */
Test(queue, the_capacity_is_that_of_all_threads_together)
{
    uint64_t out[300];

    cr_assert_eq(otel_queue_init(300), 0);
    for (int round = 0; round < 4; round++) {
        pushed = 0;
        for (int i = 0; i < 12; i++)
            in_a_thread(push_one);
        in_a_thread(push_all);
        in_a_thread(push_all);
        cr_assert_eq(pushed, 300 - 12, "%u", pushed);
        cr_assert_eq(otel_queue_len(), 300);
        cr_assert_eq(otel_queue_push(1), 0);
        cr_assert_eq(otel_queue_take(out, 100), 100);
        cr_assert_eq(otel_queue_take(out, 300), 200);
        cr_assert_eq(otel_queue_len(), 0);
    }
}

Test(queue, says_about_how_many_wait_of_all_threads)
{
    uint32_t said;

    cr_assert_eq(otel_queue_init(2048), 0);
    for (int i = 0; i < 5; i++)
        in_a_thread(push_one);
    said = otel_queue_push(1);
    cr_assert_geq(said, 6);
    cr_assert_leq(said, 6 + 5 * OTEL_QUEUE_LEAVE);
    cr_assert_eq(otel_queue_count(), 6);
    cr_assert_eq(otel_queue_push(1), 7);
}

Test(queue, a_mark_tells_old_from_new)
{
    uint64_t out[8];

    cr_assert_eq(otel_queue_init(64), 0);
    otel_queue_mark();
    cr_assert_not(otel_queue_marked());
    in_a_thread(push_one);
    otel_queue_push(2);
    cr_assert_not(otel_queue_marked());
    otel_queue_mark();
    otel_queue_push(3);
    cr_assert_eq(otel_queue_take(out, 1), 1);
    cr_assert(otel_queue_marked());
    while (otel_queue_marked())
        cr_assert_eq(otel_queue_take(out, 1), 1);
    cr_assert_leq(otel_queue_len(), 1);
}

static int no_madvise(void *p, size_t len, int advice)
{
    (void)p;
    (void)len;
    (void)advice;
    return -EPERM;
}

Test(queue, is_new_after_a_reset)
{
    int (*real)(void *, size_t, int) = otel_sys.madvise;
    uint64_t out[8];

    cr_assert_eq(otel_queue_init(5), 0);
    for (uint64_t round = 0; round < 60; round++) {
        otel_sys.madvise = round % 2 ? no_madvise : real;
        for (uint64_t i = 0; i < round % 11; i++)
            if (!otel_queue_push(i))
                otel_queue_take(out, 8);
        otel_queue_reset();
        cr_assert_eq(otel_queue_len(), 0);
        cr_assert_eq(otel_queue_take(out, 8), 0);
        for (uint64_t i = 0; i < 5; i++)
            cr_assert_eq(otel_queue_push(10 * round + i), i + 1);
        cr_assert_eq(otel_queue_push(1), 0);
        cr_assert_eq(otel_queue_take(out, 8), 5);
        cr_assert_eq(out[4], 10 * round + 4);
    }
    otel_sys.madvise = real;
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
