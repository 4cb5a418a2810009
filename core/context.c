/* SPDX-License-Identifier: Apache-2.0 */
#include "core/context.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "core/carry.h"
#include "core/generation.h"
#include "core/pool.h"
#include "core/profiler.h"
#include "core/serving.h"
#include "core/span.h"
#include "core/tls.h"

/* Contexts deeper than the thread's inline ones: enough for recursion that anybody could read in a
 * trace. Deeper still, nothing is current: a span there is a root rather than a wrong child. */
#define DEEPER 500

/* attach() may be reached through a few small frames of a hook that are gone when the context is
 * asked for; a frame that lies this little above is taken for the same call. */
#define FRAME_SLACK 256

/* A caller further below than this is on another stack, a coroutine's: what was attached here is
 * not its context, and still stands when this stack goes on. */
#define SAME_STACK ((uintptr_t)1 << 20)

/* An entry that counts until it is detached: no frame, but which thread's it was at first. */
#define DETACHED_ONLY ((uintptr_t)1 << 63)

/* Owned by an entry whose span is not recorded: no handle, for its sequence is 0. */
#define NOT_RECORDED 1

/* The cell of an implicit context that a fork child goes on with and that has none of its own yet:
 * no handle, for its index is 0. */
#define KEPT_CELL ((uint64_t)1 << 32)

/* Any thread; the pools are lock-free. Mapped when first needed. */
static struct otel_pool deeper_pool = OTEL_POOL(sizeof(struct otel_attached) * DEEPER, 64);
static struct otel_pool cells = OTEL_POOL(sizeof(struct otel_cell), 16384);

/* Written at start-up before any second thread, read-only afterwards. */
static struct otel_span_context process_parent;

/* Of the function that asks. Those that do are never inlined: where they were, their frame would be
 * that of a caller with large locals, and lie above one that is still there. */
static inline __attribute__((always_inline)) uintptr_t frame(void)
{
    return (uintptr_t)__builtin_frame_address(0);
}

/* The entry at depth i (0 is the outermost), or NULL when it has no room. */
static struct otel_attached *entry(uint32_t i)
{
    struct otel_attached *block;

    if (i < OTEL_CONTEXT_INLINE_DEPTH)
        return &otel_tls.stack[i];
    i -= OTEL_CONTEXT_INLINE_DEPTH;
    block = i < DEEPER ? otel_pool_get(&deeper_pool, otel_tls.deeper) : NULL;
    return block ? &block[i] : NULL;
}

static void clear(struct otel_attached *e)
{
    if (!e)
        return;
    memset(e->ctx.span_id, 0, sizeof e->ctx.span_id);
    atomic_signal_fence(memory_order_seq_cst);
}

static bool is_set(const struct otel_attached *e)
{
    uint64_t id;

    memcpy(&id, e->ctx.span_id, sizeof id);
    return id != 0;
}

/* Not hot: asked only when an entry's frame seems to be gone. */
static bool on_signal_stack(void)
{
    stack_t ss;

    return sigaltstack(NULL, &ss) == 0 && (ss.ss_flags & SS_ONSTACK);
}

/* Whoever it was handed on to holds it no more. */
static void end_shared(struct otel_attached *e)
{
    uint64_t cell = e ? e->cell : 0;

    if (__builtin_expect(!cell, 1))
        return;
    e->cell = 0;
    otel_serving_end(cell);
}

static const struct otel_span_context *find_implicit(enum otel_context_kind *kind);

/* A profiler is told what the thread works for: the innermost span attached, else the exchange it
 * serves. What the process was started in is no work of this thread's. */
static __attribute__((noinline)) void tell(void)
{
    enum otel_context_kind kind;
    const struct otel_span_context *ctx = NULL;

    for (uint32_t i = otel_tls.depth; i > 0 && !ctx; i--) {
        const struct otel_attached *e = entry(i - 1);

        if (e && is_set(e))
            ctx = &e->ctx;
    }
    if (!ctx)
        ctx = find_implicit(&kind);
    else
        kind = OTEL_CONTEXT_EXPLICIT;
    otel_profiler_thread(kind == OTEL_CONTEXT_PROCESS ? NULL : ctx);
}

static inline void changed(void)
{
    if (__builtin_expect(otel_profiler_on, 0))
        tell();
}

/* A record that was ended by its owner is none any more, and nothing happens. */
static void end_owned(struct otel_attached *e)
{
    struct otel_span span = {.record = e ? e->owned : 0};

    if (__builtin_expect(!span.record, 1))
        return;
    span.ctx.tail = e->ctx.tail;
    e->owned = 0;
    otel_span_end(&span, 0);
}

static void pop(void)
{
    struct otel_attached *e = entry(otel_tls.depth - 1);

    clear(e);
    end_shared(e);
    otel_tls.depth--;
    changed();
    end_owned(e);
}

/* As a new thread does: valid until the child waits for work, or takes some itself. */
static void go_on_in_child(void)
{
    struct otel_implicit kept = {.ctx = otel_tls.implicit.ctx, .cell = otel_context_cell_open()};

    otel_tls.implicit.cell = 0;
    if (kept.cell)
        otel_context_inherit(&kept);
}

/* In a fork child what the thread had attached belongs to another process now. */
static void note_generation(void)
{
    uint32_t generation = otel_generation();

    if (__builtin_expect(otel_tls.generation == generation || !generation, 1))
        return;
    if (otel_tls.generation) {
        if (otel_tls.depth > OTEL_CONTEXT_INLINE_DEPTH)
            otel_tls.depth = OTEL_CONTEXT_INLINE_DEPTH;
        otel_tls.deeper = 0;
        for (uint32_t i = 0; i < otel_tls.depth; i++)
            otel_tls.stack[i].ctx.remote = true;
    }
    otel_tls.generation = generation;
    if (otel_tls.implicit.cell == KEPT_CELL)
        go_on_in_child();
}

/* Below the explicit ones. */
static const struct otel_span_context *find_implicit(enum otel_context_kind *kind)
{
    if (otel_tls.implicit.cell) {
        if (!otel_pool_get(&cells, otel_tls.implicit.cell)) {
            otel_tls.implicit.cell = 0;
        } else if (otel_serving_unsure(otel_tls.implicit.cell)) {
            *kind = OTEL_CONTEXT_UNSURE;
            return NULL;
        } else {
            *kind = OTEL_CONTEXT_IMPLICIT;
            return &otel_tls.implicit.ctx;
        }
    }
    *kind = OTEL_CONTEXT_PROCESS;
    if (otel_span_context_valid(&process_parent))
        return &process_parent;
    *kind = OTEL_CONTEXT_NONE;
    return NULL;
}

const struct otel_span_context *otel_context_current(void)
{
    enum otel_context_kind kind;

    return otel_context_find(&kind);
}

__attribute__((noinline)) const struct otel_span_context *
otel_context_find(enum otel_context_kind *kind)
{
    uintptr_t here = frame();

    *kind = OTEL_CONTEXT_EXPLICIT;
    note_generation();
    for (uint32_t i = otel_tls.depth; i > 0; i--) {
        struct otel_attached *e = entry(i - 1);

        if (!e) {
            *kind = OTEL_CONTEXT_NONE;
            return NULL;
        }
        if (!is_set(e))
            continue;
        if (__builtin_expect(here <= e->frame + FRAME_SLACK, 1) &&
            e->frame + FRAME_SLACK - here < SAME_STACK)
            return &e->ctx;
        if (e->frame & DETACHED_ONLY || on_signal_stack())
            return &e->ctx;
        if (here > e->frame)
            pop();
    }
    return find_implicit(kind);
}

/* Makes room for entry depth i, after entries of frames that are gone. */
static void make_room(void)
{
    uintptr_t here = frame();
    struct otel_attached *e;

    while (otel_tls.depth && (e = entry(otel_tls.depth - 1)) && here > e->frame + FRAME_SLACK &&
           !on_signal_stack())
        pop();
    if (otel_tls.depth >= OTEL_CONTEXT_INLINE_DEPTH && !otel_tls.deeper)
        otel_tls.deeper = otel_pool_alloc(&deeper_pool);
}

/* The span id last: an entry without one is not there. */
static void set(struct otel_attached *e, const struct otel_span_context *ctx)
{
    memcpy(e->ctx.trace_id, ctx->trace_id, sizeof e->ctx.trace_id);
    e->ctx.carry = ctx->carry;
    e->ctx.flags = ctx->flags;
    e->ctx.remote = ctx->remote;
    e->ctx.tail = ctx->tail;
    e->ctx.clock_offset_ns = ctx->clock_offset_ns;
    atomic_signal_fence(memory_order_seq_cst);
    memcpy(e->ctx.span_id, ctx->span_id, sizeof e->ctx.span_id);
}

static inline __attribute__((always_inline)) uint32_t attach(const struct otel_span_context *ctx,
                                                             uintptr_t at, uint64_t owned)
{
    uint32_t token;
    struct otel_attached *e;

    note_generation();
    if (otel_tls.depth >= OTEL_CONTEXT_INLINE_DEPTH)
        make_room();
    token = otel_tls.depth;
    e = entry(token);
    clear(e);
    /* The depth grows before the entry is valid: a signal handler that attaches now takes the next
     * entry, and sees this one as not there. */
    otel_tls.depth = token + 1;
    atomic_signal_fence(memory_order_seq_cst);
    if (!e)
        return token;
    e->cell = 0;
    e->owned = owned;
    e->frame = at;
    set(e, ctx);
    changed();
    return token;
}

__attribute__((noinline)) uint32_t otel_context_attach(const struct otel_span_context *ctx)
{
    return attach(ctx, frame(), 0);
}

static uint32_t mark_of(const struct otel_span_context *ctx)
{
    uint32_t mark;

    memcpy(&mark, ctx->span_id, sizeof mark);
    return mark;
}

void otel_context_attach_at(const struct otel_span_context *ctx, uint64_t owned, const void *here,
                            struct otel_context_token *token)
{
    token->frame = here ? (uintptr_t)here : (uintptr_t)&otel_tls | DETACHED_ONLY;
    token->mark = mark_of(ctx);
    token->at = 1 + attach(ctx, token->frame, owned);
}

bool otel_context_detach_at(const struct otel_context_token *token)
{
    const struct otel_attached *e;

    if (!token->at || otel_tls.depth < token->at)
        return false;
    e = entry(token->at - 1);
    if (e && (e->frame != token->frame || mark_of(&e->ctx) != token->mark))
        return false;
    otel_context_detach(token->at - 1);
    return true;
}

uint32_t otel_context_attach_span(const struct otel_span *span, uintptr_t where)
{
    return attach(&span->ctx, where, span->record ? span->record : NOT_RECORDED);
}

void otel_context_left(uintptr_t top)
{
    struct otel_attached *e;

    note_generation();
    while (otel_tls.depth && (e = entry(otel_tls.depth - 1)) && e->frame < top &&
           top - e->frame < SAME_STACK && !on_signal_stack())
        pop();
}

bool otel_context_has_room(void)
{
    return otel_tls.depth < OTEL_CONTEXT_INLINE_DEPTH + DEEPER;
}

bool otel_context_innermost_span(struct otel_span *span, uint32_t *token)
{
    for (uint32_t i = otel_tls.depth; i > 0; i--) {
        struct otel_attached *e = entry(i - 1);

        if (!e || !e->owned)
            continue;
        memset(span, 0, sizeof *span);
        span->ctx = e->ctx;
        span->record = e->owned;
        *token = i - 1;
        return true;
    }
    return false;
}

void otel_context_detach(uint32_t token)
{
    while (otel_tls.depth > token) {
        if (otel_tls.depth > OTEL_CONTEXT_INLINE_DEPTH + DEEPER)
            otel_tls.depth--;
        else
            pop();
    }
    if (otel_tls.deeper && otel_tls.depth <= OTEL_CONTEXT_INLINE_DEPTH) {
        otel_pool_free(&deeper_pool, otel_tls.deeper);
        otel_tls.deeper = 0;
    }
}

void otel_context_replace(uint32_t token, const struct otel_span_context *ctx)
{
    struct otel_attached *e;

    if (token >= otel_tls.depth)
        return;
    otel_context_detach(token + 1);
    e = entry(token);
    if (!e || !is_set(e))
        return;
    clear(e);
    end_shared(e);
    set(e, ctx);
    changed();
}

uint64_t otel_context_cell_open(void)
{
    uint64_t handle = otel_pool_alloc(&cells);
    struct otel_cell *cell = otel_pool_get(&cells, handle);

    if (cell)
        otel_serving_begin(cell, handle);
    return handle;
}

struct otel_cell *otel_context_cell(uint64_t cell)
{
    return otel_pool_get(&cells, cell);
}

void otel_context_cell_close(uint64_t cell)
{
    otel_pool_free(&cells, cell);
    if (cell && otel_tls.implicit.cell == cell)
        changed();
}

void otel_context_implicit_set(const struct otel_span_context *ctx, uint64_t cell)
{
    otel_tls.implicit.cell = 0;
    atomic_signal_fence(memory_order_seq_cst);
    otel_tls.implicit.ctx = *ctx;
    otel_tls.inherited = false;
    atomic_signal_fence(memory_order_seq_cst);
    otel_tls.implicit.cell = cell;
    changed();
}

void otel_context_implicit_clear(void)
{
    otel_tls.implicit.cell = 0;
    otel_tls.inherited = false;
    changed();
}

bool otel_context_share(struct otel_implicit *shared)
{
    enum otel_context_kind kind;
    const struct otel_span_context *ctx = otel_context_find(&kind);
    struct otel_attached *e;

    if (kind == OTEL_CONTEXT_IMPLICIT) {
        *shared = otel_tls.implicit;
        return true;
    }
    if (kind != OTEL_CONTEXT_EXPLICIT)
        return false;
    e = (struct otel_attached *)(uintptr_t)ctx; /* its first member */
    if (!e->cell)
        e->cell = otel_context_cell_open();
    shared->ctx = e->ctx;
    shared->cell = e->cell;
    return shared->cell != 0;
}

void otel_context_inherit(const struct otel_implicit *shared)
{
    otel_context_implicit_set(&shared->ctx, shared->cell);
    otel_tls.inherited = true;
    otel_tls.in_loop = false;
    otel_tls.handler = 0;
}

/* Does a frame at p lie on the stack the thread's event loop runs on? A coroutine knows whom it
 * serves, whichever of the loop's functions resumes it. */
static bool on_loop_stack(const void *p)
{
    return (uintptr_t)otel_tls.loop - (uintptr_t)p < SAME_STACK;
}

/* Never inlined, as ..._return: the thread that comes back may be another, and an address in the
 * thread's block that was worked out before would be that of the first. */
__attribute__((noinline)) void otel_context_leave(struct otel_context_saved *saved)
{
    uint32_t depth = otel_tls.depth;

    saved->depth = depth;
    saved->deeper = otel_tls.deeper;
    saved->generation = otel_tls.generation;
    saved->inherited = otel_tls.inherited;
    saved->in_loop = otel_tls.in_loop && on_loop_stack(saved);
    saved->implicit.cell = otel_tls.implicit.cell;
    if (saved->implicit.cell)
        saved->implicit.ctx = otel_tls.implicit.ctx;
    if (depth > OTEL_CONTEXT_INLINE_DEPTH)
        depth = OTEL_CONTEXT_INLINE_DEPTH;
    memcpy(saved->stack, otel_tls.stack, depth * sizeof *saved->stack);
    otel_tls.depth = 0;
    otel_tls.deeper = 0;
    otel_context_implicit_clear();
    otel_tls.resumer = saved->implicit.cell;
    saved->serving = otel_serving_park();
}

/* An inherited context and a resumer that serves another exchange: see the header. */
static bool goes_on_to_another(const struct otel_context_saved *saved)
{
    return saved->inherited && otel_tls.resumer && otel_tls.resumer != saved->implicit.cell &&
           otel_pool_get(&cells, otel_tls.resumer);
}

__attribute__((noinline)) void otel_context_return(const struct otel_context_saved *saved)
{
    uint32_t depth = saved->depth;

    otel_context_detach(0); /* of a stack that was left for good */
    otel_serving_unpark(saved->serving);
    if (depth > OTEL_CONTEXT_INLINE_DEPTH)
        depth = OTEL_CONTEXT_INLINE_DEPTH;
    memcpy(otel_tls.stack, saved->stack, depth * sizeof *saved->stack);
    otel_tls.deeper = saved->deeper;
    atomic_signal_fence(memory_order_seq_cst);
    otel_tls.depth = saved->depth;
    if (depth)
        otel_tls.generation = saved->generation; /* attached before a fork */
    otel_context_implicit_clear();
    if (saved->implicit.cell && !goes_on_to_another(saved)) {
        otel_context_implicit_set(&saved->implicit.ctx, saved->implicit.cell);
        otel_tls.inherited = saved->inherited;
        otel_tls.in_loop = saved->in_loop;
        otel_tls.handler = 0; /* whichever call of the loop's it is now */
    }
    changed();
}

void otel_context_process_set(const struct otel_span_context *ctx)
{
    if (ctx)
        process_parent = *ctx;
    else
        memset(&process_parent, 0, sizeof process_parent);
}

/* The lists of what is current, wherever else they are named. */
static void keep_lists(const struct otel_span_context *current)
{
    uint64_t lists = current ? current->carry : 0;
    uint64_t kept = otel_carry_keep(lists);

    for (uint32_t i = 0; lists && i < otel_tls.depth && i < OTEL_CONTEXT_INLINE_DEPTH; i++)
        if (otel_tls.stack[i].ctx.carry == lists)
            otel_tls.stack[i].ctx.carry = kept;
    if (lists && otel_tls.implicit.ctx.carry == lists)
        otel_tls.implicit.ctx.carry = kept;
}

/* The thread that forked, as a rule: what it served it goes on with. */
void otel_context_reset(void)
{
    enum otel_context_kind kind;
    const struct otel_span_context *current = find_implicit(&kind);
    uint64_t cell = kind == OTEL_CONTEXT_IMPLICIT ? KEPT_CELL : 0;

    if (otel_tls.depth && otel_tls.depth <= OTEL_CONTEXT_INLINE_DEPTH)
        current = &otel_tls.stack[otel_tls.depth - 1].ctx;
    keep_lists(current);
    otel_tls.implicit.cell = cell;
    otel_tls.implicit.ctx.remote = true;
    if (otel_span_context_valid(&process_parent))
        process_parent.remote = true;
    otel_pool_reset(&deeper_pool);
    otel_pool_reset(&cells);
}
