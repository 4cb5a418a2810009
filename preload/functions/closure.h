/* SPDX-License-Identifier: Apache-2.0
 *
 * A libffi closure for one traced function: it takes the call apart by the signature, calls the
 * events, and makes the real call with ffi_call. Everything it needs lies in the page it is given;
 * libffi's own allocator, which makes files and pages that are writable and executable, is not
 * used.
 *
 * An exception passes through it: libffi and the function here have unwind information, and ours a
 * personality that ends the span.
 */
#ifndef OTEL_PRELOAD_FUNCTIONS_CLOSURE_H
#define OTEL_PRELOAD_FUNCTIONS_CLOSURE_H

#include "preload/functions/module.h"

/* Whom closures tell of their calls; before the first of them. */
void otel_closure_start(const struct otel_function_events *events);

/* As otel_functions_module.closure. */
void *otel_closure_make(const struct otel_function_site *site, void *page, size_t size,
                        const char **why);

#endif
