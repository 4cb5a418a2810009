/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/exec.h"

#include <alloca.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

#include "core/config.h"
#include "preload/hook.h"

/* An exec that returns has failed. What we add must not be what makes it too big: then once more
 * without. The forms without an environment take the program's, as libc does. */

#define FILE_AT(fd, path) ((struct otel_exec_file){path, fd, false})
#define FILE_NAMED(name) ((struct otel_exec_file){name, AT_FDCWD, true})

static int run_path(const char *path, char *const argv[], char *const envp[]);
static int run_named(const char *file, char *const argv[], char *const envp[]);

OTEL_HOOK_LIBC(int, execve, (const char *path, char *const argv[], char *const envp[]))
{
    return run_path(path, argv, envp);
}

OTEL_HOOK_LIBC(int, execvpe, (const char *file, char *const argv[], char *const envp[]))
{
    return run_named(file, argv, envp);
}

static int run_path(const char *path, char *const argv[], char *const envp[])
{
    struct otel_exec e;
    bool ours = otel_exec_prepare(&e, FILE_AT(AT_FDCWD, path), envp);

    if (ours)
        OTEL_REAL(execve)(path, argv, otel_exec_environment(&e, alloca(e.stack)));
    if (!ours || errno == E2BIG)
        OTEL_REAL(execve)(path, argv, envp);
    otel_exec_failed(&e);
    return -1;
}

static int run_named(const char *file, char *const argv[], char *const envp[])
{
    struct otel_exec e;
    bool ours = otel_exec_prepare(&e, FILE_NAMED(file), envp);

    if (ours)
        OTEL_REAL(execvpe)(file, argv, otel_exec_environment(&e, alloca(e.stack)));
    if (!ours || errno == E2BIG)
        OTEL_REAL(execvpe)(file, argv, envp);
    otel_exec_failed(&e);
    return -1;
}

OTEL_HOOK_LIBC(int, execv, (const char *path, char *const argv[]))
{
    return run_path(path, argv, otel_env_array());
}

OTEL_HOOK_LIBC(int, execvp, (const char *file, char *const argv[]))
{
    return run_named(file, argv, otel_env_array());
}

OTEL_HOOK_LIBC(int, fexecve, (int fd, char *const argv[], char *const envp[]))
{
    struct otel_exec e;
    bool ours = otel_exec_prepare(&e, FILE_AT(fd, NULL), envp);

    if (ours)
        OTEL_REAL(fexecve)(fd, argv, otel_exec_environment(&e, alloca(e.stack)));
    if (!ours || errno == E2BIG)
        OTEL_REAL(fexecve)(fd, argv, envp);
    otel_exec_failed(&e);
    return -1;
}

OTEL_HOOK_LIBC(int, execveat,
               (int fd, const char *path, char *const argv[], char *const envp[], int flags))
{
    struct otel_exec e;
    bool ours = otel_exec_prepare(&e, FILE_AT(fd, path), envp);

    if (ours)
        OTEL_REAL(execveat)
    (fd, path, argv, otel_exec_environment(&e, alloca(e.stack)), flags);
    if (!ours || errno == E2BIG)
        OTEL_REAL(execveat)(fd, path, argv, envp, flags);
    otel_exec_failed(&e);
    return -1;
}

/* Arguments behind the first, the NULL included. */
static size_t count(const char *first, va_list arguments)
{
    size_t n = first != NULL;

    while (first && va_arg(arguments, char *))
        n++;
    return n;
}

/* argv = first, then the n arguments behind it. */
static void collect(char **argv, const char *first, size_t n, va_list *arguments)
{
    argv[0] = (char *)(uintptr_t)first;
    for (size_t i = 1; i <= n; i++)
        argv[i] = va_arg(*arguments, char *);
}

/* The variadic forms build argv on the stack, as libc does: a vfork child may not allocate. Each
 * argument stood in the call, so the array is as long as what the caller passed anyway. */
OTEL_HOOK_LIBC(int, execl, (const char *path, const char *arg, ...))
{
    va_list arguments;
    char **argv;
    size_t n;

    va_start(arguments, arg);
    n = count(arg, arguments);
    va_end(arguments);
    argv = alloca((n + 1) * sizeof *argv);
    va_start(arguments, arg);
    collect(argv, arg, n, &arguments);
    va_end(arguments);
    return run_path(path, argv, otel_env_array());
}

OTEL_HOOK_LIBC(int, execlp, (const char *file, const char *arg, ...))
{
    va_list arguments;
    char **argv;
    size_t n;

    va_start(arguments, arg);
    n = count(arg, arguments);
    va_end(arguments);
    argv = alloca((n + 1) * sizeof *argv);
    va_start(arguments, arg);
    collect(argv, arg, n, &arguments);
    va_end(arguments);
    return run_named(file, argv, otel_env_array());
}

OTEL_HOOK_LIBC(int, execle, (const char *path, const char *arg, ...))
{
    va_list arguments;
    char **argv, **envp;
    size_t n;

    va_start(arguments, arg);
    n = count(arg, arguments);
    va_end(arguments);
    argv = alloca((n + 1) * sizeof *argv);
    va_start(arguments, arg);
    collect(argv, arg, n, &arguments);
    envp = va_arg(arguments, char **);
    va_end(arguments);
    return run_path(path, argv, envp);
}
