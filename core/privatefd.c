/* SPDX-License-Identifier: Apache-2.0 */
#include "core/privatefd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "core/sys.h"
#include "core/tls.h"

/* What 1 and 2 were at start-up. Written before any second thread, read-only afterwards. */
static struct {
    bool known;
    dev_t device;
    ino_t inode;
} std[3];

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

/* Are both calls to be had? Asked with descriptors that cannot be: what is opened here would lie in
 * the host's table for a moment and shift its numbers. */
static int can_copy(void)
{
    if (syscall(SYS_pidfd_open, -1, 0) < 0 && errno != EINVAL)
        return -errno;
    if (syscall(SYS_pidfd_getfd, -1, 0, 0) < 0 && errno != EBADF)
        return -errno;
    return 0;
}

/* Nothing of ours shall get the numbers 0 to 2: whatever writes to stderr by itself, a message of
 * malloc say, would write into our connection. */
static void take_std_numbers(void)
{
    for (int fd = 0; fd >= 0 && fd < 2;)
        fd = otel_sys.open("/dev/null", O_RDWR | O_CLOEXEC, 0);
}

int otel_privatefd_enter(bool needs_std)
{
    int saved = errno;
    int err = needs_std ? can_copy() : 0;

    if (!err && syscall(SYS_close_range, 0, ~0U, CLOSE_RANGE_UNSHARE) < 0)
        err = -errno;
    if (!err) {
        otel_tls.private_fds = 1;
        take_std_numbers();
    }
    errno = saved;
    return err;
}

bool otel_privatefd_active(void)
{
    return otel_tls.private_fds != 0;
}

void otel_privatefd_init(void)
{
    int saved = errno;
    struct stat st;

    for (int fd = 1; fd <= 2; fd++) {
        std[fd].known = fstat(fd, &st) == 0;
        std[fd].device = st.st_dev;
        std[fd].inode = st.st_ino;
    }
    errno = saved;
}

/* A descriptor of this thread's table for the host's fd, -EBADF when that is not what it was. */
static int host_fd(int fd)
{
    struct stat st;
    int at = fd;

    if (fd < 1 || fd > 2 || !std[fd].known)
        return -EBADF;
    if (otel_privatefd_active()) {
        at = copy_of(fd);
        if (at < 0)
            return at;
    }
    if (fstat(at, &st) == 0 && st.st_dev == std[fd].device && st.st_ino == std[fd].inode)
        return at;
    if (otel_privatefd_active())
        otel_sys.close(at);
    return -EBADF;
}

int otel_privatefd_write(int fd, const void *buf, size_t len)
{
    int saved = errno;
    int at = host_fd(fd);
    int err = at < 0 ? at : otel_sys_write_quiet(at, buf, len);

    if (at >= 0 && otel_privatefd_active())
        otel_sys.close(at);
    errno = saved;
    return err;
}

bool otel_privatefd_isatty(int fd)
{
    int saved = errno;
    struct termios t;
    int at = host_fd(fd);
    bool tty = at >= 0 && syscall(SYS_ioctl, at, TCGETS, &t) == 0;

    if (at >= 0 && otel_privatefd_active())
        otel_sys.close(at);
    errno = saved;
    return tty;
}
