/* SPDX-License-Identifier: Apache-2.0 */
#include "core/socket_facts.h"

#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>

#include "core/sys.h"

/* Linux 5.6; older headers lack it. */
#define PROTOCOL_MPTCP 262

/* An integer option, or -Exxx. None of those asked for is negative. */
static int option(int fd, int name)
{
    int value = 0;
    unsigned len = sizeof value;
    int err = otel_sys.getsockopt(fd, SOL_SOCKET, name, &value, &len);

    return err < 0 ? err : value;
}

static bool kind_concerns(int fd, const struct otel_socket_facts *facts)
{
    int protocol;

    if (facts->domain == AF_UNIX)
        return facts->type == SOCK_STREAM;
    if (facts->domain != AF_INET && facts->domain != AF_INET6)
        return false;
    protocol = option(fd, SO_PROTOCOL);
    if (facts->type == SOCK_STREAM)
        return protocol == IPPROTO_TCP || protocol == PROTOCOL_MPTCP;
    return facts->type == SOCK_DGRAM && protocol == IPPROTO_UDP;
}

static bool unnamed(unsigned len)
{
    return len <= offsetof(struct sockaddr, sa_data);
}

static bool is_pipe_like(int fd, const struct otel_socket_facts *facts)
{
    struct sockaddr_storage own;
    unsigned len = sizeof own;

    return facts->domain == AF_UNIX && facts->connected && unnamed(facts->peer_len) &&
           otel_sys.getsockname(fd, &own, &len) == 0 && unnamed(len);
}

/* fstat first: what has no socket may have a filter that kills for a question about one. */
int otel_socket_facts(int fd, struct otel_socket_facts *facts)
{
    struct stat st;
    int err = otel_sys.fstat(fd, &st);

    if (err == -EBADF)
        return -EBADF;
    if (err < 0 || !S_ISSOCK(st.st_mode))
        return 1;
    facts->type = option(fd, SO_TYPE);
    if (facts->type < 0)
        return facts->type == -EBADF ? -EBADF : 1;
    facts->domain = option(fd, SO_DOMAIN);
    if (!kind_concerns(fd, facts))
        return 1;
    facts->listening = facts->type == SOCK_STREAM && option(fd, SO_ACCEPTCONN) == 1;
    facts->peer_len = sizeof facts->peer;
    facts->connected =
        !facts->listening && otel_sys.getpeername(fd, &facts->peer, &facts->peer_len) == 0;
    return (facts->type == SOCK_DGRAM && !facts->connected) || is_pipe_like(fd, facts);
}

uint64_t otel_socket_identity(int fd)
{
    uint64_t cookie = 0;
    unsigned len = sizeof cookie;
    struct stat st;
    int err = otel_sys.getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len);

    if (err == 0 || err == -EBADF || err == -ENOTSOCK)
        return cookie;
    if (otel_sys.fstat(fd, &st) < 0 || !S_ISSOCK(st.st_mode))
        return 0;
    return (uint64_t)st.st_ino << 1 | 1; /* all sockets lie on one device */
}
