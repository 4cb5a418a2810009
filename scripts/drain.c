/* SPDX-License-Identifier: Apache-2.0 */
#include "scripts/drain.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/config.h"
#include "core/exporter.h"
#include "core/spool_drain.h"
#include "core/spool_folder.h"
#include "scripts/find.h"

#define MODULE "libotel_export.so"

static const struct otel_export_module *load(const char **why)
{
    char path[PATH_MAX];
    void *handle;

    *why = MODULE " was not found";
    if (!find_library(MODULE, path))
        return NULL;
    handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
    *why = handle ? MODULE " is of another build than otel-auto" : dlerror();
    return handle ? dlsym(handle, OTEL_EXPORT_SYMBOL) : NULL;
}

static bool go_on(void)
{
    return true;
}

static int report(const struct otel_spool_sum *sum)
{
    printf("%u spans of %u files sent, %u of them open when their program died\n", sum->exported,
           sum->files, sum->died);
    if (sum->torn)
        printf("%u half-written spans skipped\n", sum->torn);
    if (sum->lost)
        printf("%u spans lost: refused, or older than a day\n", sum->lost);
    if (sum->away)
        fprintf(stderr, "otel-auto: the collector could not be reached, what is left stays\n");
    return sum->away || sum->lost ? 1 : 0;
}

int drain(void)
{
    static const struct otel_platform platform = {.load_module = load};
    struct otel_spool_sum sum = {0};
    int err;

    otel_config_load(otel_env_lookup, false);
    otel_spool_folder_init();
    if (!otel_spool_wanted()) {
        fprintf(stderr, "otel-auto: the settings say that there is no spool\n");
        return 1;
    }
    otel_exporter_init(&platform);
    err = otel_spool_drain(&sum, 0, go_on);
    otel_exporter_close();
    if (sum.exported && !sum.away)
        otel_spool_mark_away(false);
    if (err && err != -ENOENT) {
        fprintf(stderr, "otel-auto: the spool cannot be opened: %s\n", strerror(-err));
        return 1;
    }
    return report(&sum);
}
