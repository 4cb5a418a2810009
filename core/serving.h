/* SPDX-License-Identifier: Apache-2.0
 *
 * Which exchange does this thread serve, and how sure is that? The implicit context of context.h
 * rests on cells; a cell is the public face of one server exchange: it is live until the response
 * is complete, and tells whether the exchange waits for something that no hook can see.
 *
 * Why that matters: a thread that serves several exchanges at a time (an event loop) takes up work
 * for one of them after a timer, a queue or a thread pool without a system call that says for
 * which. So while another exchange of the same thread waits for something invisible (its request is
 * complete, nothing of its response is written, no client request of its own is under way), new
 * work on that thread has no known parent: a gap instead of a guess. An exchange that waits for its
 * upstream, its client or its own connection is not invisible, so a proxy or an event loop that
 * acts at once is sure at any number of connections.
 *
 * Each thread has a slot with its counts, and a turn: a number that grows each time the thread
 * returns from epoll_wait, poll or select.
 *
 * Threads: slots and cells are atomic; everything else concerns the calling thread.
 */
#ifndef OTEL_CORE_SERVING_H
#define OTEL_CORE_SERVING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/span_context.h"

#define OTEL_SERVING_CONNECTIONS 4

/* Block of a cell (context.c keeps the pool). The state is one word, so that whoever changes it
 * knows what it was: counts of threads are made of differences, and a change for an exchange that
 * is over, of which the word says nothing any more, is none.
 *
 *     bits 0 … 15   slot: 1 + of the thread that read from it last, 0: none
 *     bits 16 … 30  outstanding: client requests and connects under way for it
 *     bit 31        ready: request complete and response not begun
 *     bits 32 … 63  the sequence of the cell's handle; 0: over */
struct otel_cell {
    _Atomic uint64_t exchange; /* its handle */
    _Atomic uint64_t state;
    /* Connections that serve it (its own, then those bound to it); handles, oldest replaced. */
    _Atomic uint64_t connection[OTEL_SERVING_CONNECTIONS];
    _Atomic uint32_t connections;
};

#define OTEL_CELL_OUTSTANDING(state) ((uint32_t)((state) >> 16 & 0x7fff))

/* A block is that cell from now on, which no thread has read from. */
void otel_serving_begin(struct otel_cell *cell, uint64_t handle);

/* Whose it is: told before anybody else knows of the cell. read: by the thread that reads from it
 * (one that waits in a pipeline is read when those before it are answered). ready: its request is
 * complete already (otel_serving_ready). */
void otel_serving_own(uint64_t cell, uint64_t exchange, uint64_t connection, bool read, bool ready);

/* The calling thread read from that exchange's connection, or its answer: the cell belongs to this
 * thread now, its context is the thread's implicit one. cell 0: clears the implicit context. */
void otel_serving_enter(const struct otel_span_context *ctx, uint64_t cell);

/* The request is complete, no byte of the response yet (ready), or not so any more. */
void otel_serving_ready(uint64_t cell, bool ready);

/* One more (+1) or less (-1) client request or connect is under way for it. */
void otel_serving_outstanding(uint64_t cell, int change);

/* That connection serves the exchange: events on it do not end the context. */
void otel_serving_connection(uint64_t cell, uint64_t connection);
bool otel_serving_has(uint64_t cell, uint64_t connection);

/* The cell ends: closes it in context.h and takes it out of its thread's counts. 0 is ignored. */
void otel_serving_end(uint64_t cell);

/* Another exchange of this thread waits for something invisible: what is current is a guess.
 * For an inherited context (context.h): of the thread that read from it last, which made this one.
 * cell: the one that is current. A few loads. */
bool otel_serving_unsure(uint64_t cell);

/* Exchanges this thread read last and that are not over. */
uint32_t otel_serving_open(void);

/* The cell of the thread's implicit context when that is what otel_context_current() gives; 0 when
 * it is explicit, the process's, none, or unsure. */
uint64_t otel_serving_cell(void);

/* 1 + the thread's slot, 0: none (too many threads); a number that no other running thread has. */
uint32_t otel_serving_slot(void);

/* The thread returned from an event wait. */
void otel_serving_turn_next(void);

/* Where the function that waits for events keeps its return address (preload/frame.h), NULL: not
 * known; call: where its calls, the wait among them, put theirs. What the thread reads while that
 * function is still there is the work of its event handlers, and is over when the function returns:
 * timers and queues that a loop runs through afterwards are for others. Called in each event wait.
 */
void otel_serving_loop(const uintptr_t *loop, const uintptr_t *call);

/* The thread is still in the call of its event loop's in which the implicit context was set. False
 * too when no loop is known. */
bool otel_serving_same_handler(void);
uint64_t otel_serving_turn(void);

/* A coroutine is left and gone on with, maybe on another thread: it reads and serves like a thread
 * of its own, so its slot stays with it. One that is never gone on with gives the slot up when its
 * exchanges are over. park() returns what unpark() wants; 0: it had nothing open. */
uint64_t otel_serving_park(void);
void otel_serving_unpark(uint64_t parked);

/* The thread ends: its slot may be another's. */
void otel_serving_leave(void);

/* Fork child. */
void otel_serving_reset(void);

#endif
