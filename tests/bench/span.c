/* SPDX-License-Identifier: Apache-2.0
 *
 * span: ns of CPU for one span, started, given five attributes, ended and put in the queue.
 *
 *     span sampled|unsampled|function [THREADS]   prints ns per span, and of two clock reads
 *
 * function: not that span, but the one of a traced function (bench_function_span).
 *
 * Without THREADS one thread makes spans and empties the queue between, off the clock: what the
 * code costs by itself. With it, so many threads make spans as fast as they can, while one more
 * empties the queue and frees the records as the batch thread does, on another processor: what they
 * cost each other is in it. What a thread waits for the consumer is off the clock. Judged is the
 * best window of 20 ms among those in which nothing was dropped and the threads had the processors
 * to themselves; inf when there was none.
 */
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/config.h"
#include "core/counters.h"
#include "core/generation.h"
#include "core/queue.h"
#include "core/store.h"
#include "tests/bench/bench.h"
#include "tests/bench/spans.h"

#define THREADS 8
#define QUEUE 2048 /* the default of OTEL_BSP_MAX_QUEUE_SIZE, and of the batch's size */
#define BATCH 512
#define EACH 128 /* spans between two looks at the clocks */
#define WINDOW_NS 20000000
#define WINDOWS 40

/* What a thread did in a window. */
struct work {
    uint64_t spans;
    uint64_t span_ns; /* CPU of the spans */
    uint64_t cpu_ns;  /* all CPU, that of waiting included */
};

/* Each thread writes its own row, in the windows as they come. */
static _Alignas(128) struct work work[THREADS][WINDOWS];
/* Spans dropped up to the end of each window; any thread. */
static _Atomic uint64_t dropped[WINDOWS];
/* Threads that wait for the start. */
static _Alignas(128) _Atomic unsigned ready;
/* CLOCK_MONOTONIC, 0: not yet. By the last thread that is ready. */
static _Atomic uint64_t began;

/* Set by main before the threads start. */
static unsigned threads = 1;
static bool alone; /* there is no consumer */
static void (*one)(void *) = bench_span;
static unsigned queue_full; /* spans that wait when a thread lets the consumer come first */

/* The consumer's: set by main when the threads have ended. */
static _Atomic bool over;

static uint64_t window_of(uint64_t now)
{
    return (now - began) / WINDOW_NS;
}

/* Ties the calling thread to the n-th processor, counted round. */
static void pin(unsigned n)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(n % (unsigned)sysconf(_SC_NPROCESSORS_ONLN), &set);
    sched_setaffinity(0, sizeof set, &set);
}

/* What two looks at the clock cost by themselves. */
static uint64_t looks_ns(void)
{
    uint64_t least = UINT64_MAX;

    for (int i = 0; i < 1000; i++) {
        uint64_t before = bench_ns(CLOCK_THREAD_CPUTIME_ID);
        uint64_t took = bench_ns(CLOCK_THREAD_CPUTIME_ID) - before;

        least = took < least ? took : least;
    }
    return least;
}

/* Takes a batch, frees its records. Returns how many there were. */
static uint32_t take_batch(void)
{
    static uint64_t records[BATCH]; /* the one consumer's */
    uint32_t n = otel_queue_take(records, BATCH);

    for (uint32_t i = 0; i < n; i++)
        otel_store_free(records[i]);
    return n;
}

static void *consume(void *unused)
{
    pin(1);
    while (!atomic_load(&over)) {
        if (otel_queue_len() < BATCH)
            bench_sleep_us(20);
        else
            take_batch();
    }
    return unused;
}

static uint64_t all_dropped(void)
{
    return otel_counter_sum(OTEL_COUNT_DROPPED_QUEUE_FULL) +
           otel_counter_sum(OTEL_COUNT_DROPPED_STORE_FULL);
}

static void wait_for_start(void)
{
    unsigned all = threads;

    if (atomic_fetch_add(&ready, 1) + 1 == all)
        began = bench_ns(CLOCK_MONOTONIC);
    while (!began)
        sched_yield();
}

static void *produce(void *row)
{
    struct work *mine = work[(uintptr_t)row];
    uint64_t looks = looks_ns();
    uint64_t cpu, at;

    pin((unsigned)(uintptr_t)row);
    bench_span(NULL); /* its counters and ids are there */
    wait_for_start();
    cpu = bench_ns(CLOCK_THREAD_CPUTIME_ID);
    while ((at = window_of(bench_ns(CLOCK_MONOTONIC))) < WINDOWS) {
        uint64_t before, after;

        while (otel_queue_len() > queue_full) {
            if (alone)
                take_batch();
            else
                sched_yield();
        }
        before = bench_ns(CLOCK_THREAD_CPUTIME_ID);
        for (int i = 0; i < EACH; i++)
            one(NULL);
        after = bench_ns(CLOCK_THREAD_CPUTIME_ID);
        mine[at].spans += EACH;
        mine[at].span_ns += after - before - looks;
        mine[at].cpu_ns += after - cpu;
        cpu = after;
        atomic_store_explicit(&dropped[at], all_dropped(), memory_order_relaxed);
    }
    return NULL;
}

/* ns for a span in the best window, or infinity. */
static double best_window(void)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    double wanted = 0.8 * (threads < processors ? threads : (unsigned)processors);
    double each, least = INFINITY;

    for (int w = 1; w < WINDOWS - 1; w++) {
        struct work sum = {0, 0, 0};

        for (unsigned t = 0; t < threads; t++) {
            sum.spans += work[t][w].spans;
            sum.span_ns += work[t][w].span_ns;
            sum.cpu_ns += work[t][w].cpu_ns;
        }
        if (!sum.spans || (double)sum.cpu_ns < wanted * WINDOW_NS || dropped[w] != dropped[w - 1])
            continue;
        each = (double)sum.span_ns / (double)sum.spans;
        least = each < least ? each : least;
    }
    return least;
}

static int start_engine(void)
{
    otel_generation_init();
    otel_store_init(QUEUE, BATCH);
    return otel_queue_init(QUEUE);
}

static int run(void)
{
    pthread_t thread[THREADS], consumer;

    queue_full = alone ? BATCH : QUEUE - threads * EACH;
    if (start_engine() || (!alone && pthread_create(&consumer, NULL, consume, NULL)))
        return 1;
    for (uintptr_t t = 0; t < threads; t++)
        if (pthread_create(&thread[t], NULL, produce, (void *)t))
            return 1;
    for (unsigned t = 0; t < threads; t++)
        pthread_join(thread[t], NULL);
    atomic_store(&over, true);
    if (!alone)
        pthread_join(consumer, NULL);
    return 0;
}

static void two_clock_reads(void *unused)
{
    (void)unused;
    otel_clock_mono_ns();
    otel_clock_mono_ns();
}

int main(int argc, char **argv)
{
    bool function = argc > 1 && !strcmp(argv[1], "function");
    bool sampled = function || (argc > 1 && !strcmp(argv[1], "sampled"));

    alone = argc < 3;
    if (!alone)
        threads = (unsigned)atoi(argv[2]);
    if (function)
        one = bench_function_span;
    if (!threads || threads > THREADS)
        return 1;
    otel_config.exporters = OTEL_EXPORTER_OTLP;
    otel_config.sampler.kind = sampled ? OTEL_SAMPLER_ALWAYS_ON : OTEL_SAMPLER_ALWAYS_OFF;
    if (run())
        return 1;
    printf("%.1f %.1f\n", best_window(), bench_best(two_clock_reads, NULL, 1000, 256, 0));
    return 0;
}
