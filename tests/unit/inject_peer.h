/* SPDX-License-Identifier: Apache-2.0
 *
 * A program, a kernel and a peer for the tests of core/inject.h: what a program sends in one call
 * goes through inject.h as a hook would do it, into a kernel that takes as much as the test says,
 * and the peer keeps the bytes.
 *
 * One user at a time; the functions are those of inject_peer.c.
 */
#ifndef OTEL_TESTS_UNIT_INJECT_PEER_H
#define OTEL_TESTS_UNIT_INJECT_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "core/connection.h"

#define PEER_MAX (1 << 20)
#define PEER_MESSAGES 64

/* One thread. */
extern char peer_bytes[PEER_MAX];
extern size_t peer_len;
/* The context that went out with each request. */
extern struct otel_span_context peer_context[PEER_MESSAGES];
extern size_t peer_contexts;
/* What the kernel takes of n bytes: a number up to n, or -Exxx. NULL: all. */
extern long (*peer_kernel)(size_t n);

/* For a suite's init and fini: a client's connection, with nothing sent yet. */
void peer_open(void);
void peer_close(void);

/* The next one. */
struct otel_connection *peer_again(void);

/* One call of the program's: what a hook does. Returns what the program is told, or -Exxx. */
long peer_send(const struct iovec *iov, size_t iovcnt);
long peer_send_bytes(const void *data, size_t len);

/* Sends all of it, in one call or again and again when the kernel takes less. */
void peer_send_all(const void *data, size_t len);

/* In calls of n bytes. */
void peer_send_by(const char *text, size_t n);

/* The peer has got exactly this; then it forgets. */
bool peer_got(const char *expected);

#endif
