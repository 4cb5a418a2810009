/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/shell.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

#include "preload/hook.h"

#define STREAMS 1024 /* open at once; further ones are libc's own, without a context */

/* Streams that are open. Under the lock, but for a first look at the count. */
static struct {
    struct otel_shell_lock lock;
    _Atomic unsigned used;
    struct {
        FILE *stream; /* NULL: free */
        pid_t pid;
    } of[STREAMS];
} streams;

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
    moved = fcntl(*fd, F_DUPFD_CLOEXEC, 0);
    if (moved < 0)
        return -1;
    close(*fd);
    *fd = moved;
    return 0;
}

/* The shell gets its end of the pipe, and of those that are open none (POSIX popen). */
static int plan(posix_spawn_file_actions_t *actions, int end, int number)
{
    int error = posix_spawn_file_actions_adddup2(actions, end, number);

    for (unsigned i = 0; i < STREAMS && !error; i++) {
        int fd = streams.of[i].stream ? fileno(streams.of[i].stream) : number;

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

static int free_entry(void)
{
    for (int i = 0; i < STREAMS; i++)
        if (!streams.of[i].stream)
            return i;
    return -1;
}

/* Under the lock. Takes over both ends. Returns 0 or an error number. */
static int start(int entry, FILE *stream, const char *command, int end, const struct wanted *wanted)
{
    pid_t pid;
    int error = spawn(&pid, command, end, wanted->reads ? STDOUT_FILENO : STDIN_FILENO);

    close(end);
    if (error) {
        real_fclose(stream);
        return error;
    }
    if (!wanted->cloexec)
        fcntl(fileno(stream), F_SETFD, 0);
    streams.of[entry].stream = stream;
    streams.of[entry].pid = pid;
    atomic_fetch_add_explicit(&streams.used, 1, memory_order_relaxed);
    return 0;
}

static int close_both(const int ends[2])
{
    int error = errno;

    close(ends[0]);
    close(ends[1]);
    return error;
}

/* The same without a stream yet. */
static int open_stream(int entry, const char *command, const struct wanted *wanted)
{
    int ends[2];
    int ours = wanted->reads ? 0 : 1;
    FILE *stream;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return errno;
    if (move_away(&ends[1 - ours], wanted->reads ? STDOUT_FILENO : STDIN_FILENO) < 0)
        return close_both(ends);
    stream = real_fdopen(ends[ours], wanted->reads ? "r" : "w");
    if (!stream)
        return close_both(ends);
    return start(entry, stream, command, ends[1 - ours], wanted);
}

OTEL_HOOK_LIBC(FILE *, popen, (const char *command, const char *mode))
{
    struct wanted wanted;
    FILE *stream = NULL;
    int entry, error;

    if (!otel_shell_ours() || !parse(&wanted, mode))
        return OTEL_REAL(popen)(command, mode);
    otel_shell_lock(&streams.lock);
    entry = free_entry();
    error = entry < 0 ? 0 : open_stream(entry, command, &wanted);
    if (entry >= 0 && !error)
        stream = streams.of[entry].stream;
    otel_shell_unlock(&streams.lock);
    if (entry < 0)
        return OTEL_REAL(popen)(command, mode);
    if (error)
        errno = error;
    return stream;
}

pid_t otel_shell_take(const FILE *fp)
{
    pid_t pid = 0;

    if (!atomic_load_explicit(&streams.used, memory_order_relaxed))
        return 0;
    otel_shell_lock(&streams.lock);
    for (unsigned i = 0; i < STREAMS && !pid; i++) {
        if (streams.of[i].stream != fp)
            continue;
        pid = streams.of[i].pid;
        streams.of[i].stream = NULL;
        atomic_fetch_sub_explicit(&streams.used, 1, memory_order_relaxed);
    }
    otel_shell_unlock(&streams.lock);
    return pid;
}
