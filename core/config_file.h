/* SPDX-License-Identifier: Apache-2.0
 *
 * Settings from a file: OpenTelemetry declarative configuration, file_format 1.x, in YAML
 * (OTEL_CONFIG_FILE). What concerns a tracer is read: disabled, log_level, attribute_limits,
 * propagator, tracer_provider, resource, and instrumentation/development, where ours stand under
 * c.otel_auto by the names of the variables (OTEL_AUTO_EXIT_TIMEOUT is exit_timeout).
 *
 * The file is turned into values of the variables that mean the same, and the table of settings
 * (config_table.c) does the rest: there is one parser and one range for each setting, wherever it
 * comes from. As the specification wants it, the environment then counts no more, but where the
 * file names a variable (${NAME}, ${env:NAME}, ${NAME:-default}; $$ is a dollar) and for what says
 * where the log goes while the file is silent about it, and what the process's parent is.
 *
 * Start-up and the launcher only: one thread.
 */
#ifndef OTEL_CORE_CONFIG_FILE_H
#define OTEL_CORE_CONFIG_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OTEL_CONFIG_FILE_MAX 262144 /* bytes of a file */

/* Why a file is wrong, in one line: "FILE:LINE:COLUMN: what". */
struct otel_config_file_error {
    char text[320];
};

/* Reads path. lookup: the environment, for substitution. Returns 0, or -EINVAL, -ENOMEM or what
 * opening gave, with *error filled. Keeps its memory until otel_config_file_forget(). */
int otel_config_file_read(const char *path, const char *(*lookup)(const char *name),
                          struct otel_config_file_error *error);

/* The value of a variable by the file (or by the environment where that still counts); NULL: unset.
 * A lookup for otel_config_load(). */
const char *otel_config_file_lookup(const char *name);

/* Resource attributes that no variable could hold, for they are no texts, in wire form
 * (resource.h); *len 0: none. */
const uint8_t *otel_config_file_typed(size_t *len);

/* Where the file says so; false when it does not. Lines and columns count from 1. */
bool otel_config_file_where(const char *name, uint32_t *line, uint32_t *column);

/* "FILE:LINE:COLUMN: name: ignored 'value': why" for a value that the table of settings refuses. */
void otel_config_file_refuse(const char *name, struct otel_config_file_error *error);

/* Logs each thing in the file that has no effect: once the log is set up. */
void otel_config_file_warn(void);

void otel_config_file_forget(void);

#endif
