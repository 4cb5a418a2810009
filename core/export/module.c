/* SPDX-License-Identifier: Apache-2.0 */
#include "core/export/module.h"

#include <stdlib.h>

#include "core/export/descriptors.h"
#include "core/export/sink.h"

#define SINKS_MAX 4

struct exporters {
    size_t count;
    struct {
        const struct otel_sink *sink;
        void *state;
    } open[SINKS_MAX];
};

static const struct {
    enum otel_exporter_kind kind;
    const struct otel_sink *sink;
} known[SINKS_MAX] = {
    {OTEL_EXPORTER_OTLP, &otel_sink_otlp},
    {OTEL_EXPORTER_CONSOLE, &otel_sink_console},
    {OTEL_EXPORTER_OTLP_STDOUT, &otel_sink_stdout},
    {OTEL_EXPORTER_FILE, &otel_sink_file},
};

static void *module_open(const struct otel_config *config, const struct otel_export_host *host)
{
    struct exporters *self = calloc(1, sizeof *self);

    otel_descriptors_init(host);
    if (!self) {
        host->log(OTEL_LOG_ERROR, "no memory for exporters");
        return NULL;
    }
    for (size_t i = 0; i < SINKS_MAX; i++) {
        void *state;

        if (!(config->exporters & known[i].kind))
            continue;
        state = known[i].sink->open(config, host);
        if (!state)
            continue;
        self->open[self->count].sink = known[i].sink;
        self->open[self->count].state = state;
        self->count++;
    }
    if (self->count)
        return self;
    free(self); /* each said why */
    return NULL;
}

/* A span counts as exported when every exporter took it. Which spans of a batch were rejected is
 * not known, so two exporters' results are not added up: the worse one stands for both. */
static bool worse(const struct otel_export_result *a, const struct otel_export_result *b)
{
    if (a->exported != b->exported)
        return a->exported < b->exported;
    return a->failed > b->failed;
}

static struct otel_export_result module_export(void *state, const struct otel_batch *batch)
{
    struct exporters *self = state;
    struct otel_export_result worst = {.exported = (uint32_t)batch->count};

    for (size_t i = 0; i < self->count; i++) {
        struct otel_export_result result;

        if (batch->again && self->open[i].sink != &otel_sink_otlp)
            continue;
        result = self->open[i].sink->export(self->open[i].state, batch);
        if (worse(&result, &worst))
            worst = result;
    }
    return worst;
}

static void module_flush(void *state)
{
    struct exporters *self = state;

    for (size_t i = 0; i < self->count; i++)
        self->open[i].sink->flush(self->open[i].state);
}

static void module_close(void *state)
{
    struct exporters *self = state;

    for (size_t i = 0; i < self->count; i++)
        self->open[i].sink->close(self->open[i].state);
    free(self);
}

static void module_abandon(void *state)
{
    struct exporters *self = state;

    for (size_t i = 0; i < self->count; i++)
        self->open[i].sink->abandon(self->open[i].state);
    free(self);
}

extern const struct otel_export_module otel_export_module;

__attribute__((visibility("default"))) const struct otel_export_module otel_export_module = {
    .abi = OTEL_EXPORT_ABI,
    .open = module_open,
    .export = module_export,
    .flush = module_flush,
    .close = module_close,
    .abandon = module_abandon,
};
