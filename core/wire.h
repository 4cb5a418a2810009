/* SPDX-License-Identifier: Apache-2.0
 *
 * Attributes, events and links in the wire form of OTLP (opentelemetry-proto common.v1.KeyValue,
 * trace.v1.Span.Event and .Link): written once when they are set, copied as they are at export.
 * Pure functions over caller's memory: no allocation, no state, any thread.
 *
 * Writers return the bytes written, or 0 when cap is too small (nothing useful is then in out).
 * Strings that are not valid UTF-8 are written with U+FFFD for each bad byte, for a receiver would
 * refuse the whole batch.
 */
#ifndef OTEL_CORE_WIRE_H
#define OTEL_CORE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OTEL_TAG_EVENT_ATTRIBUTE 0x1a    /* Span.Event.attributes, 3 */
#define OTEL_TAG_LINK_ATTRIBUTE 0x22     /* Span.Link.attributes, 4 */
#define OTEL_TAG_RESOURCE_ATTRIBUTE 0x0a /* Resource.attributes, 1 */

enum otel_value_type {
    OTEL_VALUE_STRING = 1, /* numbers of the AnyValue oneof */
    OTEL_VALUE_BOOL = 2,
    OTEL_VALUE_INT = 3,
    OTEL_VALUE_DOUBLE = 4,
    OTEL_VALUE_STRINGS = 5, /* ArrayValue of strings */
    OTEL_VALUE_BYTES = 7,
};

/* A text of the caller's, without terminator; data may be NULL when len is 0. */
struct otel_text {
    const char *data;
    size_t len;
};

struct otel_value {
    enum otel_value_type type;
    union {
        struct otel_text text; /* STRING, BYTES */
        bool boolean;
        int64_t integer;
        double real;
        struct {
            const struct otel_text *items;
            size_t count;
        } strings;
    };
};

/* The data behind key and value stays the caller's and is read during the call only. */
struct otel_attr {
    struct otel_text key;
    struct otel_value value;
};

#define OTEL_TEXT(literal) ((struct otel_text){("" literal), sizeof(literal) - 1})

static inline struct otel_attr otel_attr_text(struct otel_text key, const char *p, size_t len)
{
    return (struct otel_attr){key, {.type = OTEL_VALUE_STRING, .text = {p, len}}};
}

static inline struct otel_attr otel_attr_int(struct otel_text key, int64_t v)
{
    return (struct otel_attr){key, {.type = OTEL_VALUE_INT, .integer = v}};
}

static inline struct otel_attr otel_attr_bool(struct otel_text key, bool v)
{
    return (struct otel_attr){key, {.type = OTEL_VALUE_BOOL, .boolean = v}};
}

/* v in the fewest bytes, at most 10. */
size_t otel_wire_varint(uint8_t *out, size_t cap, uint64_t v);

/* One KeyValue behind tag and length. Meant for the hot path: a short ASCII text, a number or a
 * truth value is one pass over its bytes. An unknown type gives a value that is not set. String
 * values, each string of an array, and byte values are cut to at most max_chars code points or
 * bytes (OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT counts characters; SIZE_MAX: no limit). Keys are never
 * cut. */
size_t otel_wire_attr(uint8_t *out, size_t cap, uint8_t tag, const struct otel_attr *attr,
                      size_t max_chars);

/* A length-delimited field of text (name, trace_state, status message), written when empty too. */
size_t otel_wire_text(uint8_t *out, size_t cap, uint8_t tag, struct otel_text text);

/* Span.Event behind OTEL_TAG_EVENT (record.h). unix_ns: its time. All attributes or nothing: with
 * too little room the caller drops the event and counts it. */
size_t otel_wire_event(uint8_t *out, size_t cap, uint64_t unix_ns, struct otel_text name,
                       const struct otel_attr *attrs, size_t count, size_t max_chars);

/* Reading back what the writers wrote (and nothing else: this is not a decoder for foreign bytes,
 * but it never reads past its end). */
struct otel_wire_reader {
    const uint8_t *at;
    const uint8_t *end;
};

struct otel_wire_field {
    uint32_t number;     /* field number */
    uint8_t wire_type;   /* 0 varint, 1 fixed64, 2 bytes, 5 fixed32 */
    uint64_t value;      /* of types 0, 1, 5 */
    const uint8_t *data; /* of type 2 */
    size_t len;
    const uint8_t *start; /* of the whole field, tag included */
    size_t size;
};

/* The next field; false at the end or when what follows is malformed (the reader then stays). */
bool otel_wire_next(struct otel_wire_reader *reader, struct otel_wire_field *field);

/* The key and value of a KeyValue message (a field's data). Returns false when it is none. The
 * value points into the message; OTEL_VALUE_STRINGS gives the ArrayValue message as text. */
bool otel_wire_read_attr(const uint8_t *message, size_t len, struct otel_text *key,
                         struct otel_value *value);

#endif
