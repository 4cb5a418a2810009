/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/hook.h"

#include <alloca.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "preload/exit.h"

OTEL_HOOK_LIBC(void, exit, (int status))
{
    otel_exit_end();
    OTEL_REAL(exit)(status);
}

OTEL_HOOK_LIBC(void, _exit, (int status))
{
    otel_exit_leave();
    OTEL_REAL(_exit)(status);
}

OTEL_HOOK_LIBC(void, _Exit, (int status))
{
    otel_exit_leave();
    OTEL_REAL(_Exit)(status);
}

OTEL_HOOK_LIBC(void, quick_exit, (int status))
{
    otel_exit_leave();
    OTEL_REAL(quick_exit)(status);
}

/* libc forks and lets the parent _exit() where no hook sees it. */
OTEL_HOOK_LIBC(int, daemon, (int keep_directory, int keep_descriptors))
{
    otel_exit_flush();
    return OTEL_REAL(daemon)(keep_directory, keep_descriptors);
}

OTEL_HOOK_LIBC(int, execve, (const char *path, char *const argv[], char *const envp[]))
{
    otel_exit_flush();
    return OTEL_REAL(execve)(path, argv, envp);
}

OTEL_HOOK_LIBC(int, execv, (const char *path, char *const argv[]))
{
    otel_exit_flush();
    return OTEL_REAL(execv)(path, argv);
}

OTEL_HOOK_LIBC(int, execvp, (const char *file, char *const argv[]))
{
    otel_exit_flush();
    return OTEL_REAL(execvp)(file, argv);
}

OTEL_HOOK_LIBC(int, execvpe, (const char *file, char *const argv[], char *const envp[]))
{
    otel_exit_flush();
    return OTEL_REAL(execvpe)(file, argv, envp);
}

OTEL_HOOK_LIBC(int, fexecve, (int fd, char *const argv[], char *const envp[]))
{
    otel_exit_flush();
    return OTEL_REAL(fexecve)(fd, argv, envp);
}

OTEL_HOOK_LIBC(int, execveat,
               (int fd, const char *path, char *const argv[], char *const envp[], int flags))
{
    otel_exit_flush();
    return OTEL_REAL(execveat)(fd, path, argv, envp, flags);
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
    otel_exit_flush();
    return OTEL_REAL(execv)(path, argv);
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
    otel_exit_flush();
    return OTEL_REAL(execvp)(file, argv);
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
    otel_exit_flush();
    return OTEL_REAL(execve)(path, argv, envp);
}
