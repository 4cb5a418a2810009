/* SPDX-License-Identifier: Apache-2.0
 *
 * Start and stop of the engine, in order. preload calls it; nothing else does.
 */
#ifndef OTEL_CORE_TRACER_H
#define OTEL_CORE_TRACER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/platform.h"

/* The exit status of a process that ends in a way that does not tell. */
#define OTEL_STATUS_UNKNOWN (-1)

/* Settings, log, generation, propagation, process parent, store. No thread, no socket, no file.
 * Called once, in the constructor. secure: AT_SECURE process. */
void otel_tracer_start(const struct otel_platform *platform, bool secure);

/* False when OTEL_SDK_DISABLED: hooks only pass on what comes in. */
bool otel_tracer_enabled(void);

/* True when no span waits and no thread of ours runs: an ending process needs nothing of us. No
 * system call. */
bool otel_tracer_idle(void);

/* True when a connection is open that an ending process has something to tell of, perhaps. No
 * system call. */
bool otel_tracer_follows(void);

/* Exports what has ended, bounded by OTEL_AUTO_EXIT_TIMEOUT; the process goes on. No-op when
 * nothing waits. */
void otel_tracer_send(void);

/* Before an exec: exports what has ended, bounded by OTEL_AUTO_EXIT_TIMEOUT. The process
 * may go on afterwards (an exec that fails). No-op when nothing waits or in a vfork child. */
void otel_tracer_flush(void);

/* The exec did not work, the process goes on. */
void otel_tracer_return(void);

/* Before _exit: the same, and first ends what is under way on connections, and the process's span.
 * Not for exec, behind which connections go on. status: what the parent will see, or
 * OTEL_STATUS_UNKNOWN. */
void otel_tracer_leave(int status);

/* The program is about to install a filter of system calls that may kill it: what has ended is
 * exported now (bounded by OTEL_AUTO_EXIT_TIMEOUT), the thread ends, the sum and a line are logged.
 * From then on no span is recorded, nothing is logged and nothing of ours makes a system call; an
 * incoming context is still passed on. No-op in a vfork child. */
void otel_tracer_confine(void);

/* Something is wrong with us, or may be: from now on this process makes no more spans and follows
 * no sockets; what comes in is still passed on, what has ended is still exported. One line of the
 * log says why. Any thread, in the middle of anything of ours; signal handlers too. */
void otel_tracer_pass_through(const char *why);

/* At exit, before the host's atexit handlers: ends what is under way, flush, end the thread, print
 * the sum when asked. Bounded; idempotent. */
void otel_tracer_stop(int status);

/* The last that can be done, without sending: the spool (spool.h) of a process that ends by itself
 * goes, or says so. Idempotent. */
void otel_tracer_last(void);

#endif
