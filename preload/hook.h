/* SPDX-License-Identifier: Apache-2.0
 *
 * How a hook comes to be. A hook is one exported function in one file of hooks/; these macros export
 * it and register it in an ELF section, so that nothing lists hooks by name.
 *
 *     OTEL_HOOK_LIBC(int, close, (int fd))                 the definition of close() follows
 *     { … return OTEL_REAL(close)(fd); }
 *
 *     OTEL_HOOK_LIB(curl, CURLcode, curl_easy_perform, (CURL *handle))
 *     { … OTEL_REAL_FOR(curl_easy_perform, OTEL_CALLER())(handle) … }
 *
 * The real function's type is that of the system header (__typeof__), so a wrong signature does not
 * compile. libc functions have one real function for the process, resolved in the constructor, and
 * lazily for calls that come before it. Library functions have one for each copy of the library:
 * real.h.
 *
 * Rules of a body: the pass-through path first; one real call on each path; errno as the real call
 * left it; no malloc, stdio or lock around libc hooks; at most 15 lines.
 */
#ifndef OTEL_PRELOAD_HOOK_H
#define OTEL_PRELOAD_HOOK_H

#include <stddef.h>
#include <stdint.h>

#include "preload/real.h"

/* A registered hook. In section otel_hooks; the linker brackets it with __start_/__stop_ symbols. */
struct otel_hook {
    const char *name;
    void *replacement; /* our exported function */
    void **real;       /* libc: where the real function's address is kept; library: NULL */
    const struct otel_family *family; /* library: the family it belongs to; libc: NULL */
    uint32_t slot;     /* library: index into otel_library.real, given at registration */
};

#define OTEL_HOOK_REGISTER(NAME, REAL, FAMILY)                                                     \
    static struct otel_hook otel_hook_of_##NAME                                                    \
        __attribute__((used, section("otel_hooks"), aligned(8))) = {#NAME, (void *)&NAME, REAL,    \
                                                                    FAMILY, 0}

#define OTEL_HOOK_LIBC(RET, NAME, PARAMS)                                                          \
    __attribute__((visibility("default"))) RET NAME PARAMS;                                        \
    static __typeof__(&NAME) otel_real_##NAME;                                                     \
    OTEL_HOOK_REGISTER(NAME, (void **)&otel_real_##NAME, NULL);                                    \
    RET NAME PARAMS

/* The real libc function; resolved on the spot when a call precedes our constructor. */
#define OTEL_REAL(NAME)                                                                            \
    (__builtin_expect(otel_real_##NAME != NULL, 1)                                                 \
         ? otel_real_##NAME                                                                        \
         : (__typeof__(&NAME))otel_real_libc_resolve(&otel_hook_of_##NAME))

#define OTEL_HOOK_LIB(FAMILY, RET, NAME, PARAMS)                                                   \
    __attribute__((visibility("default"))) RET NAME PARAMS;                                        \
    OTEL_HOOK_REGISTER(NAME, NULL, &otel_family_##FAMILY);                                         \
    RET NAME PARAMS

/* The library copy a caller (a return address) is bound to; NULL: none found. */
#define OTEL_CALLER() __builtin_extract_return_addr(__builtin_return_address(0))

/* The real NAME of a library copy (struct otel_library *), typed. */
#define OTEL_REAL_IN(LIBRARY, NAME)                                                                \
    ((__typeof__(&NAME))(LIBRARY)->real[otel_hook_of_##NAME.slot])

#endif
