/* SPDX-License-Identifier: Apache-2.0
 *
 * What an eBPF profiler on the same machine reads out of this process, to join its samples to our
 * spans (OTEL_AUTO_PROFILER): the resource, in a mapping that it finds by name (OTEP 4719, process
 * context), and for each thread the span that is current (OTEP 4947, thread context), which it
 * finds by the thread-local symbol otel_thread_ctx_v1.
 *
 * It is written, never read; whoever may read the process's memory may read it. Off, it costs a
 * load for each change of context.
 */
#ifndef OTEL_CORE_PROFILER_H
#define OTEL_CORE_PROFILER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/span_context.h"

/* A thread's record, as OTEP 4947 lays it out ("Thread-Local Context Record"), without attributes.
 * The reader stops the thread, so the order of stores matters to the compiler alone. */
struct otel_profiler_record {
    _Alignas(2) uint8_t trace_id[OTEL_TRACE_ID_LEN];
    uint8_t span_id[OTEL_SPAN_ID_LEN];
    volatile uint8_t valid; /* 1: the rest means something */
    uint8_t flags;          /* W3C */
    uint16_t attributes_size;
};

/* Set once, at start-up, by otel_profiler_init(); read by any thread. */
extern bool otel_profiler_on;

/* point: makes a thread's record known, once a thread (platform.h); NULL: off, whatever on says. */
void otel_profiler_init(bool on, void (*point)(struct otel_profiler_record *record));

/* The calling thread works for that span from now on; NULL: for none that is known. Async-signal-
 * safe; no system call. */
void otel_profiler_thread(const struct otel_span_context *ctx);

/* Publishes the resource (attributes in wire form, resource.h), once a process: later calls do
 * nothing. No descriptor stays open; a kernel that gives neither a memfd nor names to mappings has
 * nothing that could be found, and one line of the log says so. The batch thread. */
void otel_profiler_publish(const uint8_t *resource, size_t len);

/* Fork child: what was published is the parent's, and not mapped here. */
void otel_profiler_reset(void);

#endif
