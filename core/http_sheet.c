/* SPDX-License-Identifier: Apache-2.0 */
#include "core/http_sheet.h"

#include <string.h>

#include "core/config.h"
#include "core/record.h"

/* Below this a span may be given more attributes than it takes: they are then appended one by one,
 * because an append is all or nothing. */
#define MANY 64

/* Beside key and value: tags and lengths, three bytes at the most. */
#define AROUND 24

/* A value so short has lengths of one byte throughout. */
#define SHORT_MAX 72
#define HIGH_BITS 0x8080808080808080

#define TAG_KEY 0x0a    /* KeyValue.key */
#define TAG_VALUE 0x12  /* KeyValue.value */
#define TAG_STRING 0x0a /* AnyValue.string_value */
#define TAG_INT 0x18    /* AnyValue.int_value */

static size_t left(const struct otel_http_sheet *sheet)
{
    return (size_t)(sheet->bytes + sizeof sheet->bytes - sheet->at);
}

void otel_http_sheet_init(struct otel_http_sheet *sheet, const struct otel_span *span)
{
    uint32_t limit = otel_config.attribute_value_length_limit;

    sheet->span = span;
    sheet->at = sheet->bytes;
    sheet->short_max = limit < SHORT_MAX ? limit : SHORT_MAX;
    sheet->count = 0;
}

void otel_http_sheet_flush(struct otel_http_sheet *sheet)
{
    struct otel_wire_reader reader = {sheet->bytes, sheet->at};
    struct otel_wire_field field;

    if (otel_config.attribute_count_limit >= MANY) {
        if (sheet->count)
            otel_span_append_wire(sheet->span, sheet->bytes, (size_t)(sheet->at - sheet->bytes),
                                  sheet->count);
    } else {
        while (otel_wire_next(&reader, &field))
            otel_span_append_wire(sheet->span, field.start, field.size, 1);
    }
    sheet->at = sheet->bytes;
    sheet->count = 0;
}

static bool put(struct otel_http_sheet *sheet, const struct otel_attr *attr)
{
    uint32_t limit = otel_config.attribute_value_length_limit;
    size_t n = otel_wire_attr(sheet->at, left(sheet), OTEL_TAG_ATTRIBUTE, attr,
                              limit == UINT32_MAX ? SIZE_MAX : limit);

    sheet->at += n;
    sheet->count += n != 0;
    return n != 0;
}

static struct otel_text cut(struct otel_text text, size_t max)
{
    if (text.len > max) {
        text.len = max;
        while (text.len && (text.data[text.len] & 0xc0) == 0x80)
            text.len--;
    }
    return text;
}

/* What is long, not ASCII, or under a limit. */
static __attribute__((noinline)) void put_any(struct otel_http_sheet *sheet, struct otel_text key,
                                              struct otel_text value)
{
    struct otel_attr attr = otel_attr_text(key, value.data, value.len);
    size_t room = sizeof sheet->bytes - AROUND - key.len;

    if (put(sheet, &attr))
        return;
    otel_http_sheet_flush(sheet);
    attr.value.text = cut(value, room);
    if (put(sheet, &attr))
        return;
    /* bytes that are no UTF-8 take three */
    attr.value.text = cut(value, room / 3);
    put(sheet, &attr);
}

/* Copies, and returns a word with a high bit set when some byte had it. Words overlap at the end.
 */
static inline uint64_t copy(uint8_t *out, const char *in, size_t len)
{
    uint64_t seen = 0, word;

    if (len < sizeof word) {
        for (size_t i = 0; i < len; i++)
            seen |= out[i] = (uint8_t)in[i];
        return seen;
    }
    for (size_t i = 0; i < len - sizeof word; i += sizeof word) {
        memcpy(&word, in + i, sizeof word);
        memcpy(out + i, &word, sizeof word);
        seen |= word;
    }
    memcpy(&word, in + len - sizeof word, sizeof word);
    memcpy(out + len - sizeof word, &word, sizeof word);
    return seen | word;
}

/* Tag, lengths and key of an attribute whose AnyValue has n bytes; returns where that goes. */
static inline uint8_t *put_head(uint8_t *at, struct otel_text key, size_t n)
{
    at[0] = OTEL_TAG_ATTRIBUTE;
    at[1] = (uint8_t)(key.len + n + 4);
    at[2] = TAG_KEY;
    at[3] = (uint8_t)key.len;
    copy(at + 4, key.data, key.len);
    at[4 + key.len] = TAG_VALUE;
    at[5 + key.len] = (uint8_t)n;
    return at + 6 + key.len;
}

void otel_http_sheet_put(struct otel_http_sheet *sheet, struct otel_text key,
                         struct otel_text value)
{
    uint8_t *at;

    if (!value.len)
        return;
    if (value.len <= sheet->short_max && left(sheet) >= key.len + value.len + 8) {
        at = put_head(sheet->at, key, value.len + 2);
        at[0] = TAG_STRING;
        at[1] = (uint8_t)value.len;
        if (!(copy(at + 2, value.data, value.len) & HIGH_BITS)) {
            sheet->at = at + 2 + value.len;
            sheet->count++;
            return;
        }
    }
    put_any(sheet, key, value);
}

static void put_port(struct otel_http_sheet *sheet, struct otel_text key, uint16_t port)
{
    size_t n = port < 0x80 ? 1 : port < 0x4000 ? 2 : 3;
    uint8_t *at;

    if (left(sheet) < key.len + 10)
        otel_http_sheet_flush(sheet);
    at = put_head(sheet->at, key, n + 1);
    *at++ = TAG_INT;
    for (; n > 1; n--, port >>= 7)
        *at++ = (uint8_t)(port | 0x80);
    *at++ = (uint8_t)port;
    sheet->at = at;
    sheet->count++;
}

void otel_http_sheet_method(struct otel_http_sheet *sheet, struct otel_text method)
{
    struct otel_text known = otel_http_method(method);

    if (!method.len)
        return;
    otel_http_sheet_put(sheet, OTEL_TEXT("http.request.method"), known);
    if (known.data != method.data)
        otel_http_sheet_put(sheet, OTEL_TEXT("http.request.method_original"), method);
}

void otel_http_sheet_server(struct otel_http_sheet *sheet, struct otel_text name, uint16_t port)
{
    otel_http_sheet_put(sheet, OTEL_TEXT("server.address"), name);
    if (port && name.len)
        put_port(sheet, OTEL_TEXT("server.port"), port);
}

void otel_http_sheet_connection(struct otel_http_sheet *sheet, const struct otel_http_peer *peer,
                                unsigned minor)
{
    otel_http_sheet_put(sheet, OTEL_TEXT("network.peer.address"), peer->address);
    if (peer->port && peer->address.len && !peer->unix_socket)
        put_port(sheet, OTEL_TEXT("network.peer.port"), peer->port);
    otel_http_sheet_put(sheet, OTEL_TEXT("network.protocol.version"),
                        minor ? OTEL_TEXT("1.1") : OTEL_TEXT("1.0"));
}

/* --- captured headers ------------------------------------------------------------------------ */

/* All values of the name of header i, which is the first of its name. */
static void set_captured(const struct otel_span *span, struct otel_text prefix,
                         const struct otel_http_head *head, size_t i)
{
    struct otel_text items[OTEL_HTTP_CAPTURED_MAX];
    struct otel_text name = head->captured[i].name;
    char key[96];
    struct otel_attr attr = {.value.type = OTEL_VALUE_STRINGS};

    if (prefix.len + name.len > sizeof key)
        return;
    memcpy(key, prefix.data, prefix.len);
    memcpy(key + prefix.len, name.data, name.len);
    attr.key = (struct otel_text){key, prefix.len + name.len};
    attr.value.strings.items = items;
    for (; i < head->captured_count; i++)
        if (head->captured[i].name.data == name.data)
            items[attr.value.strings.count++] = head->captured[i].value;
    otel_span_set(span, &attr);
}

__attribute__((noinline)) void otel_http_sheet_captured(const struct otel_span *span, bool request,
                                                        const struct otel_http_head *head)
{
    struct otel_text prefix =
        request ? OTEL_TEXT("http.request.header.") : OTEL_TEXT("http.response.header.");

    for (size_t i = 0; i < head->captured_count; i++) {
        size_t before = 0;

        while (before < i && head->captured[before].name.data != head->captured[i].name.data)
            before++;
        if (before == i)
            set_captured(span, prefix, head, i);
    }
}
