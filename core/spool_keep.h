/* SPDX-License-Identifier: Apache-2.0
 *
 * Batches of a collector that is away, kept in the spool in files of their own (OTEL_SPOOL_BATCH),
 * so that the queue does not fill meanwhile. Nobody holds them: whoever drains the spool next sends
 * them, this process too.
 *
 * Together such files of a destination take at most OTEL_AUTO_SPOOL_MAX bytes; where a new one
 * would take more the oldest go, and their spans are counted: as dropped where this process kept
 * them, else in the log.
 *
 * The batch thread alone, but for otel_spool_keep_reset().
 */
#ifndef OTEL_CORE_SPOOL_KEEP_H
#define OTEL_CORE_SPOOL_KEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/record.h"

/* Copies a batch of this process, of which otel_spool_begin() has been told, into a file. True: it
 * is there and counted as kept, and the process's own file no longer has the spans; the caller
 * frees the records. False: nothing has changed but, perhaps, that old files are gone; said in the
 * log once. A kill leaves the spans in one of the two files. */
bool otel_spool_keep(const struct otel_record_view *views, size_t count, const uint8_t *resource,
                     size_t resource_len);

/* Fork child: the files are the parent's. */
void otel_spool_keep_reset(void);

#endif
