/* SPDX-License-Identifier: Apache-2.0
 *
 * One exporter of the module: module.c opens a sink for each name in OTEL_TRACES_EXPORTER and gives
 * every batch to each of them. All calls come from the batch thread (export/module.h); a sink may
 * allocate and block within host->time_left_ns(), and keeps no state outside its self.
 */
#ifndef OTEL_CORE_EXPORT_SINK_H
#define OTEL_CORE_EXPORT_SINK_H

#include "core/export/module.h"

struct otel_sink {
    const char *name; /* as in OTEL_TRACES_EXPORTER, for log lines */
    /* Returns the sink's state, or NULL after logging why. config and host outlive it. */
    void *(*open)(const struct otel_config *config, const struct otel_export_host *host);
    /* exported + rejected + failed == batch->count. A failure is logged once a cause. */
    struct otel_export_result (*export)(void *self, const struct otel_batch *batch);
    /* Writes out what is held back; may be a no-op, never NULL. */
    void (*flush)(void *self);
    /* Ends connections, frees self. Does not flush. */
    void (*close)(void *self);
    /* In a fork child: frees what it can without touching a descriptor (its numbers may belong to
     * the host now) and without writing out what the parent holds back. */
    void (*abandon)(void *self);
};

extern const struct otel_sink otel_sink_otlp;    /* otlp: http/protobuf, http/json, grpc */
extern const struct otel_sink otel_sink_console; /* console */
extern const struct otel_sink otel_sink_stdout;  /* otlp/stdout */
extern const struct otel_sink otel_sink_file;    /* file */

#endif
