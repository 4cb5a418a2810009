/* SPDX-License-Identifier: Apache-2.0
 *
 * One HTTP request with its response on a connection, from first byte to last: a SERVER span where
 * we accepted, a CLIENT span where we connected. A connection has a queue of them (pipelining):
 * requests are appended, responses belong to the oldest.
 *
 * The request side of a client runs in two steps around the real call: inject.h looks at the bytes
 * before they are sent and asks for the context to send (otel_exchange_outgoing, …_context), then
 * otel_observe_sent() (observe.h) follows those the kernel took. Everything else is seen after the
 * fact.
 *
 * Contexts: core/serving.h. A server exchange opens a cell when its request head is complete; a
 * client exchange remembers the cell it serves, and reading its response makes that current.
 *
 * Threads: one at a time on each direction of a connection. Who holds the response's direction ends
 * exchanges; an answer may be complete before its request is, so who holds the request's direction
 * keeps the exchange meanwhile (otel_exchange_keep). Others copy what they need of it
 * (otel_exchange_look).
 */
#ifndef OTEL_CORE_EXCHANGE_H
#define OTEL_CORE_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/connection.h"
#include "core/http_head.h"
#include "core/span.h"

#define OTEL_EXCHANGES 16384 /* under way at once; requests beyond go unseen, and are counted */

struct otel_exchange {
    uint64_t self;       /* its handle */
    uint64_t connection; /* handle */
    bool server;
    _Atomic bool started;   /* span is */
    bool adopted;           /* parent came with the program's own request head */
    _Atomic bool sent;      /* a byte of the request went out or came in */
    _Atomic int send_error; /* errno of a failed send, 0 */
    _Atomic bool head_done; /* the request head is complete: its side is done with the span */
    _Atomic bool request_done;
    _Atomic bool response_begun;
    bool head_request, connect_request; /* method HEAD, CONNECT; known behind head_done */
    bool upgrade;                       /* the request asks for another protocol; the same */
    uint64_t start_ns;
    struct otel_span span;
    uint8_t span_id[OTEL_SPAN_ID_LEN]; /* chosen when the exchange begins */
    struct otel_span_context remote;   /* server: the parent that came in, invalid: none */
    struct otel_span_context parent;   /* client: what it hangs below, invalid: root */
    uint64_t carry;                    /* lists of the parent, ours until the span owns them */
    /* server: its own, 0 not open yet; client: of the exchange it serves. Written behind the
     * contexts that go with it. */
    _Atomic uint64_t cell;
    struct otel_span_context serving; /* client: the context reading its response restores */
    struct otel_text error;           /* what it ended with, and when; constant memory */
    uint64_t end_ns;
    struct otel_http_head request, response;
};

/* --- the request side of a client, before the real call (inject.h) --- */

/* The exchange whose request head is being sent, begun now when the connection is between messages.
 * Chooses its parent (connection-bound and current context, serving.h). NULL: no room. */
struct otel_exchange *otel_exchange_outgoing(struct otel_connection *c);

/* The program's own head carries ctx: it becomes the parent, or the server exchange that received
 * exactly this does. Before …_context only. */
void otel_exchange_adopt(struct otel_exchange *x, const struct otel_span_context *ctx);

/* Starts the span when that was not done and returns the context to send; invalid (all zero): send
 * nothing. */
const struct otel_span_context *otel_exchange_context(struct otel_exchange *x);

/* Fork child: all are the parent's. */
void otel_exchange_reset(void);

struct otel_exchange *otel_exchange_get(uint64_t handle);

/* The one a response on this connection would answer, NULL: none is under way. For who holds the
 * response's direction; for others it tells that there is one, but may be gone the next moment. */
struct otel_exchange *otel_exchange_oldest(const struct otel_connection *c);

/* What anybody may know of an exchange. */
struct otel_exchange_facts {
    bool server, started, head_done;
    uint64_t cell;
    struct otel_span_context own;     /* of its span, valid once it is started */
    struct otel_span_context serving; /* of a client, as above */
};

/* Copies them; false when there is no such exchange (any more). */
bool otel_exchange_look(uint64_t handle, struct otel_exchange_facts *facts);
bool otel_exchange_look_oldest(const struct otel_connection *c, struct otel_exchange_facts *facts);
bool otel_exchange_look_requesting(const struct otel_connection *c,
                                   struct otel_exchange_facts *facts);

/* --- for observe.c --- */

/* A request begins on this connection: takes a place in its queue. NULL: no room, the connection
 * cannot be followed any more. */
struct otel_exchange *otel_exchange_begin(struct otel_connection *c, bool server, uint64_t now_ns);

/* A handle for the baggage alone of what carry names, to be freed by the caller; 0: there is none.
 * Baggage goes on where the program starts another trace, tracestate does not. */
uint64_t otel_exchange_baggage(uint64_t carry);

/* The one whose request is being read or sent; for who holds that direction, and keeps it. */
struct otel_exchange *otel_exchange_requesting(const struct otel_connection *c);

/* From here to leave() that one, and any that begins, stays where it is, even when its response
 * ends: then it is over with leave(). For who holds the request's direction; does not nest. */
void otel_exchange_keep(struct otel_connection *c);
void otel_exchange_leave(struct otel_connection *c);

/* The request head of x is complete: its span starts (server) and gets its attributes; of a server
 * the cell opens and becomes the thread's context. */
void otel_exchange_request_head(struct otel_exchange *x, struct otel_connection *c, int fd);

/* A response head is complete, 1xx other than 101 apart. */
void otel_exchange_response_head(struct otel_exchange *x);

/* Ends x, which is the connection's oldest, at now_ns; error: short name of a failure, "" none, in
 * constant memory. One whose span never started leaves no trace. x is gone, or will be with leave()
 * of who keeps it. */
void otel_exchange_finish(struct otel_exchange *x, struct otel_connection *c,
                          struct otel_text error, uint64_t now_ns);

#endif
