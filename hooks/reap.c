/* SPDX-License-Identifier: Apache-2.0
 *
 * A parent learns what ended its child: a signal is noted where the child's spans are
 * (core/obituary.h).
 */
#include "preload/hook.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "core/obituary.h"
#include "core/tls.h"
#include "preload/init.h"

static __attribute__((noinline, cold)) void note(pid_t pid, int signal)
{
    int saved = errno;

    if (otel_preload_active() && otel_guard_enter()) {
        otel_obituary_write(pid, signal);
        otel_guard_leave();
    }
    errno = saved;
}

/* status: read only where the kernel has written it. */
static inline pid_t ended(pid_t pid, const int *status)
{
    if (__builtin_expect(pid > 0 && WIFSIGNALED(*status), 0))
        note(pid, WTERMSIG(*status));
    return pid;
}

OTEL_HOOK_LIBC(pid_t, wait, (int *status))
{
    int own = 0, *to = status ? status : &own;
    pid_t pid = OTEL_REAL(wait)(to);

    return ended(pid, to);
}

OTEL_HOOK_LIBC(pid_t, waitpid, (pid_t child, int *status, int options))
{
    int own = 0, *to = status ? status : &own;
    pid_t pid = OTEL_REAL(waitpid)(child, to, options);

    return ended(pid, to);
}

OTEL_HOOK_LIBC(pid_t, wait3, (int *status, int options, struct rusage *usage))
{
    int own = 0, *to = status ? status : &own;
    pid_t pid = OTEL_REAL(wait3)(to, options, usage);

    return ended(pid, to);
}

OTEL_HOOK_LIBC(pid_t, wait4, (pid_t child, int *status, int options, struct rusage *usage))
{
    int own = 0, *to = status ? status : &own;
    pid_t pid = OTEL_REAL(wait4)(child, to, options, usage);

    return ended(pid, to);
}

OTEL_HOOK_LIBC(int, waitid, (idtype_t type, id_t id, siginfo_t *info, int options))
{
    int result = OTEL_REAL(waitid)(type, id, info, options);

    if (result == 0 && info && (info->si_code == CLD_KILLED || info->si_code == CLD_DUMPED) &&
        info->si_pid > 0)
        note(info->si_pid, info->si_status);
    return result;
}
