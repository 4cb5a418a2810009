/* SPDX-License-Identifier: Apache-2.0
 *
 * One call of the program's that sends on a socket we follow: as it came, or, where our header
 * lines go into it, in pieces of its own and ours (core/inject.h). The result and errno are what
 * the call would have given for the program's bytes.
 *
 * As it came is the rule: the program may live in a sandbox that knows its system calls. Only what
 * gets bytes of ours goes out by sendmsg().
 *
 * Threads: any. The connection's out direction is held while a request head is sent, also during
 * the real call: of two threads that send at once one passes, and the connection is given up. A
 * thread that is cancelled or jumps out there leaves it held, which has the same end. It also keeps
 * the block from being used again (connection.h), so it need not be looked up behind the call.
 */
#ifndef OTEL_HOOKS_SEND_H
#define OTEL_HOOKS_SEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "core/clock.h"
#include "core/connection.h"
#include "core/inject.h"
#include "core/socket_span.h"
#include "core/tls.h"

/* A call from before it to behind it. */
struct otel_sent {
    struct otel_connection *c;
    uint64_t handle;
    uint64_t started_ns;   /* 0: the call itself makes no span */
    struct otel_text call; /* its name */
    int fd;
    int flags; /* MSG_… */
};

static inline struct otel_sent otel_send_before(struct otel_connection *c, int fd, int flags,
                                                struct otel_text call)
{
    return (struct otel_sent){
        .c = c,
        .handle = atomic_load_explicit(&c->self, memory_order_relaxed),
        .started_ns = otel_socket_calls() ? otel_clock_mono_ns() : 0,
        .call = call,
        .fd = fd,
        .flags = flags,
    };
}

struct otel_sending;

/* Real calls, which return what libc does. came: the program's own with its own arguments. pieces:
 * count pieces in iov instead; names and control data go with the first one, and a call that has
 * succeeded with some bytes raises no signal for the others. */
struct otel_sending_calls {
    ssize_t (*came)(const struct otel_sending *s);
    ssize_t (*pieces)(const struct otel_sending *s, const struct iovec *iov, size_t count);
};

/* The call: the arguments its function has, the others are zero. */
struct otel_sending {
    struct otel_sent at;
    const struct otel_sending_calls *calls;
    bool again;   /* a real call has succeeded */
    size_t done;  /* bytes of the program's that are gone */
    int rw_flags; /* RWF_… of pwritev2() */
    const void *buf;
    size_t len;
    const struct sockaddr *name;
    socklen_t name_len;
    const struct msghdr *message;
    const struct iovec *iov;
    int count;
};

/* May lines of ours have a place in it? False for what is not HTTP, and for servers: then none of
 * the program's memory need be read. A few loads. */
static inline bool otel_send_maybe(const struct otel_connection *c)
{
    if (__builtin_expect(
            atomic_load_explicit(&c->protocol, memory_order_relaxed) == OTEL_PROTOCOL_OTHER, 1) &&
        !c->owed.pending)
        return false;
    return otel_inject_wanted(c, SIZE_MAX);
}

/* The real call gave n for bytes in iov, and nothing of ours was in it: tells the observer, and of
 * the call. Keeps errno. Returns n. */
ssize_t otel_send_observe(const struct otel_sent *at, const struct iovec *iov, size_t count,
                          ssize_t n);

/* Of the call alone; result: what it returned. */
ssize_t otel_send_told(const struct otel_sent *at, ssize_t result);

/* Makes the call, with our lines where they belong. iov, count: what it sends; both are probed
 * here, since the kernel has not looked at them yet. Result and errno are the program's. */
ssize_t otel_send_run(struct otel_sending *s, const struct iovec *iov, size_t count);

/* Pays what is owed before bytes nobody sees (sendfile, splice). False: the kernel takes nothing
 * now, errno says why. */
bool otel_send_pay(struct otel_connection *c, int fd);

/* The same where something is owed; real: sendmsg(). */
bool otel_send_debt(struct otel_connection *c, int fd,
                    ssize_t (*real)(int fd, const struct msghdr *message, int flags));

/* The program's bytes went out, and there is nothing but counting to do: a connection that is not
 * HTTP, on a thread that serves whom it did before (observe.h). */
static inline bool otel_send_counted(const struct otel_sent *at, ssize_t n)
{
    struct otel_connection *c = at->c;

    if (n <= 0 || at->started_ns ||
        atomic_load_explicit(&c->self, memory_order_relaxed) != at->handle ||
        atomic_load_explicit(&c->protocol, memory_order_relaxed) != OTEL_PROTOCOL_OTHER ||
        atomic_load_explicit(&c->bound_cell, memory_order_relaxed) != otel_tls.implicit.cell ||
        atomic_load_explicit(&c->connecting, memory_order_relaxed))
        return false;
    __atomic_store_n(&c->out.bytes, __atomic_load_n(&c->out.bytes, __ATOMIC_RELAXED) + (uint64_t)n,
                     __ATOMIC_RELAXED);
    return true;
}

#endif
