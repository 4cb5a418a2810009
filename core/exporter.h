/* SPDX-License-Identifier: Apache-2.0
 *
 * The host's side of the exporter module: loads it at the first batch, calls it, and gives it what
 * it may ask for (export/module.h). Used by the batch thread alone.
 */
#ifndef OTEL_CORE_EXPORTER_H
#define OTEL_CORE_EXPORTER_H

#include "core/export/module.h"
#include "core/platform.h"

/* Where the module lies and how to load it; once, at start-up. */
void otel_exporter_init(const struct otel_platform *platform);

/* Loads and opens on first use. When that fails every span of the batch counts as failed, and one
 * log line says why; it is not tried again in this process. */
struct otel_export_result otel_exporter_export(const struct otel_batch *batch);

void otel_exporter_flush(void);
void otel_exporter_close(void);

/* Fork child: the open module state is abandoned, the next export opens a new one. */
void otel_exporter_reset(void);

#endif
