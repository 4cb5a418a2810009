/* SPDX-License-Identifier: Apache-2.0
 *
 * What the benchmark programs share: the clocks, the best of many short rounds, and a pace.
 *
 * The best round is what code costs when nobody else has the processor: on a machine that is shared
 * a mean says more about the neighbours. Rounds are short, so that some of them run undisturbed,
 * and CPU time of the calling thread is what is read, so that the batch thread's work is not in it.
 * All of it is inline, because programs to be traced link nothing of ours: what they do natively
 * and under the shim is the same code, and only the preload makes the difference.
 *
 *     bench_pin();
 *     printf("%.1f\n", bench_best(close_nothing, NULL, 1000, 256, 0));
 *
 * scripts/bench runs such a program natively and under the shim, in turn, several times, and takes
 * the best of each side; so a program is done within a second.
 * Threads: everything concerns the calling thread; nothing is shared.
 */
#ifndef OTEL_BENCH_BENCH_H
#define OTEL_BENCH_BENCH_H

#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* The ns a clock shows; the clocks asked for here cannot fail. A thread's CPU clock is a system
 * call of some 200 ns: read it around rounds, never around single calls. */
static inline uint64_t bench_ns(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Sleeps at least us microseconds, as a rule 50 to 100 more: the kernel's timer slack and the way
 * back on to a processor. A signal ends it early, which harms no measurement here. */
static inline void bench_sleep_us(unsigned us)
{
    struct timespec t = {us / 1000000, us % 1000000 * 1000};

    nanosleep(&t, NULL);
}

/* Ties the calling thread, and threads it starts from here on, to the first processor. Threads it
 * has started already stay free: call it behind the first span, and the batch thread has another
 * processor to itself where there is one. */
static inline void bench_pin(void)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(0, &set);
    sched_setaffinity(0, sizeof set, &set);
}

/* ns of the thread's CPU time for one call of one(arg): the best of `rounds` rounds of `each` calls
 * (some more calls before each round warm the caches). Between rounds, off the clock, the thread
 * sleeps pause_us, for the batch thread to empty the queue; 0: not at all. Keep a round's spans
 * well below the queue's size, else what is measured is the cost of dropping. */
static inline double bench_best(void (*one)(void *), void *arg, unsigned rounds, unsigned each,
                                unsigned pause_us)
{
    double least = 1e12;

    for (unsigned r = 0; r < rounds; r++) {
        uint64_t began;
        double took;

        for (unsigned i = 0; i < each / 8; i++)
            one(arg);
        began = bench_ns(CLOCK_THREAD_CPUTIME_ID);
        for (unsigned i = 0; i < each; i++)
            one(arg);
        took = (double)(bench_ns(CLOCK_THREAD_CPUTIME_ID) - began) / each;
        least = took < least ? took : least;
        if (pause_us)
            bench_sleep_us(pause_us);
    }
    return least;
}

/* Calls one(arg) count times, rate calls a second, in portions of a millisecond with sleep between
 * them; a portion that comes late is followed by the next at once, so that the rate is kept. Rate
 * 0: without a pause. A sleep is longer than asked for, so spans come in small bursts, as they do
 * from a server under load: the queue has to bear them.
 * Ends before its count when `seconds` have passed. Returns the calls made. */
static inline uint64_t bench_pace(void (*one)(void *), void *arg, uint64_t count, uint64_t rate,
                                  double seconds)
{
    uint64_t began = bench_ns(CLOCK_MONOTONIC);
    uint64_t portion = rate >= 1000 ? rate / 1000 : rate ? 1 : 1000;
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
