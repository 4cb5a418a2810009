/* SPDX-License-Identifier: Apache-2.0 */
#include "core/export/otlp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/version.h"
#include "otlp.pb-c.h"

/* Tags: field number << 3 | wire type (spec.md section 6 has the numbers). */
enum {
    TAG_RESOURCE_SPANS = 0x0a, /* ExportTraceServiceRequest */
    TAG_RESOURCE = 0x0a,       /* ResourceSpans */
    TAG_SCOPE_SPANS = 0x12,
    TAG_SCOPE = 0x0a, /* ScopeSpans */
    TAG_SPAN = 0x12,
    TAG_SCOPE_NAME = 0x0a, /* InstrumentationScope */
    TAG_SCOPE_VERSION = 0x12,
    TAG_TRACE_ID = 0x0a, /* Span */
    TAG_SPAN_ID = 0x12,
    TAG_PARENT_SPAN_ID = 0x22,
    TAG_KIND = 0x30,
    TAG_START = 0x39,
    TAG_END = 0x41,
    TAG_DROPPED_ATTRIBUTES = 0x50,
    TAG_DROPPED_EVENTS = 0x60,
    TAG_DROPPED_LINKS = 0x70,
    TAG_STATUS = 0x7a,
    TAG_FLAGS = 0x85,          /* field 16: two bytes as a varint */
    TAG_STATUS_MESSAGE = 0x12, /* Status */
    TAG_STATUS_CODE = 0x18,
};

/* What pass one learnt of a span, so that pass two only writes. */
struct plan {
    const uint8_t *message; /* of the status */
    uint32_t message_len;
    uint32_t data_len; /* of the record's data up to the end or the damage */
    uint32_t kept;     /* of these, bytes that are fields of Span */
    uint32_t status;   /* body of Span.status */
    uint32_t size;     /* body of Span */
};

struct sizes { /* of the messages' bodies */
    size_t scope[OTEL_SCOPES];
    size_t scope_spans[OTEL_SCOPES];
    size_t resource_spans;
};

static size_t varint_size(uint64_t v)
{
    return (size_t)(63 - __builtin_clzll(v | 1)) / 7 + 1;
}

/* A length-delimited field with a tag of one byte. */
static size_t field_size(size_t body)
{
    return 1 + varint_size(body) + body;
}

static size_t count_size(uint32_t v)
{
    return v ? 1 + varint_size(v) : 0;
}

static uint8_t *put_varint(uint8_t *p, uint64_t v)
{
    while (v >= 0x80) {
        *p++ = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    *p++ = (uint8_t)v;
    return p;
}

static uint8_t *put_head(uint8_t *p, uint8_t tag, size_t body)
{
    *p++ = tag;
    return put_varint(p, body);
}

static uint8_t *put_bytes(uint8_t *p, uint8_t tag, const void *bytes, size_t n)
{
    p = put_head(p, tag, n);
    if (n) /* bytes may then be NULL */
        memcpy(p, bytes, n);
    return p + n;
}

static uint8_t *put_count(uint8_t *p, uint8_t tag, uint32_t v)
{
    return v ? put_head(p, tag, v) : p; /* a varint field looks like a head */
}

static uint8_t *put_fixed64(uint8_t *p, uint8_t tag, uint64_t v)
{
    *p++ = tag;
    for (int i = 0; i < 8; i++)
        *p++ = (uint8_t)(v >> 8 * i);
    return p;
}

static bool is_zero(const uint8_t id[static OTEL_SPAN_ID_LEN])
{
    uint64_t v;

    memcpy(&v, id, sizeof v);
    return v == 0;
}

/* The field at p: its body and its end, or false when p holds none (the end, or damage). */
static bool next_field(const uint8_t *p, const uint8_t *end, const uint8_t **body, size_t *len)
{
    uint64_t n = 0;

    if (p == end ||
        (*p != OTEL_TAG_ATTRIBUTE && *p != OTEL_TAG_NAME && *p != OTEL_TAG_EVENT &&
         *p != OTEL_TAG_LINK && *p != OTEL_TAG_TRACE_STATE && *p != OTEL_TAG_STATUS_MESSAGE))
        return false;
    p++;
    for (unsigned shift = 0; shift < 28 && p < end; shift += 7) {
        n |= (uint64_t)(*p & 0x7f) << shift;
        if (*p++ < 0x80) {
            *body = p;
            *len = n;
            return n <= (size_t)(end - p);
        }
    }
    return false;
}

/* Walks the data: how much of it is sound, and where the status message is. */
static void plan_data(struct plan *plan, const struct otel_record_view *span)
{
    const uint8_t *p = span->data;
    const uint8_t *end = p + span->data_len;
    const uint8_t *body;
    size_t len;

    while (next_field(p, end, &body, &len)) {
        if (*p == OTEL_TAG_STATUS_MESSAGE) {
            plan->message = body;
            plan->message_len = (uint32_t)len;
        } else {
            plan->kept += (uint32_t)(body + len - p);
        }
        p = body + len;
    }
    plan->data_len = (uint32_t)(p - span->data);
}

static void plan_span(struct plan *plan, const struct otel_record_view *span)
{
    const struct otel_record *r = span->record;
    size_t size = 2 + OTEL_TRACE_ID_LEN + 2 + OTEL_SPAN_ID_LEN + 9 + 9 + 6;

    *plan = (struct plan){0};
    plan_data(plan, span);
    /* A message without the status Error has no meaning (trace API "Set Status"). */
    if (r->status != OTEL_STATUS_ERROR)
        plan->message_len = 0;
    plan->status =
        (uint32_t)(count_size(r->status) + (plan->message_len ? field_size(plan->message_len) : 0));
    size += plan->kept + count_size(r->kind) + count_size(r->dropped_attributes) +
            count_size(r->dropped_events) + count_size(r->dropped_links);
    if (!is_zero(r->parent_span_id))
        size += 2 + OTEL_SPAN_ID_LEN;
    if (plan->status)
        size += field_size(plan->status);
    plan->size = (uint32_t)size;
}

static uint8_t *put_data(uint8_t *p, const struct plan *plan, const uint8_t *data)
{
    const uint8_t *end = data + plan->data_len;
    const uint8_t *body;
    size_t len;

    if (plan->kept == plan->data_len) {
        memcpy(p, data, plan->kept);
        return p + plan->kept;
    }
    while (next_field(data, end, &body, &len)) {
        size_t n = (size_t)(body + len - data);

        if (*data != OTEL_TAG_STATUS_MESSAGE) {
            memcpy(p, data, n);
            p += n;
        }
        data += n;
    }
    return p;
}

static uint8_t *put_flags(uint8_t *p, const struct otel_record *r)
{
    uint32_t flags =
        r->flags | OTEL_OTLP_FLAG_HAS_IS_REMOTE | (r->parent_remote ? OTEL_OTLP_FLAG_IS_REMOTE : 0);

    p = put_varint(p, TAG_FLAGS);
    for (int i = 0; i < 4; i++)
        *p++ = (uint8_t)(flags >> 8 * i);
    return p;
}

static uint8_t *put_span(uint8_t *p, const struct plan *plan, const struct otel_record_view *span)
{
    const struct otel_record *r = span->record;

    p = put_head(p, TAG_SPAN, plan->size);
    p = put_bytes(p, TAG_TRACE_ID, r->trace_id, OTEL_TRACE_ID_LEN);
    p = put_bytes(p, TAG_SPAN_ID, r->span_id, OTEL_SPAN_ID_LEN);
    if (!is_zero(r->parent_span_id))
        p = put_bytes(p, TAG_PARENT_SPAN_ID, r->parent_span_id, OTEL_SPAN_ID_LEN);
    p = put_count(p, TAG_KIND, r->kind);
    p = put_fixed64(p, TAG_START, r->start_mono_ns + (uint64_t)r->clock_offset_ns);
    p = put_fixed64(p, TAG_END, r->end_mono_ns + (uint64_t)r->clock_offset_ns);
    p = put_data(p, plan, span->data);
    p = put_count(p, TAG_DROPPED_ATTRIBUTES, r->dropped_attributes);
    p = put_count(p, TAG_DROPPED_EVENTS, r->dropped_events);
    p = put_count(p, TAG_DROPPED_LINKS, r->dropped_links);
    if (plan->status) {
        p = put_head(p, TAG_STATUS, plan->status);
        if (plan->message_len)
            p = put_bytes(p, TAG_STATUS_MESSAGE, plan->message, plan->message_len);
        p = put_count(p, TAG_STATUS_CODE, r->status);
    }
    return put_flags(p, r);
}

static enum otel_span_scope scope_of(const struct otel_record *r)
{
    return r->scope < OTEL_SCOPES ? (enum otel_span_scope)r->scope : OTEL_SCOPE_AUTO;
}

static void plan_batch(struct plan *plans, struct sizes *sizes, const struct otel_batch *batch)
{
    *sizes = (struct sizes){0};
    for (size_t i = 0; i < batch->count; i++) {
        plan_span(&plans[i], &batch->spans[i]);
        sizes->scope_spans[scope_of(batch->spans[i].record)] += field_size(plans[i].size);
    }
    sizes->resource_spans = field_size(batch->resource_len);
    for (int s = 0; s < OTEL_SCOPES; s++) {
        if (!sizes->scope_spans[s])
            continue;
        sizes->scope[s] = field_size(strlen(otel_scope_name((enum otel_span_scope)s))) +
                          field_size(sizeof OTEL_AUTO_VERSION - 1);
        sizes->scope_spans[s] += field_size(sizes->scope[s]);
        sizes->resource_spans += field_size(sizes->scope_spans[s]);
    }
}

static uint8_t *put_batch(uint8_t *p, const struct plan *plans, const struct sizes *sizes,
                          const struct otel_batch *batch)
{
    p = put_head(p, TAG_RESOURCE_SPANS, sizes->resource_spans);
    p = put_bytes(p, TAG_RESOURCE, batch->resource, batch->resource_len);
    for (int s = 0; s < OTEL_SCOPES; s++) {
        const char *name;

        if (!sizes->scope_spans[s])
            continue;
        name = otel_scope_name((enum otel_span_scope)s);
        p = put_head(p, TAG_SCOPE_SPANS, sizes->scope_spans[s]);
        p = put_head(p, TAG_SCOPE, sizes->scope[s]);
        p = put_bytes(p, TAG_SCOPE_NAME, name, strlen(name));
        p = put_bytes(p, TAG_SCOPE_VERSION, OTEL_AUTO_VERSION, sizeof OTEL_AUTO_VERSION - 1);
        for (size_t i = 0; i < batch->count; i++)
            if ((int)scope_of(batch->spans[i].record) == s)
                p = put_span(p, &plans[i], &batch->spans[i]);
    }
    return p;
}

int otel_otlp_encode(struct otel_buffer *out, const struct otel_batch *batch)
{
    struct plan *plans = otel_buffer_realloc(NULL, (batch->count + 1) * sizeof *plans);
    struct sizes sizes;
    size_t total;
    uint8_t *to;
    int rc = 0;

    if (!plans)
        return -ENOMEM;
    plan_batch(plans, &sizes, batch);
    total = field_size(sizes.resource_spans);
    if (total > OTEL_OTLP_REQUEST_MAX) {
        rc = -EFBIG;
    } else if (!(to = otel_buffer_room(out, total))) {
        rc = -ENOMEM;
    } else {
        put_batch(to, plans, &sizes, batch);
        out->len += total;
    }
    free(plans);
    return rc;
}

/* protobuf-c allocates for each unknown field; a hostile answer of 4 MiB must not cost 200. */
#define RESPONSE_MEMORY ((size_t)16 << 20)

static void *budget_alloc(void *left, size_t size)
{
    size_t *budget = left;

    if (size + 32 > *budget)
        return NULL;
    *budget -= size + 32;
    return otel_buffer_realloc(NULL, size);
}

static void budget_free(void *left, void *p)
{
    (void)left;
    free(p);
}

int otel_otlp_response(const uint8_t *body, size_t len, struct otel_otlp_partial *partial)
{
    size_t budget = RESPONSE_MEMORY;
    ProtobufCAllocator memory = {budget_alloc, budget_free, &budget};
    Otlp__ExportTraceServiceResponse *response;

    otel_otlp_partial_set(partial, 0, NULL, 0);
    if (len > OTEL_OTLP_RESPONSE_MAX)
        return -EMSGSIZE;
    response = otlp__export_trace_service_response__unpack(&memory, len, body);
    if (!response)
        return -EBADMSG;
    if (response->partial_success) {
        const char *text = response->partial_success->error_message;

        otel_otlp_partial_set(partial, response->partial_success->rejected_spans, text,
                              text ? strlen(text) : 0);
    }
    otlp__export_trace_service_response__free_unpacked(response, &memory);
    return 0;
}

void otel_otlp_partial_set(struct otel_otlp_partial *partial, int64_t rejected, const char *text,
                           size_t len)
{
    size_t n = len < sizeof partial->message - 1 ? len : sizeof partial->message - 1;

    partial->rejected = rejected < 0 ? 0 : rejected > UINT32_MAX ? UINT32_MAX : (uint32_t)rejected;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];

        partial->message[i] = c < 0x20 || c >= 0x7f ? '?' : (char)c;
    }
    partial->message[n] = '\0';
}
