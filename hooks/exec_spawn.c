/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/hook.h"

#include <alloca.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>

#include "hooks/exec.h"

/* What we add must not be what makes it too big: then once more without. */

OTEL_HOOK_LIBC(int, posix_spawn,
               (pid_t * pid, const char *path, const posix_spawn_file_actions_t *actions,
                const posix_spawnattr_t *attributes, char *const argv[], char *const envp[]))
{
    struct otel_exec e;
    bool ours = otel_exec_plan(&e, (struct otel_exec_file){path, AT_FDCWD, false}, envp);
    int error = E2BIG;

    if (ours)
        error = OTEL_REAL(posix_spawn)(pid, path, actions, attributes, argv,
                                       otel_exec_environment(&e, alloca(e.stack)));
    if (error == E2BIG)
        error = OTEL_REAL(posix_spawn)(pid, path, actions, attributes, argv, envp);
    otel_exec_spawned(&e);
    return error;
}

OTEL_HOOK_LIBC(int, posix_spawnp,
               (pid_t * pid, const char *file, const posix_spawn_file_actions_t *actions,
                const posix_spawnattr_t *attributes, char *const argv[], char *const envp[]))
{
    struct otel_exec e;
    bool ours = otel_exec_plan(&e, (struct otel_exec_file){file, AT_FDCWD, true}, envp);
    int error = E2BIG;

    if (ours)
        error = OTEL_REAL(posix_spawnp)(pid, file, actions, attributes, argv,
                                        otel_exec_environment(&e, alloca(e.stack)));
    if (error == E2BIG)
        error = OTEL_REAL(posix_spawnp)(pid, file, actions, attributes, argv, envp);
    otel_exec_spawned(&e);
    return error;
}
