/* SPDX-License-Identifier: Apache-2.0
 *
 * export: spans with five attributes through the whole engine and the real exporter module, without
 * hooks. What the process used is for the caller's wait4 to see; what became of the spans is in the
 * log's sum at exit (OTEL_LOG_LEVEL=debug).
 *
 *     export MODULE COUNT RATE [idle]    COUNT spans, RATE a second (0: as many as one second
 *                                        takes); idle: the same program and pace without spans
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/export/module.h"
#include "core/platform.h"
#include "core/tracer.h"
#include "tests/bench/bench.h"
#include "tests/bench/spans.h"

/* Set by main before any thread. */
static const char *module_path;

static const struct otel_export_module *load_module(const char **why)
{
    void *handle = dlopen(module_path, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);

    *why = handle ? "it has no table" : dlerror();
    return handle ? dlsym(handle, OTEL_EXPORT_SYMBOL) : NULL;
}

static void nothing(void *unused)
{
    (void)unused;
}

int main(int argc, char **argv)
{
    struct otel_platform platform = {
        .load_module = load_module, .thread_create = pthread_create, .thread_join = pthread_join};
    uint64_t rate;

    if (argc < 4)
        return 2;
    module_path = argv[1];
    rate = strtoull(argv[3], NULL, 10);
    otel_tracer_start(&platform, false);
    bench_pace(argc > 4 ? nothing : bench_span, NULL, strtoull(argv[2], NULL, 10), rate,
               rate ? 60 : 1);
    otel_tracer_stop(0);
    return 0;
}
