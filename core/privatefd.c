/* SPDX-License-Identifier: Apache-2.0 */
#include "core/privatefd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "core/generation.h"
#include "core/sys.h"
#include "core/tls.h"

/* A copy of the host's descriptor fd in this thread's table, or -Exxx. A process may always copy
 * descriptors of itself; a seccomp filter may say no. */
static int copy_of(int fd)
{
    int saved = errno;
    int copy = -1;
    long pidfd = syscall(SYS_pidfd_open, otel_sys.getpid(), 0);

    if (pidfd >= 0) {
        copy = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
        if (copy < 0)
            copy = -errno;
        otel_sys.close((int)pidfd);
    } else {
        copy = -errno;
    }
    errno = saved;
    return copy;
}

static int can_copy(void)
{
    int copy = copy_of(STDERR_FILENO);

    if (copy < 0 && copy != -EBADF)
        return copy;
    if (copy >= 0)
        otel_sys.close(copy);
    return 0;
}

int otel_privatefd_enter(bool needs_std)
{
    int saved = errno;
    int err = needs_std ? can_copy() : 0;

    if (!err && syscall(SYS_close_range, 0, ~0U, CLOSE_RANGE_UNSHARE) < 0)
        err = -errno;
    errno = saved;
    if (!err)
        otel_tls.private_fds = 1;
    return err;
}

bool otel_privatefd_active(void)
{
    return otel_tls.private_fds != 0;
}

int otel_privatefd_write(int fd, const void *buf, size_t len)
{
    int copy;
    int err;

    if (!otel_privatefd_active())
        return otel_sys_write_all(fd, buf, len);
    copy = copy_of(fd);
    if (copy < 0)
        return copy;
    err = otel_sys_write_all(copy, buf, len);
    otel_sys.close(copy);
    return err;
}

bool otel_privatefd_isatty(int fd)
{
    int saved = errno;
    struct termios t;
    bool tty;

    if (otel_privatefd_active()) {
        fd = copy_of(fd);
        if (fd < 0)
            return false;
    }
    tty = syscall(SYS_ioctl, fd, TCGETS, &t) == 0;
    if (otel_privatefd_active())
        otel_sys.close(fd);
    errno = saved;
    return tty;
}
