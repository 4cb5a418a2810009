/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions of the program that the user named (core/function_spec.h), met at each of their calls.
 * The mechanism only: what happens at a call is the business of who starts it (hooks/function.c).
 *
 * A function is met in one of two ways, never in both:
 *  - its first bytes become a jump to a stub of ours (stub.h), and are kept elsewhere to be run by
 *    the real call: every caller is met, by pointer, by dlsym or inside the module;
 *  - where they cannot be moved, or must not be (OTEL_AUTO_FUNCTIONS_PATCH), the slots through
 *    which other modules call it (got.h) point at a libffi closure: calls across modules are met.
 * Modules loaded later are looked at when the program next calls dlsym.
 *
 * All of it costs nothing, not a system call, where no function is named.
 */
#ifndef OTEL_PRELOAD_FUNCTION_H
#define OTEL_PRELOAD_FUNCTION_H

#include <stdbool.h>
#include <stdint.h>

#include "core/function_spec.h"
#include "core/span.h"

enum otel_function_way {
    OTEL_FUNCTION_UNKNOWN, /* no module loaded so far has it */
    OTEL_FUNCTION_PATCHED, /* by its first bytes */
    OTEL_FUNCTION_SLOTS,   /* by the slots of other modules */
    OTEL_FUNCTION_LEFT,    /* it was found and cannot be traced; the log said why */
};

/* One traced function. Written before the first call can come, then constant: any thread. */
struct otel_function_site {
    bool returns_x87; /* a long double; stands first: the stub's assembly reads it */
    struct otel_function_spec spec;
    enum otel_function_way way;
    bool exported;
    const void *address; /* where the program has it */
    void *real;          /* what a call of ours runs: the function, or its moved beginning */
    void *entry;         /* what calls are led to */
    void *page;          /* of generated code; NULL: none yet */
    uint16_t places[OTEL_FUNCTION_ARGS]; /* of the arguments, from the stub's frame */
    uint16_t stack_bytes;                /* of arguments on the stack, a multiple of 16 */
    const uint8_t *wire; /* the attributes each span has, in wire form; of who starts */
    uint16_t wire_len, wire_count;
};

/* One call under way; lies in the stack frame of the stub or closure that makes it. */
struct otel_function_call {
    const struct otel_function_site *site;
    struct otel_span span;
    uint32_t token;
};

/* What happens at a call. Any thread, signal handlers too; each keeps errno. */
struct otel_function_events {
    /* Before. args: a pointer to each fixed argument. frame: the lowest address of the frame that
     * makes the call, top: the lowest of its caller's. False: the call is none of ours, and neither
     * leave nor unwind comes. */
    bool (*enter)(struct otel_function_call *call, const struct otel_function_site *site,
                  void *const *args, uintptr_t frame, uintptr_t top);
    /* After. result: where it lies, integers widened to 64 bits; nothing for void. */
    void (*leave)(struct otel_function_call *call, const void *result);
    /* The innermost call under way is being unwound: a C++ exception, or with forced the end of the
     * thread. */
    void (*unwind)(bool forced);
    /* Once, before any of the others for that site: fills wire. */
    void (*prepare)(struct otel_function_site *site);
};

/* The events given to otel_function_start. */
extern const struct otel_function_events *otel_function_events;

/* Reads the settings, finds the functions they name and begins. In the constructor. Nothing when
 * none is named; what is wrong with an entry is one line in the log. */
void otel_function_start(const struct otel_function_events *events);

#endif
