/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/hook.h"

#include <stdlib.h>
#include <unistd.h>

#include "preload/exit.h"
#include "preload/fork.h"

OTEL_HOOK_LIBC(void, exit, (int status))
{
    otel_exit_end(status);
    OTEL_REAL(exit)(status);
}

OTEL_HOOK_LIBC(void, _exit, (int status))
{
    otel_exit_leave(status);
    OTEL_REAL(_exit)(status);
}

OTEL_HOOK_LIBC(void, _Exit, (int status))
{
    otel_exit_leave(status);
    OTEL_REAL(_Exit)(status);
}

OTEL_HOOK_LIBC(void, quick_exit, (int status))
{
    otel_exit_leave(status);
    OTEL_REAL(quick_exit)(status);
}

/* What has ended is sent while the exporter module and all it needs are still to be found; what was
 * loaded for it stays. */
OTEL_HOOK_LIBC(int, chroot, (const char *path))
{
    otel_exit_send();
    return OTEL_REAL(chroot)(path);
}

/* libc forks and lets the parent _exit(0) where no hook sees it; the program is the child now. */
OTEL_HOOK_LIBC(int, daemon, (int keep_directory, int keep_descriptors))
{
    bool replaced = otel_exit_replace(0);
    bool gated = otel_fork_begin();
    int result = OTEL_REAL(daemon)(keep_directory, keep_descriptors);

    otel_fork_end(gated, result);
    otel_exit_return(replaced);
    return result;
}
