/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/real.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "core/config.h"
#include "preload/hook.h"

/* RTLD_NEXT: what the host would have got without us, another preload's function included. */
static void *next_function(const char *name)
{
    int saved = errno;
    void *function = dlsym(RTLD_NEXT, name);

    errno = saved;
    return function;
}

static void *resolve(const struct otel_hook *hook)
{
    void *function = next_function(hook->name);

    if (function == hook->replacement)
        return NULL;
    __atomic_store_n(hook->real, function, __ATOMIC_RELAXED);
    return function;
}

/* Never inlined: a hook that ends in a tail call must stay one jump on its usual path. */
__attribute__((noinline, cold)) void *otel_real_libc_resolve(const struct otel_hook *hook)
{
    return resolve(hook);
}

void *otel_real_libc(const char *name)
{
    for (struct otel_hook *hook = __start_otel_hooks; hook < __stop_otel_hooks; hook++) {
        if (hook->real && strcmp(hook->name, name) == 0) {
            void *known = __atomic_load_n(hook->real, __ATOMIC_RELAXED);

            return known ? known : resolve(hook);
        }
    }
    return next_function(name);
}

void otel_real_init(void)
{
    for (struct otel_hook *hook = __start_otel_hooks; hook < __stop_otel_hooks; hook++) {
        if (hook->real && !__atomic_load_n(hook->real, __ATOMIC_RELAXED))
            resolve(hook);
    }
    otel_library_assign_slots();
    dlerror(); /* a function this libc lacks left a message that is not the host's */
}

void otel_real_activate(void)
{
    for (struct otel_hook *hook = __start_otel_hooks; hook < __stop_otel_hooks; hook++) {
        if (hook->family && !otel_config_family_disabled(hook->family->name))
            __atomic_store_n(&hook->family->active, 1, __ATOMIC_RELEASE);
    }
}
