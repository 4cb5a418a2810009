/* SPDX-License-Identifier: Apache-2.0 */
#include "core/export/console_text.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/utf8.h"

#define ELLIPSIS "…"

/* One character: its length and code point; an invalid byte is a character of its own, code 0. */
static size_t decode(const char *text, size_t len, uint32_t *code)
{
    static const uint8_t masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    unsigned char c = (unsigned char)*text;
    size_t n = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;

    *code = 0;
    if (n > len || !otel_utf8_valid(text, n))
        return 1;
    *code = c & masks[n];
    for (size_t i = 1; i < n; i++)
        *code = *code << 6 | ((unsigned char)text[i] & 0x3f);
    return n;
}

static bool is_space(uint32_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || c == 0x85 || c == 0xa0 || c == 0x2028 ||
           c == 0x2029;
}

static bool is_harmless(uint32_t c)
{
    static const struct {
        uint32_t from, to;
    } bad[] = {
        {0, 0x1f},        {0x7f, 0x9f},     {0xad, 0xad}, /* soft hyphen */
        {0x61c, 0x61c},   {0x200b, 0x200f}, {0x202a, 0x202e},   {0x2060, 0x206f}, {0xfe00, 0xfe0f},
        {0xfeff, 0xfeff}, {0xfff0, 0xfffb}, {0xe0000, 0xe0fff}, /* tags, variation selectors */
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (c >= bad[i].from && c <= bad[i].to)
            return false;
    return true;
}

size_t otel_console_clean(char *out, size_t cap, const char *text, size_t len, size_t max_chars)
{
    size_t to = 0, chars = 0, cut = 0; /* cut: where max_chars - 1 characters end */
    size_t n;

    for (size_t i = 0; i < len; i += n) {
        char piece[4] = "?";
        size_t size = 1;
        uint32_t code;

        n = decode(text + i, len - i, &code);
        if (is_space(code)) {
            if (to == 0 || out[to - 1] == ' ')
                continue;
            piece[0] = ' ';
        } else if (is_harmless(code)) {
            memcpy(piece, text + i, size = n);
        }
        if (chars == max_chars || to + size > cap) {
            to = cut;
            if (to + strlen(ELLIPSIS) <= cap && max_chars) {
                memcpy(out + to, ELLIPSIS, strlen(ELLIPSIS));
                to += strlen(ELLIPSIS);
            }
            return to;
        }
        memcpy(out + to, piece, size);
        to += size;
        chars++;
        if (chars < max_chars && to + strlen(ELLIPSIS) <= cap)
            cut = to;
    }
    while (to > 0 && out[to - 1] == ' ')
        to--;
    return to;
}

size_t otel_console_columns(const char *text, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++)
        n += ((unsigned char)text[i] & 0xc0) != 0x80;
    return n;
}

size_t otel_console_fit(const char *text, size_t len, size_t columns)
{
    for (size_t i = 0; i < len; i++)
        if (((unsigned char)text[i] & 0xc0) != 0x80 && columns-- == 0)
            return i;
    return len;
}

/* v in hundredths of the unit, shown with as many decimals as make three digits. */
static void three_digits(char *out, uint64_t v, const char *unit)
{
    unsigned whole = (unsigned)(v / 100), hundredths = (unsigned)(v % 100);

    if (whole >= 100)
        snprintf(out, OTEL_CONSOLE_DURATION_MAX, "%u %s", whole, unit);
    else if (whole >= 10)
        snprintf(out, OTEL_CONSOLE_DURATION_MAX, "%u.%u %s", whole, hundredths / 10, unit);
    else
        snprintf(out, OTEL_CONSOLE_DURATION_MAX, "%u.%02u %s", whole, hundredths, unit);
}

size_t otel_console_duration(char out[static OTEL_CONSOLE_DURATION_MAX], uint64_t ns)
{
    const uint64_t us = 1000, ms = 1000 * us, s = 1000 * ms, minute = 60 * s;

    if (ns < us)
        snprintf(out, OTEL_CONSOLE_DURATION_MAX, "%u ns", (unsigned)ns);
    else if (ns < ms)
        three_digits(out, ns / (us / 100), "µs");
    else if (ns < s)
        three_digits(out, ns / (ms / 100), "ms");
    else if (ns < minute)
        three_digits(out, ns / (s / 100), "s");
    else if (ns < 60 * minute)
        snprintf(out, OTEL_CONSOLE_DURATION_MAX, "%um %02us", (unsigned)(ns / minute),
                 (unsigned)(ns / s % 60));
    else
        snprintf(out, OTEL_CONSOLE_DURATION_MAX, "%uh %02um", (unsigned)(ns / minute / 60),
                 (unsigned)(ns / minute % 60));
    return otel_console_columns(out, strlen(out));
}
