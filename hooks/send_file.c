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

/* One side of the call, as it was before it. */
struct side {
    struct otel_connection *c;
    uint64_t handle;
    int fd;
    bool out;
};

static struct side side_of(struct otel_connection *c, int fd, bool out)
{
    uint64_t handle = c ? atomic_load_explicit(&c->self, memory_order_relaxed) : 0;

    return (struct side){c, handle, fd, out};
}

static void tell(const struct side *s, ssize_t n, int error)
{
    if (s->out && n > 0)
        otel_observe_sent_unseen(s->c, s->fd, (size_t)n);
    else if (s->out)
        otel_observe_send_end(s->c, s->fd, error);
    else if (n > 0)
        otel_observe_received_unseen(s->c, s->fd, (size_t)n);
    else
        otel_observe_receive_end(s->c, s->fd, error);
}

/* error: its errno or 0; what it is of two descriptors nobody knows, so a failure is the sending
 * side's, an end the receiving side's. */
static ssize_t moved(const struct side *s, ssize_t n)
{
    struct otel_direction *d;
    int saved = errno;

    if (!s->c || (n == 0 && s->out) || (n < 0 && !s->out) || otel_connection_get(s->handle) != s->c)
        return n;
    d = s->out ? &s->c->out : &s->c->in;
    if (!otel_direction_enter(d)) {
        otel_observe_lost(s->c);
        return n;
    }
    if (otel_connection_get(s->handle) == s->c)
        tell(s, n, n < 0 ? saved : 0);
    otel_direction_leave(d);
    errno = saved;
    return n;
}

OTEL_HOOK_LIBC(ssize_t, sendfile, (int to, int from, off_t *offset, size_t len))
{
    struct otel_connection *c = otel_connection_find(to);
    struct side side;

    if (__builtin_expect(!c, 1))
        return OTEL_REAL(sendfile)(to, from, offset, len);
    if (!otel_send_pay(c, to))
        return -1;
    side = side_of(c, to, true);
    return moved(&side, OTEL_REAL(sendfile)(to, from, offset, len));
}

OTEL_HOOK_LIBC(ssize_t, sendfile64, (int to, int from, off64_t *offset, size_t len))
{
    struct otel_connection *c = otel_connection_find(to);
    struct side side;

    if (__builtin_expect(!c, 1))
        return OTEL_REAL(sendfile64)(to, from, offset, len);
    if (!otel_send_pay(c, to))
        return -1;
    side = side_of(c, to, true);
    return moved(&side, OTEL_REAL(sendfile64)(to, from, offset, len));
}

OTEL_HOOK_LIBC(ssize_t, splice,
               (int from, off64_t *from_offset, int to, off64_t *to_offset, size_t len,
                unsigned flags))
{
    struct otel_connection *out = otel_connection_find(to);
    struct otel_connection *in = otel_connection_find(from);
    struct side sending = side_of(out, to, true);
    struct side receiving = side_of(len ? in : NULL, from, false);

    if (__builtin_expect(!out && !in, 1))
        return OTEL_REAL(splice)(from, from_offset, to, to_offset, len, flags);
    if (out && !otel_send_pay(out, to))
        return -1;
    return moved(&sending, moved(&receiving,
                                 OTEL_REAL(splice)(from, from_offset, to, to_offset, len, flags)));
}
