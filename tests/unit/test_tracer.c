/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tracer.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/context.h"
#include "core/counters.h"
#include "core/log.h"
#include "core/queue.h"
#include "tests/unit/spans.h"

static const struct otel_platform platform; /* no module, no thread */

/* What a test leaves open is not to be found by anybody. */
static void begin(void)
{
    setenv("OTEL_AUTO_SPOOL_DIR", "off", 1);
}

TestSuite(tracer, .init = begin);

static bool start_span(struct otel_span *span)
{
    struct otel_span_start start = {.name = OTEL_TEXT("x"), .kind = OTEL_KIND_INTERNAL};

    return otel_span_start(span, &start);
}

Test(tracer, starts_and_stops_without_anything_to_do)
{
    cr_assert_not(otel_tracer_enabled());
    otel_tracer_start(&platform, false);
    cr_assert(otel_tracer_enabled());
    otel_tracer_flush();
    otel_tracer_stop(0);
    otel_tracer_stop(0);
}

Test(tracer, disabled_records_nothing)
{
    struct otel_span span;

    setenv("OTEL_SDK_DISABLED", "true", 1);
    otel_tracer_start(&platform, false);
    cr_assert_not(otel_tracer_enabled());
    cr_assert_not(start_span(&span));
    cr_assert_eq(otel_counter_sum(OTEL_COUNT_STARTED), 0);
}

Test(tracer, continues_the_trace_of_its_environment)
{
    struct otel_span span;

    setenv("TRACEPARENT", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", 1);
    otel_tracer_start(&platform, false);
    cr_assert(start_span(&span));
    cr_assert_eq(span.ctx.trace_id[0], 0x4b);
    cr_assert(otel_context_current()->remote);
}

Test(tracer, a_bad_traceparent_starts_a_new_trace)
{
    setenv("TRACEPARENT", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", 1);
    otel_tracer_start(&platform, false);
    cr_assert_null(otel_context_current());
}

Test(tracer, a_child_starts_with_nothing_to_account_for)
{
    struct otel_span span;
    pid_t pid;
    int status;

    otel_tracer_start(&platform, false);
    cr_assert(start_span(&span));
    cr_assert_eq(otel_store_get(span.record)->pid, (uint32_t)getpid());
    pid = fork();
    if (!pid) {
        struct otel_span mine;
        int bad = 0;

        bad |= !start_span(&mine);
        bad |= otel_store_get(mine.record)->pid != (uint32_t)getpid();
        bad |= otel_counter_sum(OTEL_COUNT_STARTED) != 1;
        otel_span_end(&span, 0); /* the parent's to end */
        bad |= otel_counter_sum(OTEL_COUNT_ENDED) != 0;
        _exit(bad);
    }
    waitpid(pid, &status, 0);
    cr_assert_eq(status, 0);
    cr_assert_eq(otel_counter_sum(OTEL_COUNT_STARTED), 1);
}

Test(tracer, once_confined_no_span_is_made_and_nothing_is_left_to_do)
{
    struct otel_span before, after;

    setenv("OTEL_LOG_LEVEL", "debug", 1);
    otel_tracer_start(&platform, false);
    cr_assert(start_span(&before));
    cr_assert_not(otel_tracer_idle());
    otel_tracer_confine();
    cr_assert_not(otel_tracer_enabled());
    cr_assert(otel_tracer_idle());
    cr_assert_not(otel_log_enabled(OTEL_LOG_ERROR));
    cr_assert_not(start_span(&after));
    otel_span_end(&before, 0);
    cr_assert_eq(otel_queue_len(), 0);
    cr_assert_eq(otel_counter_sum(OTEL_COUNT_STARTED), 1);
    cr_assert_eq(otel_counter_sum(OTEL_COUNT_DROPPED_EXPORT), 1);
    otel_tracer_stop(0);
}
