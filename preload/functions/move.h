/* SPDX-License-Identifier: Apache-2.0
 *
 * Moving the first instructions of a function elsewhere, decoded with Debian's Zydis (x86-64).
 * Branches and RIP-relative operands are rewritten for the new place. Refused is whatever leaves a
 * doubt: a branch of the function's own to one of the bytes that go (as far as all of it can be
 * decoded), a function that is shorter, or one whose length is not known.
 */
#ifndef OTEL_PRELOAD_FUNCTIONS_MOVE_H
#define OTEL_PRELOAD_FUNCTIONS_MOVE_H

#include "preload/functions/module.h"

/* How Zydis is to be found when it is needed. */
void otel_move_start(void *(*real_dlopen)(const char *file, int mode));

/* As otel_functions_module.move. */
size_t otel_move(const struct otel_functions_move *move, size_t least, const char **why);

#endif
