/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/hook.h"

#include <pty.h>
#include <unistd.h>

#include "preload/fork.h"

/* A vfork child stands on its parent's stack, which a hook's frame would spoil, and shares its
 * memory with all threads: it needs nothing of this. */

OTEL_HOOK_LIBC(pid_t, fork, (void))
{
    bool begun = otel_fork_begin();
    pid_t pid = OTEL_REAL(fork)();

    otel_fork_end(begun, pid);
    return pid;
}

/* libc forks where no hook sees it. */
OTEL_HOOK_LIBC(int, forkpty,
               (int *primary, char *name, const struct termios *mode, const struct winsize *size))
{
    bool begun = otel_fork_begin();
    int pid = OTEL_REAL(forkpty)(primary, name, mode, size);

    otel_fork_end(begun, pid);
    return pid;
}
