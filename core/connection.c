/* SPDX-License-Identifier: Apache-2.0 */
#include "core/connection.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "core/clock.h"
#include "core/generation.h"
#include "core/inject.h"
#include "core/log.h"
#include "core/observe.h"
#include "core/pool.h"
#include "core/socket_facts.h"
#include "core/socket_span.h"
#include "core/tls.h"

#define RETIRED 64 /* power of two */
#define TRUSTED_NS (UINT64_C(100) * 1000 * 1000)

/* Lock-free (pool.h). Mapped at the first connection. */
static struct otel_pool connections = OTEL_POOL(sizeof(struct otel_connection), OTEL_CONNECTIONS);

/* Blocks whose last descriptor is closed: a call on another thread may still be at work on one, and
 * may have looked it up without having begun. A block is handed out again only when as many others
 * have gone this way and both its directions are free. Each place is taken by exchange. */
static _Atomic uint64_t retired[RETIRED];
static _Atomic uint32_t retired_next;

/* Any thread: that there is no room is said once. */
static atomic_flag said_full = ATOMIC_FLAG_INIT;

static inline struct otel_connection *get(uint64_t handle)
{
    struct otel_connection *c = otel_pool_get(&connections, handle);

    return c && atomic_load_explicit(&c->self, memory_order_acquire) == handle ? c : NULL;
}

struct otel_connection *otel_connection_get(uint64_t handle)
{
    return get(handle);
}

/* True: nobody is at work on it, nor will be: both directions stay taken. */
static bool seize(struct otel_connection *c)
{
    if (!otel_direction_enter(&c->in))
        return false;
    if (otel_direction_enter(&c->out))
        return true;
    otel_direction_leave(&c->in);
    return false;
}

/* Takes the oldest one's place. One that is still at work comes again; a thread that never leaves
 * (a signal handler jumped out of it) costs its block in the end. */
static void retire(uint64_t handle)
{
    for (int tries = 0; handle && tries < 4; tries++) {
        uint32_t at = atomic_fetch_add_explicit(&retired_next, 1, memory_order_relaxed) % RETIRED;
        struct otel_connection *c;

        handle = atomic_exchange_explicit(&retired[at], handle, memory_order_acq_rel);
        c = otel_pool_get(&connections, handle);
        if (c && seize(c)) {
            otel_observe_over(c); /* what could not end before, with a thread at work on it */
            otel_inject_forget(c);
            otel_pool_free(&connections, handle);
            return;
        }
    }
}

/* Tells the end to those who made something of it: in the process that used it last. */
static void finish(struct otel_connection *c)
{
    if (atomic_load_explicit(&c->generation, memory_order_acquire) != otel_generation())
        return;
    otel_observe_closed(c);
    if (!c->finished)
        otel_socket_closed(c);
    c->finished = true;
}

/* While the kernel can still be asked. */
static void about_to_finish(struct otel_connection *c, int fd)
{
    if (!c->finished &&
        atomic_load_explicit(&c->generation, memory_order_acquire) == otel_generation())
        otel_socket_closing(c, fd);
}

/* A descriptor less. */
static void drop(uint64_t handle)
{
    struct otel_connection *c = otel_connection_get(handle);

    if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
        return;
    finish(c);
    atomic_store_explicit(&c->self, 0, memory_order_release);
    retire(handle);
}

/* False where the table is not the caller's to change: in our own calls, whose descriptors are ours
 * or in a table apart, and in a vfork child, whose memory is its parent's and whose descriptors are
 * not. A system call: for tracked descriptors, and once for others. */
static bool may_change(void)
{
    return !otel_guard_inside() && otel_generation() != 0 && otel_generation_is_owner();
}

static uint8_t transport_of(int domain, int type)
{
    if (domain == AF_UNIX)
        return OTEL_TRANSPORT_UNIX;
    return type == SOCK_DGRAM ? OTEL_TRANSPORT_UDP : OTEL_TRANSPORT_TCP;
}

/* A block that is not published yet, with one descriptor. */
static struct otel_connection *fresh(int domain, int type, enum otel_role role)
{
    uint64_t handle = otel_pool_alloc(&connections);
    struct otel_connection *c = otel_pool_get(&connections, handle);

    if (!c) {
        if (otel_log_once(&said_full))
            otel_log(OTEL_LOG_WARN, "no room for another connection: it is not traced");
        return NULL;
    }
    memset(c, 0, sizeof *c);
    c->refs = 1;
    c->generation = otel_generation();
    c->role = (uint8_t)role;
    c->transport = transport_of(domain, type);
    c->family = (uint8_t)domain;
    c->stream = type == SOCK_STREAM;
    c->opened_ns = otel_clock_mono_ns();
    c->epoll_fd = -1;
    atomic_store_explicit(&c->self, handle, memory_order_release);
    return c;
}

static bool concerns(int domain, int type, enum otel_role role)
{
    if (domain == AF_UNIX)
        return type == SOCK_STREAM;
    if (domain != AF_INET && domain != AF_INET6)
        return false;
    return type == SOCK_STREAM || (type == SOCK_DGRAM && role == OTEL_ROLE_CLIENT);
}

struct otel_connection *otel_connection_open(int fd, int domain, int type, enum otel_role role,
                                             const struct sockaddr *peer, socklen_t peer_len)
{
    struct otel_connection *c = NULL;
    int kind = type & ~(SOCK_CLOEXEC | SOCK_NONBLOCK);

    if ((uint32_t)fd >= otel_fdtable.size)
        return NULL;
    if (concerns(domain, kind, role) && may_change())
        c = fresh(domain, kind, role);
    if (!c) {
        otel_connection_disown(fd);
        return NULL;
    }
    if (peer) {
        otel_address_format(&c->peer, peer, peer_len);
        c->peer_known = true;
    }
    drop(otel_fd_swap(fd, c->self));
    return c;
}

void otel_connection_disown(int fd)
{
    if (otel_fd_get(fd) != OTEL_FD_PLAIN && may_change())
        drop(otel_fd_swap(fd, OTEL_FD_PLAIN));
}

/* Is a socket of ours listening on that connection's own port? Then it was accepted. */
static bool was_accepted(struct otel_connection *c, int fd)
{
    uint16_t port = otel_connection_local_of(c, fd)->port;

    for (int other = otel_fd_next(0, UINT32_MAX); port && other >= 0;
         other = otel_fd_next((unsigned)other + 1, UINT32_MAX)) {
        struct otel_connection *l = otel_connection_get(otel_fd_get(other));

        if (l && l->role == OTEL_ROLE_LISTENING && otel_connection_local_of(l, other)->port == port)
            return true;
    }
    return false;
}

/* Of a stream that was connected before we saw it. 0 and 1, when nothing we saw put a socket there,
 * are inetd's. Else the first bytes' direction will tell (NONE). */
static enum otel_role inherited_role(struct otel_connection *c, int fd)
{
    if (c->transport == OTEL_TRANSPORT_UDP)
        return OTEL_ROLE_CLIENT;
    if (c->transport == OTEL_TRANSPORT_TCP && (fd <= 1 || was_accepted(c, fd)))
        return OTEL_ROLE_SERVER;
    return OTEL_ROLE_NONE;
}

/* False: its last descriptor was closed meanwhile. */
static bool keep(uint64_t handle)
{
    struct otel_connection *c = otel_connection_get(handle);
    uint32_t refs = c ? atomic_load_explicit(&c->refs, memory_order_relaxed) : 0;

    while (refs && !atomic_compare_exchange_weak_explicit(
                       &c->refs, &refs, refs + 1, memory_order_acq_rel, memory_order_relaxed))
        ;
    return refs != 0;
}

/* inetd gives its programs one socket as standard input and output: two numbers to classify, one
 * connection. The handle of the one that is known, with fd counted, 0: none. */
static uint64_t twin(uint64_t identity)
{
    for (int other = otel_fd_next(0, UINT32_MAX); identity && other >= 0;
         other = otel_fd_next((unsigned)other + 1, UINT32_MAX)) {
        struct otel_connection *c = otel_connection_get(otel_fd_get(other));
        uint64_t handle = c ? atomic_load_explicit(&c->self, memory_order_relaxed) : 0;

        if (c && c->inherited &&
            atomic_load_explicit(&c->cookie, memory_order_relaxed) == identity && keep(handle))
            return handle;
    }
    return 0;
}

/* NULL: no room. */
static struct otel_connection *inherited(int fd, const struct otel_socket_facts *facts)
{
    uint64_t identity = otel_socket_identity(fd);
    struct otel_connection *c = otel_connection_get(twin(identity));

    if (c)
        return c;
    c = fresh(facts->domain, facts->type, facts->listening ? OTEL_ROLE_LISTENING : OTEL_ROLE_NONE);
    if (!c)
        return NULL;
    c->inherited = true;
    c->cookie = identity;
    if (facts->connected) {
        otel_address_format(&c->peer, (const struct sockaddr *)&facts->peer, facts->peer_len);
        c->peer_known = true;
        c->role = (uint8_t)inherited_role(c, fd);
    }
    return c;
}

static struct otel_connection *classify(int fd)
{
    struct otel_socket_facts facts;
    struct otel_connection *c = NULL;
    int kind = otel_socket_facts(fd, &facts);
    uint64_t word;

    if (kind < 0 || !may_change())
        return NULL;
    if (kind == 0)
        c = inherited(fd, &facts);
    word = otel_fd_claim(fd, c ? c->self : OTEL_FD_PLAIN);
    if (c && word != c->self) { /* another thread was first */
        c->finished |= atomic_load_explicit(&c->refs, memory_order_relaxed) == 1;
        drop(c->self);
    }
    return otel_connection_get(word);
}

/* Asked by each call on a socket. */
static inline struct otel_connection *current(uint64_t word)
{
    struct otel_connection *c = get(word);
    uint32_t now = otel_generation();

    if (!c || !now)
        return NULL;
    if (__builtin_expect(atomic_load_explicit(&c->generation, memory_order_acquire) == now, 1))
        return c;
    otel_connection_renew(c);
    return atomic_load_explicit(&c->generation, memory_order_acquire) == now ? c : NULL;
}

/* Not inlined into hooks: their short way is to stay short. */
__attribute__((noinline)) struct otel_connection *otel_connection_find_slow(int fd, uint64_t word)
{
    if (otel_guard_inside())
        return NULL;
    return word == OTEL_FD_UNKNOWN ? classify(fd) : current(word);
}

struct otel_connection *otel_connection_reconsider(int fd)
{
    if (otel_fd_get(fd) == OTEL_FD_PLAIN && may_change())
        drop(otel_fd_swap(fd, OTEL_FD_UNKNOWN));
    return otel_connection_find(fd);
}

struct otel_connection *otel_connection_known(int fd)
{
    uint64_t word = otel_fd_get(fd);

    return word <= OTEL_FD_PLAIN || otel_guard_inside() ? NULL : current(word);
}

void otel_connection_dup(int from, int to)
{
    uint64_t word = otel_fd_get(from);
    uint64_t was = otel_fd_get(to);

    if (from == to || (word == was && word <= OTEL_FD_PLAIN) || !may_change())
        return;
    if (word > OTEL_FD_PLAIN && !keep(word))
        word = OTEL_FD_UNKNOWN;
    drop(otel_fd_swap(to, word));
}

static void forget(int fd)
{
    struct otel_connection *c = otel_connection_get(otel_fd_get(fd));

    if (c && atomic_load_explicit(&c->refs, memory_order_relaxed) == 1)
        about_to_finish(c, fd);
    drop(otel_fd_swap(fd, OTEL_FD_UNKNOWN));
}

void otel_connection_close(int fd)
{
    if (otel_fd_get(fd) > OTEL_FD_PLAIN && may_change())
        forget(fd);
}

void otel_connection_close_range(unsigned first, unsigned last)
{
    int fd = otel_fd_next(first, last);

    if (fd < 0 || !may_change())
        return;
    for (; fd >= 0; fd = otel_fd_next((unsigned)fd + 1, last))
        forget(fd);
    otel_fd_forget(first, last);
}

/* Closed with a thread at work on it, which has left since. */
static void finish_retired(void)
{
    for (int i = 0; i < RETIRED; i++) {
        uint64_t handle = atomic_exchange_explicit(&retired[i], 0, memory_order_acq_rel);
        struct otel_connection *c = otel_pool_get(&connections, handle);

        if (c && seize(c)) {
            otel_observe_over(c);
            otel_direction_leave(&c->in);
            otel_direction_leave(&c->out);
        }
        retire(atomic_exchange_explicit(&retired[i], handle, memory_order_acq_rel));
    }
}

void otel_connection_finish_all(void)
{
    for (int fd = otel_fd_next(0, UINT32_MAX); fd >= 0;
         fd = otel_fd_next((unsigned)fd + 1, UINT32_MAX)) {
        struct otel_connection *c = otel_connection_get(otel_fd_get(fd));

        if (!c || c->finished)
            continue;
        about_to_finish(c, fd);
        finish(c);
    }
    finish_retired();
}

void otel_connection_confine(void)
{
    if (!otel_fdtable.size || !may_change())
        return;
    otel_connection_finish_all();
    otel_fdtable_close();
}

bool otel_connection_verify(struct otel_connection *c, int fd)
{
    uint64_t handle = atomic_load_explicit(&c->self, memory_order_relaxed);
    uint64_t identity = otel_socket_identity(fd);
    uint64_t known = 0;

    if (identity &&
        (atomic_compare_exchange_strong_explicit(&c->cookie, &known, identity, memory_order_relaxed,
                                                 memory_order_relaxed) ||
         known == identity))
        return true;
    /* Another thread may have closed it and opened the number anew. */
    if (handle && otel_fd_get(fd) == handle)
        otel_connection_close(fd);
    return false;
}

bool otel_connection_trusted(struct otel_connection *c, int fd, uint64_t now_ns)
{
    if (c->verified_ns && !c->inherited && !c->in.ended && now_ns - c->verified_ns < TRUSTED_NS)
        return true;
    if (!otel_connection_verify(c, fd))
        return false;
    c->verified_ns = now_ns;
    return true;
}

void otel_connection_renew(struct otel_connection *c)
{
    uint32_t was = atomic_load_explicit(&c->generation, memory_order_acquire);
    uint32_t now = otel_generation();

    /* 0 while one thread is at it: for the others the connection is not there. */
    if (was == now || !was || !now ||
        !atomic_compare_exchange_strong_explicit(&c->generation, &was, 0, memory_order_acq_rel,
                                                 memory_order_relaxed))
        return;
    otel_observe_forked(c);
    /* A thread of the parent's may have been at work on it: it is not here to leave. */
    otel_direction_leave(&c->in);
    otel_direction_leave(&c->out);
    c->in.bytes = c->out.bytes = 0; /* each process tells of its own */
    atomic_store_explicit(&c->generation, now, memory_order_release);
}
