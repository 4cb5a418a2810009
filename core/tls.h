/* SPDX-License-Identifier: Apache-2.0
 *
 * The one thread-local structure of the whole library, and the re-entry guard in it.
 *
 * Model: initial-exec. The object is loaded at start-up, so its block lies in the static TLS area:
 * reaching it is one instruction, never calls __tls_get_addr (which may allocate, and so would
 * deadlock in a signal handler that interrupted malloc) and exists before any constructor ran.
 * Size: below 1 KiB, because every thread of the host pays for it out of its stack.
 *
 * Threads: each field belongs to its thread. A signal handler on the same thread may interrupt any
 * update; whoever changes several fields orders the stores so that each state in between is valid.
 */
#ifndef OTEL_CORE_TLS_H
#define OTEL_CORE_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/profiler.h"
#include "core/span_context.h"

/* Explicit contexts kept inside the thread's block; deeper ones live in a store block (context.c).
 */
#define OTEL_CONTEXT_INLINE_DEPTH 8

/* An attached context and where on the stack it was attached: an entry below the stack pointer was
 * jumped over (longjmp, exception) and does not count any more. */
struct otel_attached {
    struct otel_span_context ctx; /* span_id is written last and zeroed first: the valid mark */
    uintptr_t frame;
    uint64_t cell;  /* of those it was handed on to (otel_context_share), 0: nobody */
    uint64_t owned; /* the record of the span that ends with it, 0: none (context.h) */
};

struct otel_tls {
    uint32_t guard;      /* > 0: calls made now are ours (or nested in ours): pass through */
    uint32_t generation; /* the process generation this block was last used in, 0: never */
    uint32_t shard;      /* 1 + the shard of counters and free lists of this thread, 0: none yet */
    uint32_t depth;      /* explicit contexts attached; see context.h */
    uint64_t rng[4];     /* xoshiro256++ state, valid when rng_generation == generation */
    uint32_t rng_generation;
    uint32_t private_fds;       /* this thread has a descriptor table of its own (privatefd.h) */
    uint32_t serving_slot;      /* 1 + the thread's slot, 0: none yet (serving.h) */
    bool in_loop;               /* the implicit context was set below the loop's frame */
    uint64_t turn;              /* event waits this thread returned from */
    const uintptr_t *loop;      /* where the loop keeps its return address, NULL: not known */
    uintptr_t loop_return;      /* what stood there */
    const uintptr_t *loop_call; /* where its calls put their return address, NULL: not known */
    uintptr_t handler; /* what stood there when the implicit context was set, 0: not known */
    uintptr_t lookup;  /* frame of the name look-up the thread is in, 0: none */
    uint64_t deeper;   /* pool handle of the block with deeper contexts, 0: none */
    struct otel_implicit implicit; /* context of the exchange being served; see context.h */
    struct otel_implicit ended; /* of the request that ended last, its connection (socket_span.h) */
    uint64_t resumer;           /* cell of who switches to another coroutine; context.h */
    bool inherited;             /* the implicit one was handed on by another thread */
    int room_user;              /* process that uses the room, 0: none (room.h) */
    struct otel_profiler_record profiler; /* what a profiler is told of this thread */
    void *room;                           /* of the thread's vfork children, NULL: none */
    size_t room_len;
    struct otel_attached stack[OTEL_CONTEXT_INLINE_DEPTH];
};

_Static_assert(sizeof(struct otel_tls) <= 1024, "every host thread pays for this block");

extern __thread struct otel_tls otel_tls __attribute__((tls_model("initial-exec")));

/* Enters the guard. Returns true for the outermost entry, false when the thread is already inside:
 * the caller then only calls the real function. Every true needs one otel_guard_leave(). */
static inline bool otel_guard_enter(void)
{
    if (otel_tls.guard)
        return false;
    otel_tls.guard = 1;
    return true;
}

static inline void otel_guard_leave(void)
{
    otel_tls.guard = 0;
}

static inline bool otel_guard_inside(void)
{
    return otel_tls.guard != 0;
}

#endif
