/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/hook.h"

#include <errno.h>
#include <limits.h>
#include <linux/close_range.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/connection.h"
#include "preload/ownfd.h"

/* Closing one of ours is the one call we fake: for the host that number is not open.
 * What was known of a number is forgotten before the real call: after it, another thread may have
 * the number already. */
OTEL_HOOK_LIBC(int, close, (int fd))
{
    if (otel_fd_get(fd) > OTEL_FD_PLAIN)
        otel_connection_close(fd);
    if (!otel_ownfd_any() || !otel_ownfd_guards(fd))
        return OTEL_REAL(close)(fd);
    errno = EBADF;
    return -1;
}

static int close_around_ours(unsigned first, unsigned last);

/* With flags the call passes: CLOEXEC changes nothing for ours, UNSHARE leaves our table behind. */
OTEL_HOOK_LIBC(int, close_range, (unsigned first, unsigned last, int flags))
{
    if (first <= last && (flags & ~CLOSE_RANGE_UNSHARE) == 0)
        otel_connection_close_range(first, last);
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

    otel_connection_close_range((unsigned)first, UINT_MAX);
    if (!otel_ownfd_any() || otel_ownfd_next((unsigned)first, UINT_MAX) < 0) {
        OTEL_REAL(closefrom)(low);
        return;
    }
    if (close_around_ours((unsigned)first, UINT_MAX) != 0)
        close_one_by_one(first);
    errno = saved;
}
