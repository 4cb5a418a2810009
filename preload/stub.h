/* SPDX-License-Identifier: Apache-2.0
 *
 * The stub that stands before a traced function: it calls what function.h calls events, and the
 * real function between them. It knows nothing of the arguments but where they lie, so it serves
 * variadic functions, too: it hands all registers and the arguments on the stack on as they came.
 *
 * It leaves every general and every SSE register as the function itself leaves it, not only those
 * the ABI asks for: within one source file gcc counts on what it knows of the registers a function
 * does not touch (-fipa-ra). Of wider vector registers it saves the lower 128 bits.
 *
 * It has unwind information and a personality of its own: an exception that passes ends the span.
 */
#ifndef OTEL_PRELOAD_STUB_H
#define OTEL_PRELOAD_STUB_H

#include "preload/function.h"

/* Works out places, stack_bytes and returns_x87 of a site from its signature (System V ABI x86-64
 * 3.2.3). Pure. */
void otel_stub_places(struct otel_function_site *site);

/* Writes the entry of a site at page: where callers are to be led; site->real may still be set
 * later. The page is near or anywhere. Returns the bytes written. */
size_t otel_stub_write(void *page, const struct otel_function_site *site);

#endif
