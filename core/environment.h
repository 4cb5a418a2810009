/* SPDX-License-Identifier: Apache-2.0
 *
 * The environment of a child: the program's own, with the current context in it as TRACEPARENT,
 * TRACESTATE and BAGGAGE (OpenTelemetry "Environment Variables as Context Propagation Carriers").
 * The program's array is never written to; what a child gets is a copy that lies where the caller
 * says, on its stack or in a room (room.h): a vfork child may not allocate, for it shares its
 * parent's memory.
 *
 * Nothing is changed where the program chose a traceparent of its own for the child, and where the
 * only context is the one that came in: then it goes on as the program passes it on, or does not.
 *
 * Async-signal-safe, no allocation, no lock; a few system calls where the array is not the
 * program's environ, for a pointer that leads nowhere is the kernel's to report, not ours.
 */
#ifndef OTEL_CORE_ENVIRONMENT_H
#define OTEL_CORE_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/span_context.h"

/* What a copy may take of the caller's stack, in bytes: threads with 16 KiB of it exist, and libc
 * takes about as much in execvp(). A larger one (some 900 variables) wants memory of its own. */
#define OTEL_ENVIRONMENT_STACK_MAX 8192

/* What is to be put into a child's environment. Lives in the caller's frame, between the two calls
 * below; ours to write. */
struct otel_environment {
    char *const *base; /* the program's array; NULL counts as empty, as it does for the kernel */
    size_t count;      /* its entries */
    bool traceparent;  /* these three are written, and what the array has of them is left out */
    bool tracestate;
    bool baggage;
    size_t tracestate_len, baggage_len;
    uint64_t back; /* a bit for each variable of ours that is put back */
    struct otel_span_context ctx;
};

/* Keeps what OTEL_AUTO_FOLLOW=always may have to put back: the LD_PRELOAD and OTEL_* variables of
 * the environment this process was started with. Start-up only; nothing without that setting. */
void otel_environment_init(char *const *environment);

/* Works out what a child is to get on top of envp. follow: what the program cleared may be put back
 * (never for a setuid program). Returns the bytes otel_environment_build() needs; 0: envp is
 * to be passed as it is. Any thread; a vfork child too. */
size_t otel_environment_plan(struct otel_environment *e, char *const envp[], bool follow);

/* Makes the array in room, which has the bytes that plan asked for and is aligned for pointers.
 * Entries of the program are shared with it, not copied. Returns room. */
char **otel_environment_build(const struct otel_environment *e, void *room);

#endif
