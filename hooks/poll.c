/* SPDX-License-Identifier: Apache-2.0
 *
 * poll and select: the thread waits for whatever comes next. What is ready tells whether it goes on
 * with the exchange it served; when nothing is, what it waited for does. A wait inside an operation
 * that is current (libcurl's for its own transfer, a callback's) is a part of that.
 */
#include "preload/hook.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/select.h>

#include "core/connection.h"
#include "core/context.h"
#include "core/serving.h"
#include "core/socket_span.h"
#include "preload/frame.h"
#include "preload/init.h"

#define WORD_BITS (8 * (int)sizeof(long))

struct loop {
    const uintptr_t *frame; /* NULL: not known */
    const uintptr_t *call;
    bool likely;
};

/* Where the caller's frame is, if it may be an event loop: who waits for one descriptor alone wants
 * to read it with a time limit, and goes on with it when the function has returned. In a hook's own
 * body only. */
#define LOOP(COUNT)                                                                 \
    ((COUNT) > 1 && otel_preload_active()                                           \
         ? (struct loop){OTEL_FRAME_OF_CALLER(), OTEL_FRAME_CALL_OF_CALLER(), true} \
         : (struct loop){NULL, NULL, false})

/* Is there an exchange whose context an event may end, or a connect that one may? */
static inline bool serves(void)
{
    return __builtin_expect(otel_tls.implicit.cell != 0 || otel_socket_connecting(), 0);
}

/* Nobody's work is under way: all there is to be told of a wait. */
static inline void next(struct loop loop)
{
    otel_serving_turn_next();
    if (loop.likely)
        otel_serving_loop(loop.frame, loop.call);
}

/* Does it serve the exchange? ready: it is, so that a connect under way is over. */
static bool is_own(int fd, bool ready)
{
    struct otel_connection *c = otel_connection_known(fd);

    if (c && ready && atomic_load_explicit(&c->connecting, memory_order_relaxed))
        otel_socket_connected(c, fd, -1);
    return c && otel_serving_has(otel_tls.implicit.cell, c->self);
}

/* A wait is over. own: everything it was about is the exchange's. */
static void returned(bool own, struct loop loop, const void *caller)
{
    enum otel_context_kind kind;

    otel_serving_turn_next();
    if (own || otel_guard_inside())
        return;
    if (otel_tls.depth && otel_context_find(&kind) && kind == OTEL_CONTEXT_EXPLICIT)
        return;
    if (otel_library_defines(caller, "curl_easy_perform"))
        return;
    if (loop.likely)
        otel_serving_loop(loop.frame, loop.call);
    otel_context_implicit_clear();
}

/* A look at one connection of ours, or a wait for it that ran out: a pool does so before it uses an
 * idle one, and goes on with the same request. */
static bool is_probe(const struct pollfd *fds, nfds_t count, int n)
{
    const struct otel_connection *c = n == 0 && count == 1 ? otel_connection_known(fds->fd) : NULL;

    return c && c->role == OTEL_ROLE_CLIENT;
}

/* n: as the call returned it. */
static void polled(const struct pollfd *fds, nfds_t count, int n, struct loop loop,
                   const void *caller)
{
    int saved = errno;
    bool own = true;

    if (n < 0 || is_probe(fds, count, n))
        return;
    for (nfds_t i = 0; i < count; i++)
        if (fds[i].fd >= 0 && (!n || fds[i].revents))
            own &= is_own(fds[i].fd, n > 0);
    returned(own, loop, caller);
    errno = saved;
}

OTEL_HOOK_LIBC(int, poll, (struct pollfd * fds, nfds_t count, int timeout))
{
    struct loop loop = LOOP(count);
    int n;

    if (!serves()) {
        next(loop);
        return OTEL_REAL(poll)(fds, count, timeout);
    }
    n = OTEL_REAL(poll)(fds, count, timeout);
    polled(fds, count, n, loop, OTEL_CALLER());
    return n;
}

OTEL_HOOK_LIBC(int, ppoll,
               (struct pollfd * fds, nfds_t count, const struct timespec *timeout,
                const sigset_t *mask))
{
    struct loop loop = LOOP(count);
    int n;

    if (!serves()) {
        next(loop);
        return OTEL_REAL(ppoll)(fds, count, timeout, mask);
    }
    n = OTEL_REAL(ppoll)(fds, count, timeout, mask);
    polled(fds, count, n, loop, OTEL_CALLER());
    return n;
}

OTEL_HOOK_LIBC(int, __poll_chk, (struct pollfd * fds, nfds_t count, int timeout, size_t size))
{
    struct loop loop = LOOP(count);
    int n;

    if (!serves()) {
        next(loop);
        return OTEL_REAL(__poll_chk)(fds, count, timeout, size);
    }
    n = OTEL_REAL(__poll_chk)(fds, count, timeout, size);
    polled(fds, count, n, loop, OTEL_CALLER());
    return n;
}

OTEL_HOOK_LIBC(int, __ppoll_chk,
               (struct pollfd * fds, nfds_t count, const struct timespec *timeout,
                const sigset_t *mask, size_t size))
{
    struct loop loop = LOOP(count);
    int n;

    if (!serves()) {
        next(loop);
        return OTEL_REAL(__ppoll_chk)(fds, count, timeout, mask, size);
    }
    n = OTEL_REAL(__ppoll_chk)(fds, count, timeout, mask, size);
    polled(fds, count, n, loop, OTEL_CALLER());
    return n;
}

/* Those of one word, 0 where there is no set. As the kernel has it: a set may be larger than
 * fd_set. */
static unsigned long word_of(const fd_set *set, int i)
{
    return set ? ((const unsigned long *)set)[i] : 0;
}

static bool all_own(int count, const fd_set *r, const fd_set *w, const fd_set *e)
{
    bool own = true;

    for (int i = 0; i * WORD_BITS < count; i++) {
        unsigned long ready = word_of(r, i) | word_of(w, i) | word_of(e, i);

        for (; ready; ready &= ready - 1)
            own &= is_own(i * WORD_BITS + __builtin_ctzl(ready), true);
    }
    return own;
}

/* Of a wait that timed out the sets do not tell what it was for, unless there are none. */
static void selected(int n, bool own, struct loop loop, const void *caller)
{
    int saved = errno;

    if (n >= 0)
        returned(own, loop, caller);
    errno = saved;
}

OTEL_HOOK_LIBC(int, select,
               (int count, fd_set *restrict r, fd_set *restrict w, fd_set *restrict e,
                struct timeval *restrict timeout))
{
    struct loop loop = LOOP(count);
    int n;

    if (!serves()) {
        next(loop);
        return OTEL_REAL(select)(count, r, w, e, timeout);
    }
    n = OTEL_REAL(select)(count, r, w, e, timeout);
    selected(n, n > 0 ? all_own(count, r, w, e) : !r && !w && !e, loop, OTEL_CALLER());
    return n;
}

OTEL_HOOK_LIBC(int, pselect,
               (int count, fd_set *restrict r, fd_set *restrict w, fd_set *restrict e,
                const struct timespec *restrict timeout, const sigset_t *restrict mask))
{
    struct loop loop = LOOP(count);
    int n;

    if (!serves()) {
        next(loop);
        return OTEL_REAL(pselect)(count, r, w, e, timeout, mask);
    }
    n = OTEL_REAL(pselect)(count, r, w, e, timeout, mask);
    selected(n, n > 0 ? all_own(count, r, w, e) : !r && !w && !e, loop, OTEL_CALLER());
    return n;
}
