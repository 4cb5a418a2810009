/* SPDX-License-Identifier: Apache-2.0
 *
 * Spans of sockets that are not requests (OTEL_AUTO_SOCKET_SPANS): name look-ups, connect attempts,
 * connections whose protocol is not ours, and single calls. Scope OTEL_SCOPE_SOCKET; attributes of
 * the semantic conventions "network" and "dns".
 *
 *   off         none of them
 *   connection  dns.lookup, connect, and one span for each connection that is not HTTP
 *   call        besides, an INTERNAL span for each call on a socket
 *
 * A fixed list keeps chatter of the machine out: name servers on port 53, syslog, journald, nscd,
 * D-Bus, X11.
 *
 * Threads: as the connection's.
 */
#ifndef OTEL_CORE_SOCKET_SPAN_H
#define OTEL_CORE_SOCKET_SPAN_H

#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "core/connection.h"
#include "core/wire.h"

/* Is that address on the list? */
bool otel_socket_chatter(const struct sockaddr *addr, socklen_t len);

/* A connect() returned: result 0 or an errno (EINPROGRESS: its end comes later). Remembers the
 * current context for the connection; with connection spans, makes the attempt's span when it is
 * over. started_ns: before the call. */
void otel_socket_connect(struct otel_connection *c, int fd, const struct sockaddr *addr,
                         socklen_t len, int error, uint64_t started_ns);

/* The outcome of a connect() under way is known: 0 or its errno (getsockopt SO_ERROR, the first
 * transfer, a second connect, an event). error -1: unknown, asked of the kernel without taking the
 * program's SO_ERROR away. Ignored when none is under way. */
void otel_socket_connected(struct otel_connection *c, int fd, int error);

/* A connection that is not HTTP ends: its span, from opened_ns to now. Nothing for a server
 * connection on which no byte moved (it was handed to a child), for chatter, or when off. */
void otel_socket_closed(struct otel_connection *c);

/* dns.lookup: node or service may be NULL; error as getaddrinfo gave it (sys_errno for EAI_SYSTEM).
 * found: its result, NULL when it failed. */
void otel_socket_lookup(const char *node, const char *service, int error, int sys_errno,
                        const struct addrinfo *found, uint64_t started_ns);

/* With `call`: an INTERNAL span named by the call, a child of the request under way on the
 * connection, else of the connection. result: what it returned, error: its errno or 0. */
bool otel_socket_calls(void);
void otel_socket_call(struct otel_connection *c, struct otel_text name, int64_t result, int error,
                      uint64_t started_ns);

#endif
