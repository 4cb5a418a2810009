/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/hook.h"

#include <dlfcn.h>

#include "core/config.h"
#include "core/tls.h"
#include "preload/init.h"

/* RTLD_DEEPBIND puts a library's own dependencies before us: no hook would fire in it, nor in what
 * it links (PHP loads its extensions so). */
static int without_deepbind(int mode)
{
    if (!otel_preload_active() || otel_config.keep_deepbind || otel_guard_inside())
        return mode;
    return mode & ~RTLD_DEEPBIND;
}

/* A tail call: the loader takes $ORIGIN and the RUNPATH from its caller's return address, which
 * must be the host's (tests/hooks/test_dlopen.py looks at the instructions). */
OTEL_HOOK_LIBC(void *, dlopen, (const char *file, int mode))
{
    return OTEL_REAL(dlopen)(file, without_deepbind(mode));
}
