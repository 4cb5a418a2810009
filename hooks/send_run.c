/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/send.h"

#include <errno.h>
#include <limits.h>

#include "core/inject_scan.h"
#include "core/observe.h"

#define WINDOW 16 /* pieces of the program's in a call that goes on */

/* --- without bytes of ours -------------------------------------------------------------------- */

static bool passing(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

/* Holding the direction. */
static void tell(struct otel_connection *c, int fd, const struct iovec *iov, size_t count,
                 ssize_t n, int error)
{
    if (n > 0)
        otel_observe_sent(c, fd, iov, count, (size_t)n);
    else if (n < 0 && !passing(error))
        otel_observe_send_end(c, error);
}

static void observe(const struct otel_sent *at, const struct iovec *iov, size_t count, ssize_t n)
{
    struct otel_connection *c = at->c;
    int error = errno;

    otel_socket_transferred(c, at->fd, n, error);
    if ((at->flags & MSG_OOB) || !otel_direction_enter(&c->out)) {
        otel_observe_lost(c); /* a byte beside the stream, or two threads: in which order? */
        return;
    }
    if (otel_connection_get(at->handle) == c)
        tell(c, at->fd, iov, count, n, error);
    otel_direction_leave(&c->out);
}

ssize_t otel_send_told(const struct otel_sent *at, ssize_t result)
{
    int saved = errno;

    if (at->started_ns && otel_connection_get(at->handle) == at->c)
        otel_socket_call(at->c, at->call, result, result < 0 ? saved : 0, at->started_ns);
    errno = saved;
    return result;
}

ssize_t otel_send_observe(const struct otel_sent *at, const struct iovec *iov, size_t count,
                          ssize_t n)
{
    int saved = errno;

    if (otel_send_counted(at, n))
        return n;
    if (n != 0 && !(n < 0 && passing(saved)) && otel_connection_get(at->handle) == at->c)
        observe(at, iov, count, n);
    errno = saved;
    return otel_send_told(at, n);
}

static ssize_t as_it_came(const struct otel_sending *s, const struct iovec *iov, size_t count)
{
    ssize_t n = s->calls->came(s);

    return otel_send_observe(&s->at, iov, n < 0 ? 0 : count, n);
}

/* --- with them -------------------------------------------------------------------------------- */

/* What is left of the program's call: its own iovec, or a window into it. */
struct left {
    const struct iovec *iov;
    size_t count;
    size_t len; /* of these pieces */
    struct iovec window[WINDOW];
};

/* Goes on behind the first done bytes. */
static void go_on(struct left *left, const struct iovec *iov, size_t count, size_t done)
{
    size_t used = 0;

    left->len = 0;
    for (size_t i = 0; i < count && used < WINDOW; i++) {
        size_t skip = iov[i].iov_len < done ? iov[i].iov_len : done;

        done -= skip;
        if (iov[i].iov_len == skip)
            continue;
        left->window[used].iov_base = (char *)iov[i].iov_base + skip;
        left->window[used].iov_len = iov[i].iov_len - skip;
        left->len += left->window[used++].iov_len;
    }
    left->iov = left->window;
    left->count = used;
}

/* One real call. Returns the program's bytes that are done with, or -1. *full: the kernel took all
 * it was offered, and more may go on. */
static ssize_t step(struct otel_sending *s, const struct left *left, bool *full)
{
    struct otel_connection *c = s->at.c;
    struct otel_inject_plan plan;
    struct iovec pieces[OTEL_INJECT_IOV];
    size_t total = left->len;
    size_t count;
    ssize_t n;

    if (otel_inject_prepare(c, s->at.fd, left->iov, left->count, left->len, &plan)) {
        count = otel_inject_pieces(&plan, left->iov, left->count, pieces, &total);
        n = s->calls->pieces(s, pieces, count);
        if (n < 0 && errno == ENOTSOCK) {
            otel_connection_verify(c, s->at.fd); /* closed unseen: forgets it */
            n = s->calls->came(s);
            otel_inject_done(&plan);
            *full = true;
            return n;
        }
    } else if (s->again) {
        n = s->calls->pieces(s, left->iov, left->count);
    } else {
        n = s->calls->came(s);
    }
    *full = n >= 0 && (size_t)n == total;
    s->again = s->again || n > 0;
    if (n > 0 || *full) {
        n = (ssize_t)otel_inject_sent(c, &plan, left->iov, left->count, (size_t)n);
        otel_socket_transferred(c, s->at.fd, n, 0);
        if (n && otel_connection_get(s->at.handle) == c)
            otel_observe_sent(c, s->at.fd, left->iov, left->count, (size_t)n);
    }
    otel_inject_done(&plan);
    return n;
}

/* Holding the direction: until the program's call is done, or the kernel takes no more of it. A
 * kernel that stopped in the middle of our bytes is asked again: it says what the program shall
 * hear. */
static ssize_t run(struct otel_sending *s, struct left *left, const struct iovec *iov, size_t count)
{
    size_t len = left->len;
    bool full;

    for (;;) {
        ssize_t n = step(s, left, &full);

        if (n < 0)
            return -1;
        s->done += (size_t)n;
        if (s->done >= len || (!full && (s->done || !s->again)))
            return (ssize_t)s->done;
        go_on(left, iov, count, s->done);
    }
}

/* False: what the kernel will refuse, or need not send. */
static bool measure(struct left *left, const struct iovec *iov, size_t count)
{
    left->iov = iov;
    left->count = count;
    left->len = 0;
    if (!count || count > IOV_MAX || !otel_inject_readable(iov, count * sizeof *iov))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (iov[i].iov_len > SSIZE_MAX - left->len)
            return false;
        left->len += iov[i].iov_len;
    }
    return left->len != 0;
}

/* A byte beside the stream is no byte of a head; and of pages the kernel goes on reading after the
 * call, ours would be gone: a part of the call without that flag would make one notification less
 * than the program counts. Flags of pwritev2() that sendmsg() has not may be refused by the kernel.
 * What is owed goes out all the same. */
static bool untouched(const struct otel_sending *s)
{
    return ((s->at.flags & (MSG_OOB | MSG_ZEROCOPY)) || (s->rw_flags & ~RWF_NOWAIT)) &&
           !s->at.c->owed.pending;
}

ssize_t otel_send_run(struct otel_sending *s, const struct iovec *iov, size_t count)
{
    struct otel_connection *c = s->at.c;
    struct left left;
    int saved = errno;
    ssize_t n;

    if (!measure(&left, iov, count) || !otel_inject_wanted(c, left.len))
        return as_it_came(s, iov, count);
    if (!otel_direction_enter(&c->out)) {
        otel_observe_lost(c);
        return as_it_came(s, iov, count);
    }
    if (untouched(s)) {
        otel_inject_skip(c);
        otel_direction_leave(&c->out);
        return as_it_came(s, iov, count);
    }
    n = run(s, &left, iov, count);
    if (n < 0 && otel_connection_get(s->at.handle) == c) {
        otel_socket_transferred(c, s->at.fd, n, errno);
        tell(c, s->at.fd, iov, 0, n, errno);
    }
    if (n < 0 && s->done)
        n = (ssize_t)s->done;
    otel_direction_leave(&c->out);
    if (n >= 0)
        errno = saved;
    return otel_send_told(&s->at, n);
}

/* --- before bytes nobody sees ----------------------------------------------------------------- */

/* A debt, sent by itself. */
bool otel_send_debt(struct otel_connection *c, int fd,
                    ssize_t (*real)(int fd, const struct msghdr *message, int flags))
{
    struct otel_inject_plan plan;
    struct iovec pieces[OTEL_INJECT_IOV];
    int saved = errno;
    ssize_t n = 0;

    if (!otel_direction_enter(&c->out))
        return true;
    while (n >= 0 && c->owed.pending && c->owed.sent < c->owed.len &&
           otel_inject_prepare(c, fd, NULL, 0, 0, &plan)) {
        struct msghdr message = {.msg_iov = pieces};
        size_t total;

        message.msg_iovlen = otel_inject_pieces(&plan, NULL, 0, pieces, &total);
        n = real(fd, &message, 0);
        if (n >= 0)
            otel_inject_sent(c, &plan, NULL, 0, (size_t)n);
        otel_inject_done(&plan);
    }
    otel_direction_leave(&c->out);
    if (n >= 0)
        errno = saved;
    return n >= 0;
}
