/* SPDX-License-Identifier: Apache-2.0
 *
 * What function_spec.c and function_type.c share, and nobody else includes: the place in an entry
 * that is being read, and the reading of one type. Pure functions over the caller's memory.
 *
 * Every function skips the blanks before what it looks for, and leaves the place alone when it is
 * not there.
 */
#ifndef OTEL_CORE_FUNCTION_TYPE_H
#define OTEL_CORE_FUNCTION_TYPE_H

#include "core/function_spec.h"

struct otel_function_cursor {
    const char *at, *end;
    const char *why; /* what is wrong, at `at`; NULL: nothing yet */
};

void otel_function_blank(struct otel_function_cursor *c);

/* Takes that character; false: something else comes. */
bool otel_function_take(struct otel_function_cursor *c, char wanted);

/* Takes that word, which ends where no name character follows. */
bool otel_function_take_word(struct otel_function_cursor *c, const char *word);

/* Takes a name: letters, digits, _ . - and /. len 0: there is none. */
struct otel_text otel_function_name(struct otel_function_cursor *c);

/* Notes what is wrong, unless something was wrong before. Always false. */
bool otel_function_fault(struct otel_function_cursor *c, const char *why);

/* Reads a type; fields of a struct go behind those that spec has. False: c->why says what is
 * wrong. */
bool otel_function_type_read(struct otel_function_cursor *c, struct otel_function_spec *spec,
                             struct otel_function_type *type);

#endif
