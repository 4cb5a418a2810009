/* SPDX-License-Identifier: Apache-2.0
 *
 * The current context of a thread. In this order it is:
 *  1. explicit: the innermost span attached on this thread (curl call, statement, function, API);
 *  2. implicit: that of the exchange the thread serves, as long as the exchange's cell is live;
 *  3. the process's own parent (TRACEPARENT in its environment);
 *  4. none: a new span is a root. An orphan is a gap, a wrong parent would be a lie.
 *
 * Threads: everything here concerns the calling thread, except cells, which any thread may close.
 * After fork the child keeps the contexts its thread had (they are ids, not records) as remote
 * ones; an implicit one as a new thread does, until the child waits for work.
 */
#ifndef OTEL_CORE_CONTEXT_H
#define OTEL_CORE_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/span_context.h"
#include "core/tls.h"

/* The current context, or NULL. Points into the thread's block: copy it before anything is
 * attached or detached. */
const struct otel_span_context *otel_context_current(void);

/* Where the current context comes from. UNSURE: an implicit one that may be another's (serving.h);
 * then, as for NONE, there is no current context. */
enum otel_context_kind {
    OTEL_CONTEXT_NONE,
    OTEL_CONTEXT_UNSURE,
    OTEL_CONTEXT_PROCESS,
    OTEL_CONTEXT_IMPLICIT,
    OTEL_CONTEXT_EXPLICIT,
};
const struct otel_span_context *otel_context_find(enum otel_context_kind *kind);

/* Makes a copy of ctx current and returns a token for the matching detach. An attached context
 * whose frame was left without detach (longjmp, exception) stops counting by itself. */
uint32_t otel_context_attach(const struct otel_span_context *ctx);

/* The same for a program that attaches by itself, and may give back the wrong token or none. owned:
 * the record of a span that ends with its entry, as below, 0: none. here: what lies in the frame
 * whose end is the context's, too; NULL: it counts until it is detached, wherever on the stack. A
 * token is named by where and what was attached, so that one that was used before, or is another
 * thread's, is known. */
struct otel_context_token {
    uint32_t at;    /* 1 + its place, 0: nothing was attached */
    uint32_t mark;  /* of the span */
    uint64_t frame; /* of the entry */
};
void otel_context_attach_at(const struct otel_span_context *ctx, uint64_t owned, const void *here,
                            struct otel_context_token *token);

/* False: that attach does not stand any more, or is not of this stack; nothing is changed. */
bool otel_context_detach_at(const struct otel_context_token *token);
/* The same for a span that ends when its entry goes, however that comes about: detached, or left by
 * longjmp and noticed later. where: at which address the function that holds the span has its
 * lowest local, so that what it calls lies below. */
struct otel_span;
uint32_t otel_context_attach_span(const struct otel_span *span, uintptr_t where);

/* A function is called by one whose frame begins at top: what was attached below, in frames that
 * can be no more, goes. */
void otel_context_left(uintptr_t top);

/* Is there room for one more? What is attached beyond it is nobody's parent. */
bool otel_context_has_room(void);

/* The innermost span that was attached so, for a stack that is being unwound: false when there is
 * none. Detaching *token ends it. */
bool otel_context_innermost_span(struct otel_span *span, uint32_t *token);

/* Goes back to what was current before the attach that gave token; contexts attached above it and
 * never detached (longjmp, exception, pthread_exit inside a callback) go too. Token 0: all. */
void otel_context_detach(uint32_t token);

/* Makes ctx stand where the attach that gave token put its own, in the frame of that attach: for an
 * operation whose span changes while it runs (a redirect), told from deeper in the stack. Contexts
 * attached above it go. Nothing happens when that attach counts no more. */
void otel_context_replace(uint32_t token, const struct otel_span_context *ctx);

/* Opens a liveness cell for an exchange. Returns its handle, or 0 when there is no room (the
 * exchange then has no implicit context). */
uint64_t otel_context_cell_open(void);

/* The block of a live cell (serving.h), NULL: closed. */
struct otel_cell;
struct otel_cell *otel_context_cell(uint64_t cell);

/* Ends the implicit context of that exchange for every thread that holds it. 0 is ignored. */
void otel_context_cell_close(uint64_t cell);

/* Makes ctx the thread's implicit context while cell is live; cell 0 clears it. */
void otel_context_implicit_set(const struct otel_span_context *ctx, uint64_t cell);
void otel_context_implicit_clear(void);

/* --- handing a context on: to a new thread, to a coroutine --- */

/* What is current, for somebody else to hold as an implicit context: that of an exchange with the
 * exchange's cell, an explicit one with a cell of its own, which ends when it is detached. False:
 * nothing is to be handed on (none, unsure, the process's, no room). */
bool otel_context_share(struct otel_implicit *shared);

/* The calling thread holds it from now on, as inherited: it did not read itself from what it
 * serves, so it may go on to something else without a call that tells. */
void otel_context_inherit(const struct otel_implicit *shared);

/* The thread waits for work: an inherited context ends, any other stays. One load. */
static inline void otel_context_wait(void)
{
    if (__builtin_expect(otel_tls.inherited, 0))
        otel_context_implicit_clear();
}

/* The contexts of a stack that is left for another one; lies in a frame of the stack it is of. */
struct otel_context_saved {
    struct otel_implicit implicit;
    uint64_t deeper, serving;
    uint32_t depth, generation;
    bool inherited, in_loop;
    struct otel_attached stack[OTEL_CONTEXT_INLINE_DEPTH];
};

/* The thread leaves this stack: its contexts move to saved, none is left. */
void otel_context_leave(struct otel_context_saved *saved);

/* The stack goes on, maybe on another thread: they are the running thread's again. An inherited one
 * is dropped when who resumed it serves another exchange: then this goes on for that one, or for
 * nobody knows whom. */
void otel_context_return(const struct otel_context_saved *saved);

/* The parent this process was started with, from the environment; NULL: none. Set at start-up,
 * before any second thread. */
void otel_context_process_set(const struct otel_span_context *ctx);

/* Fork child: forgets cells and deep stacks, but for the context the thread serves, which goes on
 * as an inherited one. Before the reset of carry.h. */
void otel_context_reset(void);

#endif
