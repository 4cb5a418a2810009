/* SPDX-License-Identifier: Apache-2.0
 *
 * The functions of a loaded module by name, local ones too: read from the symbol tables of its
 * file, which the loader does not map. The file is mapped for reading, compared with what is in
 * memory (it may have been replaced since), and no offset in it is trusted.
 *
 * At start-up, or when a module was loaded: system calls, and the demangler's malloc.
 */
#ifndef OTEL_PRELOAD_SYMBOLS_H
#define OTEL_PRELOAD_SYMBOLS_H

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/wire.h"

/* A module's file; all zero: not to be had. */
struct otel_symbols {
    const struct link_map *map;
    const uint8_t *file;
    size_t size;
};

struct otel_symbol {
    uintptr_t address;
    size_t size;       /* bytes, 0: not known */
    bool exported;     /* others may call it through the loader */
    unsigned distinct; /* how many functions have this name: more than one is ambiguous */
    struct otel_text linker_name; /* lies in the file */
};

/* The demangler of the C++ library in the process: as abi::__cxa_demangle. */
typedef char *otel_demangle(const char *mangled, char *buffer, size_t *length, int *status);

/* Maps the file. False: it cannot be opened, or is another than was loaded. */
bool otel_symbols_open(struct otel_symbols *symbols, const struct link_map *map);
void otel_symbols_close(struct otel_symbols *symbols);

/* Finds a function. name: as the linker has it; or a C++ name, with its arguments as the demangler
 * writes them or without, for which demangle is asked (NULL: only linker's names). Compilers'
 * copies (name.part.0, name.constprop.0) are not the function. False: there is none. */
bool otel_symbols_find(const struct otel_symbols *symbols, struct otel_text name,
                       otel_demangle *demangle, struct otel_symbol *symbol);

/* Does the module go by that name: its file's name, or a beginning of it that ends before a dot or
 * a dash (libshop for libshop.so.2)? */
bool otel_symbols_is_module(const struct link_map *map, struct otel_text name);

#endif
