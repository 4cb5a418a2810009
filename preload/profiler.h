/* SPDX-License-Identifier: Apache-2.0
 *
 * The thread-local variable by which an eBPF profiler finds what a thread works for (OTEP 4947,
 * "Thread-Local Variable"): it looks for this name in the dynamic symbols of what is loaded, so the
 * name is exported, and nothing of ours reads it.
 */
#ifndef OTEL_PRELOAD_PROFILER_H
#define OTEL_PRELOAD_PROFILER_H

#include "core/profiler.h"

/* Of the calling thread, NULL until it has had a context. */
extern __thread struct otel_profiler_record *volatile otel_thread_ctx_v1
    __attribute__((visibility("default"), tls_model("initial-exec")));

/* For struct otel_platform: the calling thread's variable points at record from now on. */
void otel_preload_profiler_record(struct otel_profiler_record *record);

#endif
