/* SPDX-License-Identifier: Apache-2.0
 *
 * How sys.c and sys_file.c call the kernel, and nobody else: raw, by libc's syscall(), which
 * reports failure by -1 and errno; here it is -Exxx, and the host's errno is put back. Any thread;
 * signal handlers too.
 */
#ifndef OTEL_CORE_SYS_CALL_H
#define OTEL_CORE_SYS_CALL_H

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What syscall() returned, as the kernel had it. saved_errno: the host's, from before the call.
 * Inline, for the compiler then sees both ends of it. */
static inline long otel_sys_result(long ret, int saved_errno)
{
    if (ret == -1) {
        ret = -errno;
        errno = saved_errno;
    }
    return ret;
}

/* SYS(SYS_close, fd): the kernel's result, a long. Not a function: how many arguments there are
 * depends on the call. */
#define SYS(...)                                       \
    ({                                                 \
        int saved_ = errno;                            \
        otel_sys_result(syscall(__VA_ARGS__), saved_); \
    })

#endif
