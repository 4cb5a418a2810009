/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/exec_shell.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/pipes.h"
#include "core/sys.h"
#include "preload/hook.h"

/* Two of libc's functions that other files hook. Written by our constructor, constant afterwards.
 */
static FILE *(*real_fdopen)(int fd, const char *mode);
static int (*real_fclose)(FILE *stream);

static void prepare(void)
{
    real_fdopen = (__typeof__(real_fdopen))otel_real_libc("fdopen");
    real_fclose = (__typeof__(real_fclose))otel_real_libc("fclose");
}

OTEL_AT_START(prepare);

/* What popen() was asked for. */
struct wanted {
    bool reads, writes, cloexec;
};

static bool parse(struct wanted *wanted, const char *mode)
{
    *wanted = (struct wanted){false, false, false};
    for (; *mode; mode++) {
        if (*mode == 'r')
            wanted->reads = true;
        else if (*mode == 'w')
            wanted->writes = true;
        else if (*mode == 'e')
            wanted->cloexec = true;
        else
            return false;
    }
    return wanted->reads != wanted->writes;
}

/* The shell's end must not have the number it is to get already: it would keep its close-on-exec
 * flag. */
static int move_away(int *fd, int from)
{
    int moved;

    if (*fd != from)
        return 0;
    moved = (int)syscall(SYS_fcntl, *fd, F_DUPFD_CLOEXEC, 0);
    if (moved < 0)
        return -1;
    otel_sys.close(*fd);
    *fd = moved;
    return 0;
}

/* The shell gets its end of the pipe, and of those that are open none (POSIX popen). */
static int plan(posix_spawn_file_actions_t *actions, int end, int number)
{
    int error = posix_spawn_file_actions_adddup2(actions, end, number);

    for (size_t i = 0; i < OTEL_PIPES && !error; i++) {
        FILE *open = otel_pipes_at(i);
        int fd = open ? fileno(open) : number;

        if (fd != number)
            error = posix_spawn_file_actions_addclose(actions, fd);
    }
    return error;
}

static int spawn(pid_t *pid, const char *command, int end, int number)
{
    posix_spawn_file_actions_t actions;
    int error = posix_spawn_file_actions_init(&actions);

    if (error)
        return error;
    error = plan(&actions, end, number);
    if (!error)
        error = otel_shell_spawn(pid, &actions, NULL, command);
    posix_spawn_file_actions_destroy(&actions);
    return error ? ENOMEM : 0; /* as libc says it */
}

/* Under the lock. Takes over both ends. Returns 0 or an error number. */
static int start(FILE *stream, const char *command, int end, const struct wanted *wanted)
{
    pid_t pid;
    int error = spawn(&pid, command, end, wanted->reads ? STDOUT_FILENO : STDIN_FILENO);

    otel_sys.close(end);
    if (error) {
        real_fclose(stream);
        return error;
    }
    if (!wanted->cloexec)
        syscall(SYS_fcntl, fileno(stream), F_SETFD, 0);
    otel_pipes_add(stream, pid);
    return 0;
}

static int close_both(const int ends[2])
{
    int error = errno;

    otel_sys.close(ends[0]);
    otel_sys.close(ends[1]);
    return error;
}

/* Under the lock, like all that is below it. Returns NULL with errno. */
static FILE *open_stream(const char *command, const struct wanted *wanted)
{
    int ends[2];
    int ours = wanted->reads ? 0 : 1;
    FILE *stream = NULL;
    int error;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return NULL;
    if (move_away(&ends[1 - ours], wanted->reads ? STDOUT_FILENO : STDIN_FILENO) == 0)
        stream = real_fdopen(ends[ours], wanted->reads ? "r" : "w");
    error = stream ? start(stream, command, ends[1 - ours], wanted) : close_both(ends);
    if (!error)
        return stream;
    errno = error;
    return NULL;
}

/* With no room for one more it is libc's own, without a context. */
OTEL_HOOK_LIBC(FILE *, popen, (const char *command, const char *mode))
{
    struct wanted wanted;
    FILE *stream;

    if (!otel_shell_ours() || !parse(&wanted, mode))
        return OTEL_REAL(popen)(command, mode);
    otel_pipes_lock();
    stream = otel_pipes_full() ? OTEL_REAL(popen)(command, mode) : open_stream(command, &wanted);
    otel_pipes_unlock();
    return stream;
}
