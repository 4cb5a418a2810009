/* SPDX-License-Identifier: Apache-2.0
 *
 * What comes in on sockets. A descriptor that does not concern us costs a look-up; on a connection
 * that is not HTTP the bytes are counted, and only a change of whom the thread serves is told.
 *
 * The real call may block for long, so a connection is found again by its handle behind it: another
 * thread may have closed it. Nothing is held during the call, for a thread may be cancelled or jump
 * out of it.
 */
#include "preload/hook.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/connection.h"
#include "core/observe.h"
#include "core/socket_span.h"
#include "core/tls.h"

/* With these the bytes are not taken from the stream, or are none of it. */
#define NOT_TAKEN (MSG_PEEK | MSG_ERRQUEUE | MSG_OOB)

struct receive {
    struct otel_connection *c;
    uint64_t handle;
    uint64_t started_ns; /* 0: the call itself makes no span */
    int fd;
    int flags;
};

static inline struct receive begin(struct otel_connection *c, int fd, int flags)
{
    return (struct receive){
        .c = c,
        .handle = atomic_load_explicit(&c->self, memory_order_relaxed),
        .started_ns = otel_socket_calls() ? otel_clock_mono_ns() : 0,
        .fd = fd,
        .flags = flags,
    };
}

/* Counted, and that is all there is to do. */
static inline bool only_counted(const struct receive *r, ssize_t n)
{
    struct otel_connection *c = r->c;

    if (n <= 0 || (r->flags & NOT_TAKEN) ||
        atomic_load_explicit(&c->self, memory_order_relaxed) != r->handle ||
        atomic_load_explicit(&c->protocol, memory_order_relaxed) != OTEL_PROTOCOL_OTHER ||
        atomic_load_explicit(&c->bound_cell, memory_order_relaxed) != otel_tls.implicit.cell ||
        atomic_load_explicit(&c->connecting, memory_order_relaxed))
        return false;
    __atomic_store_n(&c->in.bytes, __atomic_load_n(&c->in.bytes, __ATOMIC_RELAXED) + (uint64_t)n,
                     __ATOMIC_RELAXED);
    return true;
}

static bool any_room(const struct iovec *iov, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (iov[i].iov_len)
            return true;
    return false;
}

static void observe(const struct receive *r, const struct iovec *iov, size_t count, ssize_t n,
                    int error)
{
    struct otel_connection *c = r->c;

    if (n > 0 && (r->flags & MSG_TRUNC))
        otel_observe_received_unseen(c, r->fd, (size_t)n);
    else if (n > 0)
        otel_observe_received(c, r->fd, iov, count, (size_t)n);
    else if (n < 0 || (c->stream && any_room(iov, count)))
        otel_observe_receive_end(c, error);
}

/* n bytes of one message, 0 or -1 as the call gave it. Keeps errno. */
static void took(const struct receive *r, const struct iovec *iov, size_t count, ssize_t n)
{
    struct otel_connection *c = r->c;
    int saved = errno;
    int error = n < 0 ? saved : 0;

    if (only_counted(r, n) || error == EAGAIN || error == EINTR || (r->flags & NOT_TAKEN) ||
        otel_connection_get(r->handle) != c)
        return;
    otel_socket_transferred(c, r->fd, n, error);
    if (!otel_direction_enter(&c->in)) {
        otel_observe_lost(c); /* two threads read: nobody knows in which order */
    } else {
        if (otel_connection_get(r->handle) == c)
            observe(r, iov, count, n, error);
        otel_direction_leave(&c->in);
    }
    errno = saved;
}

/* The call is over, and everything it did was told. */
static inline void told(const struct receive *r, struct otel_text call, ssize_t result)
{
    int saved = errno;

    if (__builtin_expect(!r->started_ns, 1) || otel_connection_get(r->handle) != r->c)
        return;
    otel_socket_call(r->c, call, result, result < 0 ? saved : 0, r->started_ns);
    errno = saved;
}

static __attribute__((noinline)) void finish_any(const struct receive *r, struct otel_text call,
                                                 void *buf, size_t len, ssize_t n)
{
    struct iovec iov = {buf, len};

    took(r, &iov, 1, n);
    told(r, call, n);
}

/* Of a connection that is not HTTP nothing but this is done. */
static inline void finish(const struct receive *r, struct otel_text call, void *buf, size_t len,
                          ssize_t n)
{
    if (r->started_ns || !only_counted(r, n))
        finish_any(r, call, buf, len, n);
}

static void finish_vector(const struct receive *r, struct otel_text call, const struct iovec *iov,
                          int count, ssize_t n)
{
    took(r, iov, n < 0 ? 0 : (size_t)count, n);
    told(r, call, n);
}

/* Descriptors another process sent have numbers that meant something else before. */
static void received_descriptors(struct msghdr *message)
{
    if (!message->msg_control || otel_guard_inside())
        return;
    for (struct cmsghdr *h = CMSG_FIRSTHDR(message); h; h = CMSG_NXTHDR(message, h)) {
        size_t room = message->msg_controllen - (size_t)((char *)h - (char *)message->msg_control);
        size_t len = h->cmsg_len < room ? h->cmsg_len : room;

        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = CMSG_LEN(0); at + sizeof(int) <= len; at += sizeof(int)) {
            int fd;

            memcpy(&fd, (char *)h + at, sizeof fd);
            if (otel_fd_get(fd) == OTEL_FD_PLAIN)
                otel_fd_swap(fd, OTEL_FD_UNKNOWN);
            else
                otel_connection_close(fd);
        }
    }
}

static inline ssize_t with_descriptors(struct msghdr *message, ssize_t n)
{
    if (n >= 0 && __builtin_expect(message->msg_controllen != 0, 0))
        received_descriptors(message);
    return n;
}

static ssize_t finish_message(const struct receive *r, struct msghdr *message, ssize_t n)
{
    if (n >= 0)
        took(r, message->msg_iov, message->msg_iovlen, n);
    else
        took(r, NULL, 0, n);
    told(r, OTEL_TEXT("recvmsg"), n);
    return with_descriptors(message, n);
}

static int finish_messages(const struct receive *r, struct mmsghdr *messages, int n)
{
    if (n < 0)
        took(r, NULL, 0, n);
    for (int i = 0; i < n; i++) {
        struct msghdr *message = &messages[i].msg_hdr;

        took(r, message->msg_iov, message->msg_iovlen, messages[i].msg_len);
        with_descriptors(message, 0);
    }
    told(r, OTEL_TEXT("recvmmsg"), n);
    return n;
}

/* Behind a call of its own, so that a descriptor that does not concern us has no register saved. */
#define TRACKED static __attribute__((noinline))

TRACKED ssize_t tracked_read(struct otel_connection *c, int fd, void *buf, size_t len);
TRACKED ssize_t tracked_recv(struct otel_connection *c, int fd, void *buf, size_t len, int flags);
TRACKED ssize_t tracked_recvmsg(struct otel_connection *c, int fd, struct msghdr *message,
                                int flags);
TRACKED ssize_t tracked_readv(struct otel_connection *c, int fd, const struct iovec *iov,
                              int count);

OTEL_HOOK_LIBC(ssize_t, read, (int fd, void *buf, size_t len))
{
    struct otel_connection *c = otel_connection_find(fd);

    if (__builtin_expect(!c, 1))
        return OTEL_REAL(read)(fd, buf, len);
    return tracked_read(c, fd, buf, len);
}

static ssize_t tracked_read(struct otel_connection *c, int fd, void *buf, size_t len)
{
    struct receive r = begin(c, fd, 0);
    ssize_t n = OTEL_REAL(read)(fd, buf, len);

    finish(&r, OTEL_TEXT("read"), buf, len, n);
    return n;
}

OTEL_HOOK_LIBC(ssize_t, __read_chk, (int fd, void *buf, size_t len, size_t size))
{
    struct otel_connection *c = otel_connection_find(fd);
    struct receive r;
    ssize_t n;

    if (__builtin_expect(!c, 1))
        return OTEL_REAL(__read_chk)(fd, buf, len, size);
    r = begin(c, fd, 0);
    n = OTEL_REAL(__read_chk)(fd, buf, len, size);
    finish(&r, OTEL_TEXT("read"), buf, len, n);
    return n;
}

OTEL_HOOK_LIBC(ssize_t, recv, (int fd, void *buf, size_t len, int flags))
{
    struct otel_connection *c = otel_connection_find(fd);

    if (__builtin_expect(!c, 1))
        return OTEL_REAL(recv)(fd, buf, len, flags);
    return tracked_recv(c, fd, buf, len, flags);
}

static ssize_t tracked_recv(struct otel_connection *c, int fd, void *buf, size_t len, int flags)
{
    struct receive r = begin(c, fd, flags);
    ssize_t n = OTEL_REAL(recv)(fd, buf, len, flags);

    finish(&r, OTEL_TEXT("recv"), buf, len, n);
    return n;
}

OTEL_HOOK_LIBC(ssize_t, __recv_chk, (int fd, void *buf, size_t len, size_t size, int flags))
{
    struct otel_connection *c = otel_connection_find(fd);
    struct receive r;
    ssize_t n;

    if (__builtin_expect(!c, 1))
        return OTEL_REAL(__recv_chk)(fd, buf, len, size, flags);
    r = begin(c, fd, flags);
    n = OTEL_REAL(__recv_chk)(fd, buf, len, size, flags);
    finish(&r, OTEL_TEXT("recv"), buf, len, n);
    return n;
}

OTEL_HOOK_LIBC(ssize_t, recvfrom,
               (int fd, void *restrict buf, size_t len, int flags, __SOCKADDR_ARG from,
                socklen_t *restrict from_len))
{
    struct otel_connection *c = otel_connection_find(fd);
    struct receive r;
    ssize_t n;

    if (__builtin_expect(!c, 1))
        return OTEL_REAL(recvfrom)(fd, buf, len, flags, from, from_len);
    r = begin(c, fd, flags);
    n = OTEL_REAL(recvfrom)(fd, buf, len, flags, from, from_len);
    finish(&r, OTEL_TEXT("recvfrom"), buf, len, n);
    return n;
}

OTEL_HOOK_LIBC(ssize_t, __recvfrom_chk,
               (int fd, void *restrict buf, size_t len, size_t size, int flags, __SOCKADDR_ARG from,
                socklen_t *restrict from_len))
{
    struct otel_connection *c = otel_connection_find(fd);
    struct receive r;
    ssize_t n;

    if (__builtin_expect(!c, 1))
        return OTEL_REAL(__recvfrom_chk)(fd, buf, len, size, flags, from, from_len);
    r = begin(c, fd, flags);
    n = OTEL_REAL(__recvfrom_chk)(fd, buf, len, size, flags, from, from_len);
    finish(&r, OTEL_TEXT("recvfrom"), buf, len, n);
    return n;
}

OTEL_HOOK_LIBC(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags))
{
    struct otel_connection *c = otel_connection_find(fd);

    if (__builtin_expect(!c, 1))
        return with_descriptors(message, OTEL_REAL(recvmsg)(fd, message, flags));
    return tracked_recvmsg(c, fd, message, flags);
}

static ssize_t tracked_recvmsg(struct otel_connection *c, int fd, struct msghdr *message, int flags)
{
    struct receive r = begin(c, fd, flags);

    return finish_message(&r, message, OTEL_REAL(recvmsg)(fd, message, flags));
}

OTEL_HOOK_LIBC(int, recvmmsg,
               (int fd, struct mmsghdr *messages, unsigned count, int flags,
                struct timespec *timeout))
{
    struct otel_connection *c = otel_connection_find(fd);
    struct receive r;
    int n;

    if (c)
        r = begin(c, fd, flags);
    n = OTEL_REAL(recvmmsg)(fd, messages, count, flags, timeout);
    if (c)
        return finish_messages(&r, messages, n);
    for (int i = 0; i < n; i++)
        with_descriptors(&messages[i].msg_hdr, 0);
    return n;
}

OTEL_HOOK_LIBC(ssize_t, readv, (int fd, const struct iovec *iov, int count))
{
    struct otel_connection *c = otel_connection_find(fd);

    if (__builtin_expect(!c, 1))
        return OTEL_REAL(readv)(fd, iov, count);
    return tracked_readv(c, fd, iov, count);
}

static ssize_t tracked_readv(struct otel_connection *c, int fd, const struct iovec *iov, int count)
{
    struct receive r = begin(c, fd, 0);
    ssize_t n = OTEL_REAL(readv)(fd, iov, count);

    finish_vector(&r, OTEL_TEXT("readv"), iov, count, n);
    return n;
}

/* Of a file from its own position, which is how it reads a socket. */
OTEL_HOOK_LIBC(ssize_t, preadv2,
               (int fd, const struct iovec *iov, int count, off_t offset, int flags))
{
    struct otel_connection *c = offset == -1 ? otel_connection_find(fd) : NULL;
    struct receive r;
    ssize_t n;

    if (__builtin_expect(!c, 1))
        return OTEL_REAL(preadv2)(fd, iov, count, offset, flags);
    r = begin(c, fd, 0);
    n = OTEL_REAL(preadv2)(fd, iov, count, offset, flags);
    finish_vector(&r, OTEL_TEXT("preadv2"), iov, count, n);
    return n;
}

OTEL_HOOK_LIBC(ssize_t, preadv64v2,
               (int fd, const struct iovec *iov, int count, off64_t offset, int flags))
{
    struct otel_connection *c = offset == -1 ? otel_connection_find(fd) : NULL;
    struct receive r;
    ssize_t n;

    if (__builtin_expect(!c, 1))
        return OTEL_REAL(preadv64v2)(fd, iov, count, offset, flags);
    r = begin(c, fd, 0);
    n = OTEL_REAL(preadv64v2)(fd, iov, count, offset, flags);
    finish_vector(&r, OTEL_TEXT("preadv2"), iov, count, n);
    return n;
}
