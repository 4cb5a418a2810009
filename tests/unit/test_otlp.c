/* SPDX-License-Identifier: Apache-2.0
 *
 * What core/export/otlp.c encodes is decoded with protobuf-c, which knows nothing of the encoder,
 * and compared field by field.
 */
#include "core/export/otlp.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>

#include "core/version.h"
#include "otlp.pb-c.h"
#include "tests/support/records.h"

static struct records all; /* each test is a process of its own */
static struct otel_buffer out;
static Otlp__ExportTraceServiceRequest *request;

static void free_request(void)
{
    if (request)
        otlp__export_trace_service_request__free_unpacked(request, NULL);
    request = NULL;
}

static void clean_up(void)
{
    free_request();
    records_clear(&all);
    otel_buffer_free(&out);
}

TestSuite(otlp, .fini = clean_up);

static Otlp__ExportTraceServiceRequest *encode(void)
{
    free_request();
    cr_assert_eq(otel_otlp_encode(&out, records_batch(&all)), 0);
    request = otlp__export_trace_service_request__unpack(NULL, out.len, out.data);
    cr_assert_not_null(request);
    /* Nothing that protobuf-c does not know, and every length in its shortest form. */
    cr_assert_eq(otlp__export_trace_service_request__get_packed_size(request), out.len);
    cr_assert_eq(request->n_resource_spans, 1);
    return request;
}

static const Otlp__Span *only_span(void)
{
    encode();
    cr_assert_eq(request->resource_spans[0]->n_scope_spans, 1);
    cr_assert_eq(request->resource_spans[0]->scope_spans[0]->n_spans, 1);
    return request->resource_spans[0]->scope_spans[0]->spans[0];
}

static void assert_bytes(ProtobufCBinaryData found, const void *expected, size_t len)
{
    cr_assert_eq(found.len, len);
    cr_assert(len == 0 || memcmp(found.data, expected, len) == 0);
}

Test(otlp, fixed_fields)
{
    const Otlp__Span *span;
    struct otel_record *r = records_add(&all, 1, 2, "GET");

    records_resource(&all, "service.name", "shop");
    r->parent_remote = 1;
    r->flags = 0x03;
    r->dropped_attributes = 1;
    r->dropped_events = 200;
    r->dropped_links = 4000000000;
    span = only_span();
    cr_assert_eq(request->resource_spans[0]->resource->n_attributes, 1);
    cr_assert_str_eq(request->resource_spans[0]->resource->attributes[0]->key, "service.name");
    cr_assert_str_eq(request->resource_spans[0]->resource->attributes[0]->value->string_value,
                     "shop");
    assert_bytes(span->trace_id, r->trace_id, OTEL_TRACE_ID_LEN);
    assert_bytes(span->span_id, r->span_id, OTEL_SPAN_ID_LEN);
    assert_bytes(span->parent_span_id, r->parent_span_id, OTEL_SPAN_ID_LEN);
    cr_assert_str_eq(span->name, "GET");
    cr_assert_str_eq(span->trace_state, "");
    cr_assert_eq(span->kind, 3);
    cr_assert_eq(span->start_time_unix_nano, 1700000000001000000u);
    cr_assert_eq(span->end_time_unix_nano, 1700000000002000000u);
    cr_assert_eq(span->dropped_attributes_count, 1);
    cr_assert_eq(span->dropped_events_count, 200);
    cr_assert_eq(span->dropped_links_count, 4000000000);
    cr_assert_eq(span->flags, 0x303);
    cr_assert_null(span->status);
}

Test(otlp, a_root_has_no_parent_and_its_flags_say_not_remote)
{
    records_add(&all, 1, 0, "GET");

    const Otlp__Span *span = only_span();

    cr_assert_eq(span->parent_span_id.len, 0);
    cr_assert_eq(span->flags, 0x101);
}

Test(otlp, status_message_joins_the_code)
{
    struct otel_record *r = records_add(&all, 1, 0, "GET");
    const Otlp__Span *span;

    record_attr_text(r, "before", "1");
    record_text(r, OTEL_TAG_STATUS_MESSAGE, "first");
    record_text(r, OTEL_TAG_STATUS_MESSAGE, "connection refused");
    record_attr_text(r, "after", "2");
    r->status = OTEL_STATUS_ERROR;
    span = only_span();
    cr_assert_eq(span->status->code, 2);
    cr_assert_str_eq(span->status->message, "connection refused");
    assert_bytes(span->span_id, r->span_id, OTEL_SPAN_ID_LEN);
    cr_assert_eq(span->n_attributes, 2);
    cr_assert_str_eq(span->attributes[0]->key, "before");
    cr_assert_str_eq(span->attributes[1]->key, "after");
    cr_assert_str_eq(span->attributes[1]->value->string_value, "2");
}

Test(otlp, only_an_error_has_a_message)
{
    struct otel_record *r = records_add(&all, 1, 0, "GET");
    const Otlp__Span *span;

    record_text(r, OTEL_TAG_STATUS_MESSAGE, "was an error");
    r->status = OTEL_STATUS_OK;
    span = only_span();
    cr_assert_eq(span->status->code, 1);
    cr_assert_str_eq(span->status->message, "");
    assert_bytes(span->span_id, r->span_id, OTEL_SPAN_ID_LEN);
}

Test(otlp, an_unset_status_with_a_message_sends_none)
{
    record_text(records_add(&all, 1, 0, "GET"), OTEL_TAG_STATUS_MESSAGE, "stray");
    cr_assert_null(only_span()->status);
}

Test(otlp, events_links_and_trace_state)
{
    struct otel_attr attr = otel_attr_int(OTEL_TEXT("port"), -7);
    struct otel_record *r = records_add(&all, 1, 0, "GET");
    uint8_t link[] = {
        OTEL_TAG_LINK, 30, 0x0a, 16, 9, 9, 9, 9, 9, 9, 9,    9,   9, 9, 9, 9, 9, 9, 9, 9,
        0x12,          8,  7,    7,  7, 7, 7, 7, 7, 7, 0x28, 0x05};
    const Otlp__Span *span;

    record_event(r, 1700000000000000042, "dns", &attr, 1);
    record_raw(r, link, sizeof link);
    record_text(r, OTEL_TAG_TRACE_STATE, "vendor=1");
    span = only_span();
    cr_assert_str_eq(span->trace_state, "vendor=1");
    cr_assert_eq(span->n_events, 1);
    cr_assert_eq(span->events[0]->time_unix_nano, 1700000000000000042u);
    cr_assert_str_eq(span->events[0]->name, "dns");
    cr_assert_eq(span->events[0]->attributes[0]->value->int_value, -7);
    cr_assert_eq(span->n_links, 1);
    cr_assert_eq(span->links[0]->trace_id.data[15], 9);
    cr_assert_eq(span->links[0]->span_id.data[7], 7);
    cr_assert_eq(span->links[0]->dropped_attributes_count, 5);
}

Test(otlp, spans_are_grouped_by_scope)
{
    const uint8_t scopes[] = {OTEL_SCOPE_SQLITE, OTEL_SCOPE_CURL, OTEL_SCOPE_SQLITE, OTEL_SCOPE_API,
                              200};
    const uint8_t order[] = {4, 1, 0, 2,
                             3}; /* scopes in the enum's order, an unknown one as AUTO */
    const uint8_t sizes[] = {1, 1, 2, 1};
    const Otlp__ResourceSpans *rs;
    size_t n = 0;

    for (uint8_t i = 0; i < sizeof scopes; i++)
        records_add(&all, i, 0, "s")->scope = scopes[i];
    rs = encode()->resource_spans[0];
    cr_assert_eq(rs->n_scope_spans, sizeof sizes);
    for (size_t s = 0; s < rs->n_scope_spans; s++) {
        const Otlp__ScopeSpans *ss = rs->scope_spans[s];
        uint8_t scope = scopes[order[n]] < OTEL_SCOPES ? scopes[order[n]] : OTEL_SCOPE_AUTO;

        cr_assert_str_eq(ss->scope->name, otel_scope_name((enum otel_span_scope)scope));
        cr_assert_str_eq(ss->scope->version, OTEL_AUTO_VERSION);
        cr_assert_eq(ss->n_spans, sizes[s]);
        for (size_t i = 0; i < ss->n_spans; i++)
            cr_assert_eq(ss->spans[i]->span_id.data[7], order[n++]);
    }
}

Test(otlp, an_empty_batch_is_a_valid_request)
{
    records_resource(&all, "service.name", "shop");
    cr_assert_eq(encode()->resource_spans[0]->n_scope_spans, 0);
}

Test(otlp, damaged_data_is_sent_up_to_the_damage)
{
    const uint8_t damage[][3] = {
        {0x4a, 0x7f, 0x01}, /* longer than what is left */
        {0x4a, 0x80, 0x80}, /* a length without end */
        {0x00, 0x00, 0x00}, /* no field of ours */
        {0x08, 0x01, 0x00}, /* Span has no varint field 1 */
    };

    for (size_t i = 0; i < sizeof damage / sizeof *damage; i++) {
        struct otel_record *r = records_add(&all, 1, 0, "GET");
        const Otlp__Span *span;

        record_attr_text(r, "good", "1");
        record_raw(r, damage[i], sizeof damage[i]);
        out.len = 0;
        span = only_span();
        cr_assert_str_eq(span->name, "GET");
        cr_assert_eq(span->n_attributes, 1);
        records_clear(&all);
    }
}

Test(otlp, appends_behind_what_is_there)
{
    otel_buffer_append(&out, "12345", 5);
    records_add(&all, 1, 0, "GET");
    cr_assert_eq(otel_otlp_encode(&out, records_batch(&all)), 0);
    cr_assert_eq(memcmp(out.data, "12345", 5), 0);
    request = otlp__export_trace_service_request__unpack(NULL, out.len - 5, out.data + 5);
    cr_assert_not_null(request);
}

Test(otlp, refuses_more_than_a_request_may_hold)
{
    static char big[30000];

    memset(big, 'x', sizeof big - 1);
    for (int i = 0; i < 2300; i++)
        record_attr_text(records_add(&all, 1, 0, "GET"), "k", big);
    cr_assert_eq(otel_otlp_encode(&out, records_batch(&all)), -EFBIG);
    cr_assert_eq(out.len, 0);
    all.batch.count = 2000;
    cr_assert_eq(otel_otlp_encode(&out, records_batch(&all)), 0);
    all.batch.count = 2300;
}

static int allowed; /* allocations before they fail */

static void *failing_realloc(void *old, size_t size)
{
    return allowed-- > 0 ? realloc(old, size) : NULL;
}

Test(otlp, the_nth_allocation_fails)
{
    records_add(&all, 1, 0, "GET");
    otel_buffer_append(&out, "12345", 5);
    otel_buffer_realloc = failing_realloc;
    for (int n = 0; n < 2; n++) {
        otel_buffer_free(&out);
        allowed = n;
        cr_assert_eq(otel_otlp_encode(&out, records_batch(&all)), -ENOMEM);
        cr_assert_eq(out.len, 0);
        otel_buffer_reset(&out);
    }
    allowed = 2;
    cr_assert_eq(otel_otlp_encode(&out, records_batch(&all)), 0);
}

/* --- random records against a model --- */

static uint64_t seed = 88172645463325252u;

static uint64_t rnd(uint64_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % below;
}

#define TEXT_POOL 65536
#define MODEL_ATTRS 20

static char pool[TEXT_POOL];

struct model {
    struct otel_attr attrs[MODEL_ATTRS];
    struct otel_text items[MODEL_ATTRS][4];
    size_t count;
    struct otel_text message, name;
};

static struct otel_text random_text(size_t max)
{
    size_t len = rnd(4) ? rnd(max / 8 + 1) : rnd(max + 1);

    return (struct otel_text){pool + rnd(TEXT_POOL - max), len};
}

static void random_value(struct otel_value *v, struct otel_text items[4])
{
    const enum otel_value_type types[] = {OTEL_VALUE_STRING, OTEL_VALUE_BOOL,    OTEL_VALUE_INT,
                                          OTEL_VALUE_DOUBLE, OTEL_VALUE_STRINGS, OTEL_VALUE_BYTES};
    const double reals[] = {0, -0.0, 1.5, NAN, INFINITY, -INFINITY, 5e-324, 1e300};
    const int64_t integers[] = {0, 1, -1, 127, 128, INT64_MIN, INT64_MAX, 65536};

    *v = (struct otel_value){.type = types[rnd(6)]};
    switch (v->type) {
    case OTEL_VALUE_STRING:
    case OTEL_VALUE_BYTES:
        v->text = random_text(900);
        break;
    case OTEL_VALUE_BOOL:
        v->boolean = rnd(2);
        break;
    case OTEL_VALUE_INT:
        v->integer = integers[rnd(8)];
        break;
    case OTEL_VALUE_DOUBLE:
        v->real = reals[rnd(8)];
        break;
    case OTEL_VALUE_STRINGS:
        v->strings.items = items;
        v->strings.count = rnd(5);
        for (size_t i = 0; i < v->strings.count; i++)
            items[i] = random_text(40);
        break;
    }
}

static void random_record(struct otel_record *r, struct model *m)
{
    for (size_t i = 0; i < OTEL_TRACE_ID_LEN; i++)
        r->trace_id[i] = (uint8_t)rnd(256);
    r->kind = (uint8_t)(1 + rnd(5));
    r->scope = (uint8_t)rnd(OTEL_SCOPES);
    r->status = (uint8_t)rnd(3);
    r->flags = (uint8_t)rnd(256);
    r->parent_remote = (uint8_t)rnd(2);
    r->start_mono_ns = rnd(UINT64_MAX >> 2);
    r->end_mono_ns = r->start_mono_ns + rnd(1u << 30);
    r->dropped_attributes = (uint32_t)(rnd(2) * rnd(100000));
    r->dropped_links = (uint32_t)(rnd(2) * rnd(100000));
    m->count = rnd(MODEL_ATTRS + 1);
    m->message = random_text(300);
    for (size_t i = 0; i < m->count; i++) {
        m->attrs[i].key = random_text(60);
        if (!m->attrs[i].key.len)
            m->attrs[i].key.len = 1;
        random_value(&m->attrs[i].value, m->items[i]);
        record_attr(r, &m->attrs[i]);
        if (i == m->count / 2 && m->message.len) {
            size_t cap;
            uint8_t *to = records_room(r, &cap);

            r->used += (uint32_t)otel_wire_text(to, cap, OTEL_TAG_STATUS_MESSAGE, m->message);
        }
    }
    if (m->count == 0)
        m->message.len = 0;
}

static void assert_text(const char *found, struct otel_text expected)
{
    cr_assert_eq(strlen(found), expected.len);
    cr_assert_eq(memcmp(found, expected.data, expected.len), 0);
}

static void assert_value(const Otlp__AnyValue *found, const struct otel_value *v)
{
    cr_assert_eq((int)found->value_case, (int)v->type);
    switch (v->type) {
    case OTEL_VALUE_STRING:
        assert_text(found->string_value, v->text);
        break;
    case OTEL_VALUE_BYTES:
        assert_bytes(found->bytes_value, v->text.data, v->text.len);
        break;
    case OTEL_VALUE_BOOL:
        cr_assert_eq(found->bool_value, v->boolean);
        break;
    case OTEL_VALUE_INT:
        cr_assert_eq(found->int_value, v->integer);
        break;
    case OTEL_VALUE_DOUBLE:
        cr_assert_eq(memcmp(&found->double_value, &v->real, sizeof v->real), 0);
        break;
    case OTEL_VALUE_STRINGS:
        cr_assert_eq(found->array_value->n_values, v->strings.count);
        for (size_t i = 0; i < v->strings.count; i++)
            assert_text(found->array_value->values[i]->string_value, v->strings.items[i]);
        break;
    }
}

static void assert_span(const Otlp__Span *span, const struct otel_record *r, const struct model *m)
{
    assert_bytes(span->trace_id, r->trace_id, OTEL_TRACE_ID_LEN);
    assert_bytes(span->span_id, r->span_id, OTEL_SPAN_ID_LEN);
    cr_assert_str_eq(span->name, "random");
    cr_assert_eq(span->kind, r->kind);
    cr_assert_eq(span->start_time_unix_nano, r->start_mono_ns + (uint64_t)r->clock_offset_ns);
    cr_assert_eq(span->end_time_unix_nano, r->end_mono_ns + (uint64_t)r->clock_offset_ns);
    cr_assert_eq(span->flags, (uint32_t)(r->flags | 0x100 | r->parent_remote << 9));
    cr_assert_eq(span->dropped_attributes_count, r->dropped_attributes);
    cr_assert_eq(span->dropped_events_count, 0);
    cr_assert_eq(span->dropped_links_count, r->dropped_links);
    cr_assert_eq(span->n_attributes, m->count);
    for (size_t i = 0; i < m->count; i++) {
        assert_text(span->attributes[i]->key, m->attrs[i].key);
        assert_value(span->attributes[i]->value, &m->attrs[i].value);
    }
    cr_assert_eq(span->status ? span->status->code : 0, r->status);
    if (r->status == OTEL_STATUS_ERROR)
        assert_text(span->status->message, m->message);
}

static const struct model *model_of(const Otlp__Span *span, const struct model *models,
                                    const struct otel_record **record)
{
    size_t i = span->span_id.data[7];

    *record = all.record[i];
    return &models[i];
}

Test(otlp, random_records_come_back_as_they_were)
{
    static struct model models[100];

    for (size_t i = 0; i < sizeof pool; i++)
        pool[i] = (char)(' ' + rnd('~' - ' '));
    records_resource(&all, "service.name", "random");
    for (int round = 0; round < 50; round++) {
        size_t n = rnd(100) + 1;

        for (size_t i = 0; i < n; i++)
            random_record(records_add(&all, (uint8_t)i, (uint8_t)rnd(3), "random"), &models[i]);
        otel_buffer_reset(&out);
        encode();
        for (size_t s = 0; s < request->resource_spans[0]->n_scope_spans; s++) {
            const Otlp__ScopeSpans *ss = request->resource_spans[0]->scope_spans[s];

            for (size_t i = 0; i < ss->n_spans; i++, n--) {
                const struct otel_record *r;
                const struct model *m = model_of(ss->spans[i], models, &r);

                assert_span(ss->spans[i], r, m);
            }
        }
        cr_assert_eq(n, 0);
        records_clear(&all);
    }
}

/* --- responses --- */

static struct otel_otlp_partial partial;

static int respond(const void *body, size_t len)
{
    partial.rejected = 99;
    return otel_otlp_response(body, len, &partial);
}

Test(otlp_response, empty_means_all_taken)
{
    cr_assert_eq(respond("", 0), 0);
    cr_assert_eq(partial.rejected, 0);
    cr_assert_str_eq(partial.message, "");
}

Test(otlp_response, partial_success)
{
    cr_assert_eq(respond("\x0a\x0a\x08\x03\x12\x06over\n!", 12), 0);
    cr_assert_eq(partial.rejected, 3);
    cr_assert_str_eq(partial.message, "over?!");
}

Test(otlp_response, absurd_counts_are_cut)
{
    /* rejected_spans = -1, then 2^62 */
    cr_assert_eq(respond("\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 13), 0);
    cr_assert_eq(partial.rejected, 0);
    cr_assert_eq(respond("\x0a\x0a\x08\x80\x80\x80\x80\x80\x80\x80\x80\x40", 12), 0);
    cr_assert_eq(partial.rejected, UINT32_MAX);
}

Test(otlp_response, rubbish_is_refused)
{
    cr_assert_eq(respond("<html>no</html>", 15), -EBADMSG);
    cr_assert_eq(partial.rejected, 0);
    cr_assert_eq(respond("\x0a\x7f", 2), -EBADMSG);
}

Test(otlp_response, unknown_fields_are_skipped)
{
    cr_assert_eq(respond("\x50\x01\x0a\x02\x08\x02\x5a\x01x", 9), 0);
    cr_assert_eq(partial.rejected, 2);
}

Test(otlp_response, limits)
{
    char *body = malloc(OTEL_OTLP_RESPONSE_MAX + 1);

    /* Two million unknown fields ask for more memory than an answer may cost. */
    for (size_t i = 0; i < OTEL_OTLP_RESPONSE_MAX; i += 2) {
        body[i] = 0x50;
        body[i + 1] = 1;
    }
    cr_assert_eq(respond(body, OTEL_OTLP_RESPONSE_MAX), -EBADMSG);
    cr_assert_eq(respond(body, OTEL_OTLP_RESPONSE_MAX + 1), -EMSGSIZE);
    cr_assert_eq(partial.rejected, 0);
    free(body);
}

Test(otlp_response, a_long_message_is_cut)
{
    char body[1000] = "\x0a\xa2\x05\x12\x9f\x05"; /* partial_success 674, error_message 671 bytes */

    memset(body + 6, 'm', 671);
    cr_assert_eq(respond(body, 6 + 671), 0);
    cr_assert_eq(strlen(partial.message), OTEL_OTLP_MESSAGE_MAX - 1);
}
