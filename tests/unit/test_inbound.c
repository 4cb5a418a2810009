/* SPDX-License-Identifier: Apache-2.0 */
#include "core/inbound.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>

#include "core/generation.h"

static void setup(void)
{
    otel_generation_init();
}

TestSuite(inbound, .init = setup);

static struct otel_span_context context_of(uint64_t n)
{
    struct otel_span_context ctx = {0};

    memcpy(ctx.trace_id, &n, sizeof n);
    memcpy(ctx.span_id, &n, sizeof n);
    return ctx;
}

Test(inbound, found_while_it_is_there)
{
    struct otel_span_context a = context_of(1), b = context_of(2);

    cr_assert_eq(otel_inbound_find(&a, 0), 0);
    cr_assert(otel_inbound_add(&a, 100));
    cr_assert_eq(otel_inbound_find(&a, 0), 100);
    cr_assert_eq(otel_inbound_find(&b, 0), 0);
    b = a;
    b.span_id[7] = 9;
    cr_assert_eq(otel_inbound_find(&b, 0), 0, "both ids count");
    otel_inbound_remove(&b, 100);
    cr_assert_eq(otel_inbound_find(&a, 0), 100);
    otel_inbound_remove(&a, 100);
    otel_inbound_remove(&a, 0);
    cr_assert_eq(otel_inbound_find(&a, 0), 0);
}

Test(inbound, of_several_only_the_preferred)
{
    struct otel_span_context a = context_of(1);

    otel_inbound_add(&a, 100);
    otel_inbound_add(&a, 200);
    cr_assert_eq(otel_inbound_find(&a, 0), 0, "who can tell which");
    cr_assert_eq(otel_inbound_find(&a, 300), 0);
    cr_assert_eq(otel_inbound_find(&a, 200), 200);
    cr_assert_eq(otel_inbound_find(&a, 100), 100);
    otel_inbound_remove(&a, 100);
    cr_assert_eq(otel_inbound_find(&a, 0), 200);
}

Test(inbound, refuses_when_a_bucket_is_full)
{
    struct otel_span_context a = context_of(1);
    int added = 0;

    for (uint64_t i = 2; i < 100; i++)
        added += otel_inbound_add(&a, i);
    cr_assert_eq(added, 8);
    otel_inbound_reset();
    cr_assert_eq(otel_inbound_find(&a, 2), 0);
    cr_assert(otel_inbound_add(&a, 5));
}

static void *work(void *arg)
{
    uint64_t base = (uint64_t)(uintptr_t)arg;

    for (uint64_t i = 0; i < 20000; i++) {
        struct otel_span_context ctx = context_of(base + i);

        if (!otel_inbound_add(&ctx, base + i))
            continue;
        cr_assert_eq(otel_inbound_find(&ctx, 0), base + i);
        otel_inbound_remove(&ctx, base + i);
    }
    return NULL;
}

Test(inbound, threads)
{
    pthread_t thread[3];

    for (uintptr_t i = 0; i < 3; i++)
        pthread_create(&thread[i], NULL, work, (void *)((i + 1) << 32));
    for (int i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
    for (uintptr_t i = 1; i <= 3; i++) {
        struct otel_span_context ctx = context_of(i << 32);

        cr_assert_eq(otel_inbound_find(&ctx, 0), 0);
    }
}
