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

/* Is that address on the list? Any bytes, any length; never reads beyond len. */
bool otel_socket_chatter(const struct sockaddr *addr, socklen_t len);

/* The same for one that is known as text. family: AF_… */
bool otel_socket_chatter_name(int family, const struct otel_address *name);

/* A connect() returned: result 0 or an errno (EINPROGRESS: its end comes later). Keeps the peer and
 * remembers the current context for the connection; with connection spans, makes the attempt's span
 * when it is over (none for UDP, where nothing is attempted). One that only tells of an attempt
 * under way ends that (EISCONN, its errno) or does nothing (EALREADY). A UDP socket that is
 * connected anew, or to AF_UNSPEC, ends what it was connected to before. addr is not read when the
 * kernel could not read it. started_ns: before the call. */
void otel_socket_connect(struct otel_connection *c, int fd, const struct sockaddr *addr,
                         socklen_t len, int error, uint64_t started_ns);

/* Is any connect() under way in the process? A load; true a little too often in a fork child. Waits
 * for events then look whether one is over. */
static inline bool otel_socket_connecting(void)
{
    extern _Atomic uint32_t otel_socket_attempts; /* written by socket_attempt.c, any thread */

    return atomic_load_explicit(&otel_socket_attempts, memory_order_relaxed) != 0;
}

/* The outcome of a connect() under way is known: 0 or its errno (getsockopt SO_ERROR, the first
 * transfer, a second connect, an event). error -1, or one that tells nothing (EAGAIN, EINTR,
 * ENOTCONN, EPIPE): asked of the kernel without taking the program's SO_ERROR away; what only that
 * could tell stays open until the program asks. Ignored when none is under way. */
void otel_socket_connected(struct otel_connection *c, int fd, int error);

/* A transfer gave n, and error where n is negative: that may be what became of a connect() under
 * way. For one that is not, a load. */
void otel_socket_settle(struct otel_connection *c, int fd, int64_t n, int error);

static inline void otel_socket_transferred(struct otel_connection *c, int fd, int64_t n, int error)
{
    if (__builtin_expect(atomic_load_explicit(&c->connecting, memory_order_relaxed), 0))
        otel_socket_settle(c, fd, n, error);
}

/* The connection is put to use, or never will be: until then who connected without waiting for it
 * counts as waiting for something that can be seen (serving.h). Any thread. */
void otel_socket_used(struct otel_connection *c);

/* fd, the last descriptor of the connection, is about to be closed: asks the kernel, while it can,
 * for what the span of its end will tell. No system call where there will be none. */
void otel_socket_closing(struct otel_connection *c, int fd);

/* A connection that is not HTTP ends: its span, from opened_ns to now, once; and the attempt's that
 * was still under way. Nothing for a server connection or a UDP one on which no byte moved (handed
 * to a child; a look at the route), a socket pair, chatter, a connect that failed, or when off. */
void otel_socket_closed(struct otel_connection *c);

/* dns.lookup: node may be NULL (nobody is asked then: no span); error as
 * getaddrinfo gave it (sys_errno for EAI_SYSTEM). found: its result, NULL when it failed. */
void otel_socket_lookup(const char *node, int error, int sys_errno, const struct addrinfo *found,
                        uint64_t started_ns);

/* The same for gethostbyname and its like: found or NULL with the h_errno (sys_errno for
 * NETDB_INTERNAL). */
void otel_socket_lookup_host(const char *name, int host_error, int sys_errno,
                             const struct hostent *found, uint64_t started_ns);

/* Is a look-up of that name worth a span? Not of NULL and of what is an address already, in any
 * form that getaddrinfo takes (127.1, fe80::1%eth0): nobody is asked; nor when off. Keeps errno. */
bool otel_socket_lookup_asks(const char *node);

/* Is it `call`? Then hooks read the clock before a call, and tell of it behind everything else. */
bool otel_socket_calls(void);

/* The calling thread has ended the span of a request on the connection: it speaks HTTP. The call
 * the thread is in, told of right behind (otel_socket_call), was that request's. */
void otel_socket_ended(struct otel_connection *c, const struct otel_span_context *request);

/* With `call`: an INTERNAL span named by the call, a child of the request under way on the
 * connection, else of the connection's own span, else of what that one hangs below (nobody knows
 * yet whether it will have one, or it speaks HTTP and is between requests); before connect() of
 * what is current. result: what it returned, error: its errno or 0. */
void otel_socket_call(struct otel_connection *c, struct otel_text name, int64_t result, int error,
                      uint64_t started_ns);

#endif
