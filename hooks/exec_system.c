/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/exec_shell.h"

#include <alloca.h>
#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/config.h"
#include "core/forklock.h"
#include "core/generation.h"
#include "core/pipes.h"
#include "core/tracer.h"
#include "hooks/exec.h"
#include "preload/hook.h"

#define SHELL "/bin/sh"
/* From glibc 2.38 on a command may begin with a minus. */
#define DASHES_SINCE 38

/* Written by our constructor, constant afterwards. */
static __typeof__(&posix_spawn) real_spawn;
static __typeof__(&waitpid) real_waitpid;
static bool dashes;

static void prepare(void)
{
    const char *version = gnu_get_libc_version();

    if (version[0] == '2' && version[1] == '.')
        dashes = strtoul(version + 2, NULL, 10) >= DASHES_SINCE;
    real_waitpid = (__typeof__(&waitpid))otel_real_libc("waitpid");
    if (otel_tracer_enabled() && real_waitpid)
        real_spawn = (__typeof__(&posix_spawn))otel_real_libc("posix_spawn");
}

OTEL_AT_START(prepare);

bool otel_shell_ours(void)
{
    return real_spawn != NULL;
}

int otel_shell_spawn(pid_t *pid, const posix_spawn_file_actions_t *actions,
                     const posix_spawnattr_t *attributes, const char *command)
{
    char *line = (char *)(uintptr_t)command;
    char *const plain[] = {"sh", "-c", line, NULL};
    char *const dashed[] = {"sh", "-c", "--", line, NULL};
    char *const *argv = dashes ? dashed : plain;
    char **own = otel_env_array();
    struct otel_exec e;
    bool ours = otel_exec_plan(&e, (struct otel_exec_file){SHELL, AT_FDCWD, false}, own);
    int error = E2BIG;

    if (ours)
        error = real_spawn(pid, SHELL, actions, attributes, argv,
                           otel_exec_environment(&e, alloca(e.stack)));
    if (error == E2BIG)
        error = real_spawn(pid, SHELL, actions, attributes, argv, own);
    otel_exec_spawned(&e);
    return error;
}

/* --- system() --------------------------------------------------------------------------------- */

/* Calls under way, and what the first of them found. Under the lock; the count is that of a
 * generation: the calls of a fork child's parent are not the child's. */
static struct {
    struct otel_forklock lock;
    uint32_t generation;
    unsigned users;
    struct sigaction interrupt, quit;
} running;

/* One call. */
struct call {
    sigset_t mask;
    sigset_t defaults; /* what the shell does not inherit as ignored */
    pid_t pid;
};

static void begin(struct call *call)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    uint32_t generation = otel_generation();

    sigemptyset(&ignore.sa_mask);
    otel_forklock_take(&running.lock);
    if (running.generation != generation)
        running.users = 0;
    running.generation = generation;
    if (running.users++ == 0) {
        sigaction(SIGINT, &ignore, &running.interrupt);
        sigaction(SIGQUIT, &ignore, &running.quit);
    }
    sigemptyset(&call->defaults);
    if (running.interrupt.sa_handler != SIG_IGN)
        sigaddset(&call->defaults, SIGINT);
    if (running.quit.sa_handler != SIG_IGN)
        sigaddset(&call->defaults, SIGQUIT);
    otel_forklock_give(&running.lock);
    sigaddset(&ignore.sa_mask, SIGCHLD);
    sigprocmask(SIG_BLOCK, &ignore.sa_mask, &call->mask);
}

static void end(const struct call *call)
{
    otel_forklock_take(&running.lock);
    if (running.users && --running.users == 0) {
        sigaction(SIGINT, &running.interrupt, NULL);
        sigaction(SIGQUIT, &running.quit, NULL);
    }
    otel_forklock_give(&running.lock);
    sigprocmask(SIG_SETMASK, &call->mask, NULL);
}

static int spawn(struct call *call, const char *command)
{
    posix_spawnattr_t attributes;
    int error;

    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &call->mask);
    posix_spawnattr_setsigdefault(&attributes, &call->defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    error = otel_shell_spawn(&call->pid, NULL, &attributes, command);
    posix_spawnattr_destroy(&attributes);
    return error;
}

/* The thread is cancelled: the shell goes with it. */
static void cancelled(void *arg)
{
    struct call *call = arg;

    kill(call->pid, SIGKILL);
    otel_pipes_reap(call->pid);
    end(call);
}

/* A point of cancellation. */
static int await(struct call *call)
{
    int status = -1;
    pid_t got;

    pthread_cleanup_push(cancelled, call);
    do
        got = real_waitpid(call->pid, &status, 0);
    while (got < 0 && errno == EINTR);
    if (got != call->pid)
        status = -1;
    pthread_cleanup_pop(0);
    return status;
}

static int run(const char *command)
{
    struct call call;
    int error, status;

    begin(&call);
    error = spawn(&call, command);
    status = error ? W_EXITCODE(127, 0) : await(&call);
    end(&call);
    if (error)
        errno = error;
    return status;
}

OTEL_HOOK_LIBC(int, system, (const char *command))
{
    if (!otel_shell_ours())
        return OTEL_REAL(system)(command);
    return command ? run(command) : run("exit 0") == 0;
}
