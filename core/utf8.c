/* SPDX-License-Identifier: Apache-2.0 */
#include "core/utf8.h"

#include <stdint.h>
#include <string.h>

#define HIGH_BITS 0x8080808080808080ULL
#define REPLACEMENT 0xfffd
#define REPLACEMENT_LEN 3

static inline bool eight_ascii(const uint8_t *p)
{
    uint64_t word;

    memcpy(&word, p, sizeof word);
    return !(word & HIGH_BITS);
}

static inline bool continues(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

/* The length of the valid sequence at p (left > 0), 0 when there is none. RFC 3629 section 4: only
 * the second byte of E0, ED, F0 and F4 has a narrower range. */
static size_t sequence(const uint8_t *p, size_t left)
{
    uint8_t low = 0x80;
    uint8_t high = 0xbf;

    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4 || left < 2)
        return 0;
    if (p[0] < 0xe0)
        return continues(p[1]) ? 2 : 0;
    if (p[0] == 0xe0)
        low = 0xa0;
    else if (p[0] == 0xed)
        high = 0x9f;
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f;
    if (p[1] < low || p[1] > high || left < 3 || !continues(p[2]))
        return 0;
    if (p[0] < 0xf0)
        return 3;
    return left >= 4 && continues(p[3]) ? 4 : 0;
}

/* Nearly every text is ASCII and short: the last word overlaps the one before, so that no byte is
 * looked at alone. */
static bool all_ascii(const uint8_t *p, size_t len)
{
    uint64_t seen = 0;
    uint64_t word;

    if (len < sizeof word) {
        for (size_t i = 0; i < len; i++)
            seen |= p[i];
        return !(seen & 0x80);
    }
    for (size_t i = 0; i + sizeof word < len; i += sizeof word) {
        memcpy(&word, p + i, sizeof word);
        seen |= word;
    }
    memcpy(&word, p + len - sizeof word, sizeof word);
    return !((seen | word) & HIGH_BITS);
}

bool otel_utf8_valid(const char *text, size_t len)
{
    const uint8_t *p = (const uint8_t *)text;

    if (all_ascii(p, len))
        return true;
    while (len) {
        size_t n = len >= 8 && eight_ascii(p) ? 8 : sequence(p, len);

        if (!n)
            return false;
        p += n;
        len -= n;
    }
    return true;
}

size_t otel_utf8_repaired_len(const char *text, size_t len)
{
    const uint8_t *p = (const uint8_t *)text;
    size_t total = 0;

    while (len) {
        size_t n = sequence(p, len);

        total += n ? n : REPLACEMENT_LEN;
        p += n ? n : 1;
        len -= n ? n : 1;
    }
    return total;
}

/* Writes code point c (no surrogate). Returns the bytes written. */
static size_t encode(uint8_t out[static 4], uint32_t c)
{
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (uint8_t)(0xc0 | c >> 6);
        out[1] = (uint8_t)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (uint8_t)(0xe0 | c >> 12);
        out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        out[2] = (uint8_t)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (uint8_t)(0xf0 | c >> 18);
    out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
    out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
    out[3] = (uint8_t)(0x80 | (c & 0x3f));
    return 4;
}

void otel_utf8_repair(char *out, const char *text, size_t len)
{
    const uint8_t *p = (const uint8_t *)text;

    while (len) {
        size_t n = sequence(p, len);

        if (n) {
            memcpy(out, p, n);
            out += n;
        } else {
            memcpy(out, "\xef\xbf\xbd", REPLACEMENT_LEN);
            out += REPLACEMENT_LEN;
            n = 1;
        }
        p += n;
        len -= n;
    }
}

size_t otel_utf8_cut(const char *text, size_t len, size_t max_chars)
{
    const uint8_t *p = (const uint8_t *)text;
    size_t at = 0;

    while (at < len && max_chars) {
        size_t n;

        if (max_chars >= 8 && len - at >= 8 && eight_ascii(p + at)) {
            at += 8;
            max_chars -= 8;
            continue;
        }
        n = sequence(p + at, len - at);
        at += n ? n : 1;
        max_chars--;
    }
    return at;
}

/* The unit at index i; the text may lie at an odd address. */
static uint32_t unit_at(const void *utf16, size_t i)
{
    uint16_t unit;

    memcpy(&unit, (const char *)utf16 + 2 * i, sizeof unit);
    return unit;
}

size_t otel_utf8_from_utf16(char *out, size_t cap, const void *utf16, size_t units)
{
    size_t used = 0;

    for (size_t i = 0; i < units; i++) {
        uint32_t c = unit_at(utf16, i);
        uint8_t bytes[4];
        size_t n;

        if (c >= 0xd800 && c <= 0xdfff) {
            uint32_t low = c < 0xdc00 && i + 1 < units ? unit_at(utf16, i + 1) : 0;

            if (low >= 0xdc00 && low <= 0xdfff) {
                c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
                i++;
            } else {
                c = REPLACEMENT;
            }
        }
        n = encode(bytes, c);
        if (n > cap - used)
            break;
        memcpy(out + used, bytes, n);
        used += n;
    }
    return used;
}
