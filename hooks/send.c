/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/send.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "core/inject_scan.h"
#include "preload/hook.h"

/* Where our lines have a place; below the hooks. */
static ssize_t run_bytes(struct otel_sending s);
static ssize_t run_message(struct otel_sending s);
static ssize_t run_to(struct otel_connection *c, int fd, struct iovec bytes, int flags,
                      struct msghdr to);
static ssize_t run_vector(struct otel_sending s);
static int run_messages(struct otel_connection *c, int fd, struct mmsghdr *messages, unsigned count,
                        int flags);
static const struct otel_sending_calls send_calls, sendto_calls, sendmsg_calls, write_calls,
    writev_calls, pwritev2_calls, pwritev64v2_calls;

/* --- as it came ------------------------------------------------------------------------------- */

static inline ssize_t sent_bytes(const struct otel_sent *at, const void *buf, size_t len, ssize_t n)
{
    struct iovec iov = {(void *)(uintptr_t)buf, len};

    return otel_send_counted(at, n) ? n : otel_send_observe(at, &iov, 1, n);
}

/* Of a call that failed nothing is read: the kernel may have stumbled over it. */
static inline ssize_t sent_vector(const struct otel_sent *at, const struct iovec *iov, int count,
                                  ssize_t n)
{
    return otel_send_counted(at, n) ? n : otel_send_observe(at, iov, n < 0 ? 0 : (size_t)count, n);
}

static inline ssize_t sent_message(const struct otel_sent *at, const struct msghdr *message,
                                   ssize_t n)
{
    if (otel_send_counted(at, n))
        return n;
    return n < 0 ? otel_send_observe(at, NULL, 0, n)
                 : otel_send_observe(at, message->msg_iov, message->msg_iovlen, n);
}

static int sent_messages(const struct otel_sent *at, const struct mmsghdr *messages, int n)
{
    if (n < 0)
        otel_send_observe(at, NULL, 0, n);
    for (int i = 0; i < n; i++)
        sent_message(at, &messages[i].msg_hdr, messages[i].msg_len);
    return n;
}

OTEL_HOOK_LIBC(ssize_t, send, (int fd, const void *buf, size_t len, int flags))
{
    struct otel_connection *c = otel_connection_find(fd);
    struct otel_sent at;

    if (__builtin_expect(!c, 1))
        return OTEL_REAL(send)(fd, buf, len, flags);
    if (otel_send_maybe(c))
        return run_bytes((struct otel_sending){
            .c = c, .calls = &send_calls, .fd = fd, .flags = flags, .buf = buf, .len = len});
    at = otel_send_before(c, fd, flags);
    return sent_bytes(&at, buf, len, OTEL_REAL(send)(fd, buf, len, flags));
}

OTEL_HOOK_LIBC(ssize_t, sendto,
               (int fd, const void *buf, size_t len, int flags, __CONST_SOCKADDR_ARG to,
                socklen_t to_len))
{
    struct otel_connection *c = otel_connection_find(fd);
    struct otel_sent at;

    if (__builtin_expect(!c, 1))
        return OTEL_REAL(sendto)(fd, buf, len, flags, to, to_len);
    if (otel_send_maybe(c))
        return run_to(
            c, fd, (struct iovec){(void *)(uintptr_t)buf, len}, flags,
            (struct msghdr){.msg_name = (void *)(uintptr_t)to.__sockaddr__, .msg_namelen = to_len});
    at = otel_send_before(c, fd, flags);
    return sent_bytes(&at, buf, len, OTEL_REAL(sendto)(fd, buf, len, flags, to, to_len));
}

OTEL_HOOK_LIBC(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags))
{
    struct otel_connection *c = otel_connection_find(fd);
    struct otel_sent at;

    if (__builtin_expect(!c, 1))
        return OTEL_REAL(sendmsg)(fd, message, flags);
    if (otel_send_maybe(c))
        return run_message((struct otel_sending){
            .c = c, .calls = &sendmsg_calls, .fd = fd, .flags = flags, .message = message});
    at = otel_send_before(c, fd, flags);
    return sent_message(&at, message, OTEL_REAL(sendmsg)(fd, message, flags));
}

OTEL_HOOK_LIBC(int, sendmmsg, (int fd, struct mmsghdr *messages, unsigned count, int flags))
{
    struct otel_connection *c = otel_connection_find(fd);
    struct otel_sent at;

    if (__builtin_expect(!c, 1))
        return OTEL_REAL(sendmmsg)(fd, messages, count, flags);
    if (otel_send_maybe(c))
        return run_messages(c, fd, messages, count, flags);
    at = otel_send_before(c, fd, flags);
    return sent_messages(&at, messages, OTEL_REAL(sendmmsg)(fd, messages, count, flags));
}

OTEL_HOOK_LIBC(ssize_t, write, (int fd, const void *buf, size_t len))
{
    struct otel_connection *c = otel_connection_find(fd);
    struct otel_sent at;

    if (__builtin_expect(!c, 1))
        return OTEL_REAL(write)(fd, buf, len);
    if (otel_send_maybe(c))
        return run_bytes(
            (struct otel_sending){.c = c, .calls = &write_calls, .fd = fd, .buf = buf, .len = len});
    at = otel_send_before(c, fd, 0);
    return sent_bytes(&at, buf, len, OTEL_REAL(write)(fd, buf, len));
}

OTEL_HOOK_LIBC(ssize_t, writev, (int fd, const struct iovec *iov, int count))
{
    struct otel_connection *c = otel_connection_find(fd);
    struct otel_sent at;

    if (__builtin_expect(!c, 1))
        return OTEL_REAL(writev)(fd, iov, count);
    if (otel_send_maybe(c))
        return run_vector((struct otel_sending){
            .c = c, .calls = &writev_calls, .fd = fd, .iov = iov, .count = count});
    at = otel_send_before(c, fd, 0);
    return sent_vector(&at, iov, count, OTEL_REAL(writev)(fd, iov, count));
}

/* Of a file to its own position, which is how it writes to a socket. */
OTEL_HOOK_LIBC(ssize_t, pwritev2,
               (int fd, const struct iovec *iov, int count, off_t offset, int flags))
{
    struct otel_connection *c = offset == -1 ? otel_connection_find(fd) : NULL;
    struct otel_sent at;

    if (__builtin_expect(!c, 1))
        return OTEL_REAL(pwritev2)(fd, iov, count, offset, flags);
    if (otel_send_maybe(c))
        return run_vector((struct otel_sending){.c = c,
                                                .calls = &pwritev2_calls,
                                                .fd = fd,
                                                .rw_flags = flags,
                                                .iov = iov,
                                                .count = count});
    at = otel_send_before(c, fd, 0);
    return sent_vector(&at, iov, count, OTEL_REAL(pwritev2)(fd, iov, count, offset, flags));
}

OTEL_HOOK_LIBC(ssize_t, pwritev64v2,
               (int fd, const struct iovec *iov, int count, off64_t offset, int flags))
{
    struct otel_connection *c = offset == -1 ? otel_connection_find(fd) : NULL;
    struct otel_sent at;

    if (__builtin_expect(!c, 1))
        return OTEL_REAL(pwritev64v2)(fd, iov, count, offset, flags);
    if (otel_send_maybe(c))
        return run_vector((struct otel_sending){.c = c,
                                                .calls = &pwritev64v2_calls,
                                                .fd = fd,
                                                .rw_flags = flags,
                                                .iov = iov,
                                                .count = count});
    at = otel_send_before(c, fd, 0);
    return sent_vector(&at, iov, count, OTEL_REAL(pwritev64v2)(fd, iov, count, offset, flags));
}

/* Other names of libc's for the same. */
OTEL_HOOK_LIBC(ssize_t, __send, (int fd, const void *buf, size_t len, int flags))
{
    return send(fd, buf, len, flags);
}

OTEL_HOOK_LIBC(ssize_t, __write, (int fd, const void *buf, size_t len))
{
    return write(fd, buf, len);
}

/* --- in pieces of its own and ours ------------------------------------------------------------ */

static ssize_t send_came(const struct otel_sending *s)
{
    return OTEL_REAL(send)(s->fd, s->buf, s->len, s->flags);
}

static ssize_t sendto_came(const struct otel_sending *s)
{
    return OTEL_REAL(sendto)(s->fd, s->buf, s->len, s->flags, s->name, s->name_len);
}

static ssize_t sendmsg_came(const struct otel_sending *s)
{
    return OTEL_REAL(sendmsg)(s->fd, s->message, s->flags);
}

static ssize_t write_came(const struct otel_sending *s)
{
    return OTEL_REAL(write)(s->fd, s->buf, s->len);
}

static ssize_t writev_came(const struct otel_sending *s)
{
    return OTEL_REAL(writev)(s->fd, s->iov, s->count);
}

static ssize_t pwritev2_came(const struct otel_sending *s)
{
    return OTEL_REAL(pwritev2)(s->fd, s->iov, s->count, -1, s->rw_flags);
}

static ssize_t pwritev64v2_came(const struct otel_sending *s)
{
    return OTEL_REAL(pwritev64v2)(s->fd, s->iov, s->count, -1, s->rw_flags);
}

static ssize_t send_pieces(const struct otel_sending *s, const struct iovec *iov, size_t count)
{
    struct msghdr message = {.msg_name = (void *)(uintptr_t)s->name, .msg_namelen = s->name_len};

    if (s->message)
        message = *s->message;
    if (s->again) {
        message.msg_name = message.msg_control = NULL;
        message.msg_namelen = message.msg_controllen = 0;
    }
    message.msg_iov = (struct iovec *)(uintptr_t)iov;
    message.msg_iovlen = count;
    return OTEL_REAL(sendmsg)(s->fd, &message, s->flags | (s->done ? MSG_NOSIGNAL : 0));
}

static ssize_t write_pieces(const struct otel_sending *s, const struct iovec *iov, size_t count)
{
    struct otel_sending rest = {.fd = s->fd, .again = true, .done = s->done};

    if (s->done) {
        rest.flags = s->rw_flags & RWF_NOWAIT ? MSG_DONTWAIT : 0;
        return send_pieces(&rest, iov, count);
    }
    if (s->rw_flags)
        return OTEL_REAL(pwritev2)(s->fd, iov, (int)count, -1, s->rw_flags);
    return OTEL_REAL(writev)(s->fd, iov, (int)count);
}

/* Constant. */
static const struct otel_sending_calls send_calls = {send_came, send_pieces};
static const struct otel_sending_calls sendto_calls = {sendto_came, send_pieces};
static const struct otel_sending_calls sendmsg_calls = {sendmsg_came, send_pieces};
static const struct otel_sending_calls write_calls = {write_came, write_pieces};
static const struct otel_sending_calls writev_calls = {writev_came, write_pieces};
static const struct otel_sending_calls pwritev2_calls = {pwritev2_came, write_pieces};
static const struct otel_sending_calls pwritev64v2_calls = {pwritev64v2_came, write_pieces};

static ssize_t run_bytes(struct otel_sending s)
{
    struct iovec iov = {(void *)(uintptr_t)s.buf, s.len};

    return otel_send_run(&s, &iov, 1);
}

static ssize_t run_to(struct otel_connection *c, int fd, struct iovec bytes, int flags,
                      struct msghdr to)
{
    return run_bytes((struct otel_sending){.c = c,
                                           .calls = &sendto_calls,
                                           .fd = fd,
                                           .flags = flags,
                                           .buf = bytes.iov_base,
                                           .len = bytes.iov_len,
                                           .name = to.msg_name,
                                           .name_len = to.msg_namelen});
}

static ssize_t run_vector(struct otel_sending s)
{
    return otel_send_run(&s, s.iov, s.count > 0 ? (size_t)s.count : 0);
}

static ssize_t run_message(struct otel_sending s)
{
    bool good = otel_inject_readable(s.message, sizeof *s.message);

    return otel_send_run(&s, good ? s.message->msg_iov : NULL, good ? s.message->msg_iovlen : 0);
}

/* One after the other, as the kernel does: a failure behind the first one is told by the next call,
 * and a message that went in part is the last. */
static int run_messages(struct otel_connection *c, int fd, struct mmsghdr *messages, unsigned count,
                        int flags)
{
    unsigned i;

    for (i = 0; i < count && i < IOV_MAX; i++) {
        struct msghdr *message = &messages[i].msg_hdr;
        size_t len = 0;
        ssize_t n;

        if (!otel_inject_readable(&messages[i], sizeof messages[i]))
            return i ? (int)i : OTEL_REAL(sendmmsg)(fd, messages, count, flags);
        n = run_message((struct otel_sending){
            .c = c, .calls = &sendmsg_calls, .fd = fd, .flags = flags, .message = message});
        if (n < 0)
            return i ? (int)i : -1;
        messages[i].msg_len = (unsigned)n;
        for (size_t k = 0; k < message->msg_iovlen; k++)
            len += message->msg_iov[k].iov_len;
        if ((size_t)n < len)
            return (int)i + 1;
    }
    return (int)i;
}

bool otel_send_pay(struct otel_connection *c, int fd)
{
    return __builtin_expect(!c->owed.pending, 1) || otel_send_debt(c, fd, OTEL_REAL(sendmsg));
}
