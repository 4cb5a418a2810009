/* SPDX-License-Identifier: Apache-2.0 */
#include "core/serving.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>

#include "core/clock.h"
#include "core/context.h"
#include "core/generation.h"
#include "core/tls.h"

static struct otel_span_context context_of(uint8_t n)
{
    struct otel_span_context ctx = {.flags = OTEL_FLAG_SAMPLED};

    memset(ctx.trace_id, n, sizeof ctx.trace_id);
    memset(ctx.span_id, n, sizeof ctx.span_id);
    return ctx;
}

/* A server exchange the calling thread read from. */
static uint64_t served(uint8_t n)
{
    struct otel_span_context ctx = context_of(n);
    uint64_t cell = otel_context_cell_open();

    otel_serving_enter(&ctx, cell);
    return cell;
}

static void setup(void)
{
    otel_generation_init();
    otel_context_implicit_clear();
}

TestSuite(serving, .init = setup);

static enum otel_context_kind kind(void)
{
    enum otel_context_kind k;

    otel_context_find(&k);
    return k;
}

Test(serving, what_was_read_last_is_current)
{
    uint64_t first = served(1), second = served(2);

    cr_assert_eq(otel_context_current()->span_id[0], 2);
    cr_assert_eq(otel_serving_cell(), second);
    cr_assert_eq(otel_serving_open(), 2);
    otel_serving_end(second);
    cr_assert_null(otel_context_current());
    cr_assert_eq(otel_serving_cell(), 0);
    cr_assert_eq(otel_serving_open(), 1);
    otel_serving_end(first);
    cr_assert_eq(otel_serving_open(), 0);
}

Test(serving, entering_an_ended_exchange_clears)
{
    uint64_t cell = served(1);
    struct otel_span_context ctx = context_of(1);

    otel_serving_end(cell);
    otel_serving_enter(&ctx, cell);
    cr_assert_eq(kind(), OTEL_CONTEXT_NONE);
    otel_serving_end(cell);
    otel_serving_end(0);
    cr_assert_eq(otel_serving_open(), 0);
}

Test(serving, another_that_waits_unseen_makes_it_a_guess)
{
    uint64_t first = served(1);
    uint64_t second;

    otel_serving_ready(first, true);
    cr_assert_eq(kind(), OTEL_CONTEXT_IMPLICIT, "its own waiting does not count");
    second = served(2);
    cr_assert_eq(kind(), OTEL_CONTEXT_UNSURE);
    cr_assert_null(otel_context_current());
    cr_assert_eq(otel_serving_cell(), 0);
    /* A client request of the first is under way: what it waits for can be seen. */
    otel_serving_outstanding(first, 1);
    cr_assert_eq(kind(), OTEL_CONTEXT_IMPLICIT);
    otel_serving_outstanding(first, -1);
    cr_assert_eq(kind(), OTEL_CONTEXT_UNSURE);
    /* Its response has begun. */
    otel_serving_ready(first, false);
    cr_assert_eq(kind(), OTEL_CONTEXT_IMPLICIT);
    otel_serving_ready(first, true);
    otel_serving_end(first);
    cr_assert_eq(kind(), OTEL_CONTEXT_IMPLICIT);
    otel_serving_end(second);
}

Test(serving, a_request_that_still_comes_in_is_not_waiting_unseen)
{
    uint64_t first = served(1), second = served(2);

    cr_assert_eq(kind(), OTEL_CONTEXT_IMPLICIT);
    cr_assert_eq(otel_context_current()->span_id[0], 2);
    otel_serving_end(first);
    otel_serving_end(second);
}

static void *read_elsewhere(void *arg)
{
    struct otel_span_context ctx = context_of(1);

    otel_serving_enter(&ctx, *(uint64_t *)arg);
    cr_assert_eq(kind(), OTEL_CONTEXT_IMPLICIT);
    cr_assert_eq(otel_serving_open(), 1);
    otel_serving_leave();
    return NULL;
}

Test(serving, an_exchange_is_the_last_readers)
{
    uint64_t first = served(1), second;
    pthread_t thread;

    otel_serving_ready(first, true);
    second = served(2);
    cr_assert_eq(kind(), OTEL_CONTEXT_UNSURE);
    pthread_create(&thread, NULL, read_elsewhere, &first);
    pthread_join(thread, NULL);
    cr_assert_eq(kind(), OTEL_CONTEXT_IMPLICIT, "another thread has taken it over");
    cr_assert_eq(otel_serving_open(), 1);
    otel_serving_end(first);
    otel_serving_end(second);
}

Test(serving, an_ended_thread_leaves_its_slot)
{
    uint64_t cells[300];

    /* A slot with open cells is not given to the next thread. */
    for (int i = 0; i < 300; i++) {
        pthread_t thread;

        cells[i] = otel_context_cell_open();
        pthread_create(&thread, NULL, read_elsewhere, &cells[i]);
        pthread_join(thread, NULL);
    }
    for (int i = 0; i < 300; i++)
        otel_serving_end(cells[i]);
}

Test(serving, connections_of_an_exchange)
{
    uint64_t cell = served(1);

    cr_assert_not(otel_serving_has(cell, 77));
    for (uint64_t c = 1; c <= 9; c++) {
        otel_serving_connection(cell, c << 32 | 7);
        otel_serving_connection(cell, c << 32 | 7);
        cr_assert(otel_serving_has(cell, c << 32 | 7));
    }
    cr_assert(otel_serving_has(cell, 1ull << 32 | 7), "its own stays");
    cr_assert_not(otel_serving_has(cell, 0));
    otel_serving_end(cell);
    cr_assert_not(otel_serving_has(cell, 1ull << 32 | 7));
}

Test(serving, turns)
{
    uint64_t before = otel_serving_turn();

    otel_serving_turn_next();
    cr_assert_eq(otel_serving_turn(), before + 1);
}

/* A loop as libraries have it: one function waits and handles, its caller then runs timers. */
static enum otel_context_kind in_handler, after_handler;

static __attribute__((noinline)) void handle(uint64_t cell)
{
    struct otel_span_context ctx = context_of(1);

    otel_serving_enter(&ctx, cell);
    in_handler = kind();
    otel_tls.turn += 0;
}

static __attribute__((noinline)) void wait_and_handle(uint64_t cell)
{
    otel_serving_loop((const uintptr_t *)__builtin_dwarf_cfa() - 1, NULL);
    handle(cell);
    cr_assert_eq(kind(), OTEL_CONTEXT_IMPLICIT);
}

static __attribute__((noinline)) void run_timers(void)
{
    after_handler = kind();
    otel_tls.turn += 0;
}

Test(serving, what_runs_after_the_handlers_is_for_nobody)
{
    uint64_t cell = otel_context_cell_open();
    struct otel_span_context ctx = context_of(1);

    wait_and_handle(cell);
    run_timers();
    cr_assert_eq(in_handler, OTEL_CONTEXT_IMPLICIT);
    cr_assert_eq(after_handler, OTEL_CONTEXT_UNSURE);
    /* Read outside the loop: its frame says nothing. */
    otel_serving_enter(&ctx, cell);
    cr_assert_eq(kind(), OTEL_CONTEXT_IMPLICIT);
    otel_serving_end(cell);
}

static void *inherits(void *arg)
{
    struct otel_implicit shared = {context_of(1), *(uint64_t *)arg};

    otel_context_inherit(&shared);
    return (void *)(intptr_t)kind();
}

static enum otel_context_kind kind_on_a_thread_made_for(uint64_t cell)
{
    pthread_t thread;
    void *result;

    pthread_create(&thread, NULL, inherits, &cell);
    pthread_join(thread, &result);
    return (enum otel_context_kind)(intptr_t)result;
}

Test(serving, a_thread_made_for_one_is_as_unsure_as_its_maker)
{
    uint64_t other = served(2), own = served(1);

    otel_serving_ready(own, true);
    cr_assert_eq(kind_on_a_thread_made_for(own), OTEL_CONTEXT_IMPLICIT);
    otel_serving_ready(other, true);
    cr_assert_eq(kind_on_a_thread_made_for(own), OTEL_CONTEXT_UNSURE);
    otel_serving_end(other);
    cr_assert_eq(kind_on_a_thread_made_for(own), OTEL_CONTEXT_IMPLICIT);
    otel_serving_end(own);
    cr_assert_eq(kind_on_a_thread_made_for(own), OTEL_CONTEXT_NONE);
}

struct churn {
    uint64_t cell[64];
};

static void *churn(void *arg)
{
    struct churn *c = arg;

    for (int i = 0; i < 20000; i++) {
        struct otel_span_context ctx = context_of(3);
        uint64_t cell = c->cell[i % 64];

        otel_serving_enter(&ctx, cell);
        otel_serving_ready(cell, i % 3);
        otel_serving_outstanding(cell, 1);
        otel_serving_ready(cell, i % 2);
        otel_serving_outstanding(cell, -1);
    }
    otel_serving_leave();
    return NULL;
}

Test(serving, counts_come_out_even)
{
    struct churn c;
    pthread_t thread[2];
    uint64_t own;

    for (int i = 0; i < 64; i++)
        c.cell[i] = otel_context_cell_open();
    for (int i = 0; i < 2; i++)
        pthread_create(&thread[i], NULL, churn, &c);
    churn(&c);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < 64; i++)
        otel_serving_end(c.cell[i]);
    own = served(1);
    cr_assert_eq(otel_serving_open(), 1);
    cr_assert_eq(kind(), OTEL_CONTEXT_IMPLICIT);
    otel_serving_end(own);
}

Test(serving, a_child_goes_on_until_it_waits_and_has_nothing_open)
{
    served(1);
    otel_context_reset();
    otel_serving_reset();
    cr_assert_eq(kind(), OTEL_CONTEXT_IMPLICIT);
    cr_assert_eq(otel_serving_open(), 0);
    otel_context_wait();
    cr_assert_eq(kind(), OTEL_CONTEXT_NONE);
    served(2);
    cr_assert_eq(otel_serving_open(), 1);
}

/* --- two threads on one exchange --- */

#define ROUNDS 40000
#define SECONDS 5 /* fewer rounds where each has to wait for a processor */
#define NO_MORE UINT64_MAX

/* The cell of this round, 0: none yet. */
static _Atomic uint64_t round_cell;
/* Rounds the other thread has done its part of. */
static _Atomic uint32_t rounds_done;

/* What threads do that act for an exchange while another one completes its response. */
static void *act_late(void *taker)
{
    struct otel_span_context ctx = context_of(1);
    uint64_t cell;

    for (uint32_t i = 0;; i++) {
        while (!(cell = atomic_exchange(&round_cell, 0)))
            ;
        if (cell == NO_MORE)
            break;
        if (taker) {
            otel_serving_enter(&ctx, cell);
        } else {
            otel_serving_ready(cell, true);
            otel_serving_outstanding(cell, 1);
            otel_serving_outstanding(cell, -1);
        }
        atomic_store(&rounds_done, i + 1);
    }
    otel_context_implicit_clear();
    cr_expect_eq(otel_serving_open(), 0);
    cr_expect_not(otel_serving_unsure(0));
    return NULL;
}

static void end_while_another_acts(void *taker)
{
    uint64_t until = otel_clock_mono_ns() + SECONDS * UINT64_C(1000000000);
    pthread_t thread;

    cr_assert_eq(pthread_create(&thread, NULL, act_late, taker), 0);
    for (uint32_t i = 0; i < ROUNDS && otel_clock_mono_ns() < until; i++) {
        uint64_t cell = served(2);

        atomic_store(&round_cell, cell);
        for (uint32_t spin = i % 1024; spin; spin--)
            atomic_signal_fence(memory_order_seq_cst);
        otel_serving_end(cell);
        while (atomic_load(&rounds_done) != i + 1)
            ;
    }
    atomic_store(&round_cell, NO_MORE);
    pthread_join(thread, NULL);
    cr_expect_eq(otel_serving_open(), 0);
    cr_expect_not(otel_serving_unsure(0), "nothing is open, and yet something waits");
}

Test(serving, nothing_waits_for_an_exchange_that_is_over, .timeout = 60)
{
    end_while_another_acts(NULL);
}

Test(serving, nobody_has_an_exchange_that_is_over, .timeout = 60)
{
    end_while_another_acts(&round_cell);
}
