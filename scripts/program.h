/* SPDX-License-Identifier: Apache-2.0
 *
 * Can this program be traced by a preloaded library, and would preloading harm it? Read off its
 * file: the ELF header, the interpreter it asks for, its mode bits and capabilities.
 */
#ifndef OTEL_SCRIPTS_PROGRAM_H
#define OTEL_SCRIPTS_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

enum program_verdict {
    PROGRAM_TRACEABLE,
    PROGRAM_MISSING,      /* not found on PATH, or no such file */
    PROGRAM_NOT_RUNNABLE, /* found, but may not be executed */
    PROGRAM_STATIC,       /* no dynamic linker, nothing to preload into */
    PROGRAM_SETUID,       /* runs with another's rights for this user: the linker ignores us */
    PROGRAM_FOREIGN,      /* another architecture than this library's */
    PROGRAM_MUSL,         /* another C library: preloading would break it */
};

/* Finds name as execvp would (PATH, unless it has a slash) and examines it; a script is judged by
 * its interpreter. path (PATH_MAX bytes) gets what was found, "" when nothing was. Blocks on file
 * reads; a file that can be run but not read is taken for traceable. */
enum program_verdict program_examine(const char *name, char *path);

/* One phrase for a user, e.g. "is statically linked". */
const char *program_reason(enum program_verdict verdict);

/* True when LD_PRELOAD must not be set for it. */
bool program_harmed(enum program_verdict verdict);

#endif
