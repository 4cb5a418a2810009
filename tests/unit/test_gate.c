/* SPDX-License-Identifier: Apache-2.0 */
#include "core/gate.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "core/clock.h"

static _Atomic bool stop;
static _Atomic bool holds;

/* As the batch thread: holds something for a moment, then waits for a moment. */
static void *work(void *unused)
{
    while (!atomic_load(&stop)) {
        otel_gate_enter();
        atomic_store(&holds, true);
        for (volatile int i = 0; i < 2000; i++)
            ;
        atomic_store(&holds, false);
        otel_gate_leave();
        for (volatile int i = 0; i < 500; i++)
            ;
    }
    return unused;
}

Test(gate, nobody_forks_while_something_is_held, .timeout = 60)
{
    pthread_t thread;
    unsigned held = 0, waited_out = 0;

    pthread_create(&thread, NULL, work, NULL);
    for (int i = 0; i < 5000; i++) {
        uint64_t before = otel_clock_mono_ns();

        otel_gate_fork_begin();
        if (otel_clock_mono_ns() - before >= OTEL_GATE_WAIT_MS * UINT64_C(1000000))
            waited_out++; /* the thread was not given a processor for so long */
        else
            held += atomic_load(&holds);
        otel_gate_fork_end();
    }
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    cr_assert_eq(held, 0);
    cr_assert_lt(waited_out, 2500);
}

Test(gate, without_a_thread_there_is_no_wait)
{
    uint64_t before = otel_clock_mono_ns();

    for (int i = 0; i < 100; i++) {
        otel_gate_fork_begin();
        otel_gate_fork_end();
    }
    cr_assert_lt(otel_clock_mono_ns() - before, 50 * UINT64_C(20000000));
}

Test(gate, a_fork_does_not_wait_for_ever, .timeout = 60)
{
    otel_gate_enter();
    otel_gate_fork_begin();
    otel_gate_fork_begin(); /* a signal handler that forks meanwhile */
    otel_gate_fork_end();
    otel_gate_fork_end();
    otel_gate_fork_end(); /* once too often, in a child that was reset between: no harm */
    otel_gate_leave();
    otel_gate_enter();
}

Test(gate, nor_does_the_thread_wait_for_a_fork_that_does_not_come_back, .timeout = 60)
{
    otel_gate_fork_begin();
    otel_gate_enter();
    otel_gate_leave();
    otel_gate_reset();
    otel_gate_enter();
}
