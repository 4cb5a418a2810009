/* SPDX-License-Identifier: Apache-2.0
 *
 * Around a fork that libc makes: the batch thread holds nothing meanwhile that a child would miss
 * (core/gate.h). That a process is a child it notices by itself (core/generation.h), so a fork that
 * is not seen here (a raw system call, _Fork, clone) goes without the first only.
 * Async-signal-safe; errno is kept.
 */
#ifndef OTEL_PRELOAD_FORK_H
#define OTEL_PRELOAD_FORK_H

#include <stdbool.h>

/* Before it. Waits a moment, at most OTEL_GATE_WAIT_MS. Returns what end is to be told. */
bool otel_fork_begin(void);

/* Behind it, in the parent and in the child. result: the fork's, 0 in the child. */
void otel_fork_end(bool begun, int result);

#endif
