/* SPDX-License-Identifier: Apache-2.0
 *
 * What the hooks of system() and popen() share. libc starts its shell where no hook sees it and
 * gives it the program's environ, which is not ours to change, not even for a moment: other threads
 * read it. A prefix to the command would be seen in the shell's arguments and error messages. So
 * these two are made here, out of libc's posix_spawn and waitpid, step by step what libc does; all
 * that the shell gets beside is the current context.
 *
 * In a process that we are active in every call goes through here, with a context or without: what
 * libc keeps for it (who ignores SIGINT, which pipes are open) is kept once.
 */
#ifndef OTEL_HOOKS_EXEC_SHELL_H
#define OTEL_HOOKS_EXEC_SHELL_H

#include <spawn.h>
#include <stdbool.h>
#include <sys/types.h>

/* True for the whole life of a process, or false. One load. */
bool otel_shell_ours(void);

/* Starts /bin/sh -c command. Returns 0 or an error number. */
int otel_shell_spawn(pid_t *pid, const posix_spawn_file_actions_t *actions,
                     const posix_spawnattr_t *attributes, const char *command);

#endif
