/* SPDX-License-Identifier: Apache-2.0 */
#include "core/export/json_text.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"

static void byte(struct otel_buffer *out, char c)
{
    otel_buffer_append(out, &c, 1);
}

void otel_json_next(struct otel_buffer *out)
{
    uint8_t last = out->len ? out->data[out->len - 1] : '{';

    if (last != '{' && last != '[')
        byte(out, ',');
}

void otel_json_key(struct otel_buffer *out, const char *name)
{
    otel_json_next(out);
    byte(out, '"');
    otel_buffer_text(out, name);
    otel_buffer_append(out, "\":", 2);
}

static void escape(struct otel_buffer *out, unsigned char c)
{
    static const char shorts[] = "\"\"\\\\\bb\ff\nn\rr\tt"; /* pairs: the byte, its letter */
    char text[8];

    for (size_t i = 0; i + 1 < sizeof shorts; i += 2) {
        if ((unsigned char)shorts[i] == c) {
            byte(out, '\\');
            byte(out, shorts[i + 1]);
            return;
        }
    }
    snprintf(text, sizeof text, "\\u%04x", c);
    otel_buffer_text(out, text);
}

static void escaped(struct otel_buffer *out, const char *text, size_t len)
{
    size_t from = 0;

    byte(out, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
            continue;
        otel_buffer_append(out, text + from, i - from);
        escape(out, c);
        from = i + 1;
    }
    if (len > from) /* text may be NULL where len is 0 */
        otel_buffer_append(out, text + from, len - from);
    byte(out, '"');
}

void otel_json_string(struct otel_buffer *out, const void *text, size_t len)
{
    size_t repaired;
    char *copy;

    if (otel_utf8_valid(text, len)) {
        escaped(out, text, len);
        return;
    }
    repaired = otel_utf8_repaired_len(text, len);
    copy = otel_buffer_realloc(NULL, repaired + 1);
    if (!copy) {
        out->failed = true;
        return;
    }
    otel_utf8_repair(copy, text, len);
    escaped(out, copy, repaired);
    free(copy);
}

void otel_json_uint(struct otel_buffer *out, uint64_t v)
{
    char text[20];
    size_t at = sizeof text;

    do {
        text[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    otel_buffer_append(out, text + at, sizeof text - at);
}

void otel_json_uint64(struct otel_buffer *out, uint64_t v)
{
    byte(out, '"');
    otel_json_uint(out, v);
    byte(out, '"');
}

void otel_json_int64(struct otel_buffer *out, int64_t v)
{
    byte(out, '"');
    if (v < 0)
        byte(out, '-');
    otel_json_uint(out, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
    byte(out, '"');
}

/* The host's LC_NUMERIC decides what printf puts for the point, and it may have several bytes. */
static size_t with_point(char *text)
{
    size_t to = 0;

    for (size_t i = 0; text[i]; i++) {
        if (strchr("0123456789+-e", text[i]))
            text[to++] = text[i];
        else if (to == 0 || text[to - 1] != '.')
            text[to++] = '.';
    }
    return to;
}

void otel_json_double(struct otel_buffer *out, double v)
{
    char text[48];

    if (isnan(v)) {
        otel_buffer_text(out, "\"NaN\"");
        return;
    }
    if (isinf(v)) {
        otel_buffer_text(out, v < 0 ? "\"-Infinity\"" : "\"Infinity\"");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    otel_buffer_append(out, text, with_point(text));
}

void otel_json_hex(struct otel_buffer *out, const uint8_t *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t *to = otel_buffer_room(out, 2 * len + 2);

    if (!to)
        return;
    *to++ = '"';
    for (size_t i = 0; i < len; i++) {
        *to++ = (uint8_t)digits[bytes[i] >> 4];
        *to++ = (uint8_t)digits[bytes[i] & 15];
    }
    *to = '"';
    out->len += 2 * len + 2;
}

void otel_json_base64(struct otel_buffer *out, const uint8_t *bytes, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t size = (len + 2) / 3 * 4 + 2;
    uint8_t *to = otel_buffer_room(out, size);

    if (!to)
        return;
    *to++ = '"';
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        uint32_t v = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                     (left > 2 ? bytes[i + 2] : 0);

        *to++ = (uint8_t)digits[v >> 18];
        *to++ = (uint8_t)digits[v >> 12 & 63];
        *to++ = left > 1 ? (uint8_t)digits[v >> 6 & 63] : '=';
        *to++ = left > 2 ? (uint8_t)digits[v & 63] : '=';
    }
    *to = '"';
    out->len += size;
}
