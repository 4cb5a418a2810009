/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/hook.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "core/clock.h"
#include "core/connection.h"
#include "core/context.h"
#include "core/observe.h"
#include "core/socket_span.h"
#include "core/tls.h"

/* Linux 5.6; older headers lack it. */
#define PROTOCOL_MPTCP 262

/* With spans of single calls, when this one began; else 0. */
static inline uint64_t call_begins(void)
{
    return otel_fdtable.size && otel_socket_calls() ? otel_clock_mono_ns() : 0;
}

/* A call on fd is over and everything else is told. */
static void call_ended(int fd, struct otel_text name, int result, uint64_t started_ns)
{
    int saved = errno;
    struct otel_connection *c = otel_connection_known(fd);

    if (c)
        otel_socket_call(c, name, result, result < 0 ? saved : 0, started_ns);
    errno = saved;
}

/* What libcurl opens is libcurl's: its requests have spans of their own (curl_easy.c). */
static bool is_libcurl(const void *caller)
{
    return otel_library_defines(caller, "curl_easy_perform");
}

static bool other_protocol(int domain, int protocol)
{
    return domain != AF_UNIX && protocol != 0 && protocol != IPPROTO_TCP &&
           protocol != PROTOCOL_MPTCP && protocol != IPPROTO_UDP;
}

static void opened(int fd, int domain, int type, enum otel_role role, const void *caller)
{
    if (is_libcurl(caller))
        otel_connection_disown(fd);
    else
        otel_connection_open(fd, domain, type, role, NULL, 0);
}

OTEL_HOOK_LIBC(int, socket, (int domain, int type, int protocol))
{
    uint64_t started_ns = call_begins();
    int fd = OTEL_REAL(socket)(domain, type, protocol);

    if (fd >= 0 && otel_fdtable.size)
        opened(fd, other_protocol(domain, protocol) ? AF_UNSPEC : domain, type, OTEL_ROLE_NONE,
               OTEL_CALLER());
    if (started_ns && fd >= 0)
        call_ended(fd, OTEL_TEXT("socket"), fd, started_ns);
    return fd;
}

OTEL_HOOK_LIBC(int, socketpair, (int domain, int type, int protocol, int pair[2]))
{
    int result = OTEL_REAL(socketpair)(domain, type, protocol, pair);

    if (result == 0 && otel_fdtable.size) {
        opened(pair[0], domain, type, OTEL_ROLE_CLIENT, OTEL_CALLER());
        opened(pair[1], domain, type, OTEL_ROLE_CLIENT, OTEL_CALLER());
    }
    return result;
}

/* connect() will choose an address where bind() chose none. */
OTEL_HOOK_LIBC(int, bind, (int fd, __CONST_SOCKADDR_ARG addr, socklen_t len))
{
    uint64_t started_ns = call_begins();
    int result = OTEL_REAL(bind)(fd, addr, len);
    struct otel_connection *c = result == 0 ? otel_connection_known(fd) : NULL;

    if (c)
        c->local_known = false;
    if (started_ns)
        call_ended(fd, OTEL_TEXT("bind"), result, started_ns);
    return result;
}

OTEL_HOOK_LIBC(int, listen, (int fd, int backlog))
{
    uint64_t started_ns = call_begins();
    int result = OTEL_REAL(listen)(fd, backlog);
    struct otel_connection *c = result == 0 ? otel_connection_find(fd) : NULL;

    if (c) {
        c->role = OTEL_ROLE_LISTENING;
        c->local_known = false;
    }
    if (started_ns)
        call_ended(fd, OTEL_TEXT("listen"), result, started_ns);
    return result;
}

/* The peer's address is asked for when it is needed: what the caller's buffer holds of it nobody
 * can say who did not read its size before, and that may not be readable. */
static void accepted(int listening, int fd)
{
    struct otel_connection *l = otel_connection_find(listening);

    /* The thread took up something new. */
    if (!otel_guard_inside())
        otel_context_implicit_clear();
    if (!l) {
        otel_connection_disown(fd);
        return;
    }
    l->role = OTEL_ROLE_LISTENING;
    otel_connection_open(fd, l->family, SOCK_STREAM, OTEL_ROLE_SERVER, NULL, 0);
}

OTEL_HOOK_LIBC(int, accept, (int fd, __SOCKADDR_ARG addr, socklen_t *restrict len))
{
    uint64_t started_ns = call_begins();
    int got = OTEL_REAL(accept)(fd, addr, len);

    if (got >= 0 && otel_fdtable.size)
        accepted(fd, got);
    if (started_ns)
        call_ended(got < 0 ? fd : got, OTEL_TEXT("accept"), got, started_ns);
    return got;
}

OTEL_HOOK_LIBC(int, accept4, (int fd, __SOCKADDR_ARG addr, socklen_t *restrict len, int flags))
{
    uint64_t started_ns = call_begins();
    int got = OTEL_REAL(accept4)(fd, addr, len, flags);

    if (got >= 0 && otel_fdtable.size)
        accepted(fd, got);
    if (started_ns)
        call_ended(got < 0 ? fd : got, OTEL_TEXT("accept4"), got, started_ns);
    return got;
}

struct attempt {
    const struct sockaddr *addr;
    socklen_t len;
    int error; /* 0 or errno */
    uint64_t started_ns;
};

/* With these the kernel did not read the address, and so may not we. */
static bool read_address(const struct attempt *a)
{
    return a->error != EBADF && a->error != ENOTSOCK && a->error != EFAULT &&
           a->len <= sizeof(struct sockaddr_storage);
}

static sa_family_t family_of(const struct attempt *a)
{
    sa_family_t family = AF_UNSPEC;

    memcpy(&family, a->addr, a->len < sizeof family ? 0 : sizeof family);
    return family;
}

/* The connection of fd; a UDP socket is one from now on. */
static struct otel_connection *connecting(int fd, sa_family_t family, const struct attempt *a)
{
    struct otel_connection *c = otel_connection_find(fd);

    if (!c && a->error == 0 && family != AF_UNIX && family != AF_UNSPEC && !otel_guard_inside())
        c = otel_connection_reconsider(fd);
    if (c && c->inherited && (c->role == OTEL_ROLE_NONE || !c->stream))
        c->inherited = false; /* its beginning is seen */
    return c;
}

/* Asked once more after its end, connect() says 0 the first time: nothing was attempted. */
static bool told_before(const struct otel_connection *c, const struct attempt *a)
{
    return a->error == 0 && c->stream && c->role == OTEL_ROLE_CLIENT && c->connected_ns &&
           !c->connect_error;
}

static void attempted(int fd, const struct attempt *a, const void *caller)
{
    struct otel_connection *c;
    sa_family_t family;

    if (!read_address(a))
        return;
    if (is_libcurl(caller)) {
        otel_connection_disown(fd);
        return;
    }
    family = family_of(a);
    c = connecting(fd, family, a);
    if (!c)
        return;
    if (family == AF_UNSPEC || !told_before(c, a))
        otel_socket_connect(c, fd, a->addr, a->len, a->error, a->started_ns);
    if (otel_socket_calls())
        otel_socket_call(c, OTEL_TEXT("connect"), a->error ? -1 : 0, a->error, a->started_ns);
    if (family == AF_UNSPEC && a->error == 0) /* dissolved: another may follow */
        otel_connection_close(fd);
}

OTEL_HOOK_LIBC(int, connect, (int fd, __CONST_SOCKADDR_ARG addr, socklen_t len))
{
    struct attempt a = {addr.__sockaddr__, len, 0, otel_fdtable.size ? otel_clock_mono_ns() : 0};
    int result = OTEL_REAL(connect)(fd, addr, len);

    if (a.started_ns) {
        int saved = errno;

        a.error = result == 0 ? 0 : saved;
        attempted(fd, &a, OTEL_CALLER());
        errno = saved;
    }
    return result;
}

/* What was sent is all. A thread that is sending meanwhile learns it from its own call. */
static void sent_all(int fd)
{
    struct otel_connection *c = otel_connection_known(fd);

    if (c && otel_direction_enter(&c->out)) {
        otel_observe_send_end(c, 0);
        otel_direction_leave(&c->out);
    }
}

OTEL_HOOK_LIBC(int, shutdown, (int fd, int how))
{
    uint64_t started_ns = call_begins();
    int result = OTEL_REAL(shutdown)(fd, how);

    if (result == 0 && how != SHUT_RD && otel_fd_get(fd) > OTEL_FD_PLAIN)
        sent_all(fd);
    if (started_ns)
        call_ended(fd, OTEL_TEXT("shutdown"), result, started_ns);
    return result;
}

/* How programs that do not block learn what became of a connect(). */
static void told(int fd, const void *value, const socklen_t *len)
{
    struct otel_connection *c = otel_connection_known(fd);
    int error;

    if (!c || !atomic_load_explicit(&c->connecting, memory_order_relaxed) || *len != sizeof error)
        return;
    memcpy(&error, value, sizeof error);
    otel_socket_connected(c, fd, error);
}

OTEL_HOOK_LIBC(int, getsockopt,
               (int fd, int level, int name, void *restrict value, socklen_t *restrict len))
{
    int result = OTEL_REAL(getsockopt)(fd, level, name, value, len);

    if (result == 0 && name == SO_ERROR && level == SOL_SOCKET && otel_fd_get(fd) > OTEL_FD_PLAIN)
        told(fd, value, len);
    return result;
}
