/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/exit.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "core/generation.h"
#include "core/log.h"
#include "core/queue.h"
#include "core/tls.h"
#include "core/tracer.h"
#include "preload/hook.h"
#include "preload/init.h"

/* The program's main. Written by __libc_start_main before it runs, constant afterwards. */
static int (*program_main)(int argc, char **argv, char **envp);

/* The generation first: a fork child that has not looked yet becomes its own owner by it. A process
 * that has nothing for us to do is left before any system call: its seccomp filter may kill. */
static bool is_ours_to_end(bool connections)
{
    return otel_preload_active() && !otel_guard_inside() && otel_generation() != 0 &&
           (!otel_tracer_idle() || (connections && otel_tracer_follows())) &&
           otel_generation_is_owner();
}

/* connections: those that are open are a reason too. */
static void guarded(void (*action)(void), bool connections)
{
    int saved = errno;

    if (is_ours_to_end(connections) && otel_guard_enter()) {
        action();
        otel_guard_leave();
    }
    errno = saved;
}

void otel_exit_stop(void)
{
    guarded(otel_tracer_stop, true);
}

/* First, for what is told now may be the first there is to export. */
void otel_exit_end(void)
{
    int saved = errno;

    if (otel_preload_active() && !otel_guard_inside()) {
        for (void (*const *f)(void) = __start_otel_exits; f < __stop_otel_exits; f++)
            (*f)();
    }
    errno = saved;
    otel_exit_stop();
}

void otel_exit_flush(void)
{
    guarded(otel_tracer_flush, false);
}

void otel_exit_leave(void)
{
    guarded(otel_tracer_leave, true);
}

/* Main is left by pthread_exit(), thrd_exit() or a cancellation, its frame being unwound. The
 * process goes on until its last thread ends; a batch thread that waits for work would keep it
 * alive for ever, or, being the last, run the host's atexit handlers with a descriptor table that
 * is not the host's. So it ends here, and spans of the threads that go on are counted as dropped.
 */
static void main_unwound(void *unused)
{
    (void)unused;
    if (otel_preload_active() && !otel_tracer_idle())
        otel_log(OTEL_LOG_INFO, "the main thread has left: no more spans are sent");
    otel_exit_stop();
}

void otel_exit_register(void)
{
    atexit(otel_exit_stop);
}

void otel_exit_last(void)
{
    uint32_t waiting = otel_preload_active() ? otel_queue_len() : 0;

    if (waiting && otel_generation_is_owner())
        otel_log(OTEL_LOG_WARN, "%u spans not sent: the process ended without exit()", waiting);
}

static int wrapped_main(int argc, char **argv, char **envp)
{
    int status;

    pthread_cleanup_push(main_unwound, NULL);
    status = program_main(argc, argv, envp);
    pthread_cleanup_pop(0);
    otel_exit_end();
    return status;
}

/* main's return reaches exit() inside libc, where no hook sees it; so main is wrapped. init and
 * fini are NULL in programs built for glibc 2.34 and later; both kinds pass through unchanged. */
OTEL_HOOK_LIBC(int, __libc_start_main,
               (int (*main)(int, char **, char **), int argc, char **argv, void (*init)(void),
                void (*fini)(void), void (*rtld_fini)(void), void *stack_end))
{
    program_main = main;
    return OTEL_REAL(__libc_start_main)(wrapped_main, argc, argv, init, fini, rtld_fini, stack_end);
}
