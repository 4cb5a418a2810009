/* SPDX-License-Identifier: Apache-2.0
 *
 * What the hooks are bound to, for OTEL_LOG_LEVEL=debug: lines of the log, and nothing at any other
 * level. Names stand together, as many as go on a line.
 */
#ifndef OTEL_PRELOAD_REPORT_H
#define OTEL_PRELOAD_REPORT_H

#include <link.h>

#include "preload/real.h"

/* libc's hooks by the library their real functions lie in (another preload's, it may be), those
 * this libc has no function for, and for each family whether it waits for a caller or was left out.
 * Constructor only, when all are bound. */
void otel_report_hooks(void);

/* A module was bound to a copy of a library (real.h). caller: NULL when it is not known. Any
 * thread. */
void otel_report_library(const struct otel_library *library, const struct link_map *caller);

/* A hook was called that has nothing to call. Any thread. */
void otel_report_unbound(const struct otel_hook *hook, const struct link_map *caller);

#endif
