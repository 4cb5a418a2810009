/* SPDX-License-Identifier: Apache-2.0
 *
 * What the writers write is unpacked by protobuf-c from the schema: it shares no code with them.
 */
#include "core/wire.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "core/record.h"
#include "core/utf8.h"
#include "otlp.pb-c.h"
#include "tests/support/guardpage.h"

static uint8_t buf[65536];

/* Skips tag and length and checks that they frame the rest. */
static const uint8_t *body(const uint8_t *p, size_t n, uint8_t tag, size_t *len)
{
    struct otel_wire_reader reader = {p, p + n};
    struct otel_wire_field field;

    cr_assert_gt(n, 0);
    cr_assert_eq(p[0], tag);
    cr_assert(otel_wire_next(&reader, &field));
    cr_assert_eq(reader.at, p + n);
    cr_assert_eq(field.size, n);
    *len = field.len;
    return field.data;
}

/* Writes attr at its exact size before a guard page, tries every smaller room, and unpacks. */
static Otlp__KeyValue *round_trip(const struct otel_attr *attr, size_t max_chars)
{
    size_t n = otel_wire_attr(buf, sizeof buf, OTEL_TAG_ATTRIBUTE, attr, max_chars);
    struct guardpage page;
    const uint8_t *message;
    Otlp__KeyValue *kv;
    size_t len;

    guardpage_open(&page, n);
    for (size_t cap = 0; cap < n; cap++)
        cr_assert_eq(
            otel_wire_attr(guardpage_room(&page, cap), cap, OTEL_TAG_ATTRIBUTE, attr, max_chars), 0,
            "%zu bytes in room for %zu", n, cap);
    cr_assert_eq(otel_wire_attr(guardpage_room(&page, n), n, OTEL_TAG_ATTRIBUTE, attr, max_chars),
                 n);
    cr_assert_eq(memcmp(guardpage_room(&page, n), buf, n), 0);
    guardpage_close(&page);
    message = body(buf, n, OTEL_TAG_ATTRIBUTE, &len);
    kv = otlp__key_value__unpack(NULL, len, message);
    cr_assert_not_null(kv);
    cr_assert_not_null(kv->value);
    return kv;
}

/* The same attribute through our own reader. A key without data is not compared. */
static struct otel_value read_back(struct otel_text expected_key)
{
    struct otel_wire_reader reader = {buf, buf + sizeof buf};
    struct otel_wire_field field;
    struct otel_value value;
    struct otel_text key;

    cr_assert(otel_wire_next(&reader, &field));
    cr_assert(otel_wire_read_attr(field.data, field.len, &key, &value));
    if (expected_key.data) {
        cr_assert_eq(key.len, expected_key.len);
        cr_assert_eq(memcmp(key.data, expected_key.data, key.len), 0);
    }
    return value;
}

static void check_text(const char *text, size_t len, size_t max_chars, const char *expected)
{
    struct otel_attr attr = otel_attr_text(OTEL_TEXT("http.route"), text, len);
    Otlp__KeyValue *kv = round_trip(&attr, max_chars);
    struct otel_value value = read_back(attr.key);

    cr_assert_str_eq(kv->key, "http.route");
    cr_assert_eq(kv->value->value_case, OTLP__ANY_VALUE__VALUE_STRING_VALUE);
    cr_assert_str_eq(kv->value->string_value, expected);
    cr_assert_eq(value.type, OTEL_VALUE_STRING);
    cr_assert_eq(value.text.len, strlen(expected));
    cr_assert_eq(memcmp(value.text.data, expected, value.text.len), 0);
    otlp__key_value__free_unpacked(kv, NULL);
}

Test(wire, text)
{
    check_text("/users/{id}", 11, SIZE_MAX, "/users/{id}");
    check_text("", 0, SIZE_MAX, "");
    check_text(NULL, 0, SIZE_MAX, "");
    check_text("gr\xc3\xbc\xc3\x9f", 6, SIZE_MAX, "gr\xc3\xbc\xc3\x9f");
}

Test(wire, text_of_each_length_around_a_longer_varint)
{
    char text[17000];

    for (size_t len = 90; len < 140; len++) {
        memset(text, 'x', len);
        text[len] = 0;
        check_text(text, len, SIZE_MAX, text);
    }
    for (size_t len = 16350; len < 16390; len += 3) {
        struct otel_attr attr = otel_attr_text(OTEL_TEXT("k"), text, len);
        size_t n;
        size_t body_len;

        memset(text, 'x', len);
        n = otel_wire_attr(buf, sizeof buf, OTEL_TAG_ATTRIBUTE, &attr, SIZE_MAX);
        body(buf, n, OTEL_TAG_ATTRIBUTE, &body_len);
        cr_assert_eq(read_back(attr.key).text.len, len);
        cr_assert_eq(otel_wire_attr(buf, n - 1, OTEL_TAG_ATTRIBUTE, &attr, SIZE_MAX), 0);
        cr_assert_eq(otel_wire_attr(buf, n, OTEL_TAG_ATTRIBUTE, &attr, SIZE_MAX), n);
    }
}

Test(wire, text_that_is_not_utf8_is_repaired)
{
    check_text("a\xff"
               "b\xc3",
               4, SIZE_MAX,
               "a\xef\xbf\xbd"
               "b\xef\xbf\xbd");
}

Test(wire, text_is_cut_to_characters)
{
    check_text("abcdef", 6, 3, "abc");
    check_text("abc", 3, 3, "abc");
    check_text("\xc3\xa4\xc3\xb6\xc3\xbc", 6, 2, "\xc3\xa4\xc3\xb6");
    check_text("\xc3\xa4\xc3\xb6\xc3\xbc", 6, 5, "\xc3\xa4\xc3\xb6\xc3\xbc");
    check_text("abc", 3, 0, "");
    check_text("\xff\xff\xff", 3, 2, "\xef\xbf\xbd\xef\xbf\xbd");
}

Test(wire, a_key_that_is_not_utf8_is_repaired)
{
    struct otel_attr attr = otel_attr_int((struct otel_text){"k\x80", 2}, 1);
    Otlp__KeyValue *kv = round_trip(&attr, 1);

    cr_assert_str_eq(kv->key, "k\xef\xbf\xbd");
    otlp__key_value__free_unpacked(kv, NULL);
}

Test(wire, integers)
{
    static const int64_t values[] = {0,         1,         127,       128,         -1,
                                     200,       16383,     16384,     INT32_MAX,   INT32_MIN,
                                     INT64_MAX, INT64_MIN, 1LL << 62, -(1LL << 33)};

    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct otel_attr attr = otel_attr_int(OTEL_TEXT("n"), values[i]);
        Otlp__KeyValue *kv = round_trip(&attr, SIZE_MAX);
        struct otel_value value = read_back(attr.key);

        cr_assert_eq(kv->value->value_case, OTLP__ANY_VALUE__VALUE_INT_VALUE);
        cr_assert_eq(kv->value->int_value, values[i]);
        cr_assert_eq(value.type, OTEL_VALUE_INT);
        cr_assert_eq(value.integer, values[i]);
        otlp__key_value__free_unpacked(kv, NULL);
    }
}

Test(wire, booleans_are_written_when_false_too)
{
    for (int b = 0; b < 2; b++) {
        struct otel_attr attr = otel_attr_bool(OTEL_TEXT("b"), b);
        Otlp__KeyValue *kv = round_trip(&attr, SIZE_MAX);
        struct otel_value value = read_back(attr.key);

        cr_assert_eq(kv->value->value_case, OTLP__ANY_VALUE__VALUE_BOOL_VALUE);
        cr_assert_eq(kv->value->bool_value, b);
        cr_assert_eq(value.type, OTEL_VALUE_BOOL);
        cr_assert_eq(value.boolean, b);
        otlp__key_value__free_unpacked(kv, NULL);
    }
}

Test(wire, doubles)
{
    static const double values[] = {0.0, -0.0, 1.5, -1e300, DBL_MIN, DBL_MAX, INFINITY, -INFINITY};

    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct otel_attr attr = {OTEL_TEXT("d"), {.type = OTEL_VALUE_DOUBLE, .real = values[i]}};
        Otlp__KeyValue *kv = round_trip(&attr, SIZE_MAX);
        struct otel_value value = read_back(attr.key);

        cr_assert_eq(kv->value->value_case, OTLP__ANY_VALUE__VALUE_DOUBLE_VALUE);
        cr_assert_eq(memcmp(&kv->value->double_value, &values[i], 8), 0);
        cr_assert_eq(value.type, OTEL_VALUE_DOUBLE);
        cr_assert_eq(memcmp(&value.real, &values[i], 8), 0);
        otlp__key_value__free_unpacked(kv, NULL);
    }
}

Test(wire, bytes)
{
    struct otel_attr attr = {OTEL_TEXT("raw"),
                             {.type = OTEL_VALUE_BYTES, .text = {"\0\xff\x80z", 4}}};
    Otlp__KeyValue *kv = round_trip(&attr, SIZE_MAX);
    struct otel_value value = read_back(attr.key);

    cr_assert_eq(kv->value->value_case, OTLP__ANY_VALUE__VALUE_BYTES_VALUE);
    cr_assert_eq(kv->value->bytes_value.len, 4);
    cr_assert_arr_eq(kv->value->bytes_value.data, "\0\xff\x80z", 4);
    cr_assert_eq(value.type, OTEL_VALUE_BYTES);
    cr_assert_eq(value.text.len, 4);
    otlp__key_value__free_unpacked(kv, NULL);
    kv = round_trip(&attr, 3);
    cr_assert_eq(kv->value->bytes_value.len, 3);
    otlp__key_value__free_unpacked(kv, NULL);
}

Test(wire, arrays_of_strings)
{
    static const struct otel_text items[] = {{"one", 3}, {"", 0}, {"t\xff", 2}, {"fourth", 6}};
    struct otel_attr attr = {OTEL_TEXT("http.request.header.x"),
                             {.type = OTEL_VALUE_STRINGS, .strings = {items, 4}}};
    Otlp__KeyValue *kv = round_trip(&attr, 5);
    struct otel_value value = read_back(attr.key);
    Otlp__ArrayValue *array = kv->value->array_value;

    cr_assert_eq(kv->value->value_case, OTLP__ANY_VALUE__VALUE_ARRAY_VALUE);
    cr_assert_eq(array->n_values, 4);
    cr_assert_str_eq(array->values[0]->string_value, "one");
    cr_assert_str_eq(array->values[1]->string_value, "");
    cr_assert_str_eq(array->values[2]->string_value, "t\xef\xbf\xbd");
    cr_assert_str_eq(array->values[3]->string_value, "fourt");
    otlp__key_value__free_unpacked(kv, NULL);
    cr_assert_eq(value.type, OTEL_VALUE_STRINGS);
    array = otlp__array_value__unpack(NULL, value.text.len, (const uint8_t *)value.text.data);
    cr_assert_not_null(array);
    cr_assert_eq(array->n_values, 4);
    otlp__array_value__free_unpacked(array, NULL);
}

Test(wire, an_empty_array)
{
    struct otel_attr attr = {OTEL_TEXT("a"), {.type = OTEL_VALUE_STRINGS}};
    Otlp__KeyValue *kv = round_trip(&attr, SIZE_MAX);

    cr_assert_eq(kv->value->value_case, OTLP__ANY_VALUE__VALUE_ARRAY_VALUE);
    cr_assert_eq(kv->value->array_value->n_values, 0);
    otlp__key_value__free_unpacked(kv, NULL);
}

Test(wire, text_field)
{
    struct guardpage page;
    size_t len;
    const uint8_t *p;

    guardpage_open(&page, 16);
    p = body(buf, otel_wire_text(buf, sizeof buf, OTEL_TAG_NAME, OTEL_TEXT("GET /")), OTEL_TAG_NAME,
             &len);
    cr_assert_eq(len, 5);
    cr_assert_arr_eq(p, "GET /", 5);
    cr_assert_eq(otel_wire_text(guardpage_room(&page, 7), 7, OTEL_TAG_NAME, OTEL_TEXT("GET /")), 7);
    for (size_t cap = 0; cap < 7; cap++)
        cr_assert_eq(
            otel_wire_text(guardpage_room(&page, cap), cap, OTEL_TAG_NAME, OTEL_TEXT("GET /")), 0);
    cr_assert_eq(otel_wire_text(buf, 2, OTEL_TAG_NAME, (struct otel_text){NULL, 0}), 2);
    cr_assert_eq(otel_wire_text(buf, 9, OTEL_TAG_NAME, (struct otel_text){"\x80\x80", 2}), 8);
    cr_assert_eq(otel_wire_text(buf, 7, OTEL_TAG_NAME, (struct otel_text){"\x80\x80", 2}), 0);
    guardpage_close(&page);
}

Test(wire, event)
{
    struct otel_attr attrs[] = {
        otel_attr_text(OTEL_TEXT("exception.type"), "Boom", 4),
        otel_attr_int(OTEL_TEXT("n"), -5),
        otel_attr_text(OTEL_TEXT("long"), "abcdefghijk", 11),
    };
    size_t n =
        otel_wire_event(buf, sizeof buf, 0x0123456789abcdef, OTEL_TEXT("exception"), attrs, 3, 8);
    struct guardpage page;
    Otlp__Span__Event *event;
    Otlp__Span *span;

    guardpage_open(&page, n);
    for (size_t cap = 0; cap <= n; cap++)
        cr_assert_eq(otel_wire_event(guardpage_room(&page, cap), cap, 0x0123456789abcdef,
                                     OTEL_TEXT("exception"), attrs, 3, 8),
                     cap == n ? n : 0);
    span = otlp__span__unpack(NULL, n, buf); /* an event is a field of Span */
    cr_assert_not_null(span);
    cr_assert_eq(span->n_events, 1);
    event = span->events[0];
    cr_assert_eq(event->time_unix_nano, 0x0123456789abcdef);
    cr_assert_str_eq(event->name, "exception");
    cr_assert_eq(event->n_attributes, 3);
    cr_assert_str_eq(event->attributes[0]->value->string_value, "Boom");
    cr_assert_eq(event->attributes[1]->value->int_value, -5);
    cr_assert_str_eq(event->attributes[2]->value->string_value, "abcdefgh");
    otlp__span__free_unpacked(span, NULL);
    guardpage_close(&page);
}

Test(wire, event_without_attributes)
{
    size_t n = otel_wire_event(buf, sizeof buf, 0, (struct otel_text){NULL, 0}, NULL, 0, SIZE_MAX);
    Otlp__Span *span = otlp__span__unpack(NULL, n, buf);

    cr_assert_not_null(span);
    cr_assert_eq(span->n_events, 1);
    cr_assert_eq(span->events[0]->n_attributes, 0);
    otlp__span__free_unpacked(span, NULL);
}

Test(wire, varint)
{
    uint8_t out[10];

    cr_assert_eq(otel_wire_varint(out, 0, 0), 0);
    cr_assert_eq(otel_wire_varint(out, 1, 127), 1);
    cr_assert_eq(otel_wire_varint(out, 1, 128), 0);
    cr_assert_eq(otel_wire_varint(out, 2, 300), 2);
    cr_assert_arr_eq(out, "\xac\x02", 2);
    cr_assert_eq(otel_wire_varint(out, 9, UINT64_MAX), 0);
    cr_assert_eq(otel_wire_varint(out, 10, UINT64_MAX), 10);
}

/* Short ASCII is written another way than the rest: around its borders both must agree. */
Test(wire, short_and_general_forms_meet)
{
    char text[140];
    char key[140];

    memset(text, 't', sizeof text);
    memset(key, 'k', sizeof key);
    for (size_t k = 0; k < sizeof key; k++) {
        for (size_t t = 0; t < sizeof text; t++) {
            struct otel_attr attr = otel_attr_text((struct otel_text){key, k}, text, t);
            size_t n = otel_wire_attr(buf, sizeof buf, OTEL_TAG_ATTRIBUTE, &attr, SIZE_MAX);
            struct otel_value value = read_back(attr.key);
            size_t len;

            body(buf, n, OTEL_TAG_ATTRIBUTE, &len);
            cr_assert_eq(value.text.len, t);
            cr_assert_eq(memcmp(value.text.data, text, t), 0);
            cr_assert_eq(otel_wire_attr(buf, n - 1, OTEL_TAG_ATTRIBUTE, &attr, SIZE_MAX), 0);
        }
    }
}

Test(wire, writers_read_no_byte_past_the_text)
{
    struct guardpage page;

    guardpage_open(&page, 200);
    for (size_t len = 0; len < 200; len++) {
        char *text = guardpage_room(&page, len);

        for (int bad = 0; bad < 2; bad++) {
            struct otel_attr attr;

            memset(text, 'x', len);
            if (bad && len)
                text[len - 1] = (char)0x80;
            attr = otel_attr_text((struct otel_text){text, len}, text, len);
            cr_assert_gt(otel_wire_attr(buf, sizeof buf, OTEL_TAG_ATTRIBUTE, &attr, SIZE_MAX), 0);
            cr_assert_eq(
                read_back(attr.key.len && bad ? (struct otel_text){NULL, 0} : attr.key).text.len,
                bad && len ? len + 2 : len);
        }
    }
    guardpage_close(&page);
}
