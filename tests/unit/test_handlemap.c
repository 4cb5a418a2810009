/* SPDX-License-Identifier: Apache-2.0 */
#include "core/handlemap.h"

#include <criterion/criterion.h>
#include <pthread.h>

struct state {
    uint64_t value;
    char rest[56];
};

static const void *key(uintptr_t i)
{
    return (const void *)(UINT64_C(0x7f0000000000) + i * 16);
}

Test(handlemap, finds_what_was_inserted_until_removed)
{
    static struct otel_handlemap map = OTEL_HANDLEMAP(sizeof(struct state), 64);
    struct state *s;

    cr_assert_null(otel_handlemap_find(&map, key(1)));
    s = otel_handlemap_insert(&map, key(1));
    cr_assert_not_null(s);
    s->value = 42;
    cr_assert_eq(otel_handlemap_find(&map, key(1)), s);
    cr_assert_null(otel_handlemap_find(&map, key(2)));
    otel_handlemap_remove(&map, key(1));
    cr_assert_null(otel_handlemap_find(&map, key(1)));
    otel_handlemap_remove(&map, key(1));
    cr_assert_null(otel_handlemap_insert(&map, NULL));
}

Test(handlemap, a_key_inserted_again_starts_clean)
{
    static struct otel_handlemap map = OTEL_HANDLEMAP(sizeof(struct state), 64);
    struct state *s = otel_handlemap_insert(&map, key(1));

    s->value = 42;
    s = otel_handlemap_insert(&map, key(1));
    cr_assert_eq(s->value, 0);
    otel_handlemap_remove(&map, key(1));
    cr_assert_null(otel_handlemap_find(&map, key(1)), "it was there once only");
}

Test(handlemap, a_million_handles_need_the_room_of_one)
{
    static struct otel_handlemap map = OTEL_HANDLEMAP(sizeof(struct state), 2);

    for (uintptr_t i = 1; i <= 1000000; i++) {
        cr_assert_not_null(otel_handlemap_insert(&map, key(i)));
        otel_handlemap_remove(&map, key(i));
    }
}

Test(handlemap, fills_well_before_it_refuses)
{
    static struct otel_handlemap map = OTEL_HANDLEMAP(sizeof(struct state), 128);
    uintptr_t n = 0;

    for (;; n++) {
        struct state *s = otel_handlemap_insert(&map, key(n + 1));

        if (!s)
            break;
        s->value = n + 1;
    }
    cr_assert_gt(n, 128 * 8 * 6 / 10, "only %zu of %d", (size_t)n, 128 * 8);
    for (uintptr_t i = 1; i <= n; i++)
        cr_assert_eq(((struct state *)otel_handlemap_find(&map, key(i)))->value, i);
}

static struct otel_handlemap shared = OTEL_HANDLEMAP(sizeof(struct state), 64);

static void *churn(void *arg)
{
    uintptr_t base = (uintptr_t)arg;

    for (uintptr_t round = 0; round < 50000; round++) {
        const void *k = key(base + round % 50);
        struct state *s = otel_handlemap_insert(&shared, k);

        if (!s)
            return "no room";
        s->value = base + round;
        s = otel_handlemap_find(&shared, k);
        if (!s || s->value != base + round)
            return "somebody else's state";
        otel_handlemap_remove(&shared, k);
    }
    return NULL;
}

Test(handlemap, threads_do_not_meet)
{
    pthread_t t[4];
    void *wrong;

    for (uintptr_t i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&t[i], NULL, churn, (void *)((i + 1) * 100000)), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], &wrong);
        cr_assert_null(wrong, "%s", (char *)wrong);
    }
}
