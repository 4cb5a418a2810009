/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/exit.h"

#include <errno.h>

#include "core/generation.h"
#include "core/log.h"
#include "core/queue.h"
#include "core/sys.h"
#include "core/tls.h"
#include "core/tracer.h"
#include "preload/hook.h"
#include "preload/init.h"

/* The program's main. Written by __libc_start_main before it runs, constant afterwards. */
static int (*program_main)(int argc, char **argv, char **envp);

/* The generation first: a fork child that has not looked yet becomes its own owner by it. */
static bool is_ours_to_end(void)
{
    return otel_preload_active() && !otel_guard_inside() && otel_generation() != 0 &&
           otel_generation_is_owner();
}

static void guarded(void (*action)(void))
{
    int saved = errno;

    if (is_ours_to_end() && otel_guard_enter()) {
        action();
        otel_guard_leave();
    }
    errno = saved;
}

void otel_exit_stop(void)
{
    guarded(otel_tracer_stop);
}

void otel_exit_flush(void)
{
    guarded(otel_tracer_flush);
}

void otel_exit_thread(void)
{
    if (!otel_preload_active() || otel_sys.gettid() != otel_sys.getpid())
        return;
    otel_log(OTEL_LOG_INFO, "the main thread has left by pthread_exit(): no more spans are sent");
    otel_exit_stop();
}

void otel_exit_last(void)
{
    uint32_t waiting = otel_preload_active() ? otel_queue_len() : 0;

    if (waiting && otel_generation_is_owner())
        otel_log(OTEL_LOG_WARN, "%u spans not sent: the process ended without exit()", waiting);
}

static int wrapped_main(int argc, char **argv, char **envp)
{
    int status = program_main(argc, argv, envp);

    otel_exit_stop();
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
