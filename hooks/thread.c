/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/hook.h"

#include <pthread.h>
#include <threads.h>

#include "core/context.h"
#include "core/pool.h"
#include "core/room.h"
#include "core/serving.h"
#include "core/tls.h"
#include "preload/init.h"

/* What a new thread needs, between its creation and its first instruction. */
struct start {
    union {
        void *(*posix)(void *);
        thrd_start_t c11;
    } routine;
    void *argument;
    struct otel_implicit inherited; /* cell 0: nothing */
    bool guarded;                   /* made inside the guard: by our exporter's libraries */
};

/* Any thread; lock-free. Blocks are in use for as long as a thread takes to begin; those of a fork
 * child's parent are lost to it. With none free a thread begins without us. */
static struct otel_pool starts = OTEL_POOL(sizeof(struct start), 4096);

/* Returns a handle, which is the thread's argument; 0: create it without us. */
static uint64_t begin(void *argument, struct start **start)
{
    uint64_t handle = otel_preload_active() ? otel_pool_alloc(&starts) : 0;

    *start = otel_pool_get(&starts, handle);
    if (!*start)
        return 0;
    (*start)->argument = argument;
    (*start)->guarded = otel_guard_inside();
    (*start)->inherited.cell = 0;
    if (!(*start)->guarded)
        otel_context_share(&(*start)->inherited);
    return handle;
}

/* On the new thread. */
static struct start enter(void *handle)
{
    struct start *block = otel_pool_get(&starts, (uintptr_t)handle);
    struct start start = *block;

    otel_pool_free(&starts, (uintptr_t)handle);
    if (start.guarded)
        otel_guard_enter();
    else if (start.inherited.cell)
        otel_context_inherit(&start.inherited);
    return start;
}

/* At the routine's return, at pthread_exit and when cancelled; before the host's thread-specific
 * data is destroyed. */
static void leave(void *unused)
{
    (void)unused;
    otel_context_detach(0); /* what pthread_exit left standing */
    otel_context_implicit_clear();
    otel_serving_leave();
    otel_room_leave();
}

static void *run_posix(void *handle)
{
    struct start start = enter(handle);
    void *result;

    pthread_cleanup_push(leave, NULL);
    result = start.routine.posix(start.argument);
    pthread_cleanup_pop(1);
    return result;
}

static int run_c11(void *handle)
{
    struct start start = enter(handle);
    int result;

    pthread_cleanup_push(leave, NULL);
    result = start.routine.c11(start.argument);
    pthread_cleanup_pop(1);
    return result;
}

OTEL_HOOK_LIBC(int, pthread_create,
               (pthread_t * thread, const pthread_attr_t *attributes, void *(*routine)(void *),
                void *argument))
{
    struct start *start;
    uint64_t handle = begin(argument, &start);
    int error;

    if (!handle)
        return OTEL_REAL(pthread_create)(thread, attributes, routine, argument);
    start->routine.posix = routine;
    error = OTEL_REAL(pthread_create)(thread, attributes, run_posix, (void *)(uintptr_t)handle);
    if (error)
        otel_pool_free(&starts, handle);
    return error;
}

/* libc makes the thread where no hook sees it. */
OTEL_HOOK_LIBC(int, thrd_create, (thrd_t * thread, thrd_start_t routine, void *argument))
{
    struct start *start;
    uint64_t handle = begin(argument, &start);
    int error;

    if (!handle)
        return OTEL_REAL(thrd_create)(thread, routine, argument);
    start->routine.c11 = routine;
    error = OTEL_REAL(thrd_create)(thread, run_c11, (void *)(uintptr_t)handle);
    if (error != thrd_success)
        otel_pool_free(&starts, handle);
    return error;
}
