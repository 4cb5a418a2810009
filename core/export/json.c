/* SPDX-License-Identifier: Apache-2.0 */
#include "core/export/json.h"

#include <errno.h>
#include <string.h>

#include "core/export/json_text.h"
#include "core/version.h"
#include "core/wire.h"

/* Values in values: what our writers make is one deep, the limit is for damaged data. */
#define DEPTH_MAX 8

/* Field numbers (spec.md section 6). */
enum {
    SPAN_TRACE_STATE = 3,
    SPAN_NAME = 5,
    SPAN_ATTRIBUTES = 9,
    SPAN_EVENTS = 11,
    SPAN_LINKS = 13
};
enum { STATUS_MESSAGE = OTEL_TAG_STATUS_MESSAGE >> 3 };

struct bytes {
    const uint8_t *data;
    size_t len;
};

/* Writes one message of a repeated field. */
typedef void message_writer(struct otel_buffer *out, struct bytes message);

/* The last occurrence of a bytes field wins, as in protobuf. Returns false when there is none. */
static bool find(struct bytes message, uint32_t number, struct bytes *found)
{
    struct otel_wire_reader reader = {message.data, message.data + message.len};
    struct otel_wire_field field;
    bool any = false;

    while (otel_wire_next(&reader, &field)) {
        if (field.number != number || field.wire_type != 2)
            continue;
        *found = (struct bytes){field.data, field.len};
        any = true;
    }
    return any;
}

/* The last value of a number field, 0 when there is none. */
static uint64_t find_number(struct bytes message, uint32_t number)
{
    struct otel_wire_reader reader = {message.data, message.data + message.len};
    struct otel_wire_field field;
    uint64_t found = 0;

    while (otel_wire_next(&reader, &field))
        if (field.number == number && field.wire_type != 2)
            found = field.value;
    return found;
}

/* "name":[…] of a repeated message field, nothing when it is empty. */
static void list(struct otel_buffer *out, struct bytes message, uint32_t number, const char *name,
                 message_writer *write)
{
    struct otel_wire_reader reader = {message.data, message.data + message.len};
    struct otel_wire_field field;
    bool open = false;

    while (otel_wire_next(&reader, &field)) {
        if (field.number != number || field.wire_type != 2)
            continue;
        if (!open) {
            otel_json_key(out, name);
            otel_buffer_text(out, "[");
            open = true;
        }
        otel_json_next(out);
        write(out, (struct bytes){field.data, field.len});
    }
    if (open)
        otel_buffer_text(out, "]");
}

static void text_member(struct otel_buffer *out, const char *name, struct bytes message,
                        uint32_t number)
{
    struct bytes text;

    if (!find(message, number, &text))
        return;
    otel_json_key(out, name);
    otel_json_string(out, text.data, text.len);
}

static void hex_member(struct otel_buffer *out, const char *name, struct bytes message,
                       uint32_t number)
{
    struct bytes id;

    if (!find(message, number, &id))
        return;
    otel_json_key(out, name);
    otel_json_hex(out, id.data, id.len);
}

static void count_member(struct otel_buffer *out, const char *name, uint64_t v)
{
    if (!v)
        return;
    otel_json_key(out, name);
    otel_json_uint(out, v);
}

static void time_member(struct otel_buffer *out, const char *name, uint64_t unix_ns)
{
    otel_json_key(out, name);
    otel_json_uint64(out, unix_ns);
}

static void key_value_at(struct otel_buffer *out, struct bytes message, int depth);
static void any_value(struct otel_buffer *out, struct bytes message, int depth);

/* ArrayValue (elements are AnyValue) or KeyValueList (elements are KeyValue). */
static void values(struct otel_buffer *out, struct bytes message, bool keyed, int depth)
{
    struct otel_wire_reader reader = {message.data, message.data + message.len};
    struct otel_wire_field field;

    otel_buffer_text(out, "{\"values\":[");
    while (depth < DEPTH_MAX && otel_wire_next(&reader, &field)) {
        struct bytes element = {field.data, field.len};

        if (field.number != 1 || field.wire_type != 2)
            continue;
        otel_json_next(out);
        if (keyed)
            key_value_at(out, element, depth + 1);
        else
            any_value(out, element, depth + 1);
    }
    otel_buffer_text(out, "]}");
}

static void value_member(struct otel_buffer *out, const struct otel_wire_field *field, int depth)
{
    static const char *const names[] = {
        "",           "stringValue", "boolValue", "intValue", "doubleValue",
        "arrayValue", "kvlistValue", "bytesValue"};
    double real;

    otel_json_key(out, names[field->number]);
    switch (field->number) {
    case 1:
        otel_json_string(out, field->data, field->len);
        break;
    case 2:
        otel_buffer_text(out, field->value ? "true" : "false");
        break;
    case 3:
        otel_json_int64(out, (int64_t)field->value);
        break;
    case 4:
        memcpy(&real, &field->value, sizeof real);
        otel_json_double(out, real);
        break;
    case 5:
    case 6:
        values(out, (struct bytes){field->data, field->len}, field->number == 6, depth);
        break;
    default:
        otel_json_base64(out, field->data, field->len);
    }
}

static void any_value(struct otel_buffer *out, struct bytes message, int depth)
{
    static const uint8_t wire_types[] = {255, 2, 0, 0, 1, 2, 2, 2}; /* of the oneof's members */
    struct otel_wire_reader reader = {message.data, message.data + message.len};
    struct otel_wire_field field;
    struct otel_wire_field last = {0};

    while (otel_wire_next(&reader, &field))
        if (field.number < sizeof wire_types && field.wire_type == wire_types[field.number])
            last = field; /* a oneof: the last wins */
    otel_buffer_text(out, "{");
    if (last.number)
        value_member(out, &last, depth);
    otel_buffer_text(out, "}");
}

static void key_value_at(struct otel_buffer *out, struct bytes message, int depth)
{
    struct otel_wire_reader reader = {message.data, message.data + message.len};
    struct otel_wire_field field;
    struct bytes part[2] = {{NULL, 0}, {NULL, 0}}; /* key, value */

    while (otel_wire_next(&reader, &field))
        if (field.wire_type == 2 && (field.number == 1 || field.number == 2))
            part[field.number - 1] = (struct bytes){field.data, field.len};
    otel_buffer_text(out, "{\"key\":");
    otel_json_string(out, part[0].data, part[0].len);
    if (part[1].data) {
        otel_json_key(out, "value");
        any_value(out, part[1], depth);
    }
    otel_buffer_text(out, "}");
}

static void key_value(struct otel_buffer *out, struct bytes message)
{
    key_value_at(out, message, 0);
}

static void event(struct otel_buffer *out, struct bytes message)
{
    otel_buffer_text(out, "{");
    time_member(out, "timeUnixNano", find_number(message, 1));
    text_member(out, "name", message, 2);
    list(out, message, 3, "attributes", key_value);
    count_member(out, "droppedAttributesCount", find_number(message, 4));
    otel_buffer_text(out, "}");
}

static void span_link(struct otel_buffer *out, struct bytes message)
{
    otel_buffer_text(out, "{");
    hex_member(out, "traceId", message, 1);
    hex_member(out, "spanId", message, 2);
    text_member(out, "traceState", message, 3);
    list(out, message, 4, "attributes", key_value);
    count_member(out, "droppedAttributesCount", find_number(message, 5));
    count_member(out, "flags", find_number(message, 6));
    otel_buffer_text(out, "}");
}

static void status(struct otel_buffer *out, const struct otel_record *r, struct bytes data)
{
    if (r->status == OTEL_STATUS_UNSET)
        return;
    otel_json_key(out, "status");
    otel_buffer_text(out, "{");
    /* A message without the status Error has no meaning (trace API "Set Status"). */
    if (r->status == OTEL_STATUS_ERROR)
        text_member(out, "message", data, STATUS_MESSAGE);
    otel_json_key(out, "code");
    otel_json_uint(out, r->status);
    otel_buffer_text(out, "}");
}

static void span(struct otel_buffer *out, const struct otel_record_view *view)
{
    static const uint8_t no_parent[OTEL_SPAN_ID_LEN];
    const struct otel_record *r = view->record;
    struct bytes data = {view->data, view->data_len};
    uint32_t flags =
        r->flags | OTEL_OTLP_FLAG_HAS_IS_REMOTE | (r->parent_remote ? OTEL_OTLP_FLAG_IS_REMOTE : 0);

    otel_buffer_text(out, "{\"traceId\":");
    otel_json_hex(out, r->trace_id, OTEL_TRACE_ID_LEN);
    otel_json_key(out, "spanId");
    otel_json_hex(out, r->span_id, OTEL_SPAN_ID_LEN);
    text_member(out, "traceState", data, SPAN_TRACE_STATE);
    if (memcmp(r->parent_span_id, no_parent, sizeof no_parent) != 0) {
        otel_json_key(out, "parentSpanId");
        otel_json_hex(out, r->parent_span_id, OTEL_SPAN_ID_LEN);
    }
    count_member(out, "flags", flags);
    text_member(out, "name", data, SPAN_NAME);
    count_member(out, "kind", r->kind);
    time_member(out, "startTimeUnixNano", r->start_mono_ns + (uint64_t)r->clock_offset_ns);
    time_member(out, "endTimeUnixNano", r->end_mono_ns + (uint64_t)r->clock_offset_ns);
    list(out, data, SPAN_ATTRIBUTES, "attributes", key_value);
    count_member(out, "droppedAttributesCount", r->dropped_attributes);
    list(out, data, SPAN_EVENTS, "events", event);
    count_member(out, "droppedEventsCount", r->dropped_events);
    list(out, data, SPAN_LINKS, "links", span_link);
    count_member(out, "droppedLinksCount", r->dropped_links);
    status(out, r, data);
    otel_buffer_text(out, "}");
}

static int scope_of(const struct otel_record *r)
{
    return r->scope < OTEL_SCOPES ? r->scope : OTEL_SCOPE_AUTO;
}

/* The ScopeSpans of one scope, nothing when no span is of it. */
static void scope_spans(struct otel_buffer *out, const struct otel_batch *batch, int scope)
{
    const char *name = otel_scope_name((enum otel_span_scope)scope);
    bool open = false;

    for (size_t i = 0; i < batch->count; i++) {
        if (scope_of(batch->spans[i].record) != scope)
            continue;
        otel_json_next(out);
        if (!open) {
            otel_buffer_text(out, "{\"scope\":{\"name\":");
            otel_json_string(out, name, strlen(name));
            otel_buffer_text(out, ",\"version\":\"" OTEL_AUTO_VERSION "\"},\"spans\":[");
            open = true;
        }
        span(out, &batch->spans[i]);
    }
    if (open)
        otel_buffer_text(out, "]}");
}

int otel_json_encode(struct otel_buffer *out, const struct otel_batch *batch)
{
    size_t start = out->len;
    int rc = 0;

    otel_buffer_text(out, "{\"resourceSpans\":[{\"resource\":{");
    list(out, (struct bytes){batch->resource, batch->resource_len}, 1, "attributes", key_value);
    otel_buffer_text(out, "},\"scopeSpans\":[");
    for (int scope = 0; scope < OTEL_SCOPES; scope++)
        scope_spans(out, batch, scope);
    otel_buffer_text(out, "]}]}");
    if (out->failed)
        rc = -ENOMEM;
    else if (out->len - start > OTEL_OTLP_REQUEST_MAX)
        rc = -EFBIG;
    if (rc)
        out->len = start;
    return rc;
}
