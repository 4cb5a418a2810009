/* SPDX-License-Identifier: Apache-2.0 */
#include "core/export/gzip.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static struct otel_buffer buffer; /* each test is a process of its own */

static void clean_up(void)
{
    otel_buffer_free(&buffer);
}

TestSuite(gzip, .fini = clean_up);

static void round_trip(const uint8_t *bytes, size_t len)
{
    uint8_t *back = malloc(len + 1);
    z_stream stream = {0};

    otel_buffer_reset(&buffer);
    otel_buffer_text(&buffer, "head");
    cr_assert_eq(otel_gzip(&buffer, bytes, len), 0);
    cr_assert_eq(memcmp(buffer.data, "head\x1f\x8b", 6), 0, "gzip's magic behind what was there");

    cr_assert_eq(inflateInit2(&stream, 15 + 16), Z_OK);
    stream.next_in = buffer.data + 4;
    stream.avail_in = (uInt)(buffer.len - 4);
    stream.next_out = back;
    stream.avail_out = (uInt)len + 1;
    cr_assert_eq(inflate(&stream, Z_FINISH), Z_STREAM_END);
    cr_assert_eq(stream.total_out, len);
    cr_assert_eq(stream.avail_in, 0);
    cr_assert_eq(memcmp(back, bytes, len), 0);
    inflateEnd(&stream);
    free(back);
}

Test(gzip, round_trip)
{
    size_t len = 300000;
    uint8_t *bytes = calloc(1, len);

    round_trip(bytes, 0);
    round_trip(bytes, 1);
    round_trip(bytes, len);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(i * i * 2654435761u >> 13); /* hardly to be compressed */
    round_trip(bytes, len);
    free(bytes);
}

static void *no_memory(void *old, size_t size)
{
    (void)old;
    (void)size;
    return NULL;
}

Test(gzip, no_memory)
{
    otel_buffer_realloc = no_memory;
    cr_assert_eq(otel_gzip(&buffer, "x", 1), -ENOMEM);
    cr_assert_eq(buffer.len, 0);
    otel_buffer_realloc = realloc;
}
