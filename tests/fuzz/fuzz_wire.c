/* SPDX-License-Identifier: Apache-2.0
 *
 * The bytes as a message to read; then, behind the room (half of it) and the limit of characters,
 * as key and value to write.
 */
#include "core/wire.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)    \
    do {                      \
        if (!(condition))     \
            __builtin_trap(); \
    } while (0)

/* Damaged bytes: whatever is read lies inside them. */
static void check_read(const uint8_t *data, size_t size)
{
    struct otel_wire_reader reader = {data, data + size};
    struct otel_wire_field field;
    struct otel_text key;
    struct otel_value value;

    while (otel_wire_next(&reader, &field)) {
        REQUIRE(field.size > 0 && field.start >= data && field.start + field.size <= data + size);
        if (field.wire_type == 2)
            REQUIRE(field.data >= data && field.data + field.len <= data + size);
    }
    if (otel_wire_read_attr(data, size, &key, &value)) {
        REQUIRE(!key.len || (key.data >= (const char *)data &&
                             key.data + key.len <= (const char *)data + size));
        if (value.type == OTEL_VALUE_STRING || value.type == OTEL_VALUE_BYTES)
            REQUIRE(!value.text.len ||
                    (value.text.data >= (const char *)data &&
                     value.text.data + value.text.len <= (const char *)data + size));
    }
}

/* What is written reads back: the key as it is, the value repaired. */
static void check_write(const char *text, size_t len, size_t cap, size_t max_chars)
{
    uint8_t *out = malloc(cap ? cap : 1);
    size_t half = len / 2;
    struct otel_attr attr = otel_attr_text((struct otel_text){text, half}, text + half, len - half);
    size_t n = otel_wire_attr(out, cap, 0x4a, &attr, max_chars);
    struct otel_wire_reader reader = {out, out + n};
    struct otel_wire_field field;
    struct otel_text key;
    struct otel_value value;

    REQUIRE(n <= cap);
    if (n) {
        REQUIRE(otel_wire_next(&reader, &field) && field.size == n && reader.at == reader.end);
        REQUIRE(otel_wire_read_attr(field.data, field.len, &key, &value));
        REQUIRE(value.type == OTEL_VALUE_STRING);
        REQUIRE(key.len == otel_utf8_repaired_len(text, half));
        REQUIRE(otel_utf8_valid(key.data, key.len));
        REQUIRE(otel_utf8_valid(value.text.data, value.text.len));
        REQUIRE(otel_utf8_cut(value.text.data, value.text.len, max_chars) == value.text.len);
    } else {
        REQUIRE(cap < 3 * len + 32);
    }
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_read(data, size);
    if (size < 2)
        return 0;
    check_write((const char *)data + 2, size - 2, data[0] * 2u, data[1]);
    check_write((const char *)data + 2, size - 2, 3 * size + 64, SIZE_MAX);
    return 0;
}
