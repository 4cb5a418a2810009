/* SPDX-License-Identifier: Apache-2.0
 *
 * epoll: an event names nothing but the value it was registered with, so each tracked connection
 * remembers that. Events that are all of connections of the exchange the thread serves keep its
 * context; any other ends it, and so does a wait that brought none.
 */
#include "preload/hook.h"

#include <errno.h>
#include <sys/epoll.h>

#include "core/connection.h"
#include "core/context.h"
#include "core/serving.h"
#include "preload/frame.h"
#include "preload/init.h"

static void registered(int epoll_fd, int operation, int fd, const struct epoll_event *event)
{
    struct otel_connection *c =
        operation == EPOLL_CTL_DEL ? otel_connection_known(fd) : otel_connection_find(fd);
    int before = epoll_fd;

    if (!c)
        return;
    if (operation == EPOLL_CTL_DEL) {
        atomic_compare_exchange_strong(&c->epoll_fd, &before, -1);
        return;
    }
    atomic_store_explicit(&c->epoll_data, event->data.u64, memory_order_relaxed);
    atomic_store_explicit(&c->epoll_fd, epoll_fd, memory_order_release);
}

OTEL_HOOK_LIBC(int, epoll_ctl, (int epoll_fd, int operation, int fd, struct epoll_event *event))
{
    int result = OTEL_REAL(epoll_ctl)(epoll_fd, operation, fd, event);

    if (result == 0 && otel_fdtable.size)
        registered(epoll_fd, operation, fd, event);
    return result;
}

/* Is it of a connection that serves that exchange? */
static bool is_own(const struct otel_cell *cell, int epoll_fd, uint64_t data)
{
    for (int i = 0; i < OTEL_SERVING_CONNECTIONS; i++) {
        const struct otel_connection *c =
            otel_connection_get(atomic_load_explicit(&cell->connection[i], memory_order_relaxed));

        if (c && atomic_load_explicit(&c->epoll_fd, memory_order_acquire) == epoll_fd &&
            atomic_load_explicit(&c->epoll_data, memory_order_relaxed) == data)
            return true;
    }
    return false;
}

/* A wait gave n events. */
static void returned(int epoll_fd, const struct epoll_event *events, int n)
{
    const struct otel_cell *cell = otel_context_cell(otel_tls.implicit.cell);
    enum otel_context_kind kind;
    bool own = cell && n > 0;

    for (int i = 0; own && i < n; i++)
        own = is_own(cell, epoll_fd, events[i].data.u64);
    if (own || n < 0 || otel_guard_inside())
        return;
    if (!otel_tls.depth || !otel_context_find(&kind) || kind != OTEL_CONTEXT_EXPLICIT)
        otel_context_implicit_clear();
}

/* In a hook's own body only. */
#define LOOP() (otel_preload_active() ? OTEL_FRAME_OF_CALLER() : NULL), OTEL_FRAME_CALL_OF_CALLER()

/* The work of a loop begins anew. Returns whether there is an exchange whose context may end. */
static inline bool begin(const uintptr_t *loop, const uintptr_t *call)
{
    otel_serving_turn_next();
    otel_serving_loop(loop, call);
    return __builtin_expect(otel_tls.implicit.cell != 0, 0);
}

OTEL_HOOK_LIBC(int, epoll_wait, (int epoll_fd, struct epoll_event *events, int max, int timeout))
{
    int n;

    if (!begin(LOOP()))
        return OTEL_REAL(epoll_wait)(epoll_fd, events, max, timeout);
    n = OTEL_REAL(epoll_wait)(epoll_fd, events, max, timeout);
    returned(epoll_fd, events, n);
    return n;
}

OTEL_HOOK_LIBC(int, epoll_pwait,
               (int epoll_fd, struct epoll_event *events, int max, int timeout,
                const sigset_t *mask))
{
    int n;

    if (!begin(LOOP()))
        return OTEL_REAL(epoll_pwait)(epoll_fd, events, max, timeout, mask);
    n = OTEL_REAL(epoll_pwait)(epoll_fd, events, max, timeout, mask);
    returned(epoll_fd, events, n);
    return n;
}

OTEL_HOOK_LIBC(int, epoll_pwait2,
               (int epoll_fd, struct epoll_event *events, int max, const struct timespec *timeout,
                const sigset_t *mask))
{
    int n;

    if (!begin(LOOP()))
        return OTEL_REAL(epoll_pwait2)(epoll_fd, events, max, timeout, mask);
    n = OTEL_REAL(epoll_pwait2)(epoll_fd, events, max, timeout, mask);
    returned(epoll_fd, events, n);
    return n;
}
