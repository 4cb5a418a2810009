/* SPDX-License-Identifier: Apache-2.0
 *
 * The slots through which modules call each other's functions (.got.plt and .got, System V ABI
 * x86-64 5.2): changed in one module, so that its calls of one function go elsewhere. A slot in a
 * read-only page (full RELRO) is made writable for the one store and read-only again; whether the
 * module was bound lazily or at once makes no difference.
 *
 * At start-up, or when a module was loaded; the map must stay loaded during the call. Keeps errno.
 */
#ifndef OTEL_PRELOAD_GOT_H
#define OTEL_PRELOAD_GOT_H

#include <link.h>

#include "core/wire.h"

/* Makes every slot of map that leads to target lead to replacement, and so those for NAME that the
 * loader has not bound yet (NAME len 0: none). Returns how many there were; -EACCES: one page could
 * not be made writable, and slots in it stay as they were. */
int otel_got_replace(const struct link_map *map, struct otel_text name, const void *target,
                     const void *replacement);

#endif
