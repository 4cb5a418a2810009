/* SPDX-License-Identifier: Apache-2.0 */
#include "core/export/descriptors.h"

#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/export/handed.h"

#define PAIRED_MAX 12 /* ends; below OTEL_OWNFD_MAX, with room for connections */
#define EXPORTED __attribute__((visibility("default")))

EXPORTED int socketpair(int domain, int type, int protocol, int pair[2]);
EXPORTED int close(int fd);
EXPORTED int poll(struct pollfd *fds, nfds_t count, int timeout_ms);
EXPORTED ssize_t send(int fd, const void *buf, size_t len, int flags);

/* Written by the batch thread before libcurl has a thread of its own. */
static const struct otel_export_host *host;

/* Adopted ends, number + 1, 0: free. The batch thread opens, it and a resolver's thread close; by
 * compare-and-swap. */
static _Atomic int paired[PAIRED_MAX];

void otel_descriptors_init(const struct otel_export_host *h)
{
    for (int i = 0; i < PAIRED_MAX; i++)
        atomic_store(&paired[i], 0);
    host = h;
}

static bool replace(int old, int new)
{
    for (int i = 0; i < PAIRED_MAX; i++) {
        int expected = old;

        if (atomic_compare_exchange_strong(&paired[i], &expected, new))
            return true;
    }
    return false;
}

/* An end that could not be moved up is left to luck, as is one there is no room for. */
static int adopt(int fd)
{
    int high = host->fd_adopt(fd);

    if (high != fd && !replace(0, high + 1))
        host->fd_release(high);
    return high;
}

int socketpair(int domain, int type, int protocol, int pair[2])
{
    int result = (int)syscall(SYS_socketpair, domain, type | SOCK_CLOEXEC, protocol, pair);

    if (result == 0 && host) {
        pair[0] = adopt(pair[0]);
        pair[1] = adopt(pair[1]);
    }
    return result;
}

int close(int fd)
{
    if (fd >= 0 && host && replace(fd + 1, 0)) {
        bool ours = host->fd_owned(fd);

        host->fd_release(fd);
        if (!ours)
            return 0;
    }
    return (int)syscall(SYS_close, fd);
}

/* libcurl waits here, on the batch thread alone. */
int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    int result;

    if (timeout_ms && host)
        host->waiting(true);
    result = (int)syscall(SYS_poll, fds, count, timeout_ms);
    if (timeout_ms && host)
        host->waiting(false);
    return result;
}

ssize_t send(int fd, const void *buf, size_t len, int flags)
{
    return otel_handed_send(fd, buf, len, flags);
}
