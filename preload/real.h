/* SPDX-License-Identifier: Apache-2.0
 *
 * Real functions. libc: one each. Other libraries (libcurl, SQLite): one for each copy in the
 * process, for there can be several (libcurl.so.4 and libcurl-gnutls.so.4; plugins loaded
 * RTLD_LOCAL), and calling the wrong copy with the other's handle crashes.
 *
 * The copy is found from the caller's return address: _dl_find_object gives the calling module
 * without a lock; a lock-free map remembers which copy that module is bound to. At a module's first
 * call the copy is looked up by dlopen(RTLD_NOLOAD) and dlsym in the module's own scope, then
 * RTLD_NEXT, then a scan of the link maps, and pinned with RTLD_NODELETE, because a cached pointer
 * after dlclose would crash. A handle remembers the copy that made it, and that wins.
 */
#ifndef OTEL_PRELOAD_REAL_H
#define OTEL_PRELOAD_REAL_H

#include <stdbool.h>
#include <stdint.h>

struct otel_hook;

#define OTEL_FAMILY_FUNCTIONS 64 /* hooked + wanted functions of one family at most */
#define OTEL_LIBRARY_COPIES 8    /* copies of one library a process can have at most */

/* One interposed library. Defined once with OTEL_FAMILY in the file that owns it. wanted: functions
 * we call but do not hook, NULL-terminated; their slots come first, in this order. */
struct otel_family {
    const char *name;          /* "curl", as in OTEL_AUTO_DISABLE */
    const char *const *wanted;
};

/* One copy of a library: its functions, by slot. Filled once, never freed: any thread. A function the
 * copy does not have is NULL (an older version): callers check those in `wanted` before use. */
struct otel_library {
    const struct otel_family *family;
    const void *map; /* struct link_map * of the copy, pinned */
    void *real[OTEL_FAMILY_FUNCTIONS];
};

/* The copy that the module containing caller is bound to for hook, resolved at first use. NULL: there
 * is no real function to be found (the hook then has nothing to call: answer as the library would for
 * "not available"). *nested (may be NULL) is set when the caller is the copy itself: the library
 * calling itself through the PLT. */
struct otel_library *otel_library_of(const struct otel_hook *hook, const void *caller, bool *nested);

/* Resolves one libc hook before or outside the constructor; returns the real function or NULL. */
void *otel_real_libc_resolve(const struct otel_hook *hook);

/* Resolves every libc hook. Constructor only. */
void otel_real_init(void);

#endif
