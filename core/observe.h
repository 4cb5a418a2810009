/* SPDX-License-Identifier: Apache-2.0
 *
 * What hooks tell of the bytes of a connection, after the real call: the stream is followed by
 * http1.h, its requests become exchanges (exchange.h), and whom the thread serves is settled
 * (serving.h). A connection that does not speak HTTP/1.x, or cannot be followed, becomes
 * OTEL_PROTOCOL_OTHER: its bytes are counted and nothing else is done.
 *
 * A hook may spare the call for a connection that speaks OTHER when the thread's implicit cell
 * (otel_tls.implicit.cell) equals c->bound_cell, and only add to the direction's bytes.
 *
 * Threads: received, sent and what ends them need their direction (otel_direction_enter) held by
 * the caller; closed, lost and forked take what they need. errno is kept.
 */
#ifndef OTEL_CORE_OBSERVE_H
#define OTEL_CORE_OBSERVE_H

#include <stddef.h>
#include <sys/uio.h>

#include "core/connection.h"

/* n bytes came in through fd, into iov (only the first n bytes of it are valid). Not to be called
 * for MSG_PEEK, MSG_ERRQUEUE or MSG_OOB. */
void otel_observe_received(struct otel_connection *c, int fd, const struct iovec *iov,
                           size_t iovcnt, size_t n);

/* Before bytes are looked at that are only about to be sent (inject.h): sets the parsers up, and
 * makes a client of an inherited socket. */
void otel_observe_prepare(struct otel_connection *c);

/* n bytes of the program's went out. Of a client what inject.h changed is not in them. */
void otel_observe_sent(struct otel_connection *c, int fd, const struct iovec *iov, size_t iovcnt,
                       size_t n);

/* n bytes passed that cannot be seen (sendfile, splice, MSG_TRUNC). */
void otel_observe_received_unseen(struct otel_connection *c, int fd, size_t n);
void otel_observe_sent_unseen(struct otel_connection *c, int fd, size_t n);

/* A call gave 0 (EOF; error 0) or failed with error; EAGAIN, EINTR and the like are ignored here.
 */
void otel_observe_receive_end(struct otel_connection *c, int error);
void otel_observe_send_end(struct otel_connection *c, int error);

/* The connection is over (closed, or verified away): what is under way ends. Where a thread stays
 * at work on it, it is lost only, and this is to be called again. */
void otel_observe_closed(struct otel_connection *c);

/* The same where both directions are the caller's, and stay so. */
void otel_observe_over(struct otel_connection *c);

/* Stops following: what is under way ends with what is known, later bytes are only counted. */
void otel_observe_lost(struct otel_connection *c);

/* In a fork child, at the connection's first use: what is under way is the parent's, following goes
 * on only between messages. */
void otel_observe_forked(struct otel_connection *c);

#endif
