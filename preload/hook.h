/* SPDX-License-Identifier: Apache-2.0
 *
 * How a hook comes to be. A hook is one exported function in one file of hooks/; these macros
 * export it and register it in an ELF section, so that nothing lists hooks by name.
 *
 *     OTEL_HOOK_LIBC(int, close, (int fd))                 the definition of close() follows
 *     { … return OTEL_REAL(close)(fd); }
 *
 * libc functions have one real function for the process, resolved in the constructor, and lazily
 * for calls that come before it. Library functions have one for each copy of the library (real.h):
 *
 *     #define CURL_WANTED(X) X(curl_easy_getinfo) X(curl_easy_strerror)
 *     OTEL_WANTED_SLOTS(CURL_WANTED)                       where every file of the family sees it
 *     extern struct otel_family otel_family_curl;
 *
 *     OTEL_FAMILY(curl, CURL_WANTED);                      in one file
 *
 *     OTEL_HOOK_LIB(curl, CURLcode, curl_easy_perform, (CURL *handle))
 *     {
 *         bool nested;
 *         struct otel_library *lib = OTEL_LIBRARY_OF(curl_easy_perform, &nested);
 *         … OTEL_REAL_IN(lib, curl_easy_perform)(handle) … OTEL_WANTED_IN(lib, curl_easy_strerror)
 *     }
 *
 * The real function's type is that of the system header (__typeof__), so a wrong signature does not
 * compile.
 *
 * What a family has to do besides, at the process's start and end, is registered the same way:
 *
 *     static void replace_streams(void) { … }
 *     OTEL_AT_START(replace_streams);                      OTEL_AT_EXIT(…) likewise
 *
 * Rules of a body: the pass-through path first; one real call on each path; errno as the real call
 * left it; no malloc, stdio or lock around libc hooks; at most 15 lines.
 */
#ifndef OTEL_PRELOAD_HOOK_H
#define OTEL_PRELOAD_HOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "preload/real.h"

/* A registered hook. In section otel_hooks; the linker brackets it with __start_/__stop_ symbols.
 * Threads: slot is written before the first library of the family is published, the same value each
 * time; the rest is constant. */
struct otel_hook {
    const char *name;
    void *replacement;          /* our exported function */
    void **real;                /* libc: where the real function is kept; library: NULL */
    struct otel_family *family; /* library: the family it belongs to; libc: NULL */
    uint32_t slot;              /* library: index into otel_library.real */
};

/* The registered hooks; bounds set by the linker, hidden (GNU ld would export them). */
extern struct otel_hook __start_otel_hooks[] __attribute__((visibility("hidden")));
extern struct otel_hook __stop_otel_hooks[] __attribute__((visibility("hidden")));

#define OTEL_HOOK_REGISTER(NAME, REAL, FAMILY)                                                  \
    static struct otel_hook otel_hook_of_##NAME                                                 \
        __attribute__((used, section("otel_hooks"), aligned(8))) = {#NAME, (void *)&NAME, REAL, \
                                                                    FAMILY, 0}

/* otel_real_NAME: written by the constructor or at a first call that precedes it, always with the
 * same value; read with relaxed loads on any thread. */
#define OTEL_HOOK_LIBC(RET, NAME, PARAMS)                       \
    __attribute__((visibility("default"))) RET NAME PARAMS;     \
    static __typeof__(&NAME) otel_real_##NAME;                  \
    OTEL_HOOK_REGISTER(NAME, (void **)&otel_real_##NAME, NULL); \
    RET NAME PARAMS

/* The real libc function; resolved on the spot when a call precedes our constructor. NULL only when
 * this libc has no such function: then nobody but a dlsym of our own hook can have called it. */
#define OTEL_REAL(NAME)                                                                \
    (__builtin_expect(__atomic_load_n(&otel_real_##NAME, __ATOMIC_RELAXED) != NULL, 1) \
         ? otel_real_##NAME                                                            \
         : (__typeof__(&NAME))otel_real_libc_resolve(&otel_hook_of_##NAME))

#define OTEL_HOOK_LIB(FAMILY, RET, NAME, PARAMS)            \
    __attribute__((visibility("default"))) RET NAME PARAMS; \
    OTEL_HOOK_REGISTER(NAME, NULL, &otel_family_##FAMILY);  \
    RET NAME PARAMS

/* The return address of the hook it stands in: in the hook's own body only. */
#define OTEL_CALLER() __builtin_extract_return_addr(__builtin_return_address(0))

/* The library copy the caller of this hook is bound to (real.h); NULL: none. In the hook's own body
 * only. */
#define OTEL_LIBRARY_OF(NAME, NESTED) otel_library_of(&otel_hook_of_##NAME, OTEL_CALLER(), NESTED)

/* The real NAME of a copy (struct otel_library *), typed; NAME is hooked in this file. NULL when
 * the copy has no such function, which cannot be for the copy OTEL_LIBRARY_OF(NAME) gave. */
#define OTEL_REAL_IN(LIBRARY, NAME) ((__typeof__(&NAME))(LIBRARY)->real[otel_hook_of_##NAME.slot])

/* Functions we call but do not hook (or hook in another file): LIST(X) is a list of X(name). */
#define OTEL_WANTED_SLOT(NAME) otel_slot_##NAME,
#define OTEL_WANTED_NAME(NAME) #NAME,
#define OTEL_WANTED_SLOTS(LIST) enum { LIST(OTEL_WANTED_SLOT) };

#define OTEL_FAMILY(NAME, LIST)               \
    struct otel_family otel_family_##NAME = { \
        .name = #NAME, .wanted = (const char *const[]){LIST(OTEL_WANTED_NAME) NULL}}

/* The wanted function NAME of a copy, typed; NULL when the copy has none (an older version). */
#define OTEL_WANTED_IN(LIBRARY, NAME) ((__typeof__(&NAME))(LIBRARY)->real[otel_slot_##NAME])

/* FUNCTION, void (*)(void), runs in our constructor when the engine has started, and before most of
 * the host's code; not in a process we do nothing in. Keep system calls few: every program pays. */
#define OTEL_AT_START(FUNCTION)                         \
    static void (*const otel_at_start_##FUNCTION)(void) \
        __attribute__((used, section("otel_starts"))) = FUNCTION

/* FUNCTION runs when the host calls exit() or returns from main, before the engine ends and before
 * the host's atexit handlers; outside the guard, maybe more than once, maybe while other threads go
 * on, maybe in a vfork child. It must find out without a system call that it has nothing to do. */
#define OTEL_AT_EXIT(FUNCTION)                         \
    static void (*const otel_at_exit_##FUNCTION)(void) \
        __attribute__((used, section("otel_exits"))) = FUNCTION

/* The registered functions; bounds set by the linker, zero when there are none. */
extern void (*const __start_otel_starts[])(void) __attribute__((weak, visibility("hidden")));
extern void (*const __stop_otel_starts[])(void) __attribute__((weak, visibility("hidden")));
extern void (*const __start_otel_exits[])(void) __attribute__((weak, visibility("hidden")));
extern void (*const __stop_otel_exits[])(void) __attribute__((weak, visibility("hidden")));

#endif
