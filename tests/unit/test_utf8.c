/* SPDX-License-Identifier: Apache-2.0 */
#include "core/utf8.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

#include "tests/support/guardpage.h"

/* Another way to the same answer: decode, encode the shortest form, compare. Returns the length of
 * the sequence at p, 0 when there is none. */
static size_t reference(const uint8_t *p, size_t left)
{
    static const uint8_t marks[] = {0, 0x00, 0xc0, 0xe0, 0xf0};
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    uint32_t c;

    if (!n || n > left || p[0] >= 0xf8)
        return 0;
    c = p[0] - marks[n];
    for (size_t i = 1; i < n; i++) {
        if (p[i] < 0x80 || p[i] > 0xbf)
            return 0;
        c = c * 64 + (p[i] - 0x80u);
    }
    return c >= least[n] && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff) ? n : 0;
}

static size_t reference_repair(uint8_t *out, const uint8_t *p, size_t len)
{
    size_t used = 0;

    while (len) {
        size_t n = reference(p, len);

        memcpy(out + used, n ? p : (const uint8_t *)"\xef\xbf\xbd", n ? n : 3);
        used += n ? n : 3;
        n = n ? n : 1;
        p += n;
        len -= n;
    }
    return used;
}

static struct guardpage in;
static struct guardpage out;

static void open_pages(void)
{
    guardpage_open(&in, 4096);
    guardpage_open(&out, 4096);
}

static void compare(const uint8_t *text, size_t len)
{
    uint8_t expected[4096];
    const char *p = guardpage_put(&in, text, len);
    size_t want = reference_repair(expected, text, len);
    char *got = guardpage_room(&out, want);
    bool valid = want == len && memcmp(expected, text, len) == 0;

    cr_assert_eq(otel_utf8_valid(p, len), valid);
    cr_assert_eq(otel_utf8_repaired_len(p, len), want);
    otel_utf8_repair(got, p, len);
    cr_assert_eq(memcmp(got, expected, want), 0);
    cr_assert(otel_utf8_valid(got, want));
}

/* Every kind of byte at each of four places, alone and behind ASCII of every alignment. */
Test(utf8, all_borders_agree_with_the_reference)
{
    static const uint8_t bytes[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0,
                                    0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec,
                                    0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5};
    enum { N = sizeof bytes };
    uint8_t text[16] = "abcdefghijklmno";

    open_pages();
    for (size_t i = 0; i < N * N * N * N; i++) {
        size_t lead = i % 9;

        text[lead] = bytes[i % N];
        text[lead + 1] = bytes[i / N % N];
        text[lead + 2] = bytes[i / N / N % N];
        text[lead + 3] = bytes[i / N / N / N];
        for (size_t len = lead + 1; len <= lead + 4; len++)
            compare(text, len);
        memcpy(text, "abcdefghijklmno", 16);
    }
}

Test(utf8, random_bytes_before_a_guard_page)
{
    uint8_t text[100];
    unsigned seed = 1;

    open_pages();
    for (int n = 0; n < 100000; n++) {
        size_t len = (size_t)rand_r(&seed) % sizeof text;

        for (size_t i = 0; i < len; i++)
            text[i] = (uint8_t)(rand_r(&seed) >> (rand_r(&seed) % 4 ? 8 : 9));
        compare(text, len);
    }
}

Test(utf8, one_bad_byte_anywhere_in_ascii)
{
    uint8_t text[64];

    open_pages();
    memset(text, 'x', sizeof text);
    for (size_t len = 0; len <= sizeof text; len++) {
        cr_assert(otel_utf8_valid(guardpage_put(&in, text, len), len));
        for (size_t at = 0; at < len; at++) {
            text[at] = 0xff;
            compare(text, len);
            text[at] = 'x';
        }
    }
}

Test(utf8, nothing_is_valid)
{
    cr_assert(otel_utf8_valid(NULL, 0));
    cr_assert_eq(otel_utf8_repaired_len(NULL, 0), 0);
    otel_utf8_repair(NULL, NULL, 0);
    cr_assert_eq(otel_utf8_cut(NULL, 0, 5), 0);
}

Test(utf8, cut_counts_characters)
{
    const char *text = "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z"; /* 1 2 3 4 1 bytes */
    static const size_t ends[] = {0, 1, 3, 6, 10, 11, 11};

    for (size_t n = 0; n < 7; n++)
        cr_assert_eq(otel_utf8_cut(text, 11, n), ends[n]);
    cr_assert_eq(otel_utf8_cut(text, 11, SIZE_MAX), 11);
    cr_assert_eq(otel_utf8_cut("0123456789abcdef", 16, 9), 9);
    cr_assert_eq(otel_utf8_cut("0123456789abcdef", 16, 8), 8);
    cr_assert_eq(otel_utf8_cut("01234567\xc3\xa4xyz", 13, 9), 10);
}

Test(utf8, cut_counts_a_bad_byte_as_its_replacement)
{
    struct guardpage page;
    const char *p;

    guardpage_open(&page, 16);
    p = guardpage_put(&page, "\x80\x80\xe2\x82", 4);
    for (size_t n = 0; n < 6; n++)
        cr_assert_eq(otel_utf8_cut(p, 4, n), n < 4 ? n : 4);
}

Test(utf8, from_utf16)
{
    static const uint16_t text[] = {'a', 0x7f, 0x80, 0x7ff, 0x800, 0xd83d, 0xde00, 0xffff};
    static const char expected[] = "a\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xf0\x9f\x98\x80\xef\xbf\xbf";
    size_t want = sizeof expected - 1;
    char got[64];

    cr_assert_eq(otel_utf8_from_utf16(got, sizeof got, text, 8), want);
    cr_assert_arr_eq(got, expected, want);
    cr_assert(otel_utf8_valid(got, want));
}

Test(utf8, from_utf16_with_unpaired_surrogates)
{
    static const uint16_t text[] = {0xdc00, 0xd800, 'a', 0xd800, 0xd801, 0xdc01, 0xdbff};
    static const char expected[] = "\xef\xbf\xbd\xef\xbf\xbd"
                                   "a\xef\xbf\xbd\xf0\x90\x90\x81\xef\xbf\xbd";
    char got[64];

    cr_assert_eq(otel_utf8_from_utf16(got, sizeof got, text, 7), sizeof expected - 1);
    cr_assert_arr_eq(got, expected, sizeof expected - 1);
}

Test(utf8, from_utf16_stops_before_a_character_that_does_not_fit)
{
    static const uint16_t text[] = {'a', 0xd83d, 0xde00, 'b'};
    static const size_t fits[] = {0, 1, 1, 1, 1, 5, 6, 6};
    struct guardpage page;

    guardpage_open(&page, 16);
    for (size_t cap = 0; cap < 8; cap++)
        cr_assert_eq(otel_utf8_from_utf16(guardpage_room(&page, cap), cap, text, 4), fits[cap]);
    guardpage_close(&page);
}

Test(utf8, from_utf16_reads_odd_addresses_and_not_past_the_end)
{
    struct guardpage page;
    uint16_t text[8];
    char got[32];
    unsigned seed = 7;

    guardpage_open(&page, 64);
    for (int n = 0; n < 10000; n++) {
        size_t units = (size_t)n % 9;
        size_t len;

        for (size_t i = 0; i < units; i++)
            text[i] = (uint16_t)(rand_r(&seed) % 3 ? 0xd700 + rand_r(&seed) % 0xa00 : 'x');
        len = otel_utf8_from_utf16(got, sizeof got, guardpage_put(&page, text, 2 * units), units);
        cr_assert(otel_utf8_valid(got, len));
    }
    memcpy((char *)guardpage_room(&page, 5) + 1, (uint16_t[]){'o', 'k'}, 4);
    cr_assert_eq(otel_utf8_from_utf16(got, 32, (char *)guardpage_room(&page, 5) + 1, 2), 2);
    cr_assert_arr_eq(got, "ok", 2);
}
