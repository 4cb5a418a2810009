/* SPDX-License-Identifier: Apache-2.0 */
#include "core/span.h"

#include "core/carry.h"
#include "core/context.h"
#include "core/counters.h"
#include "core/ids.h"
#include "tests/unit/spans.h"

static const struct otel_span_start get = {
    .name = {"GET", 3}, .kind = OTEL_KIND_CLIENT, .scope = OTEL_SCOPE_CURL};

Test(span, records_what_it_was_started_with, .init = spans_begin)
{
    struct otel_span span;
    struct otel_wire_field name;
    struct otel_record *r;

    cr_assert(otel_span_start(&span, &get));
    otel_span_end(&span, 0);
    r = spans_take();
    cr_assert_arr_eq(r->trace_id, span.ctx.trace_id, 16);
    cr_assert_arr_eq(r->span_id, span.ctx.span_id, 8);
    cr_assert_eq(r->kind, OTEL_KIND_CLIENT);
    cr_assert_eq(r->scope, OTEL_SCOPE_CURL);
    cr_assert_eq(r->flags, OTEL_FLAG_SAMPLED | OTEL_FLAG_RANDOM);
    cr_assert(r->local_root);
    cr_assert_geq(r->end_mono_ns, r->start_mono_ns);
    cr_assert(spans_field(r, OTEL_TAG_NAME, 0, &name));
    cr_assert_eq(name.len, 3);
    cr_assert_eq(r->state, OTEL_RECORD_ENDED);
}

Test(span, is_a_child_of_the_current_context, .init = spans_begin)
{
    struct otel_span outer;
    struct otel_span inner;
    struct otel_record *r;
    uint32_t token;

    otel_span_start(&outer, &get);
    token = otel_context_attach(&outer.ctx);
    otel_span_start(&inner, &get);
    otel_context_detach(token);
    otel_span_end(&inner, 0);
    r = spans_take();
    cr_assert_arr_eq(r->trace_id, outer.ctx.trace_id, 16);
    cr_assert_arr_eq(r->parent_span_id, outer.ctx.span_id, 8);
    cr_assert_not(r->local_root);
    cr_assert_eq(inner.ctx.clock_offset_ns, outer.ctx.clock_offset_ns);
}

Test(span, below_a_remote_parent_is_a_local_root, .init = spans_begin)
{
    struct otel_span_context remote = {
        .trace_id = {1}, .span_id = {2}, .remote = true, .flags = OTEL_FLAG_SAMPLED};
    struct otel_span_start start = get;
    struct otel_span span;
    struct otel_record *r;

    start.parent = &remote;
    otel_span_start(&span, &start);
    otel_span_end(&span, 0);
    r = spans_take();
    cr_assert(r->local_root);
    cr_assert(r->parent_remote);
    cr_assert_eq(r->flags, OTEL_FLAG_SAMPLED, "the random flag is passed on as it came");
    cr_assert_eq(span.ctx.remote, false);
}

Test(span, takes_ids_and_time_chosen_before, .init = spans_begin)
{
    uint8_t trace[16] = {7, 7};
    uint8_t id[8] = {9};
    struct otel_span_start start = get;
    struct otel_span span;
    struct otel_record *r;

    start.root = true;
    start.trace_id = trace;
    start.span_id = id;
    start.start_mono_ns = 1000;
    otel_span_start(&span, &start);
    otel_span_end(&span, 900);
    r = spans_take();
    cr_assert_arr_eq(r->trace_id, trace, 16);
    cr_assert_arr_eq(r->span_id, id, 8);
    cr_assert_eq(r->start_mono_ns, 1000);
    cr_assert_eq(r->end_mono_ns, 1000, "never ends before it started");
}

Test(span, not_sampled_propagates_and_is_counted, .init = spans_begin)
{
    struct otel_span span;
    uint64_t out;

    otel_config.sampler.kind = OTEL_SAMPLER_ALWAYS_OFF;
    cr_assert_not(otel_span_start(&span, &get));
    cr_assert(otel_span_context_valid(&span.ctx));
    cr_assert_eq(span.ctx.flags & OTEL_FLAG_SAMPLED, 0);
    otel_span_set_int(&span, OTEL_TEXT("a"), 1);
    otel_span_end(&span, 0);
    cr_assert_eq(otel_queue_take(&out, 1), 0);
    cr_assert_eq(otel_counter_sum(OTEL_COUNT_NOT_SAMPLED), 1);
    cr_assert_eq(otel_counter_sum(OTEL_COUNT_STARTED), 0);
}

Test(span, without_an_exporter_nothing_is_recorded, .init = spans_begin)
{
    struct otel_span span;

    otel_config.exporters = 0;
    cr_assert_not(otel_span_start(&span, &get));
    cr_assert(otel_span_context_valid(&span.ctx));
}

Test(span, disabled_passes_the_parent_on, .init = spans_begin)
{
    struct otel_span_context remote = {.trace_id = {1}, .span_id = {2}, .remote = true};
    struct otel_span_start start = get;
    struct otel_span span;

    otel_config.disabled = true;
    cr_assert_not(otel_span_start(&span, &start));
    cr_assert_not(otel_span_context_valid(&span.ctx));
    start.parent = &remote;
    cr_assert_not(otel_span_start(&span, &start));
    cr_assert_arr_eq(span.ctx.span_id, remote.span_id, 8);
}

Test(span, ends_once_through_whichever_copy, .init = spans_begin)
{
    struct otel_span span;
    struct otel_span copy;
    uint64_t out[2];

    otel_span_start(&span, &get);
    copy = span;
    otel_span_end(&span, 0);
    otel_span_end(&copy, 0);
    otel_span_set_int(&copy, OTEL_TEXT("late"), 1);
    cr_assert_eq(otel_queue_take(out, 2), 1);
    cr_assert_eq(otel_counter_sum(OTEL_COUNT_ENDED), 1);
}

Test(span, a_full_store_is_counted_and_still_propagates, .init = spans_begin)
{
    struct otel_span span;
    uint64_t started = 0;

    while (otel_span_start(&span, &get))
        started++;
    cr_assert(otel_span_context_valid(&span.ctx));
    cr_assert(span.ctx.flags & OTEL_FLAG_SAMPLED);
    cr_assert_eq(otel_counter_sum(OTEL_COUNT_STARTED), started + 1);
    cr_assert_eq(otel_counter_sum(OTEL_COUNT_DROPPED_STORE_FULL), 1);
}

Test(span, a_full_queue_is_counted_and_gives_the_record_back, .init = spans_begin)
{
    struct otel_span span;

    for (int i = 0; i < 20000; i++) {
        cr_assert(otel_span_start(&span, &get));
        otel_span_end(&span, 0);
    }
    cr_assert_eq(otel_counter_sum(OTEL_COUNT_DROPPED_QUEUE_FULL), 20000 - 2048);
    cr_assert_eq(otel_counter_sum(OTEL_COUNT_ENDED), 20000);
}

Test(span, status_follows_the_api, .init = spans_begin)
{
    struct otel_span span;
    struct otel_wire_field message;
    struct otel_record *r;

    otel_span_start(&span, &get);
    otel_span_set_status(&span, OTEL_STATUS_ERROR, OTEL_TEXT("first"));
    otel_span_set_status(&span, OTEL_STATUS_UNSET, OTEL_TEXT("ignored"));
    otel_span_set_status(&span, OTEL_STATUS_ERROR, OTEL_TEXT("second"));
    otel_span_end(&span, 0);
    r = spans_take();
    cr_assert_eq(r->status, OTEL_STATUS_ERROR);
    cr_assert(spans_field(r, OTEL_TAG_STATUS_MESSAGE, 0, &message));
    cr_assert_arr_eq(message.data, "second", 6);
    cr_assert_not(spans_field(r, OTEL_TAG_STATUS_MESSAGE, 1, &message));
    otel_span_start(&span, &get);
    otel_span_set_status(&span, OTEL_STATUS_ERROR, OTEL_TEXT("gone"));
    otel_span_set_status(&span, OTEL_STATUS_OK, OTEL_TEXT("no message"));
    otel_span_set_status(&span, OTEL_STATUS_ERROR, OTEL_TEXT("too late"));
    otel_span_end(&span, 0);
    r = spans_take();
    cr_assert_eq(r->status, OTEL_STATUS_OK);
    cr_assert_not(spans_field(r, OTEL_TAG_STATUS_MESSAGE, 0, &message));
}

Test(span, owns_the_lists_that_came_with_its_parent, .init = spans_begin)
{
    struct otel_span_context remote = {
        .trace_id = {1}, .span_id = {2}, .remote = true, .flags = OTEL_FLAG_SAMPLED};
    struct otel_span_start start = get;
    struct otel_span span;
    struct otel_span child;
    struct otel_wire_field state;
    char out[16];

    start.parent = &remote;
    start.carry = otel_carry_new("v=1", 3, "b=2", 3);
    otel_span_start(&span, &start);
    start = get;
    start.parent = &span.ctx;
    otel_span_start(&child, &start);
    cr_assert_eq(otel_carry_baggage(child.ctx.carry, out, sizeof out), 3);
    otel_span_end(&child, 0);
    cr_assert(spans_field(spans_take(), OTEL_TAG_TRACE_STATE, 0, &state));
    cr_assert_arr_eq(state.data, "v=1", 3);
    otel_span_end(&span, 0);
    cr_assert_eq(otel_carry_baggage(child.ctx.carry, out, sizeof out), 0);
    cr_assert(spans_field(spans_take(), OTEL_TAG_TRACE_STATE, 0, &state));
}
