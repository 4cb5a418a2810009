/* SPDX-License-Identifier: Apache-2.0
 *
 * Between a fork and the batch thread. A child has its parent's memory and not its threads: what
 * our thread holds at that moment (a lock of OpenSSL's, the loader's, an allocator's) nobody will
 * ever give back there. So the thread says when it holds nothing, which is while it sleeps or waits
 * for a socket, and a fork waits for that, and keeps it there until it is done.
 *
 * A wait has a limit on both sides, for who forks may hold what the thread is waiting for: then it
 * is as if there were no gate. Nothing here allocates or takes a lock; a signal handler may fork.
 */
#ifndef OTEL_CORE_GATE_H
#define OTEL_CORE_GATE_H

#include <stdint.h>

/* A fork waits no longer than this: loading the exporter module takes as much, once. */
#define OTEL_GATE_WAIT_MS 20

/* The batch thread, around what blocks and holds nothing: leave before, enter behind it. enter
 * waits while a fork is under way. A thread that begins enters; one that ends leaves. */
void otel_gate_leave(void);
void otel_gate_enter(void);

/* Any other thread, around a fork: begin before, end behind it in the parent. */
void otel_gate_fork_begin(void);
void otel_gate_fork_end(void);

/* Fork child: there is no batch thread and no fork. */
void otel_gate_reset(void);

#endif
