/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pool.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "core/sys.h"

Test(pool, handles_name_blocks_until_freed)
{
    static struct otel_pool pool = OTEL_POOL(64, 32);
    uint64_t a = otel_pool_alloc(&pool);
    uint64_t b = otel_pool_alloc(&pool);

    cr_assert_neq(a, 0);
    cr_assert_neq(a, b);
    cr_assert_neq(otel_pool_get(&pool, a), otel_pool_get(&pool, b));
    cr_assert_eq(otel_pool_free(&pool, a), 0);
    cr_assert_null(otel_pool_get(&pool, a));
    cr_assert_not_null(otel_pool_get(&pool, b));
}

Test(pool, a_second_free_is_stale)
{
    static struct otel_pool pool = OTEL_POOL(64, 32);
    uint64_t a = otel_pool_alloc(&pool);

    cr_assert_eq(otel_pool_free(&pool, a), 0);
    cr_assert_eq(otel_pool_free(&pool, a), -ESTALE);
    cr_assert_eq(otel_pool_free(&pool, 0), -ESTALE);
    cr_assert_eq(otel_pool_free(&pool, UINT64_MAX), -ESTALE);
}

Test(pool, last_in_is_first_out_and_has_a_new_handle)
{
    static struct otel_pool pool = OTEL_POOL(64, 32);
    uint64_t a = otel_pool_alloc(&pool);
    void *block = otel_pool_get(&pool, a);
    uint64_t again;

    otel_pool_free(&pool, a);
    again = otel_pool_alloc(&pool);
    cr_assert_eq(otel_pool_get(&pool, again), block);
    cr_assert_neq(a, again);
    cr_assert_null(otel_pool_get(&pool, a));
}

Test(pool, every_block_is_handed_out_once)
{
    static struct otel_pool pool = OTEL_POOL(64, 100);
    uint64_t handles[100];

    for (int i = 0; i < 100; i++) {
        handles[i] = otel_pool_alloc(&pool);
        cr_assert_neq(handles[i], 0);
        memset(otel_pool_get(&pool, handles[i]), i, 64);
    }
    cr_assert_eq(otel_pool_alloc(&pool), 0);
    for (int i = 0; i < 100; i++)
        cr_assert_eq(*(unsigned char *)otel_pool_get(&pool, handles[i]), i);
    otel_pool_free(&pool, handles[50]);
    cr_assert_neq(otel_pool_alloc(&pool), 0);
}

Test(pool, reset_forgets_blocks_but_never_revives_a_handle)
{
    static struct otel_pool pool = OTEL_POOL(64, 32);
    uint64_t old[32];

    for (int i = 0; i < 32; i++)
        old[i] = otel_pool_alloc(&pool);
    otel_pool_free(&pool, old[3]);
    otel_pool_reset(&pool);
    for (int i = 0; i < 32; i++)
        cr_assert_null(otel_pool_get(&pool, old[i]));
    for (int i = 0; i < 32; i++)
        cr_assert_neq(otel_pool_alloc(&pool), 0);
    for (int i = 0; i < 32; i++)
        cr_assert_null(otel_pool_get(&pool, old[i]));
}

static struct otel_pool neighbours = OTEL_POOL(64, 256);

static void *take_some(void *first)
{
    for (int i = 0; i < 4; i++)
        ((uint64_t *)first)[i] = otel_pool_alloc(&neighbours);
    return NULL;
}

/* A line that two threads write goes to and fro between their processors: 100 ns each time. */
Test(pool, blocks_of_two_threads_do_not_share_a_cache_line)
{
    uint64_t mine[4], other[4];
    pthread_t t;

    take_some(mine);
    cr_assert_eq(pthread_create(&t, NULL, take_some, other), 0);
    pthread_join(t, NULL);
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 4; k++)
            cr_assert_neq((uintptr_t)&neighbours.link[otel_pool_index(&neighbours, mine[i])] / 64,
                          (uintptr_t)&neighbours.link[otel_pool_index(&neighbours, other[k])] / 64);
}

static void *take_one(void *pool)
{
    return otel_pool_alloc(pool) ? NULL : "nothing";
}

Test(pool, what_one_thread_leaves_another_gets)
{
    static struct otel_pool small = OTEL_POOL(64, 24);
    pthread_t t;
    int n = 0;

    otel_pool_free(&small, otel_pool_alloc(&small)); /* this thread has its shard now */
    cr_assert_eq(pthread_create(&t, NULL, take_one, &small), 0);
    pthread_join(t, NULL);
    while (otel_pool_alloc(&small))
        n++;
    cr_assert_eq(n, 23, "%d", n);
}

static size_t refuse_above;
static void *(*real_mmap)(size_t);

static void *small_mmap(size_t len)
{
    return len > refuse_above ? NULL : real_mmap(len);
}

Test(pool, a_refused_mapping_is_halved_then_given_up)
{
    static struct otel_pool half = OTEL_POOL(4096, 64);
    static struct otel_pool none = OTEL_POOL(4096, 64);
    uint32_t n = 0;

    real_mmap = otel_sys.mmap;
    otel_sys.mmap = small_mmap;
    refuse_above = 40 * 4096;
    while (otel_pool_alloc(&half))
        n++;
    cr_assert_eq(n, 32);
    refuse_above = 4096;
    cr_assert_eq(otel_pool_alloc(&none), 0);
    otel_sys.mmap = real_mmap;
    cr_assert_eq(otel_pool_alloc(&none), 0, "refused once is refused for good");
}

static struct otel_pool shared = OTEL_POOL(64, 256);

/* Writes its own mark into each block it holds and finds it again: no block has two owners. */
static void *churn(void *mark)
{
    for (int round = 0; round < 20000; round++) {
        uint64_t handle[8];

        for (int i = 0; i < 8; i++) {
            handle[i] = otel_pool_alloc(&shared);
            if (handle[i])
                memset(otel_pool_get(&shared, handle[i]), (int)(intptr_t)mark, 64);
        }
        for (int i = 0; i < 8; i++) {
            unsigned char *p = otel_pool_get(&shared, handle[i]);

            if (!handle[i])
                continue;
            for (int k = 0; k < 64; k++)
                if (p[k] != (intptr_t)mark)
                    return "two owners";
            if (otel_pool_free(&shared, handle[i]))
                return "not freed";
        }
    }
    return NULL;
}

Test(pool, no_block_has_two_owners_under_load)
{
    pthread_t t[4];
    void *wrong;

    for (intptr_t i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&t[i], NULL, churn, (void *)(i + 1)), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], &wrong);
        cr_assert_null(wrong, "%s", (char *)wrong);
    }
}

static struct otel_pool contended = OTEL_POOL(64, 1024);
static pthread_barrier_t together;

static void *first_use(void *unused)
{
    (void)unused;
    pthread_barrier_wait(&together);
    return otel_pool_alloc(&contended) ? NULL : "nothing";
}

Test(pool, the_first_uses_by_several_threads_all_succeed)
{
    pthread_t t[8];
    void *wrong;

    pthread_barrier_init(&together, NULL, 8);
    for (int i = 0; i < 8; i++)
        cr_assert_eq(pthread_create(&t[i], NULL, first_use, NULL), 0);
    for (int i = 0; i < 8; i++) {
        pthread_join(t[i], &wrong);
        cr_assert_null(wrong);
    }
}
