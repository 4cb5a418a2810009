/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether a function that called a hook is still on the stack later. An event loop calls
 * epoll_wait and then, from the same function, the handlers of the events; when that function has
 * returned, no event is being handled any more, although no system call says so.
 *
 * A function's frame is known by the place of its return address, found with the unwind table once
 * for each call site (core/cfi.h): the frame is there as long as the place holds what it held.
 *
 * Threads: any; the cache is lock-free. Allocates nothing, takes no lock, keeps errno.
 */
#ifndef OTEL_PRELOAD_FRAME_H
#define OTEL_PRELOAD_FRAME_H

#include <stdint.h>

/* The place of the return address of the function that called a hook at ret. cfa: the hook's
 * canonical frame address (__builtin_dwarf_cfa), rbp: the caller's rbp, as the hook found it. NULL:
 * not known, or not on the main thread's stack, the only one whose bounds cost nothing to know. */
const uintptr_t *otel_frame_return_of(const void *ret, uintptr_t cfa, uintptr_t rbp);

/* In a hook's own body only. */
#define OTEL_FRAME_OF_CALLER()                                            \
    otel_frame_return_of(OTEL_CALLER(), (uintptr_t)__builtin_dwarf_cfa(), \
                         *(const uintptr_t *)__builtin_frame_address(0))

/* Where the caller's calls put their return address, that of the hook among them. */
#define OTEL_FRAME_CALL_OF_CALLER() ((const uintptr_t *)__builtin_dwarf_cfa() - 1)

#endif
