/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/hook.h"

#include <errno.h>
#include <limits.h>
#include <sys/resource.h>
#include <unistd.h>

#include "preload/ownfd.h"

/* Closing one of ours is the one call we fake: for the host that number is not open. */
OTEL_HOOK_LIBC(int, close, (int fd))
{
    if (!otel_ownfd_any() || !otel_ownfd_guards(fd))
        return OTEL_REAL(close)(fd);
    errno = EBADF;
    return -1;
}

static int close_around_ours(unsigned first, unsigned last);

/* With flags the call passes: CLOEXEC changes nothing for ours, UNSHARE leaves our table behind. */
OTEL_HOOK_LIBC(int, close_range, (unsigned first, unsigned last, int flags))
{
    if (!otel_ownfd_any() || flags || otel_ownfd_next(first, last) < 0)
        return OTEL_REAL(close_range)(first, last, flags);
    return close_around_ours(first, last);
}

/* The gaps between our descriptors; fails as the first gap that fails. */
static int close_around_ours(unsigned first, unsigned last)
{
    for (;;) {
        int ours = otel_ownfd_next(first, last);
        unsigned end = ours < 0 ? last : (unsigned)ours - 1;

        if ((unsigned)ours != first && OTEL_REAL(close_range)(first, end, 0) != 0)
            return -1;
        if (ours < 0 || (unsigned)ours == last)
            return 0;
        first = (unsigned)ours + 1;
    }
}

/* For kernels before 5.9. */
static void close_one_by_one(int low)
{
    struct rlimit limit;
    int end = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < INT_MAX
                  ? (int)limit.rlim_cur
                  : INT_MAX;

    for (int fd = low; fd < end; fd++)
        close(fd);
}

OTEL_HOOK_LIBC(void, closefrom, (int low))
{
    int first = low > 0 ? low : 0;
    int saved = errno;

    if (!otel_ownfd_any() || otel_ownfd_next((unsigned)first, UINT_MAX) < 0) {
        OTEL_REAL(closefrom)(low);
        return;
    }
    if (close_around_ours((unsigned)first, UINT_MAX) != 0)
        close_one_by_one(first);
    errno = saved;
}

OTEL_HOOK_LIBC(int, dup2, (int from, int to))
{
    if (otel_ownfd_any() && from != to && otel_ownfd_guards(to))
        otel_ownfd_yield(to);
    return OTEL_REAL(dup2)(from, to);
}

OTEL_HOOK_LIBC(int, dup3, (int from, int to, int flags))
{
    if (otel_ownfd_any() && from != to && otel_ownfd_guards(to))
        otel_ownfd_yield(to);
    return OTEL_REAL(dup3)(from, to, flags);
}
