/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/fork.h"

#include "core/gate.h"
#include "core/generation.h"
#include "core/process_span.h"
#include "core/tls.h"
#include "preload/init.h"

/* Not inside the guard: the batch thread would wait for itself, and who interrupts us may hold it
 * up. The generation, for a child that forks before all else has its parent's gate. */
bool otel_fork_begin(void)
{
    if (!otel_preload_active() || otel_guard_inside() || !otel_generation())
        return false;
    otel_process_span_ensure(); /* the child of a child hangs below that */
    otel_gate_fork_begin();
    return true;
}

void otel_fork_end(bool begun, int result)
{
    if (begun && result != 0)
        otel_gate_fork_end();
    if (begun && !result && otel_process_span_begun())
        otel_generation(); /* the moment of the fork */
}
