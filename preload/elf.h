/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading what the loader has mapped, without calling the loader: its own look-ups take a lock,
 * leave a dlerror() behind for the host, and cannot say which symbol version a module asks for.
 * Nothing here allocates, locks (but for the two places that say so) or touches errno. A map passed
 * in must stay loaded during the call.
 */
#ifndef OTEL_PRELOAD_ELF_H
#define OTEL_PRELOAD_ELF_H

#include <link.h>
#include <stdbool.h>
#include <stdint.h>

/* A loaded module. */
struct otel_elf_module {
    const struct link_map *map;
    uintptr_t start, end; /* its mapping */
};

/* The module that contains address. False: none does (generated code). _dl_find_object where libc
 * has it (glibc 2.35: no lock), else dladdr1, which takes the loader's lock. */
bool otel_elf_module_of(const void *address, struct otel_elf_module *module);

/* The address of the function NAME that map itself defines and exports, of that version where
 * version is not NULL, else of the default one, or of any when none is. NULL: none. */
void *otel_elf_function(const struct link_map *map, const char *name, const char *version);

/* The version with which map refers to NAME (or defines it, when it does), NULL: unversioned or no
 * such reference. Lies in the module's own strings. */
const char *otel_elf_version(const struct link_map *map, const char *name);

/* Is this module a copy of libotel_auto.so (by its DT_SONAME)? */
bool otel_elf_is_ours(const struct link_map *map);

/* Calls visit for each loaded module in the loader's order until it returns true. Holds the
 * loader's lock meanwhile: visit must not wait for another thread. */
bool otel_elf_each(bool (*visit)(const struct link_map *map, void *arg), void *arg);

#endif
