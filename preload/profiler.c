/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/profiler.h"

__thread struct otel_profiler_record *volatile otel_thread_ctx_v1;

void otel_preload_profiler_record(struct otel_profiler_record *record)
{
    otel_thread_ctx_v1 = record;
}
