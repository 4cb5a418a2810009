/* SPDX-License-Identifier: Apache-2.0
 *
 * A growing piece of memory that exporters write into and reuse from batch to batch. Exporter
 * module only: it allocates. One thread at a time on one buffer.
 *
 * Running out of memory is sticky: appends then do nothing, and the writer asks failed once, at the
 * end. What lies in data is incomplete in that case.
 */
#ifndef OTEL_CORE_EXPORT_BUFFER_H
#define OTEL_CORE_EXPORT_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A buffer that one huge batch made large is given back at the next reset: the host's memory is not
 * ours to keep. */
#define OTEL_BUFFER_KEEP ((size_t)1 << 20)

struct otel_buffer { /* all zero: empty */
    uint8_t *data;
    size_t len;
    size_t cap;
    bool failed;
};

/* realloc of the exporters. Written by unit tests only (to make the n-th call fail). */
extern void *(*otel_buffer_realloc)(void *old, size_t size);

/* Empties the buffer and forgets a failure; keeps the memory up to OTEL_BUFFER_KEEP. */
void otel_buffer_reset(struct otel_buffer *buffer);

/* Gives the memory back; the buffer may be used again. */
void otel_buffer_free(struct otel_buffer *buffer);

/* Room for n more bytes behind len. Returns where they go, or NULL with failed set. The caller adds
 * what it wrote to len. */
uint8_t *otel_buffer_room(struct otel_buffer *buffer, size_t n);

/* Inline, for JSON is made of pieces of a few bytes. bytes may be NULL when n is 0. */
static inline void otel_buffer_append(struct otel_buffer *buffer, const void *bytes, size_t n)
{
    if (n == 0 || (n > buffer->cap - buffer->len && !otel_buffer_room(buffer, n)) || buffer->failed)
        return;
    memcpy(buffer->data + buffer->len, bytes, n);
    buffer->len += n;
}

/* NUL-terminated text, without the NUL. */
static inline void otel_buffer_text(struct otel_buffer *buffer, const char *text)
{
    otel_buffer_append(buffer, text, strlen(text));
}

#endif
