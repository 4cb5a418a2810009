/* SPDX-License-Identifier: Apache-2.0
 *
 * The span of the process itself (OTEL_AUTO_PROCESS_SPAN): INTERNAL, named by the executable, from
 * our constructor to the exit or the exec. Its context takes the place of the process's parent, so
 * that whatever has no closer parent hangs below it, children with their own processes included.
 * Source: OpenTelemetry semantic conventions "CLI programs".
 *
 * A fork child has no span of its own until it execs: what it does hangs below its parent's. A
 * process that a signal ends leaves none.
 */
#ifndef OTEL_CORE_PROCESS_SPAN_H
#define OTEL_CORE_PROCESS_SPAN_H

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

/* Fork child: the span is the parent's to end. */
void otel_process_span_reset(void);

#endif
