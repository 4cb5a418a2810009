/* SPDX-License-Identifier: Apache-2.0
 *
 * Appending whole pieces of text to a file that several processes share. The file is opened and
 * closed for each piece: a rotated or removed file is followed, and no descriptor of ours lies in
 * the host's table meanwhile. Batch thread only; blocks within host->time_left_ns().
 */
#ifndef OTEL_CORE_EXPORT_APPEND_H
#define OTEL_CORE_EXPORT_APPEND_H

#include <stddef.h>

#include "core/export/module.h"

struct otel_append {
    const char *path;
    const struct otel_export_host *host;
    const char *who; /* the sink's name, for log lines */
    int said;        /* the error logged last: one line a cause; 0 first */
};

/* Appends all of it with one write, under flock(LOCK_EX), which also covers the completion of a
 * short write; creates the file with mode 0600. What was written of a piece that could not be
 * completed is cut off again, so that no half line stays. A FIFO without a reader and a lock that
 * another process never releases fail instead of waiting for ever.
 * Returns 0 or -Exxx, logged. */
int otel_append_whole(struct otel_append *file, const void *bytes, size_t len);

/* Logs "who: what: NAME_OF_ERROR" unless that error was the last one said. rc: -Exxx. */
void otel_append_say(struct otel_append *file, const char *what, int rc);

#endif
