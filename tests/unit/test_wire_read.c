/* SPDX-License-Identifier: Apache-2.0
 *
 * core/wire_read.c: the reading half of wire.h on bytes the writers did not write.
 */
#include "core/wire.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "core/record.h"
#include "tests/support/guardpage.h"

Test(wire_read, gives_every_wire_type)
{
    static const uint8_t bytes[] = {0x08, 0x96, 0x01,                       /* 1: 150 */
                                    0x11, 1,    2,    3,   4, 5,   6, 7, 8, /* 2: fixed64 */
                                    0x1a, 2,    'h',  'i',                  /* 3: "hi" */
                                    0x85, 0x01, 0xff, 0,   0, 0x80};        /* 16: fixed32 */
    struct otel_wire_reader reader = {bytes, bytes + sizeof bytes};
    struct otel_wire_field f;

    cr_assert(otel_wire_next(&reader, &f));
    cr_assert(f.number == 1 && f.wire_type == 0 && f.value == 150 && f.size == 3);
    cr_assert(otel_wire_next(&reader, &f));
    cr_assert(f.number == 2 && f.wire_type == 1 && f.value == 0x0807060504030201);
    cr_assert(otel_wire_next(&reader, &f));
    cr_assert(f.number == 3 && f.wire_type == 2 && f.len == 2 && f.data == bytes + 14);
    cr_assert(otel_wire_next(&reader, &f));
    cr_assert(f.number == 16 && f.wire_type == 5 && f.value == 0x800000ff);
    cr_assert(f.start == bytes + 16 && f.size == 6);
    cr_assert_not(otel_wire_next(&reader, &f));
}

Test(wire_read, refuses_what_is_malformed)
{
    static const struct otel_text bad[] = {
        {"\x00\x00", 2},                                      /* field number 0 */
        {"\x0b", 1},                                          /* a group */
        {"\x0f\x00", 2},                                      /* wire type 7 */
        {"\x08", 1},                                          /* no value */
        {"\x08\x80", 2},                                      /* half a value */
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11}, /* 65 bits */
        {"\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 12},
        {"\x09\x00\x00\x00\x00\x00\x00\x00", 8},
        {"\x0d\x00\x00\x00", 4},
        {"\x0a\x02x", 3}, /* longer than what is left */
        {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x", 12},
        {"\x80\x80\x80\x80\x10\x00", 6}, /* field number 2^29 */
    };
    struct guardpage page;

    guardpage_open(&page, 16);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const uint8_t *p = guardpage_put(&page, bad[i].data, bad[i].len);
        struct otel_wire_reader reader = {p, p + bad[i].len};
        struct otel_wire_field f;

        cr_assert_not(otel_wire_next(&reader, &f), "case %zu", i);
        cr_assert_eq(reader.at, p);
    }
    guardpage_close(&page);
}

Test(wire_read, read_attr_refuses_what_is_no_attribute)
{
    static const struct otel_text bad[] = {
        {"", 0},
        {"\x0a\x01k", 3},                         /* no value */
        {"\x12\x02\x10\x01", 4},                  /* no key */
        {"\x0a\x01k\x12\x00", 5},                 /* an empty value */
        {"\x0a\x01k\x12\x02\x30\x01", 7},         /* kvlist's number */
        {"\x0a\x01k\x12\x02\x08\x01", 7},         /* a string as a varint */
        {"\x0a\x01k\x12\x02\x1a\x00", 7},         /* an integer as bytes */
        {"\x0a\x01k\x12\x02\x10\x01\x18\x01", 9}, /* a field that is not KeyValue's */
        {"\x0a\x01k\x12\x03\x10\x01", 7},         /* cut */
        {"\x0a\x01k\x12\x03\x10\x01\x10", 8},     /* a value with half a field behind */
        {"\x0a\x01k\x12\x03\x80\x03\x01", 8},     /* a number that is 0 modulo the tag's bits */
    };
    struct otel_value value;
    struct otel_text key;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_not(otel_wire_read_attr((const uint8_t *)bad[i].data, bad[i].len, &key, &value),
                      "case %zu", i);
}

static void read_everything(const uint8_t *p, size_t len, int depth)
{
    struct otel_wire_reader reader = {p, p + len};
    struct otel_wire_field f;
    struct otel_value value;
    struct otel_text key;

    otel_wire_read_attr(p, len, &key, &value);
    while (otel_wire_next(&reader, &f)) {
        cr_assert_gt(f.size, 0);
        cr_assert_leq(reader.at, p + len);
        if (f.wire_type == 2 && depth < 8)
            read_everything(f.data, f.len, depth + 1);
    }
}

/* Random bytes, and what the writers wrote with some bytes changed. */
Test(wire_read, stays_before_a_guard_page)
{
    struct otel_attr attr = otel_attr_text(OTEL_TEXT("key"), "some longer text", 16);
    struct guardpage page;
    uint8_t bytes[64];
    unsigned seed = 3;

    guardpage_open(&page, sizeof bytes);
    for (int n = 0; n < 200000; n++) {
        size_t len = (size_t)rand_r(&seed) % sizeof bytes;

        if (n % 2) {
            for (size_t i = 0; i < len; i++)
                bytes[i] = (uint8_t)(rand_r(&seed) >> (n % 8));
        } else {
            otel_wire_attr(bytes, sizeof bytes, OTEL_TAG_ATTRIBUTE, &attr, SIZE_MAX);
            bytes[(size_t)rand_r(&seed) % 29] = (uint8_t)rand_r(&seed);
            len = (size_t)rand_r(&seed) % 30;
        }
        read_everything(guardpage_put(&page, bytes, len), len, 0);
    }
    guardpage_close(&page);
}
