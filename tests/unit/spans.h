/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading spans back out of the store in unit tests: the record of the oldest ended span, and its
 * fields by name. Single-threaded; no batch thread runs because there is no platform.
 */
#ifndef TESTS_UNIT_SPANS_H
#define TESTS_UNIT_SPANS_H

#include <criterion/criterion.h>
#include <string.h>

#include "core/config.h"
#include "core/queue.h"
#include "core/span.h"
#include "core/store.h"

/* Makes the engine record: exporters set, everything sampled, a queue. Call it first, best as a
 * test's .init: Criterion runs each test in a process of its own, so nothing needs to be undone. */
static inline void spans_begin(void)
{
    otel_config.exporters = OTEL_EXPORTER_OTLP;
    otel_config.sampler.kind = OTEL_SAMPLER_PARENT_ALWAYS_ON;
    otel_store_init(2048, 512);
    cr_assert_eq(otel_queue_init(2048), 0);
}

/* The record of the oldest ended span not taken yet; fails the test when there is none. */
static inline struct otel_record *spans_take(void)
{
    uint64_t handle;
    struct otel_record *record;

    cr_assert_eq(otel_queue_take(&handle, 1), 1, "no span has ended");
    record = otel_store_get(handle);
    cr_assert_not_null(record);
    return record;
}

/* The n-th field with tag, 0-based; false when there are fewer. */
static inline bool spans_field(struct otel_record *record, uint8_t tag, int n,
                               struct otel_wire_field *field)
{
    size_t cap;
    const uint8_t *data = otel_store_data(record, &cap);
    struct otel_wire_reader reader = {data, data + record->used};

    while (otel_wire_next(&reader, field))
        if (*field->start == tag && n-- == 0)
            return true;
    return false;
}

/* The value of attribute key; false when it is not there. */
static inline bool spans_attribute(struct otel_record *record, const char *key,
                                   struct otel_value *value)
{
    struct otel_wire_field field;
    struct otel_text have;

    for (int n = 0; spans_field(record, OTEL_TAG_ATTRIBUTE, n, &field); n++)
        if (otel_wire_read_attr(field.data, field.len, &have, value) && have.len == strlen(key) &&
            !memcmp(have.data, key, have.len))
            return true;
    return false;
}

/* Fails the test unless attribute key is there, is a string, and is expected (a C string); says
 * what it is instead. */
#define spans_assert_text(record, key, expected)                                         \
    do {                                                                                 \
        struct otel_value v_;                                                            \
        cr_assert(spans_attribute(record, key, &v_), "%s is missing", key);              \
        cr_assert_eq(v_.type, OTEL_VALUE_STRING);                                        \
        cr_assert_eq(v_.text.len, strlen(expected), "%s is %.*s", key, (int)v_.text.len, \
                     v_.text.data);                                                      \
        cr_assert_arr_eq(v_.text.data, expected, strlen(expected), "%s is %.*s", key,    \
                         (int)v_.text.len, v_.text.data);                                \
    } while (0)

/* The same for an integer. A double, or a number kept as text, fails too: the semantic conventions
 * give each attribute one type. */
#define spans_assert_int(record, key, expected)                                       \
    do {                                                                              \
        struct otel_value v_;                                                         \
        cr_assert(spans_attribute(record, key, &v_), "%s is missing", key);           \
        cr_assert_eq(v_.type, OTEL_VALUE_INT);                                        \
        cr_assert_eq(v_.integer, expected, "%s is %lld", key, (long long)v_.integer); \
    } while (0)

#endif
