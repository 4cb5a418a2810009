/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes that go from descriptor to descriptor: nobody sees them. Right in a body; where a head is
 * expected they end the following of the connection (observe.h).
 */
#include "hooks/send.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sendfile.h>

#include "core/observe.h"
#include "preload/hook.h"

static void tell(const struct otel_sent *at, bool out, ssize_t n, int error)
{
    if (out && n > 0)
        otel_observe_sent_unseen(at->c, at->fd, (size_t)n);
    else if (out)
        otel_observe_send_end(at->c, error);
    else if (n > 0)
        otel_observe_received_unseen(at->c, at->fd, (size_t)n);
    else
        otel_observe_receive_end(at->c, error);
}

/* Of which descriptor a failure tells nobody knows: it is the sending side's, an end is the
 * receiving side's. Keeps errno. Returns n. */
static ssize_t moved(const struct otel_sent *at, bool out, ssize_t n)
{
    struct otel_connection *c = at->c;
    struct otel_direction *d;
    int saved = errno;

    if (!c || (n == 0 && out) || (n < 0 && !out) || otel_connection_get(at->handle) != c)
        return n;
    d = out ? &c->out : &c->in;
    if (otel_direction_enter(d)) {
        if (otel_connection_get(at->handle) == c)
            tell(at, out, n, n < 0 ? saved : 0);
        otel_direction_leave(d);
    } else {
        otel_observe_lost(c);
    }
    errno = saved;
    return n;
}

/* With the call's own span. */
static ssize_t sent(const struct otel_sent *at, ssize_t n)
{
    return otel_send_told(at, moved(at, true, n));
}

OTEL_HOOK_LIBC(ssize_t, sendfile, (int to, int from, off_t *offset, size_t len))
{
    struct otel_connection *c = otel_connection_find(to);
    struct otel_sent at;

    if (__builtin_expect(!c, 1))
        return OTEL_REAL(sendfile)(to, from, offset, len);
    if (!otel_send_pay(c, to))
        return -1;
    at = otel_send_before(c, to, 0, OTEL_TEXT("sendfile"));
    return sent(&at, OTEL_REAL(sendfile)(to, from, offset, len));
}

OTEL_HOOK_LIBC(ssize_t, sendfile64, (int to, int from, off64_t *offset, size_t len))
{
    struct otel_connection *c = otel_connection_find(to);
    struct otel_sent at;

    if (__builtin_expect(!c, 1))
        return OTEL_REAL(sendfile64)(to, from, offset, len);
    if (!otel_send_pay(c, to))
        return -1;
    at = otel_send_before(c, to, 0, OTEL_TEXT("sendfile"));
    return sent(&at, OTEL_REAL(sendfile64)(to, from, offset, len));
}

/* One side of a splice; what is no socket of ours has no connection. */
static struct otel_sent side(struct otel_connection *c, int fd)
{
    return c ? otel_send_before(c, fd, 0, OTEL_TEXT("splice")) : (struct otel_sent){.fd = fd};
}

static ssize_t spliced(const struct otel_sent *from, const struct otel_sent *to, ssize_t n)
{
    moved(from, false, n);
    return to->c ? sent(to, n) : otel_send_told(from, n);
}

OTEL_HOOK_LIBC(ssize_t, splice,
               (int from, off64_t *from_offset, int to, off64_t *to_offset, size_t len,
                unsigned flags))
{
    struct otel_connection *out = otel_connection_find(to);
    struct otel_connection *in = otel_connection_find(from);
    struct otel_sent a, b;

    if (__builtin_expect(!out && !in, 1))
        return OTEL_REAL(splice)(from, from_offset, to, to_offset, len, flags);
    if (out && !otel_send_pay(out, to))
        return -1;
    a = side(len ? in : NULL, from);
    b = side(out, to);
    return spliced(&a, &b, OTEL_REAL(splice)(from, from_offset, to, to_offset, len, flags));
}
