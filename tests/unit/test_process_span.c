/* SPDX-License-Identifier: Apache-2.0 */
#include "core/process_span.h"

#include <sys/wait.h>
#include <unistd.h>

#include "core/config.h"
#include "core/context.h"
#include "core/counters.h"
#include "core/generation.h"
#include "core/tracer.h"
#include "tests/unit/spans.h"

static void start(void)
{
    spans_begin();
    otel_generation_init();
    otel_generation_on_fork(otel_process_span_reset);
    otel_generation_on_fork(otel_context_reset);
    otel_process_span_begin();
}

Test(process_span, there_is_none_before_it_begins)
{
    cr_assert_not(otel_process_span_open());
    cr_assert_not(otel_process_span_begun());
    cr_assert_null(otel_context_current());
}

Test(process_span, is_the_parent_of_the_process_and_ends_once)
{
    start();
    cr_assert(otel_process_span_open());
    cr_assert_not_null(otel_context_current());
    otel_process_span_end(3);
    otel_process_span_end(4);
    cr_assert_not(otel_process_span_open());
    spans_assert_text(spans_take(), "error.type", "3");
    cr_assert_eq(otel_counter_sum(OTEL_COUNT_ENDED), 1);
    cr_assert_not_null(otel_context_current(), "children of what has ended may still come");
}

Test(process_span, another_begins_below_one_that_ended_too_early)
{
    struct otel_span_context first;

    start();
    first = *otel_context_current();
    otel_process_span_end(OTEL_STATUS_UNKNOWN);
    otel_process_span_begin();
    cr_assert(otel_process_span_open());
    cr_assert_arr_eq(otel_context_current()->trace_id, first.trace_id, OTEL_TRACE_ID_LEN);
    cr_assert(memcmp(otel_context_current()->span_id, first.span_id, OTEL_SPAN_ID_LEN) != 0);
}

Test(process_span, one_that_is_not_sampled_is_passed_on)
{
    spans_begin();
    otel_config.sampler.kind = OTEL_SAMPLER_ALWAYS_OFF;
    otel_process_span_begin();
    cr_assert_not(otel_process_span_open());
    cr_assert(otel_process_span_begun());
    cr_assert_eq(otel_context_current()->flags & OTEL_FLAG_SAMPLED, 0);
}

/* What the child ends is one of its own, in the same trace. */
Test(process_span, is_not_a_fork_childs_to_end)
{
    const struct otel_span_context *now;
    struct otel_span_context parent;
    int status;
    pid_t pid;

    start();
    parent = *otel_context_current();
    pid = fork();
    if (!pid) {
        otel_generation();
        otel_process_span_end(0);
        now = otel_context_current();
        _exit(otel_process_span_open() || !otel_process_span_begun() || now->remote ||
              !memcmp(now->span_id, parent.span_id, sizeof now->span_id) ||
              memcmp(now->trace_id, parent.trace_id, sizeof now->trace_id) != 0);
    }
    waitpid(pid, &status, 0);
    cr_assert_eq(status, 0);
    cr_assert(otel_process_span_open());
}
