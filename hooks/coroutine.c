/* SPDX-License-Identifier: Apache-2.0
 *
 * ucontext coroutines: each keeps its own current span. A swapcontext() that leaves a coroutine has
 * its frame on that coroutine's stack, and returns when it is resumed: what was current lies in the
 * frame meanwhile.
 *
 * A new coroutine continues the exchange during which it was made, as a new thread does: who calls
 * makecontext() causes it, while who switches to it first may be any coroutine that happens to give
 * way. An explicit context is not handed on that way: where a coroutine is left for good (longjmp
 * instead of swapcontext), nobody would end it.
 */
#include "preload/hook.h"

#include <stdatomic.h>
#include <ucontext.h>

#include "core/context.h"
#include "core/handlemap.h"
#include "core/serving.h"
#include "preload/init.h"

/* By the stack a coroutine shall run on: what it inherits, from makecontext() to its first switch.
 * Lock-free; the host orders both calls. */
static struct otel_handlemap made = OTEL_HANDLEMAP(sizeof(struct otel_implicit), 1024);
/* Entries there, at least: no look-up when there is none. Any thread, relaxed. */
static _Atomic uint32_t made_count;

static bool any_made(void)
{
    return atomic_load_explicit(&made_count, memory_order_relaxed) != 0;
}

static void forget(const void *stack)
{
    if (!any_made() || !otel_handlemap_find(&made, stack))
        return;
    otel_handlemap_remove(&made, stack);
    atomic_fetch_sub_explicit(&made_count, 1, memory_order_relaxed);
}

/* Remembers what the coroutine of that context inherits; returns the real makecontext. */
__attribute__((used)) void *otel_coroutine_made(const ucontext_t *context);
static void *real_makecontext(void);

void *otel_coroutine_made(const ucontext_t *context)
{
    const void *stack = context->uc_stack.ss_sp;
    struct otel_implicit *inherited;

    if (otel_preload_active() && !otel_guard_inside()) {
        forget(stack);
        if (otel_tls.implicit.cell && !otel_serving_unsure(otel_tls.implicit.cell) &&
            (inherited = otel_handlemap_insert(&made, stack))) {
            *inherited = otel_tls.implicit;
            atomic_fetch_add_explicit(&made_count, 1, memory_order_relaxed);
        }
    }
    return real_makecontext();
}

/* The thread goes to that context: its first time, or it has a frame that brings its own back. */
static void enter(const ucontext_t *context)
{
    const struct otel_implicit *inherited;

    if (!any_made())
        return;
    inherited = otel_handlemap_find(&made, context->uc_stack.ss_sp);
    if (inherited)
        otel_context_inherit(inherited);
    forget(context->uc_stack.ss_sp);
}

/* As many arguments as the caller likes, so it hands them on as they are: a jump. */
#define UNUSED __attribute__((unused))
__attribute__((naked)) void makecontext(ucontext_t *context, void (*function)(void), int count,
                                        ...);

OTEL_HOOK_LIBC(void, makecontext,
               (ucontext_t * context UNUSED, void (*function)(void) UNUSED, int count UNUSED, ...))
{
    __asm__("push %rax\n\tpush %rdi\n\tpush %rsi\n\tpush %rdx\n\t"
            "push %rcx\n\tpush %r8\n\tpush %r9\n\t.cfi_adjust_cfa_offset 56\n\t"
            "call otel_coroutine_made\n\tmov %rax, %r11\n\t"
            "pop %r9\n\tpop %r8\n\tpop %rcx\n\t"
            "pop %rdx\n\tpop %rsi\n\tpop %rdi\n\tpop %rax\n\t.cfi_adjust_cfa_offset -56\n\t"
            "jmp *%r11");
}

static void *real_makecontext(void)
{
    return (void *)OTEL_REAL(makecontext);
}

OTEL_HOOK_LIBC(int, swapcontext, (ucontext_t * left, const ucontext_t *entered))
{
    struct otel_context_saved saved;
    int result;

    if (!otel_preload_active() || otel_guard_inside())
        return OTEL_REAL(swapcontext)(left, entered);
    otel_context_leave(&saved);
    enter(entered);
    result = OTEL_REAL(swapcontext)(left, entered);
    otel_context_return(&saved);
    return result;
}

/* Leaves this stack for good, as far as can be known. */
OTEL_HOOK_LIBC(int, setcontext, (const ucontext_t *entered))
{
    if (otel_preload_active() && !otel_guard_inside()) {
        otel_context_detach(0);
        enter(entered);
    }
    return OTEL_REAL(setcontext)(entered);
}
