/* SPDX-License-Identifier: Apache-2.0
 *
 * The span of the process itself (OTEL_AUTO_PROCESS_SPAN): INTERNAL, named by the executable, from
 * our constructor to the exit or the exec. Its context takes the place of the process's parent, so
 * that whatever has no closer parent hangs below it, children with their own processes included.
 * Source: OpenTelemetry semantic conventions "CLI programs".
 *
 * A fork child begins one of its own when it does something: makes a span, a child or an end. One
 * that only execs leaves none, for then the new program's span is that process's. A process that a
 * signal ends leaves none.
 */
#ifndef OTEL_CORE_PROCESS_SPAN_H
#define OTEL_CORE_PROCESS_SPAN_H

#include <stdatomic.h>
#include <stdbool.h>

/* Begins it, below what is the process's parent; again after an end that was none (an exec that
 * failed), then below the first. At start-up, or by the one thread that ended it. */
void otel_process_span_begin(void);

/* Ends it with an exit status from 0 to 255, or OTEL_STATUS_UNKNOWN (tracer.h). Any thread; the
 * first one counts. No-op when none is open. */
void otel_process_span_end(int status);

/* Is there one to end? A load. */
bool otel_process_span_open(void);

/* Has this process, or the one it was forked from, begun one, sampled or not? Then the context of
 * the process is ours, not the one it was started with. */
bool otel_process_span_begun(void);

/* Is this a fork child that has not begun one? A load. */
static inline bool otel_process_span_pending(void)
{
    extern _Atomic bool otel_process_span_is_pending;

    return __builtin_expect(
        atomic_load_explicit(&otel_process_span_is_pending, memory_order_relaxed), 0);
}

/* Such a child begins it, below what is current, from the fork on as far as that is known; from
 * then on all it does hangs below it. Any thread; no-op elsewhere. */
void otel_process_span_ensure(void);

/* Fork child: the span is the parent's to end. */
void otel_process_span_reset(void);

#endif
