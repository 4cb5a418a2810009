/* SPDX-License-Identifier: Apache-2.0
 *
 * The input is every file the resource is made of, in pieces of a length its first byte tells. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/config.h"
#include "core/resource.h"
#include "core/sys.h"
#include "core/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The file there is. One thread fuzzes. */
static const uint8_t *content;
static size_t content_len, content_at, piece;

static int fake_open(const char *path, int flags, unsigned mode)
{
    (void)path, (void)flags, (void)mode;
    content_at = 0;
    return 1000;
}

static ssize_t fake_read(int fd, void *buf, size_t n)
{
    size_t left = content_len - content_at;

    (void)fd;
    n = n < left ? n : left;
    n = n < piece ? n : piece;
    memcpy(buf, content + content_at, n);
    content_at += n;
    return (ssize_t)n;
}

static int fake_close(int fd)
{
    (void)fd;
    return 0;
}

static long fake_readlink(const char *path, char *buf, size_t n)
{
    (void)path;
    n = n < content_len ? n : content_len;
    memcpy(buf, content, n);
    return (long)n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t out[OTEL_RESOURCE_MAX];
    struct otel_wire_reader reader = {out, out};
    struct otel_wire_field field;
    struct otel_text key;
    struct otel_value value;

    if (!size)
        return 0;
    otel_sys.open = fake_open;
    otel_sys.read = fake_read;
    otel_sys.close = fake_close;
    otel_sys.readlink = fake_readlink;
    otel_config.command_args = true;
    piece = data[0] + 1U;
    content = data + 1;
    content_len = size - 1;
    reader.end = out + otel_resource_build(out, sizeof out);
    while (otel_wire_next(&reader, &field)) {
        if (!otel_wire_read_attr(field.data, field.len, &key, &value) || !key.len)
            abort();
    }
    if (reader.at != reader.end)
        abort();
    return 0;
}
