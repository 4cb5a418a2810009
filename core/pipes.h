/* SPDX-License-Identifier: Apache-2.0
 *
 * The streams that popen() has opened and the child behind each: known to who opens one, because a
 * shell must not inherit those that are open, and to who closes one, because that waits for the
 * child. A fork child has its parent's, as with libc's.
 */
#ifndef OTEL_CORE_PIPES_H
#define OTEL_CORE_PIPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

/* Open at once. */
#define OTEL_PIPES 1024

/* Around all that follows up to close: a pipe is no secret to other shells until it is added. */
void otel_pipes_lock(void);
void otel_pipes_unlock(void);

bool otel_pipes_full(void);
void otel_pipes_add(FILE *stream, pid_t child);

/* The stream at i, 0 to OTEL_PIPES - 1; NULL: none. */
FILE *otel_pipes_at(size_t i);

/* fp is about to be closed. Returns its child, 0: it is none of these. Without one, a load. */
pid_t otel_pipes_close(const FILE *fp);

/* Waits for a child that nobody else is to wait for; no point of cancellation. Returns its status
 * or -1 with errno. */
int otel_pipes_reap(pid_t child);

#endif
