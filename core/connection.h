/* SPDX-License-Identifier: Apache-2.0
 *
 * A socket of the host as we follow it: who is at the other end, which side we are, what it speaks,
 * the requests under way on it. One block for each socket, however many descriptors name it; blocks
 * lie in a pool and are named by handles.
 *
 * Threads: the fields of a direction belong to the thread that holds its busy flag
 * (otel_direction_enter); it is never waited for: who finds it taken gives the connection up
 * (lost). The rest is written before the block is published or is atomic.
 */
#ifndef OTEL_CORE_CONNECTION_H
#define OTEL_CORE_CONNECTION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "core/fdtable.h"
#include "core/http1.h"
#include "core/inject_state.h"
#include "core/span_context.h"

#define OTEL_PIPELINE_MAX 16   /* requests under way on one connection; more are not followed */
#define OTEL_CONNECTIONS 65536 /* at once; sockets beyond are PLAIN, and logged once */

enum otel_role {
    OTEL_ROLE_NONE, /* a socket that is not connected yet */
    OTEL_ROLE_LISTENING,
    OTEL_ROLE_CLIENT,
    OTEL_ROLE_SERVER,
};

enum otel_protocol {
    OTEL_PROTOCOL_NEW,   /* no byte seen yet */
    OTEL_PROTOCOL_HTTP1, /* followed by observe.h */
    OTEL_PROTOCOL_OTHER, /* not ours, or not to be followed any more: bytes are counted */
};

enum otel_transport { OTEL_TRANSPORT_TCP, OTEL_TRANSPORT_UDP, OTEL_TRANSPORT_UNIX };

/* One direction of the stream: the program's bytes. */
struct otel_direction {
    _Atomic uint32_t busy; /* a thread is at work on it */
    uint32_t ended;        /* EOF, shutdown or an error was seen */
    uint64_t bytes;        /* taken by or from the kernel; relaxed, one writer at a time */
    struct otel_http1 http;
    uint64_t spill; /* handle of the parser's spill block, 0: none */
};

/* Our bytes that wait to be sent before the program's next ones (inject.h). */
struct otel_owed {
    uint64_t block; /* handle of the block they lie in, 0: inline */
    uint32_t len, sent;
    uint32_t drop; /* bytes of the program's they stand for, which are not to be sent then */
    bool pending;
    char bytes[88];
};

#define OTEL_ADDRESS_MAX 110 /* a Unix path of 108 bytes, "@", NUL */

/* An address as attributes want it. */
struct otel_address {
    char
        text[OTEL_ADDRESS_MAX]; /* "" unknown; the path of a Unix socket, "@" for an abstract one */
    uint16_t port;
};

/* What the spans of a socket need (socket_span.h). */
struct otel_socket_state {
    struct otel_span_context opener; /* current at connect(): their parent; invalid: roots */
    struct otel_span_context own;    /* of the connection's span, where a call needed it early */
    uint64_t cell;                   /* where the connect() under way counts (serving.h) */
    _Atomic uint32_t generation;     /* the process generation all this is of, 0: none yet */
    _Atomic uint8_t own_state;       /* of own: 0 none, 1 being chosen, 2 chosen */
    _Atomic uint8_t told;            /* the connection's span was made */
    _Atomic uint8_t http;            /* a request on it had a span */
};

struct otel_connection {
    _Atomic uint64_t self;       /* its handle; 0 once the last descriptor is closed */
    _Atomic uint32_t refs;       /* descriptors that name it, and calls that are inside */
    _Atomic uint32_t generation; /* the process generation it was last used in, 0: being renewed */
    _Atomic uint64_t cookie;     /* identity of the socket, 0: not read yet */
    _Atomic uint8_t role;        /* enum otel_role */
    uint8_t transport;           /* enum otel_transport */
    uint8_t family;              /* AF_INET, AF_INET6, AF_UNIX */
    bool ignored_name;           /* on our list of chatter: no socket span (socket_span.h) */
    bool stream;                 /* SOCK_STREAM */
    bool inherited;              /* classified at first use, not seen opened */
    _Atomic uint8_t protocol;    /* enum otel_protocol */
    _Atomic uint8_t connecting;  /* 0, else a connect() is under way (socket_span.h) */

    uint64_t opened_ns;              /* connect, accept or first sight; CLOCK_MONOTONIC */
    uint64_t connected_ns;           /* of a client: the attempt's end, 0: not yet */
    int connect_error;               /* errno of the attempt, 0 */
    struct otel_address peer, local; /* read when first asked for */
    bool peer_known, local_known;    /* the kernel was asked or told us; "" is an answer */
    bool finished;                   /* otel_connection_finish_all() was here */

    /* What was current at connect(), for the requests to come; cell 0: nothing was. */
    struct otel_span_context bound;
    _Atomic uint64_t bound_cell;
    uint32_t bound_thread; /* otel_serving_slot() of that time */
    uint64_t bound_turn;   /* and otel_serving_turn() */
    bool bound_async;      /* connect() did not complete at once */
    _Atomic bool held;     /* CONNECT or Upgrade is asked for: what follows may be no HTTP */
    _Atomic bool overtook; /* and something did follow, before the answer */
    bool bound_unsure;     /* two exchanges used it at a time: it tells nothing any more */

    /* Exchanges under way, oldest first: a ring of handles, written by the request's direction,
     * read by the response's. */
    _Atomic uint64_t queue[OTEL_PIPELINE_MAX];
    _Atomic uint32_t queued, answered; /* put in, taken out, modulo 2^32 */
    _Atomic uint64_t requesting;       /* whose request is being read or sent (exchange.c) */

    uint32_t exchanges; /* begun on this connection so far */
    uint64_t
        verified_ns; /* when the socket was found to be the same last (connection.c), 0 never */
    _Atomic uint64_t completed_turn; /* otel_serving_turn() when a response was complete last */
    _Atomic uint64_t completed_cell; /* whose that was */

    _Atomic int epoll_fd; /* where it was registered last, -1: nowhere */
    _Atomic uint64_t epoll_data;

    struct otel_direction in, out;
    struct otel_owed owed;

    struct otel_socket_state socket; /* of socket_span.c alone */
    struct otel_inject_state inject; /* of the request head being sent; inject.h */
};

/* --- life --- */

/* The connection of fd, or NULL when the descriptor does not concern us. The fast path of every
 * hook: one load and compare for a PLAIN descriptor. An UNKNOWN one is classified, once, with a few
 * system calls. NULL inside the guard. Keeps errno. */
struct otel_connection *otel_connection_find_slow(int fd, uint64_t word);

static inline struct otel_connection *otel_connection_find(int fd)
{
    uint64_t word = otel_fd_get(fd);

    return __builtin_expect(word == OTEL_FD_PLAIN, 1) ? NULL : otel_connection_find_slow(fd, word);
}

/* The same without classifying: NULL for UNKNOWN. */
struct otel_connection *otel_connection_known(int fd);

/* A block by its handle; NULL when it is gone. */
struct otel_connection *otel_connection_get(uint64_t handle);

/* A new descriptor from socket(), socketpair() (role CLIENT, protocol as any) or accept() (SERVER).
 * What the number meant before is dropped. type as given to socket(), flags in it are ignored.
 * peer: as accept() returned it, NULL: asked for when needed. Returns NULL when it does not concern
 * us (family, type, no room); the word is then PLAIN. */
struct otel_connection *otel_connection_open(int fd, int domain, int type, enum otel_role role,
                                             const struct sockaddr *peer, socklen_t peer_len);

/* fd does not concern us from now on (libcurl's, ours). */
void otel_connection_disown(int fd);

/* A PLAIN fd has become something else: a UDP socket that was connected, a descriptor received from
 * another process. Looks at it anew; NULL: it still does not concern us. */
struct otel_connection *otel_connection_reconsider(int fd);

/* to now names what from names (dup family; F_DUPFD); what to named before was closed. Does nothing
 * in a vfork child. */
void otel_connection_dup(int from, int to);

/* Before the real close of fd: the last descriptor ends what is under way. Does nothing in a vfork
 * child. Range: every connection in first … last. */
void otel_connection_close(int fd);
void otel_connection_close_range(unsigned first, unsigned last);

/* At exit: ends what is under way on every connection, as close would; they stay usable. */
void otel_connection_finish_all(void);

/* The program confines itself (seccomp): it may be killed for what we ask of the kernel. What is
 * under way ends now, and from now on no descriptor concerns us. */
void otel_connection_confine(void);

/* Is the socket behind fd still the one this block is about? One system call. When it is not, the
 * word is dropped (what was under way ends as lost) and the answer is false. The first call
 * remembers the identity. Keeps errno. */
bool otel_connection_verify(struct otel_connection *c, int fd);

/* The same before each request, for less: one answer holds for a tenth of a second, now_ns being
 * CLOCK_MONOTONIC. By who holds the request's direction.
 *
 * To be wrong meanwhile, a socket has to be closed by a call we do not see, without that its end
 * was read, and another one has to take its number by such a call. Then facts of a span are wrong
 * (who is at the other end). No file is changed: bytes of ours go out by sendmsg(), which only
 * sockets take. Who is known to get sockets unseen is always asked for. */
bool otel_connection_trusted(struct otel_connection *c, int fd, uint64_t now_ns);

/* In a fork child, at first use: what is under way is the parent's. Between messages following goes
 * on; in the middle of one the connection is lost. Cheap when the generation is unchanged. */
void otel_connection_renew(struct otel_connection *c);

/* --- facts --- */

/* Keeps where a socket is connected to; fills peer, role CLIENT. */
void otel_connection_peer(struct otel_connection *c, const struct sockaddr *addr, socklen_t len);

/* Peer and local addresses, asked of the kernel through fd when not known. */
const struct otel_address *otel_connection_peer_of(struct otel_connection *c, int fd);
const struct otel_address *otel_connection_local_of(struct otel_connection *c, int fd);

/* addr as text and port; "" for families we do not know. Never reads beyond len. */
void otel_address_format(struct otel_address *out, const struct sockaddr *addr, socklen_t len);

/* --- directions --- */

static inline bool otel_direction_enter(struct otel_direction *d)
{
    return atomic_exchange_explicit(&d->busy, 1, memory_order_acquire) == 0;
}

/* n bytes more. For who holds the direction; others may read them. */
static inline void otel_direction_count(struct otel_direction *d, uint64_t n)
{
    __atomic_store_n(&d->bytes, d->bytes + n, __ATOMIC_RELAXED);
}

static inline uint64_t otel_direction_bytes(const struct otel_direction *d)
{
    return __atomic_load_n(&d->bytes, __ATOMIC_RELAXED);
}

static inline void otel_direction_leave(struct otel_direction *d)
{
    atomic_store_explicit(&d->busy, 0, memory_order_release);
}

#endif
