/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory for what is too large for the stack of a thread that is about to start a program. It is
 * mapped, never allocated, for the caller may be a signal handler or a vfork child.
 *
 * A vfork child that execs does not come back, and what it has mapped stays in its parent. So such
 * a child maps for its thread: the thread's next child uses the same room again, and it goes with
 * the thread.
 */
#ifndef OTEL_CORE_ROOM_H
#define OTEL_CORE_ROOM_H

#include <stdbool.h>
#include <stddef.h>

/* Lies in the taker's frame. All zero: none taken. */
struct otel_room {
    void *p;
    size_t len;
    bool kept; /* the thread's, not to be unmapped */
};

/* Returns len bytes, aligned for anything, or NULL: there is no memory. Any thread; system calls.
 */
void *otel_room_take(struct otel_room *room, size_t len);

/* Ends the use. No-op when none was taken. */
void otel_room_give(struct otel_room *room);

/* The calling thread ends. */
void otel_room_leave(void);

#endif
