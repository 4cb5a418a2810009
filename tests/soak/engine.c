/* SPDX-License-Identifier: Apache-2.0
 *
 * engine SECONDS: the engine alone, from many threads at once, for so long; built with the thread
 * sanitizer, which ends it with 66 where two threads are at odds. Threads make spans with all that
 * belongs to one, hold contexts and hand them on, start threads that live for a few spans, carry
 * trace states, and ask for flushes. An exporter of its own takes, fails and rejects batches.
 *
 * Each second it writes a line "tick N N …", how much each worker has done so far; at its end it
 * stops the engine, compares what was counted with what the exporter got, and writes "done".
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/batch.h"
#include "core/carry.h"
#include "core/context.h"
#include "core/counters.h"
#include "core/exporter.h"
#include "core/propagation.h"
#include "core/queue.h"
#include "core/span.h"
#include "core/tracer.h"

#define WORKERS 8

/* Set by main when the time is over; any thread. */
static _Atomic bool over;
/* What the exporter did with spans. The batch thread's, read when it has ended. */
static uint64_t taken, failed, rejected;

/* --- the exporter ----------------------------------------------------------------------------- */

static void *open_module(const struct otel_config *config, const struct otel_export_host *host)
{
    (void)config;
    (void)host;
    return &taken;
}

/* Reads all of each span, as an exporter does; fails with one batch in 16. */
static struct otel_export_result export(void *self, const struct otel_batch *batch)
{
    static unsigned batches; /* the batch thread's */
    static volatile uint8_t sum;
    struct otel_export_result result = {0};

    (void)self;
    for (size_t i = 0; i < batch->count; i++) {
        uint32_t state = batch->spans[i].record->state;

        /* Where there is a spool it says that it is under way. */
        if (state != OTEL_RECORD_ENDED && state != OTEL_RECORD_EXPORTING)
            abort();
        for (size_t k = 0; k < batch->spans[i].data_len; k++)
            sum = (uint8_t)(sum + batch->spans[i].data[k]);
    }
    if (++batches % 16 == 0) {
        result.failed = (uint32_t)batch->count;
    } else {
        result.rejected = batch->count > 1;
        result.exported = (uint32_t)batch->count - result.rejected;
    }
    taken += result.exported;
    failed += result.failed;
    rejected += result.rejected;
    return result;
}

static void nothing(void *self)
{
    (void)self;
}

static const struct otel_export_module module = {
    .abi = OTEL_EXPORT_ABI,
    .open = open_module,
    .export = export,
    .flush = nothing,
    .close = nothing,
    .abandon = nothing,
};

static const struct otel_export_module *load(const char **why)
{
    *why = "";
    return &module;
}

static const struct otel_platform platform = {
    .load_module = load, .thread_create = pthread_create, .thread_join = pthread_join};

/* --- work ------------------------------------------------------------------------------------- */

static void pause_us(long us)
{
    struct timespec t = {0, us * 1000};

    nanosleep(&t, NULL);
}

static bool start(struct otel_span *span, bool root)
{
    struct otel_span_start how = {
        .name = OTEL_TEXT("work"), .kind = OTEL_KIND_INTERNAL, .root = root};

    return otel_span_start(span, &how);
}

/* A span with so many children, one in 64 of them too long for its record. */
static void spans(unsigned round)
{
    static const char filling[2000] = "";
    struct otel_span outer, inner;
    uint32_t token;

    start(&outer, true);
    otel_span_set_int(&outer, OTEL_TEXT("round"), round);
    token = otel_context_attach(&outer.ctx);
    for (unsigned i = 0; i < 4; i++) {
        start(&inner, false);
        otel_span_set_text(&inner, OTEL_TEXT("text"), filling, round % 64 ? 20 : sizeof filling);
        otel_span_event(&inner, OTEL_TEXT("event"), 0, NULL, 0);
        otel_span_link(&inner, &outer.ctx, NULL, 0);
        otel_span_set_status(&inner, OTEL_STATUS_ERROR, OTEL_TEXT("why"));
        otel_span_end(&inner, 0);
    }
    otel_context_detach(token);
    otel_span_end(&outer, 0);
}

struct handed {
    struct otel_implicit context;
    struct otel_span span; /* for the other thread to end */
};

static void *go_on(void *arg)
{
    struct handed *handed = arg;
    struct otel_span own;

    otel_context_inherit(&handed->context);
    for (int i = 0; i < 3; i++) {
        start(&own, false);
        otel_span_end(&own, 0);
    }
    otel_context_wait();
    otel_span_end(&handed->span, 0);
    return NULL;
}

/* A thread that gets the context and a span, and ends it. */
static void hand_on(unsigned round)
{
    struct handed handed;
    struct otel_span outer;
    uint32_t token;
    pthread_t t;

    (void)round;
    start(&outer, true);
    token = otel_context_attach(&outer.ctx);
    start(&handed.span, false);
    if (otel_context_share(&handed.context)) {
        if (pthread_create(&t, NULL, go_on, &handed))
            abort();
        if (round % 2)
            pthread_join(t, NULL);
        otel_context_detach(token);
        if (round % 2 == 0)
            pthread_join(t, NULL);
    } else {
        otel_context_detach(token);
        otel_span_end(&handed.span, 0);
    }
    otel_span_end(&outer, 0);
    pause_us(200);
}

/* Trace state and baggage come in, with the context of a request, and go with the span. */
static void propagate(unsigned round)
{
    static const char *const lines[][2] = {
        {"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
        {"tracestate", "vendor=1,other=2"},
        {"baggage", "user=somebody"}};
    char tracestate[OTEL_TRACESTATE_MAX], baggage[OTEL_BAGGAGE_MAX];
    struct otel_extracted_lists lists = {.tracestate = tracestate, .baggage = baggage};
    struct otel_extract extract = {0};
    struct otel_span_context parent = {0};
    struct otel_span_start how = {
        .name = OTEL_TEXT("served"), .kind = OTEL_KIND_SERVER, .parent = &parent};
    struct otel_span span;

    (void)round;
    for (unsigned i = 0; i < 3; i++)
        otel_extract_header(&extract, lines[i][0], strlen(lines[i][0]), lines[i][1],
                            strlen(lines[i][1]));
    if (!otel_extract_finish(&extract, &parent, &lists))
        abort();
    how.carry = otel_carry_new(tracestate, lists.tracestate_len, baggage, lists.baggage_len);
    otel_span_start(&span, &how);
    otel_span_end(&span, 0);
}

static void flush(unsigned round)
{
    (void)round;
    spans(round);
    otel_batch_flush(200);
    pause_us(2000);
}

static void (*const works[WORKERS])(unsigned round) = {spans,   spans,   spans,     spans,
                                                       hand_on, hand_on, propagate, flush};

/* Pieces done; each worker writes its own. */
static _Atomic unsigned long done[WORKERS];

static void *work(void *arg)
{
    unsigned w = (unsigned)(uintptr_t)arg;

    for (unsigned round = 0; !over; round++) {
        works[w](round);
        done[w]++;
        if (round % 16 == 0)
            pause_us(500);
    }
    return NULL;
}

static bool adds_up(void)
{
    uint64_t dropped = otel_counter_sum(OTEL_COUNT_DROPPED_STORE_FULL) +
                       otel_counter_sum(OTEL_COUNT_DROPPED_QUEUE_FULL) + failed + rejected;

    printf("started %lu taken %lu failed %lu rejected %lu dropped in all %lu, %u wait\n",
           (unsigned long)otel_counter_sum(OTEL_COUNT_STARTED), (unsigned long)taken,
           (unsigned long)failed, (unsigned long)rejected, (unsigned long)dropped,
           otel_queue_len());
    return otel_counter_sum(OTEL_COUNT_EXPORTED) == taken &&
           otel_counter_sum(OTEL_COUNT_DROPPED_REJECTED) == rejected &&
           otel_counter_sum(OTEL_COUNT_DROPPED_EXPORT) == failed &&
           otel_counter_sum(OTEL_COUNT_STARTED) == taken + dropped && !otel_queue_len();
}

int main(int argc, char **argv)
{
    int seconds = argc > 1 ? atoi(argv[1]) : 10;
    pthread_t worker[WORKERS];

    otel_tracer_start(&platform, false);
    for (uintptr_t w = 0; w < WORKERS; w++)
        if (pthread_create(&worker[w], NULL, work, (void *)w))
            return 1;
    for (int s = 0; s < seconds; s++) {
        sleep(1);
        printf("tick");
        for (unsigned w = 0; w < WORKERS; w++)
            printf(" %lu", (unsigned long)done[w]);
        printf("\n");
        fflush(stdout);
    }
    over = true;
    for (unsigned w = 0; w < WORKERS; w++)
        pthread_join(worker[w], NULL);
    otel_tracer_stop(0);
    if (!adds_up())
        return 1;
    puts("done");
    return 0;
}
