/* SPDX-License-Identifier: Apache-2.0
 *
 * What the hooks of exec and posix_spawn share: the environment that the new program gets, and
 * what one has to know of that program's file for it. For vfork children too: nothing here
 * allocates, locks or changes more of the process than what it does to its own spans.
 */
#ifndef OTEL_HOOKS_EXEC_H
#define OTEL_HOOKS_EXEC_H

#include <stdbool.h>
#include <stddef.h>

#include "core/environment.h"

/* The file as the program names it. Nothing of it is trusted to be there. */
struct otel_exec_file {
    const char *path; /* NULL: the descriptor itself */
    int fd;           /* what path is relative to, or AT_FDCWD */
    bool search;      /* a name without a slash is looked for in PATH */
};

/* Between prepare and failed; lies in the hook's frame. */
struct otel_exec {
    struct otel_environment environment;
    bool replaced; /* the process's span was ended for it */
};

/* Before an exec: sends what has ended, ends the process's span where the exec will work, and plans
 * the environment. Returns the bytes otel_environment_build() needs; 0: envp goes down as it is.
 * errno is kept. */
size_t otel_exec_prepare(struct otel_exec *e, struct otel_exec_file file, char *const envp[]);

/* The exec has returned. errno is kept. */
void otel_exec_failed(const struct otel_exec *e);

/* The same for a child that is spawned: only the environment. errno is kept. */
size_t otel_exec_plan(struct otel_environment *e, struct otel_exec_file file, char *const envp[]);

#endif
