/* SPDX-License-Identifier: Apache-2.0
 *
 * A thread that inherited a context and then waits for work may get somebody else's: the worker of
 * a pool that grew during a request. A wait without a limit is taken for such a one, and a wait
 * with a limit further off than any hand-over between threads (a runtime's lock is waited for in
 * steps of milliseconds, a pool's idle workers for seconds).
 *
 * Known limit: a worker that finds its next job without waiting keeps the context until the
 * exchange it was made in ends.
 */
#include "preload/hook.h"

#include <pthread.h>
#include <semaphore.h>
#include <threads.h>

#include "core/clock.h"
#include "core/context.h"

#define FAR_NS ((uint64_t)100 * 1000 * 1000)

/* Of the two clocks it may be by, the one it is nearer to. */
static __attribute__((noinline, cold)) bool is_far(const struct timespec *deadline)
{
    uint64_t at = (uint64_t)deadline->tv_sec * 1000000000 + (uint64_t)deadline->tv_nsec;
    uint64_t mono = otel_clock_mono_ns(), unix_ns = otel_clock_unix_ns();

    return at > unix_ns / 2 ? at > unix_ns + FAR_NS : at > mono + FAR_NS;
}

static inline void wait_until(const struct timespec *deadline)
{
    if (__builtin_expect(otel_tls.inherited, 0) && is_far(deadline))
        otel_context_implicit_clear();
}

OTEL_HOOK_LIBC(int, pthread_cond_wait, (pthread_cond_t * condition, pthread_mutex_t *mutex))
{
    otel_context_wait();
    return OTEL_REAL(pthread_cond_wait)(condition, mutex);
}

OTEL_HOOK_LIBC(int, pthread_cond_timedwait,
               (pthread_cond_t * condition, pthread_mutex_t *mutex,
                const struct timespec *deadline))
{
    wait_until(deadline);
    return OTEL_REAL(pthread_cond_timedwait)(condition, mutex, deadline);
}

OTEL_HOOK_LIBC(int, pthread_cond_clockwait,
               (pthread_cond_t * condition, pthread_mutex_t *mutex, clockid_t clock,
                const struct timespec *deadline))
{
    wait_until(deadline);
    return OTEL_REAL(pthread_cond_clockwait)(condition, mutex, clock, deadline);
}

/* C11's; libc calls its own functions where no hook sees it. */
OTEL_HOOK_LIBC(int, cnd_wait, (cnd_t * condition, mtx_t *mutex))
{
    otel_context_wait();
    return OTEL_REAL(cnd_wait)(condition, mutex);
}

OTEL_HOOK_LIBC(int, cnd_timedwait,
               (cnd_t *restrict condition, mtx_t *restrict mutex,
                const struct timespec *restrict deadline))
{
    wait_until(deadline);
    return OTEL_REAL(cnd_timedwait)(condition, mutex, deadline);
}

OTEL_HOOK_LIBC(int, sem_wait, (sem_t * semaphore))
{
    otel_context_wait();
    return OTEL_REAL(sem_wait)(semaphore);
}

OTEL_HOOK_LIBC(int, sem_timedwait, (sem_t * semaphore, const struct timespec *deadline))
{
    wait_until(deadline);
    return OTEL_REAL(sem_timedwait)(semaphore, deadline);
}

OTEL_HOOK_LIBC(int, sem_clockwait,
               (sem_t * semaphore, clockid_t clock, const struct timespec *deadline))
{
    wait_until(deadline);
    return OTEL_REAL(sem_clockwait)(semaphore, clock, deadline);
}
