/* SPDX-License-Identifier: Apache-2.0 */
#include "core/batch.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/counters.h"
#include "core/exporter.h"
#include "core/tls.h"
#include "tests/unit/spans.h"

/* An exporter of our own behind the platform: counts, and waits where a test wants it to. */
static _Atomic uint32_t exported;
static _Atomic uint32_t batches;
static _Atomic uint32_t largest;
static _Atomic bool hang;
static _Atomic bool hanging;
static _Atomic bool saw_signal_unblocked;
static _Atomic bool saw_guard;
static const struct otel_export_host *host;
static struct otel_export_result verdict;
static int create_error;

static void *fake_open(const struct otel_config *config, const struct otel_export_host *h)
{
    (void)config;
    host = h;
    return &verdict;
}

static struct otel_export_result fake_export(void *self, const struct otel_batch *batch)
{
    sigset_t set;

    (void)self;
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    saw_signal_unblocked = !sigismember(&set, SIGTERM) || !sigismember(&set, SIGALRM);
    saw_guard = otel_guard_inside();
    while (hang && host->time_left_ns()) {
        hanging = true;
        usleep(1000);
    }
    batches++;
    if (batch->count > largest)
        largest = (uint32_t)batch->count;
    if (verdict.failed || verdict.rejected)
        return verdict;
    exported += (uint32_t)batch->count;
    return (struct otel_export_result){.exported = (uint32_t)batch->count};
}

static void fake_flush(void *self)
{
    (void)self;
}

static const struct otel_export_module fake = {
    .abi = OTEL_EXPORT_ABI,
    .open = fake_open,
    .export = fake_export,
    .flush = fake_flush,
    .close = fake_flush,
    .abandon = fake_flush,
};

static const struct otel_export_module *load(const char **why)
{
    *why = "";
    return &fake;
}

static int create(pthread_t *t, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
    return create_error ? create_error : pthread_create(t, attr, run, arg);
}

static const struct otel_platform platform = {
    .load_module = load, .thread_create = create, .thread_join = pthread_join};

static void begin(void)
{
    spans_begin();
    otel_config.private_fds = false; /* Criterion's own pipes live in the shared table */
    otel_exporter_init(&platform);
    otel_batch_init(&platform);
}

static void spans(int n)
{
    for (int i = 0; i < n; i++) {
        struct otel_span_start start = {.name = OTEL_TEXT("x"), .kind = OTEL_KIND_INTERNAL};
        struct otel_span span;

        otel_span_start(&span, &start);
        otel_span_end(&span, 0);
    }
}

static void adds_up(void)
{
    cr_assert_eq(otel_counter_sum(OTEL_COUNT_ENDED),
                 otel_counter_sum(OTEL_COUNT_EXPORTED) +
                     otel_counter_sum(OTEL_COUNT_DROPPED_QUEUE_FULL) +
                     otel_counter_sum(OTEL_COUNT_DROPPED_EXPORT) +
                     otel_counter_sum(OTEL_COUNT_DROPPED_REJECTED));
}

Test(batch, flush_hands_everything_over, .init = begin)
{
    spans(3);
    cr_assert(otel_batch_flush(5000));
    cr_assert_eq(exported, 3);
    cr_assert_not(saw_signal_unblocked);
    cr_assert(saw_guard);
    cr_assert(otel_batch_flush(5000), "nothing waits");
    adds_up();
}

Test(batch, stop_flushes_and_later_spans_are_counted_as_dropped, .init = begin)
{
    spans(3);
    otel_batch_stop(5000);
    otel_batch_stop(5000);
    cr_assert_eq(exported, 3);
    spans(2);
    cr_assert_eq(otel_counter_sum(OTEL_COUNT_DROPPED_EXPORT), 2);
    adds_up();
}

Test(batch, a_full_batch_goes_out_by_itself, .init = begin)
{
    uint64_t until = otel_clock_mono_ns() + UINT64_C(20000000000);

    otel_config.schedule_delay_ms = 3600000;
    spans(512);
    while (exported < 512 && otel_clock_mono_ns() < until)
        usleep(1000);
    cr_assert_eq(exported, 512);
    cr_assert_eq(largest, 512);
}

Test(batch, the_schedule_sends_a_part_of_a_batch, .init = begin)
{
    uint64_t until = otel_clock_mono_ns() + UINT64_C(20000000000);

    otel_config.schedule_delay_ms = 20;
    spans(1);
    while (exported < 1 && otel_clock_mono_ns() < until)
        usleep(1000);
    cr_assert_eq(exported, 1);
}

Test(batch, obeys_a_small_batch_size, .init = begin)
{
    otel_config.max_export_batch_size = 10;
    spans(95);
    otel_batch_stop(5000);
    cr_assert_eq(exported, 95);
    cr_assert_eq(largest, 10);
}

Test(batch, exit_is_bounded_when_the_exporter_hangs, .init = begin)
{
    uint64_t began;
    uint64_t took_ms;

    hang = true;
    otel_config.max_export_batch_size = 4;
    spans(10);
    began = otel_clock_mono_ns();
    otel_batch_stop(200);
    took_ms = (otel_clock_mono_ns() - began) / 1000000;
    cr_assert_geq(took_ms, 190);
    cr_assert_lt(took_ms, 1000, "took %u ms", (unsigned)took_ms);
    adds_up();
}

Test(batch, a_slow_export_that_succeeds_is_waited_for_again, .init = begin)
{
    hang = true; /* until the time is over, then it takes the span */
    spans(1);
    otel_batch_flush(50);
    hang = false;
    cr_assert_eq(exported, 1);
    spans(1);
    cr_assert(otel_batch_flush(5000));
    cr_assert_eq(exported, 2);
}

Test(batch, one_that_fails_is_not, .init = begin)
{
    hang = true;
    verdict = (struct otel_export_result){.failed = 1};
    spans(1);
    otel_batch_flush(50);
    hang = false;
    spans(1);
    cr_assert_not(otel_batch_flush(60000), "there is no more time to give");
    otel_batch_stop(60000);
    adds_up();
}

Test(batch, failed_and_rejected_are_counted_apart, .init = begin)
{
    verdict = (struct otel_export_result){.exported = 3, .rejected = 2, .failed = 1};
    spans(6);
    otel_batch_stop(5000);
    cr_assert_eq(otel_counter_sum(OTEL_COUNT_EXPORTED), 3);
    cr_assert_eq(otel_counter_sum(OTEL_COUNT_DROPPED_REJECTED), 2);
    cr_assert_eq(otel_counter_sum(OTEL_COUNT_DROPPED_EXPORT), 1);
    adds_up();
}

Test(batch, without_a_thread_spans_are_counted_as_dropped, .init = begin)
{
    create_error = 11; /* EAGAIN: RLIMIT_NPROC */
    spans(100);
    otel_batch_stop(100);
    cr_assert_eq(otel_counter_sum(OTEL_COUNT_DROPPED_EXPORT), 100);
    adds_up();
}

Test(batch, a_burst_against_a_hanging_exporter_is_counted, .init = begin)
{
    hang = true;
    spans(600);
    while (!hanging)
        usleep(1000);
    spans(5000);
    hang = false;
    otel_batch_stop(5000);
    cr_assert_gt(otel_counter_sum(OTEL_COUNT_DROPPED_QUEUE_FULL), 0);
    cr_assert_eq(otel_counter_sum(OTEL_COUNT_EXPORTED), exported);
    adds_up();
}

static void *many(void *unused)
{
    spans(20000);
    return unused;
}

Test(batch, many_threads_add_up, .init = begin)
{
    pthread_t t[4];

    for (int i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&t[i], NULL, many, NULL), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    otel_batch_stop(5000);
    cr_assert_eq(otel_counter_sum(OTEL_COUNT_STARTED), 80000);
    cr_assert_eq(otel_counter_sum(OTEL_COUNT_EXPORTED), exported);
    adds_up();
}
