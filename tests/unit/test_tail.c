/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tail.h"

#include <pthread.h>
#include <stdatomic.h>

#include "core/context.h"
#include "core/counters.h"
#include "tests/unit/spans.h"

static const struct otel_span_start work = {.name = {"work", 4}, .kind = OTEL_KIND_INTERNAL};

static void begin(const char *rules)
{
    spans_begin();
    otel_rules_init(rules);
    cr_assert_not_null(otel_rules);
}

static void on_error(void)
{
    begin("* = always when error");
}

static void start_below(struct otel_span *span, const struct otel_span *parent)
{
    struct otel_span_start start = work;

    start.parent = &parent->ctx;
    otel_span_start(span, &start);
}

static void fail(struct otel_span *span)
{
    otel_span_set_status(span, OTEL_STATUS_ERROR, OTEL_TEXT(""));
    otel_span_end(span, 0);
}

/* started = exported (here: in the queue) + dropped + not ended. */
static void assert_sum(uint64_t open)
{
    uint64_t dropped = otel_counter_sum(OTEL_COUNT_DROPPED_BY_RULE) +
                       otel_counter_sum(OTEL_COUNT_DROPPED_QUEUE_FULL) +
                       otel_counter_sum(OTEL_COUNT_DROPPED_STORE_FULL);

    cr_assert_eq(otel_counter_sum(OTEL_COUNT_STARTED), otel_queue_len() + dropped + open);
    cr_assert_eq(otel_tail_held(), 0);
}

Test(tail, what_did_not_fail_is_dropped_and_counted, .init = on_error)
{
    struct otel_span root, child;

    cr_assert(otel_span_start(&root, &work));
    start_below(&child, &root);
    cr_assert(otel_span_recording(&child));
    cr_assert(child.ctx.flags & OTEL_FLAG_SAMPLED, "what goes out says recorded");
    otel_span_end(&child, 0);
    cr_assert_eq(otel_tail_held(), 1);
    cr_assert_eq(otel_queue_len(), 0);
    otel_span_end(&root, 0);
    cr_assert_eq(otel_queue_len(), 0);
    cr_assert_eq(otel_counter_sum(OTEL_COUNT_DROPPED_BY_RULE), 2);
    assert_sum(0);
}

Test(tail, a_child_that_failed_keeps_all, .init = on_error)
{
    struct otel_span root, first, second;
    struct otel_record *r;

    otel_span_start(&root, &work);
    start_below(&first, &root);
    start_below(&second, &first);
    fail(&second);
    otel_span_end(&first, 0);
    cr_assert_eq(otel_queue_len(), 0);
    otel_span_end(&root, 0);
    cr_assert_eq(otel_queue_len(), 3);
    assert_sum(0);
    r = spans_take();
    cr_assert_arr_eq(r->span_id, second.ctx.span_id, 8, "in the order in which they ended");
    cr_assert_eq(r->flags, OTEL_FLAG_SAMPLED | OTEL_FLAG_RANDOM);
    cr_assert_arr_eq(spans_take()->span_id, first.ctx.span_id, 8);
    cr_assert_arr_eq(spans_take()->span_id, root.ctx.span_id, 8);
}

Test(tail, a_root_that_was_slow_is_kept)
{
    struct otel_span_start start = work;
    struct otel_span span;

    begin("* = slower than 500ms");
    start.start_mono_ns = 1000;
    otel_span_start(&span, &start);
    otel_span_end(&span, 500000999);
    cr_assert_eq(otel_queue_len(), 0);
    otel_span_start(&span, &start);
    otel_span_end(&span, 500001000);
    cr_assert_eq(otel_queue_len(), 1);
    assert_sum(0);
}

Test(tail, a_share_is_kept_from_the_beginning)
{
    struct otel_span span;

    begin("* = 1, always when error");
    otel_span_start(&span, &work);
    cr_assert_eq(span.ctx.tail, 0);
    otel_span_end(&span, 0);
    assert_sum(0);
    cr_assert_eq(otel_queue_len(), 1);
}

Test(tail, who_ends_behind_the_root_goes_its_way, .init = on_error)
{
    struct otel_span root, late, later;

    for (int failed = 0; failed < 2; failed++) {
        otel_span_start(&root, &work);
        start_below(&late, &root);
        if (failed)
            fail(&root);
        else
            otel_span_end(&root, 0);
        start_below(&later, &late);
        cr_assert_eq(otel_span_recording(&later), failed);
        otel_span_end(&later, 0);
        fail(&late);
        cr_assert_eq(otel_queue_len(), failed ? 3 : 0);
        assert_sum(0);
    }
    cr_assert_eq(otel_counter_sum(OTEL_COUNT_NOT_SAMPLED), 1);
}

Test(tail, long_forgotten_ones_are_dropped, .init = on_error)
{
    struct otel_span root, late, span;

    otel_span_start(&root, &work);
    start_below(&late, &root);
    fail(&root);
    for (int i = 0; i < OTEL_TAIL_TRACES; i++) {
        otel_span_start(&span, &work);
        otel_span_end(&span, 0);
    }
    cr_assert_eq(otel_tail_verdict(late.ctx.tail), OTEL_TAIL_FORGOTTEN);
    otel_span_end(&late, 0);
    cr_assert_eq(otel_queue_len(), 1);
    assert_sum(0);
}

Test(tail, without_room_for_traces_they_are_kept, .init = on_error)
{
    static struct otel_span open[OTEL_TAIL_TRACES];
    struct otel_span span;

    for (int i = 0; i < OTEL_TAIL_TRACES; i++)
        otel_span_start(&open[i], &work);
    otel_span_start(&span, &work);
    cr_assert_eq(span.ctx.tail, 0);
    otel_span_end(&span, 0);
    cr_assert_eq(otel_queue_len(), 1);
    cr_assert_eq(otel_counter_sum(OTEL_COUNT_KEPT_NO_ROOM), 1);
    for (int i = 0; i < OTEL_TAIL_TRACES; i++)
        otel_span_end(&open[i], 0);
    cr_assert_eq(otel_queue_len(), 1);
    assert_sum(0);
}

Test(tail, without_room_for_spans_their_trace_is_kept, .init = on_error)
{
    struct otel_span root, child;

    otel_span_start(&root, &work);
    for (int i = 0; i <= OTEL_TAIL_SPANS; i++) {
        start_below(&child, &root);
        otel_span_end(&child, 0);
    }
    cr_assert_eq(otel_counter_sum(OTEL_COUNT_KEPT_NO_ROOM), 1);
    cr_assert_eq(otel_tail_verdict(root.ctx.tail), OTEL_TAIL_KEPT);
    cr_assert_eq(otel_counter_sum(OTEL_COUNT_DROPPED_BY_RULE), 0);
    otel_span_end(&root, 0);
    assert_sum(0);
}

Test(tail, what_is_open_at_the_end_is_decided_as_it_stands, .init = on_error)
{
    struct otel_span good, bad, child;

    otel_span_start(&good, &work);
    start_below(&child, &good);
    otel_span_end(&child, 0);
    otel_span_start(&bad, &work);
    start_below(&child, &bad);
    fail(&child);
    otel_tail_decide_all();
    cr_assert_eq(otel_queue_len(), 1);
    cr_assert_eq(otel_counter_sum(OTEL_COUNT_DROPPED_BY_RULE), 1);
    assert_sum(2);
    otel_span_end(&good, 0);
    otel_span_end(&bad, 0);
    cr_assert_eq(otel_queue_len(), 2);
    assert_sum(0);
}

Test(tail, a_remote_parent_is_followed, .init = on_error)
{
    struct otel_span_context remote = {.trace_id = {1}, .span_id = {2}, .remote = true};
    struct otel_span_start start = work;
    struct otel_span span;

    start.parent = &remote;
    cr_assert_not(otel_span_start(&span, &start));
    remote.flags = OTEL_FLAG_SAMPLED;
    cr_assert(otel_span_start(&span, &start));
    cr_assert_eq(span.ctx.tail, 0);
    otel_config.sampler.kind = OTEL_SAMPLER_ALWAYS_ON;
    cr_assert(otel_span_start(&span, &start));
    cr_assert_neq(span.ctx.tail, 0, "but not by a sampler that does not");
}

Test(tail, a_root_without_a_record_holds_nothing_back, .init = on_error)
{
    static struct otel_span open[8192];
    size_t n = 0;

    otel_rules_init("name=work = 1; * = always when error");
    while (n < 8192 && otel_span_start(&open[n], &work))
        n++;
    cr_assert_lt(n, 8192);
    for (int i = 0; i < 2 * OTEL_TAIL_TRACES; i++) {
        struct otel_span span;
        struct otel_span_start start = {.name = {"x", 1}, .kind = OTEL_KIND_INTERNAL};

        cr_assert_not(otel_span_start(&span, &start));
        cr_assert_eq(span.ctx.tail, 0);
    }
    cr_assert_eq(otel_counter_sum(OTEL_COUNT_KEPT_NO_ROOM), 0);
}

Test(tail, an_unknown_parent_decides_by_its_flag, .init = on_error)
{
    struct otel_span root, child;
    uint32_t token;

    otel_span_start(&root, &work);
    token = otel_context_attach(&root.ctx);
    otel_span_start(&child, &work);
    otel_context_detach(token);
    cr_assert_eq(child.ctx.tail, root.ctx.tail, "attached contexts carry it");
    otel_tail_reset(); /* as in a fork child, whose parent's spans are not its own */
    token = otel_context_attach(&root.ctx);
    otel_span_start(&child, &work);
    otel_context_detach(token);
    cr_assert_not(otel_span_recording(&child));
    root.ctx.remote = true;
    start_below(&child, &root);
    cr_assert(otel_span_recording(&child));
    cr_assert_eq(child.ctx.tail, 0);
}

/* --- threads --- */

#define THREADS 4
#define ROUNDS 3000

static struct otel_span shared_root;
static pthread_barrier_t barrier;

static void *end_below(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        struct otel_span child;

        pthread_barrier_wait(&barrier);
        start_below(&child, &shared_root);
        if (i % 2)
            otel_span_set_status(&child, OTEL_STATUS_ERROR, OTEL_TEXT(""));
        otel_span_end(&child, 0);
        pthread_barrier_wait(&barrier);
    }
    return NULL;
}

static void empty_queue(void)
{
    uint64_t handle;

    while (otel_queue_take(&handle, 1)) {
        otel_store_free(handle);
        otel_count(OTEL_COUNT_EXPORTED, 1);
    }
}

Test(tail, every_span_is_kept_or_dropped_once, .init = on_error)
{
    pthread_t thread[THREADS];

    pthread_barrier_init(&barrier, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_create(&thread[i], NULL, end_below, NULL), 0);
    for (int i = 0; i < ROUNDS; i++) {
        otel_span_start(&shared_root, &work);
        pthread_barrier_wait(&barrier);
        otel_span_end(&shared_root, 0); /* while they start and end theirs */
        pthread_barrier_wait(&barrier);
        empty_queue();
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    cr_assert_eq(otel_tail_held(), 0);
    cr_assert_eq(otel_counter_sum(OTEL_COUNT_STARTED),
                 otel_counter_sum(OTEL_COUNT_EXPORTED) +
                     otel_counter_sum(OTEL_COUNT_DROPPED_BY_RULE));
    cr_assert_gt(otel_counter_sum(OTEL_COUNT_DROPPED_BY_RULE), 0);
}
