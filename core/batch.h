/* SPDX-License-Identifier: Apache-2.0
 *
 * The batch processor (OpenTelemetry SDK "Batching processor"): one thread, started at the first
 * ended span, exports when the schedule delay has passed, when a batch is full, or on flush; one
 * export at a time. It runs with all signals blocked, on a small stack, inside the re-entry guard,
 * and where the kernel allows it with a descriptor table of its own (privatefd.h).
 */
#ifndef OTEL_CORE_BATCH_H
#define OTEL_CORE_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "core/export/module.h"
#include "core/platform.h"

/* Once, at start-up; starts nothing. platform must stay valid. */
void otel_batch_init(const struct otel_platform *platform);

/* Called by otel_span_end() for each record; waiting: the queue's length. Starts or wakes the
 * thread when there is cause; otherwise one load. */
void otel_batch_notify(uint32_t waiting);

/* Exports what has ended, waiting at most timeout_ms; no-op in a process that has nothing. Returns
 * true when all that had ended before the call was handed over. Any thread but the batch thread. */
bool otel_batch_flush(uint32_t timeout_ms);

/* Flushes and ends the thread within timeout_ms (and a moment for it to notice); what is left is
 * kept in the spool (spool.h) or counted as dropped, and so is a span that ends later. Idempotent.
 */
void otel_batch_stop(uint32_t timeout_ms);

/* Fork child: there is no thread. */
void otel_batch_reset(void);

/* True when there is nothing to export and no thread: what ends then needs nothing of us. No system
 * call; any thread. */
bool otel_batch_idle(void);

/* Do descriptors 1 or 2 of the host concern us, by the settings? */
bool otel_batch_needs_std(void);

/* Exports one batch of somebody else's, within the time one may take. On the batch thread, or where
 * there is none. */
struct otel_export_result otel_batch_export(const struct otel_batch *batch);

/* For the exporter, on the batch thread (export/module.h): what is left of OTEL_BSP_EXPORT_TIMEOUT
 * or, once the process exits or flushes, of that; whether it exits; a sleep that exit cuts short.
 */
uint64_t otel_batch_time_left_ns(void);
bool otel_batch_exiting(void);
void otel_batch_sleep(uint64_t ns);

#endif
