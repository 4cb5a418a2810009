/* SPDX-License-Identifier: Apache-2.0
 *
 * What the benchmark programs share: CPU time of the calling thread, and the best of many short
 * rounds, which is what code costs when nobody else has the processor. Programs to be traced link
 * nothing of ours, so all of it is inline.
 */
#ifndef OTEL_BENCH_BENCH_H
#define OTEL_BENCH_BENCH_H

#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* ns of a clock. */
static inline uint64_t bench_ns(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static inline uint64_t bench_cpu_ns(void)
{
    return bench_ns(CLOCK_THREAD_CPUTIME_ID);
}

static inline void bench_sleep_us(unsigned us)
{
    struct timespec t = {us / 1000000, us % 1000000 * 1000};

    nanosleep(&t, NULL);
}

/* Ties the calling thread to the first processor; threads it has started already stay free. */
static inline void bench_pin(void)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(0, &set);
    sched_setaffinity(0, sizeof set, &set);
}

/* ns of CPU for one call of one(arg), the best of rounds of each calls. Between rounds, off the
 * clock, the thread sleeps pause_us (0: not at all), so that the batch thread can empty the queue;
 * a few calls warm the caches again. */
static inline double bench_best(void (*one)(void *), void *arg, unsigned rounds, unsigned each,
                                unsigned pause_us)
{
    double least = 1e12;

    for (unsigned r = 0; r < rounds; r++) {
        uint64_t began;
        double took;

        for (unsigned i = 0; i < each / 8; i++)
            one(arg);
        began = bench_cpu_ns();
        for (unsigned i = 0; i < each; i++)
            one(arg);
        took = (double)(bench_cpu_ns() - began) / each;
        least = took < least ? took : least;
        if (pause_us)
            bench_sleep_us(pause_us);
    }
    return least;
}

/* Calls one(arg) count times, rate calls a second (0: as fast as it goes), in portions of a
 * millisecond; ends before its count when seconds have passed. Returns the calls made. */
static inline uint64_t bench_pace(void (*one)(void *), void *arg, uint64_t count, uint64_t rate,
                                  double seconds)
{
    uint64_t began = bench_ns(CLOCK_MONOTONIC);
    uint64_t portion = rate ? rate / 1000 : 1000;
    uint64_t done = 0;

    while (done < count) {
        uint64_t due = rate ? began + done * 1000000000 / rate : 0;
        uint64_t now = bench_ns(CLOCK_MONOTONIC);

        if ((double)(now - began) > seconds * 1e9)
            break;
        if (now < due) {
            bench_sleep_us((unsigned)((due - now) / 1000 + 1));
            continue;
        }
        for (uint64_t i = 0; i < portion && done < count; i++, done++)
            one(arg);
    }
    return done;
}

#endif
