/* SPDX-License-Identifier: Apache-2.0 */
#include "core/span_data.h"

#include <stdatomic.h>
#include <string.h>

#include "core/carry.h"
#include "core/config.h"
#include "core/store.h"

/* A field found in data. */
struct span_field {
    uint8_t *start;
    size_t size;
    uint8_t *content;
    size_t len;
};

/* Steps over the field at p (written by us: one tag byte, a length of at most 3 bytes). */
static bool next_field(uint8_t *p, const uint8_t *end, struct span_field *f)
{
    uint8_t *at = p + 1;
    size_t len = 0;
    unsigned shift = 0;

    if (p >= end)
        return false;
    while (at < end && shift < 28) {
        uint8_t b = *at++;

        len |= (size_t)(b & 0x7f) << shift;
        shift += 7;
        if (!(b & 0x80))
            break;
    }
    if (len > (size_t)(end - at))
        return false;
    *f = (struct span_field){.start = p, .size = (size_t)(at - p) + len, .content = at, .len = len};
    return true;
}

static void cut_out(struct otel_record *record, uint8_t *data, const struct span_field *f)
{
    size_t tail = record->used - (size_t)(f->start + f->size - data);

    memmove(f->start, f->start + f->size, tail);
    record->used -= (uint32_t)f->size;
}

/* n bytes behind used are part of the data from now on: not before they are written, for whoever
 * reads the record of a dead process (record.h). */
static inline void commit(struct otel_record *record, size_t n)
{
    atomic_signal_fence(memory_order_release);
    record->used += (uint32_t)n;
}

/* Around what leaves the data out of order for a moment. */
static inline void set_changing(struct otel_record *record, uint8_t changing)
{
    atomic_signal_fence(memory_order_acq_rel);
    record->changing = changing;
    atomic_signal_fence(memory_order_acq_rel);
}

/* Room for what comes next: where to write and how much fits. */
static uint8_t *room(struct otel_record *record, size_t *left)
{
    size_t cap;
    uint8_t *data = otel_store_data(record, &cap);

    *left = cap - record->used;
    return data + record->used;
}

void otel_data_text(struct otel_record *record, uint8_t tag, struct otel_text text)
{
    size_t cap;
    uint8_t *data = otel_store_data(record, &cap);
    struct span_field f;
    size_t left;
    size_t n;

    for (uint8_t *p = data; next_field(p, data + record->used, &f); p += f.size) {
        if (*p == tag) {
            set_changing(record, 1);
            cut_out(record, data, &f);
            break;
        }
    }
    if (!text.len) {
        set_changing(record, 0);
        return;
    }
    if (text.len > OTEL_VALUE_MAX)
        text.len = OTEL_VALUE_MAX;
    n = otel_wire_text(data + record->used, cap - record->used, tag, text);
    if (!n && otel_store_grow(record) == 0) {
        data = room(record, &left);
        n = otel_wire_text(data, left, tag, text);
    }
    commit(record, n);
    set_changing(record, 0);
}

void otel_data_tracestate(struct otel_record *record, uint64_t carry)
{
    size_t left;
    uint8_t *out = room(record, &left);
    uint8_t header[4];
    size_t h;
    size_t len;

    if (left <= sizeof header)
        return;
    len = otel_carry_tracestate(carry, (char *)out + sizeof header, left - sizeof header);
    if (!len && otel_store_grow(record) == 0) {
        out = room(record, &left);
        len = otel_carry_tracestate(carry, (char *)out + sizeof header, left - sizeof header);
    }
    if (!len)
        return;
    header[0] = OTEL_TAG_TRACE_STATE;
    h = 1 + otel_wire_varint(header + 1, sizeof header - 1, len);
    memmove(out + h, out + sizeof header, len);
    memcpy(out, header, h);
    commit(record, h + len);
}

/* The attribute with this key, by its KeyValue: 0x0a, key length, key. Keys of 128 bytes and more
 * have a longer length and are compared by the slow reader. */
static bool find_attribute(struct otel_record *record, uint8_t *data, struct otel_text key,
                           struct span_field *f)
{
    for (uint8_t *p = data; next_field(p, data + record->used, f); p += f->size) {
        struct otel_text have;
        struct otel_value value;

        if (*p != OTEL_TAG_ATTRIBUTE)
            continue;
        if (key.len < 128) {
            if (f->len >= 2 + key.len && f->content[1] == key.len &&
                !memcmp(f->content + 2, key.data, key.len))
                return true;
        } else if (otel_wire_read_attr(f->content, f->len, &have, &value) && have.len == key.len &&
                   !memcmp(have.data, key.data, key.len)) {
            return true;
        }
    }
    return false;
}

/* The bit of a key: only when it is set may the key be in data. Most keys are new, and are not
 * looked for. */
static uint64_t key_bit(struct otel_text key)
{
    size_t h = key.len * 5 + (uint8_t)key.data[0] + (uint8_t)key.data[key.len - 1] * 3 +
               (uint8_t)key.data[key.len / 2] * 7;

    return UINT64_C(1) << (h & 63);
}

static size_t char_limit(void)
{
    uint32_t limit = otel_config.attribute_value_length_limit;

    return limit == UINT32_MAX ? SIZE_MAX : limit;
}

/* attr with a text too long for a record cut between UTF-8 characters. */
static struct otel_attr clamped(const struct otel_attr *attr)
{
    struct otel_attr a = *attr;

    if ((a.value.type == OTEL_VALUE_STRING || a.value.type == OTEL_VALUE_BYTES) &&
        a.value.text.len > OTEL_VALUE_MAX) {
        a.value.text.len = OTEL_VALUE_MAX;
        while (a.value.text.len && (a.value.text.data[a.value.text.len] & 0xc0) == 0x80)
            a.value.text.len--;
    }
    return a;
}

/* Takes the old value of the key out. False: over the count limit. */
static bool make_place(struct otel_record *record, uint8_t *data, struct otel_text key,
                       uint64_t bit)
{
    struct span_field old;

    if (record->keys & bit && find_attribute(record, data, key, &old)) {
        set_changing(record, 1);
        cut_out(record, data, &old);
        record->attributes--;
    } else if (record->attributes >= otel_config.attribute_count_limit) {
        record->dropped_attributes++;
        return false;
    }
    record->keys |= bit;
    return true;
}

void otel_data_attribute(struct otel_record *record, const struct otel_attr *attr)
{
    size_t cap;
    uint8_t *data = otel_store_data(record, &cap);
    size_t limit = char_limit();
    struct otel_attr a;
    size_t left;
    size_t n;

    if (!make_place(record, data, attr->key, key_bit(attr->key)))
        return;
    a = clamped(attr);
    n = otel_wire_attr(data + record->used, cap - record->used, OTEL_TAG_ATTRIBUTE, &a, limit);
    if (!n && otel_store_grow(record) == 0) {
        data = room(record, &left);
        n = otel_wire_attr(data, left, OTEL_TAG_ATTRIBUTE, &a, limit);
    }
    commit(record, n);
    record->attributes += n != 0;
    record->dropped_attributes += n == 0;
    set_changing(record, 0);
}

void otel_data_append_attributes(struct otel_record *record, const uint8_t *wire, size_t len,
                                 uint16_t count)
{
    size_t left;
    uint8_t *out = room(record, &left);

    if (record->attributes + count > otel_config.attribute_count_limit) {
        record->dropped_attributes += count;
        return;
    }
    if (len > left && otel_store_grow(record) == 0)
        out = room(record, &left);
    if (len > left) {
        record->dropped_attributes += count;
        return;
    }
    memcpy(out, wire, len);
    commit(record, len);
    record->attributes += count;
    record->keys = UINT64_MAX; /* which keys these are was not looked at */
}

void otel_data_event(struct otel_record *record, struct otel_text name, uint64_t unix_ns,
                     const struct otel_attr *attrs, size_t count)
{
    size_t left;
    size_t n;
    uint8_t *out = room(record, &left);

    if (record->events >= otel_config.event_count_limit) {
        record->dropped_events++;
        return;
    }
    n = otel_wire_event(out, left, unix_ns, name, attrs, count, char_limit());
    if (!n && otel_store_grow(record) == 0) {
        out = room(record, &left);
        n = otel_wire_event(out, left, unix_ns, name, attrs, count, char_limit());
    }
    commit(record, n);
    record->events += n != 0;
    record->dropped_events += n == 0;
}

/* Span.Link behind its tag and length (opentelemetry-proto trace.v1). 0: it does not fit. */
static size_t write_link(uint8_t *out, size_t left, const struct otel_span_context *to,
                         const struct otel_attr *attrs, size_t count)
{
    uint8_t *body = out + 4; /* room for the tag and a length of up to 3 bytes */
    uint8_t header[4] = {OTEL_TAG_LINK};
    size_t n = 0;
    size_t h;

    if (left < 4 + 18 + 10 + 5)
        return 0;
    body[n++] = 0x0a; /* trace_id, 1 */
    body[n++] = OTEL_TRACE_ID_LEN;
    memcpy(body + n, to->trace_id, OTEL_TRACE_ID_LEN);
    n += OTEL_TRACE_ID_LEN;
    body[n++] = 0x12; /* span_id, 2 */
    body[n++] = OTEL_SPAN_ID_LEN;
    memcpy(body + n, to->span_id, OTEL_SPAN_ID_LEN);
    n += OTEL_SPAN_ID_LEN;
    for (size_t i = 0; i < count; i++) {
        size_t a = otel_wire_attr(body + n, left - 4 - n, OTEL_TAG_LINK_ATTRIBUTE, &attrs[i],
                                  char_limit());

        if (!a)
            return 0;
        n += a;
    }
    if (left - 4 - n < 5)
        return 0;
    body[n++] = 0x35; /* flags, 6, fixed32: W3C flags, has_is_remote, is_remote */
    body[n++] = to->flags;
    body[n++] = to->remote ? 0x03 : 0x01;
    body[n++] = 0;
    body[n++] = 0;
    h = 1 + otel_wire_varint(header + 1, sizeof header - 1, n);
    memmove(out + h, body, n);
    memcpy(out, header, h);
    return h + n;
}

void otel_data_link(struct otel_record *record, const struct otel_span_context *to,
                    const struct otel_attr *attrs, size_t count)
{
    size_t left;
    size_t n;
    uint8_t *out = room(record, &left);

    if (record->links >= otel_config.link_count_limit) {
        record->dropped_links++;
        return;
    }
    n = write_link(out, left, to, attrs, count);
    if (!n && otel_store_grow(record) == 0) {
        out = room(record, &left);
        n = write_link(out, left, to, attrs, count);
    }
    commit(record, n);
    record->links += n != 0;
    record->dropped_links += n == 0;
}
