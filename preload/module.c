/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/module.h"

#include <dlfcn.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "core/export/module.h"
#include "preload/elf.h"
#include "preload/real.h"

#define MODULE_NAME "libotel_export.so"

/* The module's path, empty: it does not fit. Written by the constructor alone. */
static char path[PATH_MAX];

/* Appends n bytes to path at used; returns the new length, 0: no room. */
static size_t append(size_t used, const char *bytes, size_t n)
{
    if (used + n >= sizeof path)
        return 0;
    memcpy(path + used, bytes, n);
    path[used + n] = '\0';
    return used + n;
}

void otel_module_init(void)
{
    struct otel_elf_module own;
    const char *name = "", *slash;
    size_t used = 0;

    if (otel_elf_module_of((const void *)&otel_module_init, &own))
        name = own.map->l_name;
    slash = strrchr(name, '/');
    if (*name != '/' && getcwd(path, sizeof path - 1)) {
        used = strlen(path);
        path[used++] = '/';
    }
    if (slash)
        used = append(used, name, (size_t)(slash - name) + 1);
    if ((slash && !used) || !append(used, MODULE_NAME, sizeof MODULE_NAME - 1))
        path[0] = '\0';
}

static bool has_sanitizer(void)
{
    return dlsym(RTLD_DEFAULT, "__asan_init") || dlsym(RTLD_DEFAULT, "__tsan_init") ||
           dlsym(RTLD_DEFAULT, "__msan_init");
}

const struct otel_export_module *otel_module_load(const char **why)
{
    int flags = RTLD_NOW | RTLD_LOCAL | (has_sanitizer() ? 0 : RTLD_DEEPBIND);
    void *(*real_dlopen)(const char *, int) =
        (void *(*)(const char *, int))otel_real_libc("dlopen");
    void *handle = real_dlopen && path[0] ? real_dlopen(path, flags) : NULL;
    const struct otel_export_module *module;

    if (!handle) {
        *why = dlerror();
        if (!*why)
            *why = "the path of " MODULE_NAME " is not known";
        return NULL;
    }
    module = dlsym(handle, OTEL_EXPORT_SYMBOL);
    if (module && module->abi == OTEL_EXPORT_ABI)
        return module;
    *why = MODULE_NAME " is of another build than libotel_auto.so";
    dlclose(handle);
    return NULL;
}
