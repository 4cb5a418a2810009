/* SPDX-License-Identifier: Apache-2.0
 *
 * Finds and loads the modules that lie beside this library: the exporter, libotel_export.so, and
 * libotel_functions.so.
 */
#ifndef OTEL_PRELOAD_MODULE_H
#define OTEL_PRELOAD_MODULE_H

struct otel_export_module;

/* Remembers where this library lies: LD_PRELOAD may name it by a path that a later chdir makes
 * wrong. Constructor only. */
void otel_module_init(void);

/* Loads libotel_functions.so (preload/functions/module.h), as otel_module_load does the exporter,
 * but without RTLD_DEEPBIND: it needs libc alone. In the constructor. */
struct otel_functions_module;
const struct otel_functions_module *otel_module_functions(const char **why);

/* Loads the module, RTLD_DEEPBIND so that neither its libraries nor the host's see each other's
 * symbols; without it under a sanitizer, whose runtime refuses the flag. Returns its table; NULL
 * with *why set (valid until the thread's next dl call) when it cannot be loaded or is of another
 * build. Batch thread only; blocks on the loader's lock. */
const struct otel_export_module *otel_module_load(const char **why);

#endif
