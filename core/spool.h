/* SPDX-License-Identifier: Apache-2.0
 *
 * The file the spans of this process lie in while it lives, so that they outlive it: SIGKILL, a
 * crash, an exit that could not wait. It is the memory of the store (store.h), mapped shared from a
 * file on a tmpfs, made when the first span starts; writing a span costs what it did. Where there
 * is no such file all is as without: plain memory.
 *
 * No descriptor stays open: the mapping keeps the lock that says we live (spool_format.h).
 * A page is touched only after the kernel has said that it is there (MADV_POPULATE_WRITE, Linux
 * 5.14; without that there is no spool): a full tmpfs is a refusal here and no SIGBUS in the host.
 */
#ifndef OTEL_CORE_SPOOL_H
#define OTEL_CORE_SPOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/pool.h"
#include "core/spool_format.h"

/* Memory for the two pools of the store. The file has room for both. */
extern const struct otel_pool_memory otel_spool_records;
extern const struct otel_pool_memory otel_spool_overflows;

/* How many blocks the pools want, before their first allocation. */
void otel_spool_layout(uint32_t records, uint32_t overflows);

/* The header of the file of this process, NULL: there is none. Any thread. */
struct otel_spool_header *otel_spool_own(void);

/* Is that file still to be found by others? */
bool otel_spool_kept(void);

/* The records of these handles are a batch that is about to be sent. Returns where the transport
 * notes what the kernel has of it, NULL: there is no file. The batch thread. */
struct otel_handover *otel_spool_begin(const uint64_t *records, uint32_t count);

/* It was not sent: they are ended spans as before. */
void otel_spool_take_back(const uint64_t *records, uint32_t count);

/* What the process is, once it is known: copied. The batch thread. */
void otel_spool_set_resource(const uint8_t *resource, size_t len);

/* The process is alive at this moment. The batch thread, now and then. */
void otel_spool_seen(void);

/* The process ends by itself, or becomes another by exec: what is open when nobody has the file any
 * more has not died. It may yet go on (an exec that fails): otel_spool_stay(). A file that was
 * taken away meanwhile stays away: what such a process makes later does not outlive it. */
void otel_spool_leave(void);
void otel_spool_stay(void);

/* The same, and nothing is left in the file: it goes, and so does the folder when it is empty. What
 * is written to the memory later is lost. */
void otel_spool_remove(void);

/* Fork child: the file is the parent's. What is mapped becomes memory of the child's own; its
 * first span makes it a file. */
void otel_spool_reset(void);

#endif
