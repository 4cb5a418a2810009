/* SPDX-License-Identifier: Apache-2.0
 *
 * What happens to waiting spans when the process ends or becomes another program. Each function is
 * a no-op where it would do harm: inside the guard (the batch thread, a signal handler that
 * interrupted us), in a vfork child (it shares the parent's memory), and while this copy is not
 * active. All keep errno and leave the guard as they found it: in a vfork child whose exec succeeds
 * nobody would.
 */
#ifndef OTEL_PRELOAD_EXIT_H
#define OTEL_PRELOAD_EXIT_H

#include <stdbool.h>

/* Before libc runs the host's atexit handlers: exports what has ended and ends the batch thread,
 * within OTEL_AUTO_EXIT_TIMEOUT. TLS libraries clean up in those handlers; a thread of ours that
 * still used them, or was joined later, crashed its host. Idempotent. */
void otel_exit_stop(void);

/* The same when the host calls exit() or returns from main: what hooks have registered for that
 * moment (OTEL_AT_EXIT) comes first. */
void otel_exit_end(int status);

/* Before a change of the root: exports what has ended, within the same time. The process goes on.
 */
void otel_exit_send(void);

/* Before an exec: the same, and the spool (core/spool.h) is left. The process may go on. */
void otel_exit_flush(void);

/* Before an exec that will work, as far as one can see: the process's own span (process_span.h)
 * ends first, for nobody comes back to end it. status: what it ends with, or OTEL_STATUS_UNKNOWN.
 * Returns true when it has ended one; should the process go on, otel_exit_return() begins another,
 * below the first. */
bool otel_exit_replace(int status);
void otel_exit_return(bool replaced);

/* Before an exit without handlers: the same, and what is under way on connections ends. */
void otel_exit_leave(int status);

/* Registers the same as otel_exit_end() with on_exit(), but for what hooks have registered, for the
 * many exits inside libc that no hook sees (error(3), err(3), argp …). Called before the batch
 * thread starts, and again after the module's libraries are initialised: handlers run last first,
 * so ours comes before OpenSSL's clean-up. */
void otel_exit_register(void);

/* In our destructor: no network, no waiting. */
void otel_exit_last(void);

#endif
