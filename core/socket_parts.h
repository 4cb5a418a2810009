/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files behind socket_span.h share, and nobody else includes: whether a socket gets spans,
 * below what they hang, and the attributes that all of them have.
 *
 * Threads: as the connection's.
 */
#ifndef OTEL_CORE_SOCKET_PARTS_H
#define OTEL_CORE_SOCKET_PARTS_H

#include <stdbool.h>

#include "core/socket_span.h"
#include "core/span.h"

/* Do the settings want spans of sockets? */
bool otel_socket_spans_on(void);

/* The connection is the machine's chatter, also where we did not see it connect. */
bool otel_socket_is_chatter(const struct otel_connection *c);

/* At the begin of whatever is told of the connection: in a fork child ids chosen and attempts under
 * way are the parent's, and what was current is not of this process. Cheap otherwise. */
void otel_socket_note_generation(struct otel_connection *c);

/* Starts the span below what was current at connect(), or as a root; sets its scope. Returns true
 * when it is recorded (span.h). */
bool otel_socket_span_start(struct otel_span *span, const struct otel_connection *c,
                            struct otel_span_start *start);

/* network.* and, where it is known, server.*. */
void otel_socket_set_network(const struct otel_span *span, const struct otel_connection *c);

/* error.type; status Error. */
void otel_socket_set_error(const struct otel_span *span, const char *error);

/* What the socket was connected to is over, the socket is not: its span, and all begins anew. With
 * a thread at work on it the bytes stay counted together. */
void otel_socket_disconnected(struct otel_connection *c);

/* The attempt under way, if any, is over without an outcome: the connection ends. */
void otel_socket_attempt_abandon(struct otel_connection *c);

#endif
