/* SPDX-License-Identifier: Apache-2.0
 *
 * Sizes are computed first, so that every length stands before its bytes and nothing is moved or
 * written twice. A value's size needs its text checked for UTF-8; what was found is kept in struct
 * piece, so that the writing does not check again.
 */
#include "core/wire.h"

#include <string.h>

#include "core/record.h"
#include "core/utf8.h"

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2 };

#define TAG(number, type) ((uint8_t)((number) << 3 | (type)))

#define TAG_KEY TAG(1, WIRE_BYTES)   /* KeyValue.key */
#define TAG_VALUE TAG(2, WIRE_BYTES) /* KeyValue.value */
#define TAG_ITEM TAG(1, WIRE_BYTES)  /* ArrayValue.values */
#define TAG_STRING TAG(OTEL_VALUE_STRING, WIRE_BYTES)
#define TAG_BOOL TAG(OTEL_VALUE_BOOL, WIRE_VARINT)
#define TAG_INT TAG(OTEL_VALUE_INT, WIRE_VARINT)
#define TAG_DOUBLE TAG(OTEL_VALUE_DOUBLE, WIRE_FIXED64)
#define TAG_ARRAY TAG(OTEL_VALUE_STRINGS, WIRE_BYTES)
#define TAG_BYTES TAG(OTEL_VALUE_BYTES, WIRE_BYTES)
#define TAG_EVENT_TIME TAG(1, WIRE_FIXED64) /* Span.Event.time_unix_nano */
#define TAG_EVENT_NAME TAG(2, WIRE_BYTES)   /* Span.Event.name */

#define FIXED64_LEN 8
#define SHORT_MAX 127 /* a length that is one byte */
#define HIGH_BITS 0x8080808080808080ULL

/* A text as it will be written. */
struct piece {
    const char *data;
    size_t len;
    size_t out_len; /* len, or more when bad bytes are replaced */
    bool bad;
};

static inline size_t varint_len(uint64_t v)
{
    size_t n = 1;

    while (v >= 0x80) {
        v >>= 7;
        n++;
    }
    return n;
}

/* The length of tag, length and n bytes. */
static inline size_t field_len(size_t n)
{
    return 1 + varint_len(n) + n;
}

static inline uint8_t *put_varint(uint8_t *out, uint64_t v)
{
    while (v >= 0x80) {
        *out++ = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    *out++ = (uint8_t)v;
    return out;
}

static inline uint8_t *put_head(uint8_t *out, uint8_t tag, size_t len)
{
    *out++ = tag;
    return put_varint(out, len);
}

static inline uint8_t *put_fixed64(uint8_t *out, uint64_t v)
{
    for (int i = 0; i < FIXED64_LEN; i++)
        *out++ = (uint8_t)(v >> (8 * i));
    return out;
}

/* cap: no text that is longer can be written, so it is not looked at either. */
static inline struct piece piece_of(struct otel_text text, size_t max_chars, size_t cap)
{
    struct piece p = {text.data, text.len, text.len, false};

    if (text.len > max_chars)
        p.len = p.out_len = otel_utf8_cut(text.data, text.len, max_chars);
    if (p.len <= cap && !otel_utf8_valid(p.data, p.len)) {
        p.bad = true;
        p.out_len = otel_utf8_repaired_len(p.data, p.len);
    }
    return p;
}

static inline uint8_t *put_piece(uint8_t *out, uint8_t tag, const struct piece *p)
{
    out = put_head(out, tag, p->out_len);
    if (p->bad)
        otel_utf8_repair((char *)out, p->data, p->len);
    else if (p->len)
        memcpy(out, p->data, p->len);
    return out + p->out_len;
}

/* The length of the ArrayValue message. Its texts are checked again when they are written: arrays
 * are rare and there is no room to remember them all. */
static size_t array_len(const struct otel_value *value, size_t max_chars, size_t cap)
{
    size_t total = 0;

    for (size_t i = 0; i < value->strings.count && total <= cap; i++) {
        struct piece p = piece_of(value->strings.items[i], max_chars, cap);

        total += field_len(field_len(p.out_len));
    }
    return total;
}

static uint8_t *put_array(uint8_t *out, const struct otel_value *value, size_t max_chars)
{
    for (size_t i = 0; i < value->strings.count; i++) {
        struct piece p = piece_of(value->strings.items[i], max_chars, SIZE_MAX);

        out = put_head(out, TAG_ITEM, field_len(p.out_len));
        out = put_piece(out, TAG_STRING, &p);
    }
    return out;
}

/* The sizes of a KeyValue, kept between measuring and writing. */
struct plan {
    struct piece key;
    struct piece text; /* STRING, BYTES */
    size_t array;      /* STRINGS: of the ArrayValue message */
    size_t value;      /* of the AnyValue message */
    size_t message;    /* of the KeyValue message */
};

static inline void measure(struct plan *plan, const struct otel_attr *attr, size_t max_chars,
                           size_t cap)
{
    const struct otel_value *value = &attr->value;

    plan->key = piece_of(attr->key, SIZE_MAX, cap);
    plan->value = 0; /* an unknown type is an AnyValue without a value, as OTLP allows */
    switch (value->type) {
    case OTEL_VALUE_STRING:
        plan->text = piece_of(value->text, max_chars, cap);
        plan->value = field_len(plan->text.out_len);
        break;
    case OTEL_VALUE_BYTES:
        plan->text = (struct piece){value->text.data, value->text.len, value->text.len, false};
        if (plan->text.len > max_chars)
            plan->text.len = plan->text.out_len = max_chars;
        plan->value = field_len(plan->text.out_len);
        break;
    case OTEL_VALUE_BOOL:
        plan->value = 2;
        break;
    case OTEL_VALUE_INT:
        plan->value = 1 + varint_len((uint64_t)value->integer);
        break;
    case OTEL_VALUE_DOUBLE:
        plan->value = 1 + FIXED64_LEN;
        break;
    case OTEL_VALUE_STRINGS:
        plan->array = array_len(value, max_chars, cap);
        plan->value = field_len(plan->array);
        break;
    }
    plan->message = field_len(plan->key.out_len) + field_len(plan->value);
}

static inline uint8_t *put_value(uint8_t *out, const struct plan *plan,
                                 const struct otel_value *value, size_t max_chars)
{
    uint64_t bits;

    switch (value->type) {
    case OTEL_VALUE_STRING:
        return put_piece(out, TAG_STRING, &plan->text);
    case OTEL_VALUE_BYTES:
        return put_piece(out, TAG_BYTES, &plan->text);
    case OTEL_VALUE_BOOL:
        *out++ = TAG_BOOL;
        *out++ = value->boolean;
        return out;
    case OTEL_VALUE_INT:
        *out++ = TAG_INT;
        return put_varint(out, (uint64_t)value->integer);
    case OTEL_VALUE_DOUBLE:
        memcpy(&bits, &value->real, sizeof bits);
        *out++ = TAG_DOUBLE;
        return put_fixed64(out, bits);
    case OTEL_VALUE_STRINGS:
        out = put_head(out, TAG_ARRAY, plan->array);
        return put_array(out, value, max_chars);
    }
    return out;
}

size_t otel_wire_varint(uint8_t *out, size_t cap, uint64_t v)
{
    if (varint_len(v) > cap)
        return 0;
    return (size_t)(put_varint(out, v) - out);
}

/* Copies and returns a word with a high bit set when some byte had it. Words overlap at the end: no
 * byte goes alone, and for short texts a call of memcpy costs more than the copy. */
static inline uint64_t copy_text(uint8_t *out, const char *in, size_t len)
{
    uint64_t seen = 0;
    uint64_t word;
    uint32_t half[2];

    if (len >= sizeof word) {
        for (size_t i = 0; i + sizeof word < len; i += sizeof word) {
            memcpy(&word, in + i, sizeof word);
            memcpy(out + i, &word, sizeof word);
            seen |= word;
        }
        memcpy(&word, in + len - sizeof word, sizeof word);
        memcpy(out + len - sizeof word, &word, sizeof word);
        return seen | word;
    }
    if (len >= sizeof half[0]) {
        memcpy(&half[0], in, sizeof half[0]);
        memcpy(&half[1], in + len - sizeof half[1], sizeof half[1]);
        memcpy(out, &half[0], sizeof half[0]);
        memcpy(out + len - sizeof half[1], &half[1], sizeof half[1]);
        return (uint64_t)(half[0] | half[1]);
    }
    for (size_t i = 0; i < len; i++)
        seen |= out[i] = (uint8_t)in[i];
    return seen;
}
/* What nearly every attribute is: short ASCII, a number or a truth value, every length one byte.
 * Checked while it is copied. Returns 0 when it is something else: write it the general way. */
static inline size_t put_short(uint8_t *out, size_t cap, uint8_t tag, const struct otel_attr *attr,
                               size_t max_chars)
{
    const struct otel_value *v = &attr->value;
    size_t key = attr->key.len;
    size_t value;
    uint64_t seen;
    uint8_t *at;

    if (v->type == OTEL_VALUE_STRING && v->text.len <= SHORT_MAX && v->text.len <= max_chars)
        value = 2 + v->text.len;
    else if (v->type == OTEL_VALUE_INT)
        value = 1 + varint_len((uint64_t)v->integer);
    else if (v->type == OTEL_VALUE_BOOL)
        value = 2;
    else
        return 0;
    if (key > SHORT_MAX || key + value > SHORT_MAX - 4 || key + value + 6 > cap)
        return 0;
    out[0] = tag;
    out[1] = (uint8_t)(key + value + 4);
    out[2] = TAG_KEY;
    out[3] = (uint8_t)key;
    seen = copy_text(out + 4, attr->key.data, key);
    at = out + 4 + key;
    at[0] = TAG_VALUE;
    at[1] = (uint8_t)value;
    if (v->type == OTEL_VALUE_STRING) {
        at[2] = TAG_STRING;
        at[3] = (uint8_t)v->text.len;
        seen |= copy_text(at + 4, v->text.data, v->text.len);
    } else if (v->type == OTEL_VALUE_INT) {
        at[2] = TAG_INT;
        put_varint(at + 3, (uint64_t)v->integer);
    } else {
        at[2] = TAG_BOOL;
        at[3] = v->boolean;
    }
    return seen & HIGH_BITS ? 0 : key + value + 6;
}

/* Not inline, so that its locals burden no short attribute. */
static __attribute__((noinline)) size_t put_general(uint8_t *out, size_t cap, uint8_t tag,
                                                    const struct otel_attr *attr, size_t max_chars)
{
    struct plan plan;
    uint8_t *at = out;

    measure(&plan, attr, max_chars, cap);
    if (plan.message >= cap || field_len(plan.message) > cap)
        return 0;
    at = put_head(at, tag, plan.message);
    at = put_piece(at, TAG_KEY, &plan.key);
    at = put_head(at, TAG_VALUE, plan.value);
    at = put_value(at, &plan, &attr->value, max_chars);
    return (size_t)(at - out);
}

size_t otel_wire_attr(uint8_t *out, size_t cap, uint8_t tag, const struct otel_attr *attr,
                      size_t max_chars)
{
    size_t done = put_short(out, cap, tag, attr, max_chars);

    return done ? done : put_general(out, cap, tag, attr, max_chars);
}

size_t otel_wire_text(uint8_t *out, size_t cap, uint8_t tag, struct otel_text text)
{
    struct piece p = piece_of(text, SIZE_MAX, cap);

    if (p.out_len >= cap || field_len(p.out_len) > cap)
        return 0;
    return (size_t)(put_piece(out, tag, &p) - out);
}

size_t otel_wire_event(uint8_t *out, size_t cap, uint64_t unix_ns, struct otel_text name,
                       const struct otel_attr *attrs, size_t count, size_t max_chars)
{
    struct piece p = piece_of(name, SIZE_MAX, cap);
    size_t message = 1 + FIXED64_LEN + field_len(p.out_len);
    uint8_t *at = out;

    for (size_t i = 0; i < count && message <= cap; i++) {
        struct plan plan;

        measure(&plan, &attrs[i], max_chars, cap);
        message += field_len(plan.message);
    }
    if (message >= cap || field_len(message) > cap)
        return 0;
    at = put_head(at, OTEL_TAG_EVENT, message);
    *at++ = TAG_EVENT_TIME;
    at = put_fixed64(at, unix_ns);
    at = put_piece(at, TAG_EVENT_NAME, &p);
    for (size_t i = 0; i < count; i++)
        at += otel_wire_attr(at, cap - (size_t)(at - out), OTEL_TAG_EVENT_ATTRIBUTE, &attrs[i],
                             max_chars);
    return (size_t)(at - out);
}
