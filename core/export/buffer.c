/* SPDX-License-Identifier: Apache-2.0 */
#include "core/export/buffer.h"

#include <stdlib.h>

#define FIRST_CAP 512

/* Read-only outside of unit tests. */
void *(*otel_buffer_realloc)(void *old, size_t size) = realloc;

void otel_buffer_reset(struct otel_buffer *buffer)
{
    if (buffer->cap > OTEL_BUFFER_KEEP)
        otel_buffer_free(buffer);
    buffer->len = 0;
    buffer->failed = false;
}

void otel_buffer_free(struct otel_buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct otel_buffer){0};
}

static bool grow(struct otel_buffer *buffer, size_t n)
{
    size_t cap = buffer->cap ? buffer->cap : FIRST_CAP;
    uint8_t *data;

    if (buffer->failed || n > SIZE_MAX / 4 - buffer->len)
        return false;
    while (cap < buffer->len + n)
        cap *= 2;
    data = otel_buffer_realloc(buffer->data, cap);
    if (!data)
        return false;
    buffer->data = data;
    buffer->cap = cap;
    return true;
}

uint8_t *otel_buffer_room(struct otel_buffer *buffer, size_t n)
{
    if ((buffer->failed || n > buffer->cap - buffer->len) && !grow(buffer, n)) {
        buffer->failed = true;
        return NULL;
    }
    return buffer->data + buffer->len;
}
