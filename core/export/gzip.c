/* SPDX-License-Identifier: Apache-2.0 */
#include "core/export/gzip.h"

#include <errno.h>
#include <zlib.h>

#define GZIP_WINDOW (15 + 16) /* 32 KiB, with a gzip header */
#define MEMORY_LEVEL 8        /* zlib's default */

int otel_gzip(struct otel_buffer *out, const void *bytes, size_t len)
{
    z_stream stream = {0};
    uLong bound;
    int rc;

    /* The fastest level: spans are so alike that it finds most of what there is, and the time is
     * the host's. */
    if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW, MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return -ENOMEM;
    bound = deflateBound(&stream, len);
    stream.next_out = otel_buffer_room(out, bound);
    stream.avail_out = (uInt)bound;
    stream.next_in = (Bytef *)(uintptr_t)bytes;
    stream.avail_in = (uInt)len; /* at most OTEL_OTLP_REQUEST_MAX, so both fit */
    rc = stream.next_out ? deflate(&stream, Z_FINISH) : Z_MEM_ERROR;
    if (rc == Z_STREAM_END)
        out->len += stream.total_out;
    deflateEnd(&stream);
    return rc == Z_STREAM_END ? 0 : -ENOMEM;
}
