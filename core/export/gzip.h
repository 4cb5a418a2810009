/* SPDX-License-Identifier: Apache-2.0
 *
 * gzip (RFC 1952) of a whole request. zlib's quarter of a MiB of state is taken for each call and
 * given back: batches are seconds apart, the host's memory is not ours to keep.
 * Threads: any, one at a time on one buffer.
 */
#ifndef OTEL_CORE_EXPORT_GZIP_H
#define OTEL_CORE_EXPORT_GZIP_H

#include <stddef.h>

#include "core/export/buffer.h"

/* Appends the compressed form of len bytes to out. Returns 0, or -ENOMEM with out->len as it
 * was. */
int otel_gzip(struct otel_buffer *out, const void *bytes, size_t len);

#endif
