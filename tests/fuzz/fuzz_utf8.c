/* SPDX-License-Identifier: Apache-2.0
 *
 * The first byte is a number of characters or the room for the result, the rest text.
 */
#include "core/utf8.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)    \
    do {                      \
        if (!(condition))     \
            __builtin_trap(); \
    } while (0)

static void check_repair(const char *text, size_t len)
{
    size_t n = otel_utf8_repaired_len(text, len);
    char *out = malloc(n ? n : 1);

    REQUIRE(out && n >= len && n <= 3 * len);
    otel_utf8_repair(out, text, len);
    REQUIRE(otel_utf8_valid(out, n));
    REQUIRE(otel_utf8_valid(text, len) == (n == len && (!n || !memcmp(out, text, n))));
    free(out);
}

/* A cut never splits a character and takes what was asked for. */
static void check_cut(const char *text, size_t len, size_t max_chars)
{
    size_t n = otel_utf8_cut(text, len, max_chars);

    REQUIRE(n <= len && (max_chars >= len ? n == len : n <= 4 * max_chars));
    if (otel_utf8_valid(text, len))
        REQUIRE(otel_utf8_valid(text, n));
    REQUIRE(otel_utf8_repaired_len(text, n) + otel_utf8_repaired_len(text + n, len - n) ==
            otel_utf8_repaired_len(text, len));
}

static void check_utf16(const uint8_t *data, size_t units, size_t cap)
{
    char *out = malloc(cap ? cap : 1);
    size_t n = otel_utf8_from_utf16(out, cap, data, units);

    REQUIRE(n <= cap && n <= 3 * units && otel_utf8_valid(out, n));
    REQUIRE(n >= units || cap < 3 * units);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    check_repair((const char *)data + 1, size - 1);
    check_cut((const char *)data + 1, size - 1, data[0]);
    check_utf16(data + 1, (size - 1) / 2, data[0]);
    check_utf16(data + 1, (size - 1) / 2, 3 * size);
    return 0;
}
