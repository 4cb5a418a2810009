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
static ssize_t run_to(struct otel_sent at, struct iovec bytes, struct msghdr to);
static ssize_t run_vector(struct otel_sending s);
static int run_messages(const struct otel_sent *at, struct mmsghdr *messages, unsigned count);
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

static int sent_messages(struct otel_sent at, const struct mmsghdr *messages, int n)
{
    uint64_t started_ns = at.started_ns;

    at.started_ns = 0;
    if (n < 0)
        otel_send_observe(&at, NULL, 0, n);
    for (int i = 0; i < n; i++)
        sent_message(&at, &messages[i].msg_hdr, messages[i].msg_len);
    at.started_ns = started_ns;
    return (int)otel_send_told(&at, n);
}

/* Out of line, so that the way past us saves no register. */
#define TRACKED __attribute__((noinline)) static

TRACKED ssize_t tracked_send(struct otel_connection *c, int fd, const void *buf, size_t len,
                             int flags);
TRACKED ssize_t tracked_sendto(struct otel_connection *c, int fd, const void *buf, size_t len,
                               int flags, __CONST_SOCKADDR_ARG to, socklen_t to_len);
TRACKED ssize_t tracked_sendmsg(struct otel_connection *c, int fd, const struct msghdr *message,
                                int flags);
TRACKED int tracked_sendmmsg(struct otel_connection *c, int fd, struct mmsghdr *messages,
                             unsigned count, int flags);
TRACKED ssize_t tracked_write(struct otel_connection *c, int fd, const void *buf, size_t len);
TRACKED ssize_t tracked_writev(struct otel_connection *c, int fd, const struct iovec *iov,
                               int count);
TRACKED ssize_t tracked_pwritev2(struct otel_connection *c, int fd, const struct iovec *iov,
                                 int count, off_t offset, int flags);
TRACKED ssize_t tracked_pwritev64v2(struct otel_connection *c, int fd, const struct iovec *iov,
                                    int count, off64_t offset, int flags);

OTEL_HOOK_LIBC(ssize_t, send, (int fd, const void *buf, size_t len, int flags))
{
    struct otel_connection *c = otel_connection_find(fd);

    if (__builtin_expect(!c, 1))
        return OTEL_REAL(send)(fd, buf, len, flags);
    return tracked_send(c, fd, buf, len, flags);
}

OTEL_HOOK_LIBC(ssize_t, sendto,
               (int fd, const void *buf, size_t len, int flags, __CONST_SOCKADDR_ARG to,
                socklen_t to_len))
{
    struct otel_connection *c = otel_connection_find(fd);

    if (__builtin_expect(!c, 1))
        return OTEL_REAL(sendto)(fd, buf, len, flags, to, to_len);
    return tracked_sendto(c, fd, buf, len, flags, to, to_len);
}

OTEL_HOOK_LIBC(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags))
{
    struct otel_connection *c = otel_connection_find(fd);

    if (__builtin_expect(!c, 1))
        return OTEL_REAL(sendmsg)(fd, message, flags);
    return tracked_sendmsg(c, fd, message, flags);
}

OTEL_HOOK_LIBC(int, sendmmsg, (int fd, struct mmsghdr *messages, unsigned count, int flags))
{
    struct otel_connection *c = otel_connection_find(fd);

    if (__builtin_expect(!c, 1))
        return OTEL_REAL(sendmmsg)(fd, messages, count, flags);
    return tracked_sendmmsg(c, fd, messages, count, flags);
}

OTEL_HOOK_LIBC(ssize_t, write, (int fd, const void *buf, size_t len))
{
    struct otel_connection *c = otel_connection_find(fd);

    if (__builtin_expect(!c, 1))
        return OTEL_REAL(write)(fd, buf, len);
    return tracked_write(c, fd, buf, len);
}

OTEL_HOOK_LIBC(ssize_t, writev, (int fd, const struct iovec *iov, int count))
{
    struct otel_connection *c = otel_connection_find(fd);

    if (__builtin_expect(!c, 1))
        return OTEL_REAL(writev)(fd, iov, count);
    return tracked_writev(c, fd, iov, count);
}

/* Of a file to its own position, which is how it writes to a socket. */
OTEL_HOOK_LIBC(ssize_t, pwritev2,
               (int fd, const struct iovec *iov, int count, off_t offset, int flags))
{
    struct otel_connection *c = offset == -1 ? otel_connection_find(fd) : NULL;

    if (__builtin_expect(!c, 1))
        return OTEL_REAL(pwritev2)(fd, iov, count, offset, flags);
    return tracked_pwritev2(c, fd, iov, count, offset, flags);
}

OTEL_HOOK_LIBC(ssize_t, pwritev64v2,
               (int fd, const struct iovec *iov, int count, off64_t offset, int flags))
{
    struct otel_connection *c = offset == -1 ? otel_connection_find(fd) : NULL;

    if (__builtin_expect(!c, 1))
        return OTEL_REAL(pwritev64v2)(fd, iov, count, offset, flags);
    return tracked_pwritev64v2(c, fd, iov, count, offset, flags);
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

/* --- on a socket we follow -----------------------------------------------------------------------
 */

static ssize_t tracked_send(struct otel_connection *c, int fd, const void *buf, size_t len,
                            int flags)
{
    struct otel_sent at;

    at = otel_send_before(c, fd, flags, OTEL_TEXT("send"));
    if (otel_send_maybe(c))
        return run_bytes(
            (struct otel_sending){.at = at, .calls = &send_calls, .buf = buf, .len = len});
    return sent_bytes(&at, buf, len, OTEL_REAL(send)(fd, buf, len, flags));
}

static ssize_t tracked_sendto(struct otel_connection *c, int fd, const void *buf, size_t len,
                              int flags, __CONST_SOCKADDR_ARG to, socklen_t to_len)
{
    struct otel_sent at;

    at = otel_send_before(c, fd, flags, OTEL_TEXT("sendto"));
    if (otel_send_maybe(c))
        return run_to(
            at, (struct iovec){(void *)(uintptr_t)buf, len},
            (struct msghdr){.msg_name = (void *)(uintptr_t)to.__sockaddr__, .msg_namelen = to_len});
    return sent_bytes(&at, buf, len, OTEL_REAL(sendto)(fd, buf, len, flags, to, to_len));
}

static ssize_t tracked_sendmsg(struct otel_connection *c, int fd, const struct msghdr *message,
                               int flags)
{
    struct otel_sent at;

    at = otel_send_before(c, fd, flags, OTEL_TEXT("sendmsg"));
    if (otel_send_maybe(c))
        return run_message(
            (struct otel_sending){.at = at, .calls = &sendmsg_calls, .message = message});
    return sent_message(&at, message, OTEL_REAL(sendmsg)(fd, message, flags));
}

static int tracked_sendmmsg(struct otel_connection *c, int fd, struct mmsghdr *messages,
                            unsigned count, int flags)
{
    struct otel_sent at;

    at = otel_send_before(c, fd, flags, OTEL_TEXT("sendmmsg"));
    if (otel_send_maybe(c))
        return run_messages(&at, messages, count);
    return sent_messages(at, messages, OTEL_REAL(sendmmsg)(fd, messages, count, flags));
}

static ssize_t tracked_write(struct otel_connection *c, int fd, const void *buf, size_t len)
{
    struct otel_sent at;

    at = otel_send_before(c, fd, 0, OTEL_TEXT("write"));
    if (otel_send_maybe(c))
        return run_bytes(
            (struct otel_sending){.at = at, .calls = &write_calls, .buf = buf, .len = len});
    return sent_bytes(&at, buf, len, OTEL_REAL(write)(fd, buf, len));
}

static ssize_t tracked_writev(struct otel_connection *c, int fd, const struct iovec *iov, int count)
{
    struct otel_sent at;

    at = otel_send_before(c, fd, 0, OTEL_TEXT("writev"));
    if (otel_send_maybe(c))
        return run_vector(
            (struct otel_sending){.at = at, .calls = &writev_calls, .iov = iov, .count = count});
    return sent_vector(&at, iov, count, OTEL_REAL(writev)(fd, iov, count));
}

static ssize_t tracked_pwritev2(struct otel_connection *c, int fd, const struct iovec *iov,
                                int count, off_t offset, int flags)
{
    struct otel_sent at;

    at = otel_send_before(c, fd, 0, OTEL_TEXT("pwritev2"));
    if (otel_send_maybe(c))
        return run_vector((struct otel_sending){
            .at = at, .calls = &pwritev2_calls, .rw_flags = flags, .iov = iov, .count = count});
    return sent_vector(&at, iov, count, OTEL_REAL(pwritev2)(fd, iov, count, offset, flags));
}

static ssize_t tracked_pwritev64v2(struct otel_connection *c, int fd, const struct iovec *iov,
                                   int count, off64_t offset, int flags)
{
    struct otel_sent at;

    at = otel_send_before(c, fd, 0, OTEL_TEXT("pwritev2"));
    if (otel_send_maybe(c))
        return run_vector((struct otel_sending){
            .at = at, .calls = &pwritev64v2_calls, .rw_flags = flags, .iov = iov, .count = count});
    return sent_vector(&at, iov, count, OTEL_REAL(pwritev64v2)(fd, iov, count, offset, flags));
}

/* --- in pieces of its own and ours ------------------------------------------------------------ */

static ssize_t send_came(const struct otel_sending *s)
{
    return OTEL_REAL(send)(s->at.fd, s->buf, s->len, s->at.flags);
}

static ssize_t sendto_came(const struct otel_sending *s)
{
    return OTEL_REAL(sendto)(s->at.fd, s->buf, s->len, s->at.flags, s->name, s->name_len);
}

static ssize_t sendmsg_came(const struct otel_sending *s)
{
    return OTEL_REAL(sendmsg)(s->at.fd, s->message, s->at.flags);
}

static ssize_t write_came(const struct otel_sending *s)
{
    return OTEL_REAL(write)(s->at.fd, s->buf, s->len);
}

static ssize_t writev_came(const struct otel_sending *s)
{
    return OTEL_REAL(writev)(s->at.fd, s->iov, s->count);
}

static ssize_t pwritev2_came(const struct otel_sending *s)
{
    return OTEL_REAL(pwritev2)(s->at.fd, s->iov, s->count, -1, s->rw_flags);
}

static ssize_t pwritev64v2_came(const struct otel_sending *s)
{
    return OTEL_REAL(pwritev64v2)(s->at.fd, s->iov, s->count, -1, s->rw_flags);
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
    return OTEL_REAL(sendmsg)(s->at.fd, &message, s->at.flags | (s->done ? MSG_NOSIGNAL : 0));
}

/* By sendmsg(), too, which does the same on a socket and nothing to a file that took its number. */
static ssize_t write_pieces(const struct otel_sending *s, const struct iovec *iov, size_t count)
{
    struct otel_sending rest = {.at.fd = s->at.fd, .again = true, .done = s->done};

    rest.at.flags = s->rw_flags & RWF_NOWAIT ? MSG_DONTWAIT : 0;
    return send_pieces(&rest, iov, count);
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

static ssize_t run_to(struct otel_sent at, struct iovec bytes, struct msghdr to)
{
    return run_bytes((struct otel_sending){.at = at,
                                           .calls = &sendto_calls,
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
 * and a message that went in part is the last. Returns how many went; -1: not even the first. */
static int one_by_one(struct otel_sent at, struct mmsghdr *messages, unsigned count)
{
    unsigned i;

    at.started_ns = 0;
    for (i = 0; i < count && i < IOV_MAX; i++) {
        struct msghdr *message = &messages[i].msg_hdr;
        size_t len = 0;
        ssize_t n;

        if (!otel_inject_readable(&messages[i], sizeof messages[i]))
            return i ? (int)i : OTEL_REAL(sendmmsg)(at.fd, messages, count, at.flags);
        n = run_message(
            (struct otel_sending){.at = at, .calls = &sendmsg_calls, .message = message});
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

static int run_messages(const struct otel_sent *at, struct mmsghdr *messages, unsigned count)
{
    return (int)otel_send_told(at, one_by_one(*at, messages, count));
}

bool otel_send_pay(struct otel_connection *c, int fd)
{
    return __builtin_expect(!c->owed.pending, 1) || otel_send_debt(c, fd, OTEL_REAL(sendmsg));
}
