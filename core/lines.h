/* SPDX-License-Identifier: Apache-2.0
 *
 * A text file, line by line, in constant memory: /proc and /etc files have no length to trust.
 * Reads through sys.h; no allocation, no state, any thread; may block as read(2) does.
 */
#ifndef OTEL_CORE_LINES_H
#define OTEL_CORE_LINES_H

#include <stdbool.h>
#include <stddef.h>

/* Lines longer than this are not given to each(). */
#define OTEL_LINE_MAX 4096

/* Calls each(line, len, arg) for every line, without its newline; the last one needs none. The line
 * is valid during the call and not terminated. Stops when each() returns true. Returns 0, also when
 * it was stopped, or -Exxx: the file could not be opened, or reading failed on the way. */
int otel_lines_each(const char *path, bool (*each)(const char *line, size_t len, void *arg),
                    void *arg);

#endif
