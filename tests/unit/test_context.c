/* SPDX-License-Identifier: Apache-2.0 */
#include "core/context.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "core/carry.h"
#include "core/generation.h"

static struct otel_span_context ctx(uint8_t n)
{
    struct otel_span_context c = {.flags = OTEL_FLAG_SAMPLED};

    c.trace_id[0] = 1;
    c.span_id[0] = n;
    return c;
}

static int current(void)
{
    const struct otel_span_context *c = otel_context_current();

    return c ? c->span_id[0] : 0;
}

Test(context, explicit_contexts_nest)
{
    struct otel_span_context a = ctx(1);
    struct otel_span_context b = ctx(2);
    uint32_t outer;
    uint32_t inner;

    cr_assert_eq(current(), 0);
    outer = otel_context_attach(&a);
    cr_assert_eq(current(), 1);
    inner = otel_context_attach(&b);
    cr_assert_eq(current(), 2);
    otel_context_detach(inner);
    cr_assert_eq(current(), 1);
    otel_context_detach(outer);
    cr_assert_eq(current(), 0);
}

/* In a frame of its own, with more below it than any slack. */
static __attribute__((noinline)) void attach_deep(const struct otel_span_context *c,
                                                  struct otel_context_token *token, bool here)
{
    volatile char room[8192];

    room[0] = 0;
    otel_context_attach_at(c, 0, here ? (const void *)room : NULL, token);
}

Test(context, attached_without_a_frame_counts_until_detached)
{
    struct otel_span_context a = ctx(1);
    struct otel_context_token token;

    attach_deep(&a, &token, false);
    cr_assert_eq(current(), 1);
    cr_assert(otel_context_detach_at(&token));
    cr_assert_eq(current(), 0);
    cr_assert_not(otel_context_detach_at(&token));
}

Test(context, attached_in_a_frame_counts_no_longer_than_that)
{
    struct otel_span_context a = ctx(1);
    struct otel_context_token token;

    attach_deep(&a, &token, true);
    cr_assert_eq(current(), 0);
    cr_assert_not(otel_context_detach_at(&token));
}

Test(context, wrong_tokens_detach_nothing)
{
    struct otel_span_context a = ctx(1), b = ctx(2);
    struct otel_context_token outer, inner, wrong = {0};

    otel_context_attach_at(&a, 0, NULL, &outer);
    otel_context_attach_at(&b, 0, NULL, &inner);
    cr_assert_not(otel_context_detach_at(&wrong));
    wrong = inner;
    wrong.at = outer.at; /* the place of another */
    cr_assert_not(otel_context_detach_at(&wrong));
    wrong = inner;
    wrong.frame ^= 64; /* another thread's */
    cr_assert_not(otel_context_detach_at(&wrong));
    wrong.at = 1000;
    cr_assert_not(otel_context_detach_at(&wrong));
    cr_assert_eq(current(), 2);
    cr_assert(otel_context_detach_at(&outer));
    cr_assert_eq(current(), 0);
    cr_assert_not(otel_context_detach_at(&inner));
}

Test(context, tokens_work_deeper_than_any_room)
{
    struct otel_span_context a = ctx(1);
    struct otel_context_token token[600];

    for (int i = 0; i < 600; i++)
        otel_context_attach_at(&a, 0, NULL, &token[i]);
    for (int i = 599; i >= 0; i--)
        cr_assert(otel_context_detach_at(&token[i]), "%d", i);
    cr_assert_eq(current(), 0);
}

Test(context, detaching_the_outer_one_takes_forgotten_inner_ones_along)
{
    struct otel_span_context a = ctx(1);
    struct otel_span_context b = ctx(2);
    uint32_t outer = otel_context_attach(&a);

    otel_context_attach(&b);
    otel_context_attach(&b);
    otel_context_detach(outer);
    cr_assert_eq(current(), 0);
}

static __attribute__((noinline)) void replace_from_below(uint32_t token, uint8_t n)
{
    volatile char stack[4096];
    struct otel_span_context c = ctx(n);

    stack[0] = 0;
    otel_context_attach(&c);
    otel_context_replace(token, &c);
    stack[4095] = stack[0];
}

Test(context, a_replaced_context_keeps_the_frame_of_its_attach)
{
    struct otel_span_context a = ctx(1);
    uint32_t outer = otel_context_attach(&a);
    uint32_t token = otel_context_attach(&a);

    replace_from_below(token, 2);
    cr_assert_eq(current(), 2);
    otel_context_detach(token);
    cr_assert_eq(current(), 1);
    otel_context_replace(token, &a);
    cr_assert_eq(current(), 1, "a token that was detached puts nothing back");
    otel_context_detach(outer);
    cr_assert_eq(current(), 0);
}

static void recurse(uint8_t n)
{
    struct otel_span_context c = ctx(n);
    uint32_t token = otel_context_attach(&c);

    cr_assert_eq(current(), n);
    if (n < 200)
        recurse(n + 1);
    cr_assert_eq(current(), n);
    otel_context_detach(token);
}

Test(context, goes_deeper_than_the_threads_own_block)
{
    recurse(1);
    cr_assert_eq(current(), 0);
}

static void dig(uint32_t n)
{
    struct otel_span_context c = ctx(7);
    uint32_t token = otel_context_attach(&c);

    if (n)
        dig(n - 1);
    otel_context_detach(token);
}

Test(context, is_unknown_rather_than_wrong_where_it_is_too_deep)
{
    struct otel_span_context c = ctx(7);
    uint32_t token[600];

    for (int i = 0; i < 600; i++)
        token[i] = otel_context_attach(&c);
    cr_assert_eq(current(), 0);
    for (int i = 599; i >= 0; i--)
        otel_context_detach(token[i]);
    dig(1000);
    cr_assert_eq(current(), 0);
    token[0] = otel_context_attach(&c);
    cr_assert_eq(current(), 7, "as good as new afterwards");
}

static jmp_buf back;

static void __attribute__((noinline)) attach_and_jump(int padding)
{
    volatile char frame[4096];
    struct otel_span_context c = ctx(9);

    frame[padding] = 1;
    otel_context_attach(&c);
    if (current() == 9)
        longjmp(back, frame[padding]);
}

Test(context, what_was_jumped_over_is_gone)
{
    if (!setjmp(back))
        attach_and_jump(17);
    cr_assert_eq(current(), 0);
}

static volatile int seen_in_handler;

static void handler(int sig)
{
    struct otel_span_context c = ctx(5);
    uint32_t token;

    (void)sig;
    seen_in_handler = current();
    token = otel_context_attach(&c);
    otel_context_detach(token);
}

Test(context, a_handler_on_its_own_stack_sees_and_keeps_the_context)
{
    static char below[65536];
    stack_t ss = {.ss_sp = below, .ss_size = sizeof below};
    struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    struct otel_span_context c = ctx(3);
    uint32_t token;

    cr_assert_eq(sigaltstack(&ss, NULL), 0);
    sigaction(SIGUSR1, &sa, NULL);
    token = otel_context_attach(&c);
    raise(SIGUSR1);
    cr_assert_eq(seen_in_handler, 3);
    cr_assert_eq(current(), 3);
    otel_context_detach(token);
}

static ucontext_t main_stack;
static ucontext_t coroutine;
static volatile int seen_in_coroutine;

static void run_coroutine(void)
{
    struct otel_span_context c = ctx(6);
    uint32_t token;

    seen_in_coroutine = current();
    token = otel_context_attach(&c);
    if (current() != 6)
        seen_in_coroutine = -1;
    otel_context_detach(token);
    swapcontext(&coroutine, &main_stack);
}

Test(context, a_coroutine_on_a_stack_below_does_not_inherit)
{
    static char below[65536];
    struct otel_span_context c = ctx(3);
    uint32_t token;

    getcontext(&coroutine);
    coroutine.uc_stack.ss_sp = below;
    coroutine.uc_stack.ss_size = sizeof below;
    coroutine.uc_link = NULL;
    makecontext(&coroutine, run_coroutine, 0);
    token = otel_context_attach(&c);
    swapcontext(&main_stack, &coroutine);
    cr_assert_eq(seen_in_coroutine, 0);
    cr_assert_eq(current(), 3, "this stack goes on with its own");
    otel_context_detach(token);
}

Test(context, implicit_holds_while_its_cell_lives_and_explicit_beats_it)
{
    struct otel_span_context a = ctx(1);
    struct otel_span_context b = ctx(2);
    uint64_t cell = otel_context_cell_open();
    uint32_t token;

    otel_context_implicit_set(&a, cell);
    cr_assert_eq(current(), 1);
    token = otel_context_attach(&b);
    cr_assert_eq(current(), 2);
    otel_context_detach(token);
    cr_assert_eq(current(), 1);
    otel_context_cell_close(cell);
    cr_assert_eq(current(), 0);
}

static uint64_t shared_cell;

static void *other_thread(void *result)
{
    struct otel_span_context a = ctx(1);

    otel_context_implicit_set(&a, shared_cell);
    *(int *)result = current();
    otel_context_cell_close(shared_cell);
    return NULL;
}

Test(context, a_cell_ends_it_for_every_thread)
{
    struct otel_span_context a = ctx(1);
    pthread_t t;
    int there = 0;

    shared_cell = otel_context_cell_open();
    otel_context_implicit_set(&a, shared_cell);
    cr_assert_eq(pthread_create(&t, NULL, other_thread, &there), 0);
    pthread_join(t, NULL);
    cr_assert_eq(there, 1);
    cr_assert_eq(current(), 0);
}

Test(context, the_processs_parent_comes_last)
{
    struct otel_span_context p = ctx(8);
    struct otel_span_context a = ctx(1);
    uint32_t token;

    otel_context_process_set(&p);
    cr_assert_eq(current(), 8);
    token = otel_context_attach(&a);
    cr_assert_eq(current(), 1);
    otel_context_detach(token);
    otel_context_process_set(NULL);
    cr_assert_eq(current(), 0);
}

Test(context, a_fork_child_keeps_it_as_a_remote_one)
{
    struct otel_span_context a = ctx(1);
    int status;
    pid_t pid;

    otel_generation_init();
    otel_context_attach(&a);
    cr_assert_not(otel_context_current()->remote);
    pid = fork();
    if (!pid) {
        const struct otel_span_context *c = otel_context_current();

        _exit(c && c->span_id[0] == 1 && c->remote ? 0 : 1);
    }
    waitpid(pid, &status, 0);
    cr_assert_eq(status, 0);
    cr_assert_not(otel_context_current()->remote);
}

/* The parent's exchange goes on in the child until the child waits for work. */
static int look_in_child(void)
{
    const struct otel_span_context *c = otel_context_current();
    char baggage[16];

    if (!c || c->span_id[0] != 1 || !c->remote)
        return 1;
    if (otel_carry_baggage(c->carry, baggage, sizeof baggage) != 3 || memcmp(baggage, "a=b", 3))
        return 2;
    otel_context_wait();
    return otel_context_current() ? 3 : 0;
}

static void reset_both(void)
{
    otel_context_reset();
    otel_carry_reset();
}

Test(context, a_fork_child_goes_on_with_what_its_thread_served)
{
    struct otel_span_context a = ctx(1);
    uint64_t cell = otel_context_cell_open();
    int status;
    pid_t pid;

    otel_generation_init();
    otel_generation_on_fork(reset_both);
    a.carry = otel_carry_new(NULL, 0, "a=b", 3);
    otel_context_implicit_set(&a, cell);
    cr_assert_eq(current(), 1);
    pid = fork();
    if (!pid)
        _exit(look_in_child());
    waitpid(pid, &status, 0);
    cr_assert_eq(status, 0, "%d", WEXITSTATUS(status));
    cr_assert_not(otel_context_current()->remote);
    otel_context_cell_close(cell);
    pid = fork();
    if (!pid)
        _exit(otel_context_current() != NULL);
    waitpid(pid, &status, 0);
    cr_assert_eq(status, 0, "the exchange was over");
}

static void *hold(void *shared)
{
    otel_context_inherit(shared);
    return (void *)(intptr_t)current();
}

static int on_another_thread(struct otel_implicit *shared)
{
    pthread_t t;
    void *result;

    cr_assert_eq(pthread_create(&t, NULL, hold, shared), 0);
    pthread_join(t, &result);
    return (int)(intptr_t)result;
}

Test(context, an_explicit_one_is_shared_until_it_is_detached)
{
    struct otel_span_context a = ctx(1);
    struct otel_span_context b = ctx(2);
    struct otel_implicit shared, again;
    uint32_t token;

    cr_assert_not(otel_context_share(&shared), "nothing is current");
    token = otel_context_attach(&a);
    cr_assert(otel_context_share(&shared));
    cr_assert(otel_context_share(&again));
    cr_assert_eq(shared.cell, again.cell, "one cell for all");
    cr_assert_eq(on_another_thread(&shared), 1);
    otel_context_replace(token, &b);
    cr_assert_eq(on_another_thread(&shared), 0, "its span is over");
    cr_assert(otel_context_share(&shared));
    cr_assert_eq(on_another_thread(&shared), 2);
    otel_context_detach(token);
    cr_assert_eq(on_another_thread(&shared), 0);
    token = otel_context_attach(&a);
    cr_assert_eq(on_another_thread(&shared), 0, "the place of the old one in the stack");
    otel_context_detach(token);
}

Test(context, an_implicit_one_is_shared_with_its_cell)
{
    struct otel_span_context a = ctx(1);
    struct otel_implicit shared;
    uint64_t cell = otel_context_cell_open();

    otel_context_implicit_set(&a, cell);
    cr_assert(otel_context_share(&shared));
    cr_assert_eq(shared.cell, cell);
    cr_assert_eq(on_another_thread(&shared), 1);
    otel_context_cell_close(cell);
    cr_assert_eq(on_another_thread(&shared), 0);
}

Test(context, the_processs_own_is_not_shared)
{
    struct otel_span_context p = ctx(8);
    struct otel_implicit shared;

    otel_context_process_set(&p);
    cr_assert_not(otel_context_share(&shared));
    otel_context_process_set(NULL);
}

Test(context, a_wait_for_work_ends_what_was_inherited_and_nothing_else)
{
    struct otel_implicit own = {.ctx = ctx(1), .cell = otel_context_cell_open()};

    otel_context_implicit_set(&own.ctx, own.cell);
    otel_context_wait();
    cr_assert_eq(current(), 1);
    otel_context_inherit(&own);
    cr_assert_eq(current(), 1);
    otel_context_wait();
    cr_assert_eq(current(), 0);
    otel_context_inherit(&own);
    otel_context_implicit_set(&own.ctx, own.cell);
    otel_context_wait();
    cr_assert_eq(current(), 1, "read since: it is the thread's own");
    otel_context_implicit_clear();
}

Test(context, a_stack_that_is_left_keeps_its_contexts)
{
    struct otel_span_context a = ctx(1), b = ctx(2);
    struct otel_implicit own = {.ctx = ctx(3), .cell = otel_context_cell_open()};
    struct otel_context_saved saved, nothing;
    uint32_t outer, inner;

    otel_context_implicit_set(&own.ctx, own.cell);
    outer = otel_context_attach(&a);
    for (int i = 0; i < 10; i++)
        inner = otel_context_attach(&b);
    otel_context_leave(&saved);
    cr_assert_eq(current(), 0);
    otel_context_attach(&a);
    otel_context_leave(&nothing);
    cr_assert_eq(current(), 0);
    otel_context_attach(&b);
    otel_context_return(&saved);
    cr_assert_eq(current(), 2);
    otel_context_detach(inner);
    cr_assert_eq(current(), 2);
    otel_context_detach(outer);
    cr_assert_eq(current(), 3, "whatever the other stack attached is gone");
    otel_context_implicit_clear();
}

Test(context, an_inherited_one_goes_when_the_resumer_serves_another)
{
    struct otel_implicit own = {.ctx = ctx(1), .cell = otel_context_cell_open()};
    struct otel_implicit other = {.ctx = ctx(2), .cell = otel_context_cell_open()};
    struct otel_context_saved left, loop;

    for (int inherited = 0; inherited < 2; inherited++) {
        otel_context_implicit_set(&own.ctx, own.cell);
        if (inherited)
            otel_context_inherit(&own);
        otel_context_leave(&left);
        otel_context_leave(&loop);
        otel_context_return(&left);
        cr_assert_eq(current(), 1, "resumed by nobody known");
        otel_context_leave(&left);
        otel_context_implicit_set(&other.ctx, other.cell);
        otel_context_leave(&loop);
        otel_context_return(&left);
        cr_assert_eq(current(), inherited ? 0 : 1);
        otel_context_leave(&left);
        otel_context_return(&loop);
        cr_assert_eq(current(), 2);
    }
    otel_context_implicit_clear();
}
