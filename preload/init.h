/* SPDX-License-Identifier: Apache-2.0
 *
 * Start-up: the constructor resolves the real functions and starts the engine. It starts no thread,
 * opens no socket and no file.
 */
#ifndef OTEL_PRELOAD_INIT_H
#define OTEL_PRELOAD_INIT_H

#include <stdbool.h>

/* False: every hook only calls the real function. So before the constructor, in a C library that is
 * not glibc, and in a second copy of us in the process (LD_PRELOAD naming two paths): of several
 * copies the one the loader searches first works, whichever constructor runs first. Any thread, one
 * load. */
static inline bool otel_preload_active(void)
{
    extern bool otel_preload_is_active; /* written by the constructor alone */

    return __atomic_load_n(&otel_preload_is_active, __ATOMIC_RELAXED);
}

#endif
