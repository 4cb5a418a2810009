/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/exit.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "core/generation.h"
#include "core/log.h"
#include "core/process_span.h"
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
           (!otel_tracer_idle() || otel_process_span_open() || otel_process_span_pending() ||
            (connections && otel_tracer_follows())) &&
           otel_generation_is_owner();
}

/* connections: those that are open are a reason too. */
static void guarded(void (*action)(int status), int status, bool connections)
{
    int saved = errno;

    if (is_ours_to_end(connections) && otel_guard_enter()) {
        action(status);
        otel_guard_leave();
    }
    errno = saved;
}

/* What a parent sees of a status. */
static int code_of(int status)
{
    return status & 0xff;
}

void otel_exit_stop(void)
{
    guarded(otel_tracer_stop, OTEL_STATUS_UNKNOWN, true);
}

/* First, for what is told now may be the first there is to export. */
void otel_exit_end(int status)
{
    int saved = errno;

    if (otel_preload_active() && !otel_guard_inside()) {
        for (void (*const *f)(void) = __start_otel_exits; f < __stop_otel_exits; f++)
            (*f)();
    }
    errno = saved;
    guarded(otel_tracer_stop, code_of(status), true);
}

static void send_ended(int unused)
{
    (void)unused;
    otel_tracer_send();
}

static void flush(int unused)
{
    (void)unused;
    otel_tracer_flush();
}

/* A fork child that has begun no span leaves none by an exec. */
static void end_and_flush(int status)
{
    if (!otel_process_span_pending())
        otel_process_span_end(status);
    otel_tracer_flush();
}

void otel_exit_send(void)
{
    guarded(send_ended, OTEL_STATUS_UNKNOWN, false);
}

void otel_exit_flush(void)
{
    guarded(flush, OTEL_STATUS_UNKNOWN, false);
}

bool otel_exit_replace(int status)
{
    bool open = otel_process_span_open();

    guarded(end_and_flush, status, false);
    return open && !otel_process_span_open();
}

void otel_exit_return(bool replaced)
{
    int saved = errno;

    otel_tracer_return();
    if (replaced && otel_generation() && otel_guard_enter()) {
        otel_process_span_begin();
        otel_guard_leave();
    }
    errno = saved;
}

void otel_exit_leave(int status)
{
    guarded(otel_tracer_leave, code_of(status), true);
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

static void at_exit(int status, void *unused)
{
    (void)unused;
    guarded(otel_tracer_stop, code_of(status), true);
}

/* Among the handlers of atexit(), and told the status. */
void otel_exit_register(void)
{
    on_exit(at_exit, NULL);
}

void otel_exit_last(void)
{
    uint32_t waiting;

    if (!otel_preload_active() || otel_tracer_idle() || !otel_generation_is_owner())
        return;
    waiting = otel_queue_len();
    if (waiting)
        otel_log(OTEL_LOG_WARN, "%u spans not sent: the process ended without exit()", waiting);
    otel_tracer_last();
}

static int wrapped_main(int argc, char **argv, char **envp)
{
    int status;

    pthread_cleanup_push(main_unwound, NULL);
    status = program_main(argc, argv, envp);
    pthread_cleanup_pop(0);
    otel_exit_end(status);
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
