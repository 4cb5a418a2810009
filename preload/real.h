/* SPDX-License-Identifier: Apache-2.0
 *
 * Real functions. libc: one each. Other libraries (libcurl, SQLite): one for each copy in the
 * process, for there can be several (libcurl.so.4 and libcurl-gnutls.so.4; plugins loaded
 * RTLD_LOCAL), and calling the wrong copy with the other's handle crashes.
 *
 * The copy is found from the caller's return address: _dl_find_object gives the calling module
 * without a lock; a lock-free map remembers which copy that module is bound to. At a module's first
 * call the copy is looked up as the loader would without us: with the symbol version the module
 * asks for, first in the global scope behind us (RTLD_NEXT), then in the module's own (dlopen with
 * RTLD_NOLOAD, dlsym), at last in whatever is loaded. It is pinned with RTLD_NODELETE, because a
 * cached pointer after dlclose would crash. A handle remembers the copy that made it, and that
 * wins.
 *
 * A caller that reaches a hook by a tail call shows its own caller's address. Where that module is
 * bound to no copy, the first copy loaded is taken; with one copy in the process it is the right
 * one.
 */
#ifndef OTEL_PRELOAD_REAL_H
#define OTEL_PRELOAD_REAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct otel_hook;

#define OTEL_FAMILY_FUNCTIONS 64 /* hooked + wanted functions of one family at most */
#define OTEL_LIBRARY_COPIES 32   /* copies of traced libraries a process can have at most */

/* One interposed library; defined once, with OTEL_FAMILY. wanted: functions we call but do not
 * hook, NULL-terminated; their slots come first, in this order, then the hooks. */
struct otel_family {
    const char *name; /* "curl", as in OTEL_AUTO_DISABLE */
    const char *const *wanted;
    uint32_t active; /* set once by the constructor, relaxed loads: otel_family_active() */
};

/* One copy of a library: its functions, by slot. Filled before it is published, then constant,
 * never freed: any thread. A function the copy does not have is NULL (an older version): check
 * `wanted` ones before use. */
struct otel_library {
    const struct otel_family *family;
    const void *map;      /* struct link_map * of the copy, pinned */
    uintptr_t start, end; /* where the copy is mapped */
    void *real[OTEL_FAMILY_FUNCTIONS];
};

/* False: the hook calls the real function and does nothing else (before our constructor, the family
 * is in OTEL_AUTO_DISABLE, another copy of us does the work). */
static inline bool otel_family_active(const struct otel_family *family)
{
    return __atomic_load_n(&family->active, __ATOMIC_ACQUIRE);
}

/* The copy that the module containing caller is bound to for hook, resolved at first use, which
 * takes the loader's lock and may allocate; later calls take neither. NULL: there is no real
 * function to be found (the hook then has nothing to call: answer as the library would for "not
 * available"). *nested (may be NULL) is set when the caller is the copy itself: the library calling
 * itself through the PLT. Keeps errno. */
struct otel_library *otel_library_of(const struct otel_hook *hook, const void *caller,
                                     bool *nested);

/* Nested, when the copy is known already, from a handle: two compares. */
static inline bool otel_library_contains(const struct otel_library *library, const void *address)
{
    return (uintptr_t)address - library->start < library->end - library->start;
}

/* Is the module that contains caller a library that itself defines that function? Tells a call of
 * libcurl's own from the program's, before any call of libcurl was seen too; a program that has
 * libcurl linked into itself is none. Takes no lock, calls nothing of the loader's; some 100 ns. */
bool otel_library_defines(const void *caller, const char *function);

/* Gives every hook of every family its slot; idempotent, any thread. */
void otel_library_assign_slots(void);

/* Resolves one libc hook before or outside the constructor; returns the real function or NULL.
 * Keeps errno. */
void *otel_real_libc_resolve(const struct otel_hook *hook);

/* The libc function NAME that is not ours, hooked or not; NULL: this libc has none. Takes the
 * loader's lock: keep the result. */
void *otel_real_libc(const char *name);

/* Resolves every libc hook and assigns slots. Constructor only. */
void otel_real_init(void);

/* Sets active in every family the settings do not switch off. Constructor only, after the tracer
 * has started. */
void otel_real_activate(void);

#endif
