/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/hook.h"

#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

#include "core/connection.h"
#include "preload/ownfd.h"

/* to now names what from names. Nothing to do for two of which the same is known: no connection. */
static inline int duplicated(int from, int to)
{
    uint64_t word = otel_fd_get(from);

    if (__builtin_expect(word != otel_fd_get(to) || word > OTEL_FD_PLAIN, 0) && to >= 0)
        otel_connection_dup(from, to);
    return to;
}

OTEL_HOOK_LIBC(int, dup, (int fd))
{
    return duplicated(fd, OTEL_REAL(dup)(fd));
}

OTEL_HOOK_LIBC(int, dup2, (int from, int to))
{
    if (otel_ownfd_any() && from != to && otel_ownfd_guards(to))
        otel_ownfd_yield(to);
    return duplicated(from, OTEL_REAL(dup2)(from, to));
}

OTEL_HOOK_LIBC(int, dup3, (int from, int to, int flags))
{
    if (otel_ownfd_any() && from != to && otel_ownfd_guards(to))
        otel_ownfd_yield(to);
    return duplicated(from, OTEL_REAL(dup3)(from, to, flags));
}

static inline bool duplicates(int command)
{
    return command == F_DUPFD || command == F_DUPFD_CLOEXEC;
}

/* The argument, if there is one, is read and passed on as libc does itself: a register's width,
 * whatever its type. */
OTEL_HOOK_LIBC(int, fcntl, (int fd, int command, ...))
{
    va_list arguments;
    void *argument;
    int result;

    va_start(arguments, command);
    argument = va_arg(arguments, void *);
    va_end(arguments);
    result = OTEL_REAL(fcntl)(fd, command, argument);
    return duplicates(command) ? duplicated(fd, result) : result;
}

OTEL_HOOK_LIBC(int, fcntl64, (int fd, int command, ...))
{
    va_list arguments;
    void *argument;
    int result;

    va_start(arguments, command);
    argument = va_arg(arguments, void *);
    va_end(arguments);
    result = OTEL_REAL(fcntl64)(fd, command, argument);
    return duplicates(command) ? duplicated(fd, result) : result;
}
