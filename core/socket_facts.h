/* SPDX-License-Identifier: Apache-2.0
 *
 * What the kernel says of a descriptor we never saw opened: inherited, socket-activated, received
 * from another process. A few system calls, for once per descriptor.
 *
 * Threads: any; nothing is kept. errno is kept.
 */
#ifndef OTEL_CORE_SOCKET_FACTS_H
#define OTEL_CORE_SOCKET_FACTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct otel_socket_facts {
    int domain, type; /* AF_…, SOCK_… */
    bool listening, connected;
    struct sockaddr_storage peer; /* when connected */
    socklen_t peer_len;
};

/* Asks for fd. Returns 0 and fills facts when it is a socket that concerns us: TCP and Unix streams
 * in any state, connected UDP. 1: it is something else. -EBADF: it is not open.
 * A Unix stream with no name at either end is something else: a socketpair() another process made,
 * in place of a pipe. */
int otel_socket_facts(int fd, struct otel_socket_facts *facts);

/* A number no other socket has while this one exists (SO_COOKIE; device and inode before Linux
 * 4.12). 0: not a socket, or not open. */
uint64_t otel_socket_identity(int fd);

#endif
