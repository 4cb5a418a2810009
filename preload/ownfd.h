/* SPDX-License-Identifier: Apache-2.0
 *
 * Guarding our descriptors where the batch thread shares its host's table (privatefd.h could not
 * give it one of its own). A daemon that closes 3 to 1023 and then opens a socket would get our
 * connection's number, and our request. So ours have high numbers, are CLOEXEC, and the hooks of
 * close and its kin leave them alone. Each is remembered with the identity of what it refers to,
 * for a raw system call can close it unseen: what is no longer ours is not guarded.
 *
 * In a vfork child, whose table is its own and whose memory is not, nothing is guarded, nor inside
 * the guard. Lock-free, async-signal-safe, keeps errno.
 */
#ifndef OTEL_PRELOAD_OWNFD_H
#define OTEL_PRELOAD_OWNFD_H

#include <stdatomic.h>
#include <stdbool.h>

#define OTEL_OWNFD_MAX 16 /* further ones stay unguarded */

/* Descriptors guarded now; written by ownfd.c alone. */
extern _Atomic int otel_ownfd_count;

/* The hooks' fast path: false nearly always. */
static inline bool otel_ownfd_any(void)
{
    return atomic_load_explicit(&otel_ownfd_count, memory_order_relaxed) != 0;
}

/* Takes over an open descriptor: returns the number to use from now on, high where the limit allows
 * (fd itself is then closed), CLOEXEC and guarded. fd itself on a thread with a private table. */
int otel_ownfd_adopt(int fd);

/* Is fd one of ours, and still what adopt saw? Ask before each use: the host may have replaced it.
 */
bool otel_ownfd_owned(int fd);

/* Ends the guarding; close afterwards only what owned() said is ours. */
void otel_ownfd_release(int fd);

/* Would the host, calling now, harm one of ours by closing fd? */
bool otel_ownfd_guards(int fd);

/* The lowest guarded number in first … last, -1: none. */
int otel_ownfd_next(unsigned first, unsigned last);

/* The host takes the number for itself (dup2 onto it): from now on owned() is false. The exporter,
 * which asks before each request, then opens another connection. */
void otel_ownfd_yield(int fd);

/* Fork child: the parent's descriptors are not ours to guard. */
void otel_ownfd_forget(void);

#endif
