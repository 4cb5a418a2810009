/* SPDX-License-Identifier: Apache-2.0 */
#include "core/profiler.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

#include "core/context.h"
#include "core/serving.h"
#include "core/tls.h"

_Static_assert(offsetof(struct otel_profiler_record, span_id) == 16, "OTEP 4947");
_Static_assert(offsetof(struct otel_profiler_record, valid) == 24, "OTEP 4947");
_Static_assert(offsetof(struct otel_profiler_record, flags) == 25, "OTEP 4947");
_Static_assert(offsetof(struct otel_profiler_record, attributes_size) == 26, "OTEP 4947");
_Static_assert(sizeof(struct otel_profiler_record) == 28, "OTEP 4947");

/* What a profiler would find. */
static __thread struct otel_profiler_record *found;

static void point(struct otel_profiler_record *record)
{
    found = record;
}

static struct otel_span_context ctx(uint8_t n)
{
    struct otel_span_context c = {.flags = OTEL_FLAG_SAMPLED};

    c.trace_id[15] = 1;
    c.span_id[7] = n;
    return c;
}

/* The span of the calling thread's record; 0: none, -1: nothing that could be found. */
static int told(void)
{
    if (!found)
        return -1;
    return found->valid == 1 && found->trace_id[15] == 1 ? found->span_id[7] : 0;
}

Test(profiler, is_told_of_what_is_attached)
{
    struct otel_span_context a = ctx(1), b = ctx(2), c = ctx(3);
    uint32_t outer, inner;

    otel_profiler_init(true, point);
    cr_assert_eq(told(), -1);
    outer = otel_context_attach(&a);
    cr_expect_eq(told(), 1);
    cr_expect_eq(found->flags, OTEL_FLAG_SAMPLED);
    cr_expect_eq(found->attributes_size, 0);
    inner = otel_context_attach(&b);
    cr_expect_eq(told(), 2);
    otel_context_replace(inner, &c);
    cr_expect_eq(told(), 3);
    otel_context_detach(inner);
    cr_expect_eq(told(), 1);
    otel_context_detach(outer);
    cr_expect_eq(told(), 0);
}

Test(profiler, is_told_of_what_a_thread_serves)
{
    struct otel_span_context a = ctx(1), b = ctx(2);
    uint64_t cell = otel_context_cell_open();
    uint32_t token;

    otel_profiler_init(true, point);
    otel_context_implicit_set(&a, cell);
    cr_expect_eq(told(), 1);
    token = otel_context_attach(&b);
    cr_expect_eq(told(), 2);
    otel_context_detach(token);
    cr_expect_eq(told(), 1);
    otel_context_cell_close(cell);
    cr_expect_eq(told(), 0);
    cell = otel_context_cell_open();
    otel_context_implicit_set(&a, cell);
    cr_expect_eq(told(), 1);
    otel_context_implicit_clear();
    cr_expect_eq(told(), 0);
}

Test(profiler, is_told_nothing_of_the_process_parent)
{
    struct otel_span_context parent = ctx(9), a = ctx(1);
    uint32_t token;

    otel_context_process_set(&parent);
    otel_profiler_init(true, point);
    token = otel_context_attach(&a);
    cr_expect_eq(told(), 1);
    otel_context_detach(token);
    cr_expect_eq(told(), 0);
}

static void *run(void *unused)
{
    struct otel_span_context b = ctx(2);
    uint32_t token;

    cr_expect_eq(told(), -1);
    token = otel_context_attach(&b);
    cr_expect_eq(told(), 2);
    otel_context_detach(token);
    return unused;
}

Test(profiler, has_a_record_for_each_thread)
{
    struct otel_span_context a = ctx(1);
    pthread_t thread;
    uint32_t token;

    otel_profiler_init(true, point);
    token = otel_context_attach(&a);
    pthread_create(&thread, NULL, run, NULL);
    pthread_join(thread, NULL);
    cr_expect_eq(told(), 1);
    otel_context_detach(token);
}

Test(profiler, coroutines_have_their_own)
{
    struct otel_span_context a = ctx(1), b = ctx(2);
    struct otel_context_saved saved;

    otel_profiler_init(true, point);
    otel_context_attach(&a);
    otel_context_leave(&saved);
    cr_expect_eq(told(), 0);
    otel_context_attach(&b);
    cr_expect_eq(told(), 2);
    otel_context_return(&saved);
    cr_expect_eq(told(), 1);
}

Test(profiler, is_told_nothing_when_it_is_off)
{
    struct otel_span_context a = ctx(1);

    otel_profiler_init(false, point);
    otel_context_attach(&a);
    cr_expect_eq(told(), -1);
    otel_profiler_init(true, NULL);
    otel_context_attach(&a);
    cr_expect_eq(told(), -1);
}
