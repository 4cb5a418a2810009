/* SPDX-License-Identifier: Apache-2.0
 *
 * The reading half of wire.h.
 */
#include "core/wire.h"

#include <string.h>

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

#define VARINT_MAX 10
#define FIELD_NUMBER_MAX ((1U << 29) - 1)

static bool read_varint(const uint8_t **at, const uint8_t *end, uint64_t *v)
{
    const uint8_t *p = *at;
    uint64_t value = 0;

    for (unsigned i = 0; i < VARINT_MAX && p < end; i++) {
        uint8_t byte = *p++;

        if (i == VARINT_MAX - 1 && byte > 1)
            return false; /* more than 64 bits */
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *at = p;
            *v = value;
            return true;
        }
    }
    return false;
}

static bool read_fixed(const uint8_t **at, const uint8_t *end, size_t len, uint64_t *v)
{
    if ((size_t)(end - *at) < len)
        return false;
    *v = 0;
    for (size_t i = 0; i < len; i++)
        *v |= (uint64_t)(*at)[i] << (8 * i);
    *at += len;
    return true;
}

bool otel_wire_next(struct otel_wire_reader *reader, struct otel_wire_field *field)
{
    const uint8_t *at = reader->at;
    uint64_t tag;
    uint64_t v = 0;

    if (!read_varint(&at, reader->end, &tag) || tag >> 3 == 0 || tag >> 3 > FIELD_NUMBER_MAX)
        return false;
    *field = (struct otel_wire_field){.number = (uint32_t)(tag >> 3), .wire_type = tag & 7};
    switch (field->wire_type) {
    case WIRE_VARINT:
        if (!read_varint(&at, reader->end, &v))
            return false;
        break;
    case WIRE_FIXED64:
    case WIRE_FIXED32:
        if (!read_fixed(&at, reader->end, field->wire_type == WIRE_FIXED64 ? 8 : 4, &v))
            return false;
        break;
    case WIRE_BYTES:
        if (!read_varint(&at, reader->end, &v) || v > (uint64_t)(reader->end - at))
            return false;
        field->data = at;
        field->len = (size_t)v;
        at += v;
        v = 0;
        break;
    default: /* groups, and what is not defined */
        return false;
    }
    field->value = v;
    field->start = reader->at;
    field->size = (size_t)(at - reader->at);
    reader->at = at;
    return true;
}

/* One field of an AnyValue message. False: not one we write. */
static bool read_value_field(const struct otel_wire_field *f, struct otel_value *value)
{
    uint8_t expected = WIRE_BYTES;

    switch (f->number) {
    case OTEL_VALUE_STRING:
    case OTEL_VALUE_STRINGS:
    case OTEL_VALUE_BYTES:
        value->text = (struct otel_text){(const char *)f->data, f->len};
        break;
    case OTEL_VALUE_BOOL:
        value->boolean = f->value != 0;
        expected = WIRE_VARINT;
        break;
    case OTEL_VALUE_INT:
        value->integer = (int64_t)f->value;
        expected = WIRE_VARINT;
        break;
    case OTEL_VALUE_DOUBLE:
        memcpy(&value->real, &f->value, sizeof value->real);
        expected = WIRE_FIXED64;
        break;
    default:
        return false;
    }
    value->type = (enum otel_value_type)f->number;
    return f->wire_type == expected;
}

static bool read_value(const uint8_t *message, size_t len, struct otel_value *value)
{
    struct otel_wire_reader reader = {message, message + len};
    struct otel_wire_field field;
    bool found = false;

    while (otel_wire_next(&reader, &field)) {
        if (!read_value_field(&field, value))
            return false;
        found = true;
    }
    return found && reader.at == reader.end;
}

bool otel_wire_read_attr(const uint8_t *message, size_t len, struct otel_text *key,
                         struct otel_value *value)
{
    struct otel_wire_reader reader = {message, message + len};
    struct otel_wire_field field;
    bool has_key = false;
    bool has_value = false;

    while (otel_wire_next(&reader, &field)) {
        if (field.wire_type != WIRE_BYTES || field.number < 1 || field.number > 2)
            return false;
        if (field.number == 1) {
            *key = (struct otel_text){(const char *)field.data, field.len};
            has_key = true;
        } else {
            if (!read_value(field.data, field.len, value))
                return false;
            has_value = true;
        }
    }
    return has_key && has_value && reader.at == reader.end;
}
