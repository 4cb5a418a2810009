/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/module.h"

#include <dlfcn.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "core/export/module.h"
#include "preload/elf.h"
#include "preload/functions/module.h"
#include "preload/real.h"

#define NAME_MAX_OF_OURS 32 /* bytes of a module's name, its terminator included */

/* Where the modules lie, with a slash at its end. Written by the constructor alone. */
static char folder[PATH_MAX];
static bool known; /* it fits, with a name behind it */

/* Appends n bytes to folder at used; returns the new length, 0: no room. */
static size_t append(size_t used, const char *bytes, size_t n)
{
    if (used + n >= sizeof folder)
        return 0;
    memcpy(folder + used, bytes, n);
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
    if (*name != '/' && getcwd(folder, sizeof folder - 1)) {
        used = strlen(folder);
        folder[used++] = '/';
    }
    if (slash)
        used = append(used, name, (size_t)(slash - name) + 1);
    folder[used] = '\0';
    known = (!slash || used) && used < sizeof folder - NAME_MAX_OF_OURS;
}

static bool has_sanitizer(void)
{
    return dlsym(RTLD_DEFAULT, "__asan_init") || dlsym(RTLD_DEFAULT, "__tsan_init") ||
           dlsym(RTLD_DEFAULT, "__msan_init");
}

/* The module's table under the name symbol; NULL with *why. */
static const void *load(const char *name, int flags, const char *symbol, const char **why)
{
    void *(*real_dlopen)(const char *, int) =
        (void *(*)(const char *, int))otel_real_libc("dlopen");
    char path[PATH_MAX];
    void *handle = NULL;
    const void *table;

    *why = "the folder of libotel_auto.so is not known";
    if (!known || !real_dlopen)
        return NULL;
    strcpy(stpcpy(path, folder), name);
    handle = real_dlopen(path, RTLD_NOW | RTLD_LOCAL | flags);
    if (!handle) {
        *why = dlerror();
        return NULL;
    }
    table = dlsym(handle, symbol);
    *why = "a module is of another build than libotel_auto.so";
    if (!table)
        dlclose(handle);
    return table;
}

const struct otel_export_module *otel_module_load(const char **why)
{
    const struct otel_export_module *module =
        load("libotel_export.so", has_sanitizer() ? 0 : RTLD_DEEPBIND, OTEL_EXPORT_SYMBOL, why);

    return module && module->abi == OTEL_EXPORT_ABI ? module : NULL;
}

const struct otel_functions_module *otel_module_functions(const char **why)
{
    const struct otel_functions_module *module =
        load("libotel_functions.so", 0, OTEL_FUNCTIONS_SYMBOL, why);

    return module && module->abi == OTEL_FUNCTIONS_ABI ? module : NULL;
}
