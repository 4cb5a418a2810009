/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/init.h"

#include <errno.h>
#include <pthread.h>
#include <sys/auxv.h>

#include "core/generation.h"
#include "core/process_span.h"
#include "core/tracer.h"
#include "preload/elf.h"
#include "preload/exit.h"
#include "preload/hook.h"
#include "preload/module.h"
#include "preload/ownfd.h"
#include "preload/profiler.h"
#include "preload/real.h"
#include "preload/report.h"

extern const char *gnu_get_libc_version(void) __attribute__((weak));

/* Written by the constructor, before any thread of ours exists; constant afterwards. */
bool otel_preload_is_active;
static bool started;

/* Written by the constructor, read by the engine ever after. */
static struct otel_platform platform = {
    .load_module = otel_module_load,
    .at_exit = otel_exit_register,
    .fd_adopt = otel_ownfd_adopt,
    .fd_owned = otel_ownfd_owned,
    .fd_release = otel_ownfd_release,
    .profiler_record = otel_preload_profiler_record,
};

/* Stops at the first copy of us in the loader's order, and tells whether it is this one. */
static bool first_copy(const struct link_map *map, void *arg)
{
    struct otel_elf_module own;

    if (!otel_elf_is_ours(map))
        return false;
    *(bool *)arg = otel_elf_module_of((const void *)&first_copy, &own) && own.map == map;
    return true;
}

static bool is_first_copy(void)
{
    bool first = true;

    otel_elf_each(first_copy, &first);
    return first;
}

static void start_engine(void)
{
    *(void **)&platform.thread_create = otel_real_libc("pthread_create");
    *(void **)&platform.thread_join = otel_real_libc("pthread_join");
    if (!platform.thread_create || !platform.thread_join)
        return;
    /* glibc's own, as the JVM asks for it: no header has it. */
    *(void **)&platform.min_stack = otel_real_libc("__pthread_get_minstack");
    otel_module_init();
    otel_tracer_start(&platform, getauxval(AT_SECURE) != 0);
    otel_generation_on_fork(otel_ownfd_forget);
    if (otel_process_span_open())
        otel_exit_register();
    otel_real_activate();
    otel_report_hooks();
    __atomic_store_n(&otel_preload_is_active, true, __ATOMIC_RELAXED);
    for (void (*const *f)(void) = __start_otel_starts; f < __stop_otel_starts; f++)
        (*f)();
}

__attribute__((constructor)) static void start(void)
{
    int saved = errno;

    if (started)
        return;
    started = true;
    otel_real_init();
    if (gnu_get_libc_version && is_first_copy())
        start_engine();
    errno = saved;
}

/* The last resort, for a process that ended without exit() or a return from main: libc's atexit
 * handlers have run, TLS libraries are torn down, so nothing is sent any more. */
__attribute__((destructor)) static void end(void)
{
    otel_exit_last();
}
