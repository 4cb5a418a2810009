/* SPDX-License-Identifier: Apache-2.0
 *
 * The contract between libotel_auto.so and libotel_functions.so, which holds what needs libffi
 * (linked into it) and Zydis (looked for when it is first needed; without it no function's first
 * bytes are moved). It is loaded only when functions are named, so that nobody else pays for it.
 * Both are built and installed together; abi guards against a mix.
 *
 * All calls come from one thread at a time, at start-up or when a module was loaded.
 */
#ifndef OTEL_PRELOAD_FUNCTIONS_MODULE_H
#define OTEL_PRELOAD_FUNCTIONS_MODULE_H

#include <stddef.h>
#include <stdint.h>

#include "preload/function.h"

#define OTEL_FUNCTIONS_ABI 1
#define OTEL_FUNCTIONS_SYMBOL "otel_functions_module"

/* A function whose first bytes are to be moved. */
struct otel_functions_move {
    const uint8_t *code; /* the function, as it lies in memory */
    size_t size;         /* bytes of it, 0: not known */
    const uint8_t *cold; /* a part of it that lies elsewhere, NULL: none is known of */
    size_t cold_size;
    uint8_t *to; /* where they go, and a jump back behind them; near */
    size_t room;
    bool at_once; /* only when the first instruction is as long as the jump */
};

struct otel_functions_module {
    uint32_t abi;

    /* First of all. dlopen: the real one. */
    void (*start)(const struct otel_function_events *events,
                  void *(*dlopen)(const char *file, int mode));

    /* Makes a closure of the site's signature in a page of zeros that is sealed afterwards. Returns
     * where callers are to be led; NULL with *why (constant text) when libffi refuses it. */
    void *(*closure)(const struct otel_function_site *site, void *page, size_t size,
                     const char **why);

    /* Moves the first instructions, at least `least` bytes of them. Returns how many bytes they
     * were; 0 with *why when that cannot be done without a doubt, and `to` is then rubbish. */
    size_t (*move)(const struct otel_functions_move *move, size_t least, const char **why);
};

#endif
