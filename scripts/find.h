/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the files that belong to otel-auto lie.
 */
#ifndef OTEL_SCRIPTS_FIND_H
#define OTEL_SCRIPTS_FIND_H

#include <limits.h>
#include <stdbool.h>

#ifndef OTEL_LIBDIR
#define OTEL_LIBDIR "/usr/local/lib"
#endif

/* Finds a library of ours beside this program, in ../build, in ../lib, or where it was installed;
 * out gets its path. */
bool find_library(const char *name, char out[static PATH_MAX]);

#endif
