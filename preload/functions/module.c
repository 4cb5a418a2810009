/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/functions/module.h"

#include "preload/functions/closure.h"
#include "preload/functions/move.h"

static void start(const struct otel_function_events *events,
                  void *(*real_dlopen)(const char *file, int mode))
{
    otel_closure_start(events);
    otel_move_start(real_dlopen);
}

/* Found by name (preload/function.c). */
extern const struct otel_functions_module otel_functions_module;

__attribute__((visibility("default"))) const struct otel_functions_module otel_functions_module = {
    .abi = OTEL_FUNCTIONS_ABI,
    .start = start,
    .closure = otel_closure_make,
    .move = otel_move,
};
