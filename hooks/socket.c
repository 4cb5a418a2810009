/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/hook.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "core/clock.h"
#include "core/connection.h"
#include "core/observe.h"
#include "core/tls.h"

/* Linux 5.6; older headers lack it. */
#define PROTOCOL_MPTCP 262

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
    int fd = OTEL_REAL(socket)(domain, type, protocol);

    if (fd >= 0 && otel_fdtable.size)
        opened(fd, other_protocol(domain, protocol) ? AF_UNSPEC : domain, type, OTEL_ROLE_NONE,
               OTEL_CALLER());
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
    int result = OTEL_REAL(bind)(fd, addr, len);
    struct otel_connection *c = result == 0 ? otel_connection_known(fd) : NULL;

    if (c)
        c->local_known = false;
    return result;
}

OTEL_HOOK_LIBC(int, listen, (int fd, int backlog))
{
    int result = OTEL_REAL(listen)(fd, backlog);
    struct otel_connection *c = result == 0 ? otel_connection_find(fd) : NULL;

    if (c) {
        c->role = OTEL_ROLE_LISTENING;
        c->local_known = false;
    }
    return result;
}

/* The peer's address is asked for when it is needed: what the caller's buffer holds of it nobody
 * can say who did not read its size before, and that may not be readable. */
static void accepted(int listening, int fd)
{
    struct otel_connection *l = otel_connection_find(listening);

    if (!l) {
        otel_connection_disown(fd);
        return;
    }
    l->role = OTEL_ROLE_LISTENING;
    otel_connection_open(fd, l->family, SOCK_STREAM, OTEL_ROLE_SERVER, NULL, 0);
}

OTEL_HOOK_LIBC(int, accept, (int fd, __SOCKADDR_ARG addr, socklen_t *restrict len))
{
    int got = OTEL_REAL(accept)(fd, addr, len);

    if (got >= 0 && otel_fdtable.size)
        accepted(fd, got);
    return got;
}

OTEL_HOOK_LIBC(int, accept4, (int fd, __SOCKADDR_ARG addr, socklen_t *restrict len, int flags))
{
    int got = OTEL_REAL(accept4)(fd, addr, len, flags);

    if (got >= 0 && otel_fdtable.size)
        accepted(fd, got);
    return got;
}

struct attempt {
    const struct sockaddr *addr;
    socklen_t len;
    int error; /* 0 or errno */
    uint64_t started_ns;
};

/* With these the kernel did not read the address, and so may not we. */
static bool read_address(int error)
{
    return error != EBADF && error != ENOTSOCK && error != EFAULT && error != EINVAL;
}

static bool on_its_way(int error)
{
    return error == 0 || error == EINPROGRESS || error == EINTR;
}

/* The connection of fd; a UDP socket is one from now on. */
static struct otel_connection *connecting(int fd, sa_family_t family, const struct attempt *a)
{
    struct otel_connection *c = otel_connection_find(fd);

    if (c || a->error || family == AF_UNIX || otel_guard_inside())
        return c;
    c = otel_connection_reconsider(fd);
    if (c) {
        c->inherited = false;
        c->opened_ns = a->started_ns;
    }
    return c;
}

static void attempted(int fd, const struct attempt *a, const void *caller)
{
    sa_family_t family = AF_UNSPEC;
    struct otel_connection *c;

    if (!read_address(a->error))
        return;
    if (is_libcurl(caller)) {
        otel_connection_disown(fd);
        return;
    }
    memcpy(&family, a->addr, a->len < sizeof family ? 0 : sizeof family);
    if (family == AF_UNSPEC && a->error == 0) /* dissolves what was connected */
        otel_connection_close(fd);
    if (family == AF_UNSPEC)
        return;
    c = connecting(fd, family, a);
    if (c && on_its_way(a->error))
        otel_connection_peer(c, a->addr, a->len);
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
        otel_observe_send_end(c, fd, 0);
        otel_direction_leave(&c->out);
    }
}

OTEL_HOOK_LIBC(int, shutdown, (int fd, int how))
{
    int result = OTEL_REAL(shutdown)(fd, how);

    if (result == 0 && how != SHUT_RD && otel_fd_get(fd) > OTEL_FD_PLAIN)
        sent_all(fd);
    return result;
}
