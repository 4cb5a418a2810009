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
#include "core/room.h"

/* The file as the program names it. Nothing of it is trusted to be there. */
struct otel_exec_file {
    const char *path; /* NULL: the descriptor itself */
    int fd;           /* what path is relative to, or AT_FDCWD */
    bool search;      /* a name without a slash is looked for in PATH */
};

/* Between prepare and failed, or plan and spawned; lies in the hook's frame. */
struct otel_exec {
    struct otel_environment environment;
    struct otel_room room; /* for an environment that is too large for the stack */
    size_t stack;          /* bytes of the stack for one that is not */
    bool ours;             /* the new program gets another environment than envp */
    bool replaced;         /* the process's span was ended for it */
};

/* Before an exec: sends what has ended, ends the process's span where the exec will work, and plans
 * the environment. Returns e->ours; false: envp goes down as it is. errno is kept. */
bool otel_exec_prepare(struct otel_exec *e, struct otel_exec_file file, char *const envp[]);

/* The exec has returned. errno is kept. */
void otel_exec_failed(struct otel_exec *e);

/* The same for a child that is spawned: only the environment. errno is kept. */
bool otel_exec_plan(struct otel_exec *e, struct otel_exec_file file, char *const envp[]);
void otel_exec_spawned(struct otel_exec *e);

/* The environment that was planned. stack: e->stack bytes, aligned for pointers; as long-lived as
 * the result. */
static inline char **otel_exec_environment(const struct otel_exec *e, void *stack)
{
    return otel_environment_build(&e->environment, e->room.p ? e->room.p : stack);
}

#endif
