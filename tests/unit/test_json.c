/* SPDX-License-Identifier: Apache-2.0 */
#include "core/export/json.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <locale.h>
#include <math.h>

#include "core/export/json_text.h"
#include "core/version.h"
#include "tests/support/guardpage.h"
#include "tests/support/records.h"

static struct records all; /* each test is a process of its own */
static struct otel_buffer out;

static void clean_up(void)
{
    records_clear(&all);
    otel_buffer_free(&out);
}

TestSuite(json, .fini = clean_up);
TestSuite(json_text, .fini = clean_up);

static const char *text(void)
{
    otel_buffer_append(&out, "", 1);
    cr_assert_not(out.failed);
    return (const char *)out.data;
}

static const char *encode(void)
{
    out.len = 0;
    cr_assert_eq(otel_json_encode(&out, records_batch(&all)), 0);
    return text();
}

static bool has(const char *piece)
{
    return strstr(encode(), piece) != NULL;
}

Test(json, a_whole_request)
{
    struct otel_record *r = records_add(&all, 1, 2, "GET");
    char expected[2048];

    records_resource(&all, "service.name", "shop");
    record_text(r, OTEL_TAG_TRACE_STATE, "vendor=1");
    record_attr_int(r, "server.port", 8080);
    record_text(r, OTEL_TAG_STATUS_MESSAGE, "refused");
    r->status = OTEL_STATUS_ERROR;
    r->parent_remote = 1;
    r->dropped_attributes = 1;
    r->dropped_events = 2;
    r->dropped_links = 3;
    snprintf(expected, sizeof expected,
             "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\","
             "\"value\":{\"stringValue\":\"shop\"}}]},\"scopeSpans\":[{\"scope\":{\"name\":\"%s\","
             "\"version\":\"" OTEL_AUTO_VERSION "\"},\"spans\":[{"
             "\"traceId\":\"11111111111111111111111111111111\",\"spanId\":\"ab00000000000001\","
             "\"traceState\":\"vendor=1\",\"parentSpanId\":\"ab00000000000002\",\"flags\":769,"
             "\"name\":\"GET\",\"kind\":3,\"startTimeUnixNano\":\"1700000000001000000\","
             "\"endTimeUnixNano\":\"1700000000002000000\",\"attributes\":[{\"key\":\"server.port\","
             "\"value\":{\"intValue\":\"8080\"}}],\"droppedAttributesCount\":1,"
             "\"droppedEventsCount\":2,\"droppedLinksCount\":3,"
             "\"status\":{\"message\":\"refused\",\"code\":2}}]}]}]}",
             otel_scope_name(OTEL_SCOPE_CURL));
    cr_assert_str_eq(encode(), expected);
}

Test(json, what_is_not_there_is_left_out)
{
    const char *json;

    records_add(&all, 1, 0, "GET");
    json = encode();
    cr_assert_null(strstr(json, "parentSpanId"));
    cr_assert_null(strstr(json, "traceState"));
    cr_assert_null(strstr(json, "status"));
    cr_assert_null(strstr(json, "attributes"));
    cr_assert_null(strstr(json, "dropped"));
    cr_assert_null(strstr(json, "\n"));
    cr_assert_not_null(strstr(json, "\"resource\":{}"));
    cr_assert_not_null(strstr(json, "\"flags\":257"));
}

Test(json, only_an_error_has_a_message)
{
    struct otel_record *r = records_add(&all, 1, 0, "GET");

    record_text(r, OTEL_TAG_STATUS_MESSAGE, "was an error");
    r->status = OTEL_STATUS_OK;
    cr_assert(has("\"status\":{\"code\":1}"));
}

Test(json, every_type_of_value)
{
    struct otel_text items[] = {OTEL_TEXT("a"), OTEL_TEXT("b\"")};
    struct otel_attr attrs[] = {
        {OTEL_TEXT("s"), {.type = OTEL_VALUE_STRING, .text = OTEL_TEXT("x\ny")}},
        {OTEL_TEXT("b"), {.type = OTEL_VALUE_BOOL, .boolean = true}},
        {OTEL_TEXT("n"), {.type = OTEL_VALUE_BOOL, .boolean = false}},
        {OTEL_TEXT("i"), {.type = OTEL_VALUE_INT, .integer = INT64_MIN}},
        {OTEL_TEXT("d"), {.type = OTEL_VALUE_DOUBLE, .real = -0.5}},
        {OTEL_TEXT("nan"), {.type = OTEL_VALUE_DOUBLE, .real = NAN}},
        {OTEL_TEXT("l"), {.type = OTEL_VALUE_STRINGS, .strings = {items, 2}}},
        {OTEL_TEXT("e"), {.type = OTEL_VALUE_STRINGS, .strings = {items, 0}}},
        {OTEL_TEXT("y"), {.type = OTEL_VALUE_BYTES, .text = OTEL_TEXT("\xff\x00\x01!")}},
    };
    struct otel_record *r = records_add(&all, 1, 0, "GET");

    for (size_t i = 0; i < sizeof attrs / sizeof *attrs; i++)
        record_attr(r, &attrs[i]);
    cr_assert(has("\"attributes\":["
                  "{\"key\":\"s\",\"value\":{\"stringValue\":\"x\\ny\"}},"
                  "{\"key\":\"b\",\"value\":{\"boolValue\":true}},"
                  "{\"key\":\"n\",\"value\":{\"boolValue\":false}},"
                  "{\"key\":\"i\",\"value\":{\"intValue\":\"-9223372036854775808\"}},"
                  "{\"key\":\"d\",\"value\":{\"doubleValue\":-0.5}},"
                  "{\"key\":\"nan\",\"value\":{\"doubleValue\":\"NaN\"}},"
                  "{\"key\":\"l\",\"value\":{\"arrayValue\":{\"values\":[{\"stringValue\":\"a\"},"
                  "{\"stringValue\":\"b\\\"\"}]}}},"
                  "{\"key\":\"e\",\"value\":{\"arrayValue\":{\"values\":[]}}},"
                  "{\"key\":\"y\",\"value\":{\"bytesValue\":\"/wABIQ==\"}}]"),
              "%s", encode());
}

Test(json, events_and_links)
{
    struct otel_attr attr = otel_attr_bool(OTEL_TEXT("reused"), true);
    struct otel_record *r = records_add(&all, 1, 0, "GET");
    uint8_t link[] = {
        OTEL_TAG_LINK, 38, 0x0a, 16, 9, 9, 9, 9, 9, 9, 9,    9, 9,   9,    9, 9,    9, 9, 9, 9,
        0x12,          8,  7,    7,  7, 7, 7, 7, 7, 7, 0x1a, 1, 'v', 0x28, 5, 0x35, 1, 3, 0, 0};

    record_event(r, 42, "dns", &attr, 1);
    record_event(r, 43, "tls", NULL, 0);
    record_raw(r, link, sizeof link);
    cr_assert(has("\"events\":[{\"timeUnixNano\":\"42\",\"name\":\"dns\",\"attributes\":[{\"key\":"
                  "\"reused\",\"value\":{\"boolValue\":true}}]},"
                  "{\"timeUnixNano\":\"43\",\"name\":\"tls\"}]"),
              "%s", encode());
    cr_assert(has("\"links\":[{\"traceId\":\"09090909090909090909090909090909\",\"spanId\":"
                  "\"0707070707070707\",\"traceState\":\"v\",\"droppedAttributesCount\":5,"
                  "\"flags\":769}]"),
              "%s", encode());
}

Test(json, spans_are_grouped_by_scope)
{
    const char *json;

    records_add(&all, 1, 0, "a")->scope = OTEL_SCOPE_SQLITE;
    records_add(&all, 2, 0, "b")->scope = OTEL_SCOPE_CURL;
    records_add(&all, 3, 0, "c")->scope = OTEL_SCOPE_SQLITE;
    records_add(&all, 4, 0, "d")->scope = 77; /* unknown: AUTO */
    json = encode();
    cr_assert_lt(strstr(json, "\"name\":\"d\""), strstr(json, "\"name\":\"b\""));
    cr_assert_lt(strstr(json, "\"name\":\"b\""), strstr(json, "\"name\":\"a\""));
    cr_assert_lt(strstr(json, "\"name\":\"a\""), strstr(json, "\"name\":\"c\""));
    cr_assert_not_null(strstr(json, "}]},{\"scope\""));
    json = strstr(json, otel_scope_name(OTEL_SCOPE_SQLITE));
    cr_assert_null(strstr(json + 1, otel_scope_name(OTEL_SCOPE_SQLITE)));
}

Test(json, damage_and_depth_do_no_harm)
{
    /* An array in an array in an array …, deeper than is followed. */
    uint8_t nest[200];
    size_t n = 0;
    struct otel_record *r = records_add(&all, 1, 0, "GET");

    nest[n++] = OTEL_TAG_ATTRIBUTE;
    nest[n++] = 2 + 4 * 20;
    nest[n++] = 0x12;
    nest[n++] = 4 * 20;
    for (uint8_t left = 4 * 20; left > 0; left -= 4) {
        nest[n++] = 0x2a; /* AnyValue.array_value */
        nest[n++] = left - 2;
        nest[n++] = 0x0a; /* ArrayValue.values */
        nest[n++] = left - 4;
    }
    record_raw(r, nest, n);
    record_raw(r, "\x4a\x7f", 2);
    cr_assert(has("{\"values\":[]}"));
    cr_assert_eq(strlen(encode()) > 100, 1);
}

/* Neither encoder reads past the data, whatever is in it. */
Test(json, random_damage_is_read_in_bounds)
{
    uint8_t bytes[600];
    struct guardpage page;

    srandom(7);
    guardpage_open(&page, sizeof bytes);
    records_add(&all, 1, 0, "GET")->status = OTEL_STATUS_ERROR;
    for (int round = 0; round < 20000; round++) {
        size_t len = (size_t)random() % sizeof bytes;

        /* Mostly tags and small lengths, so that the damage lies deep. */
        for (size_t i = 0; i < len; i++)
            bytes[i] = (uint8_t)(random() % 4 ? "\x4a\x2a\x5a\x6a\x12\x0a\x1a\x22"[random() % 8]
                                              : random() % 256);
        records_batch(&all);
        all.view[0].data = guardpage_put(&page, bytes, len);
        all.view[0].data_len = len;
        out.len = 0;
        cr_assert_eq(otel_json_encode(&out, &all.batch), 0);
        cr_assert_eq(otel_otlp_encode(&out, &all.batch), 0);
    }
    guardpage_close(&page);
}

static int allowed; /* allocations before they fail */

static void *failing_realloc(void *old, size_t size)
{
    return allowed-- > 0 ? realloc(old, size) : NULL;
}

Test(json, the_nth_allocation_fails)
{
    int n = 0;

    for (uint8_t i = 0; i < 9; i++)
        record_attr_text(records_add(&all, i, 0, "GET"), "key", "value");
    otel_buffer_realloc = failing_realloc;
    for (;; n++) {
        otel_buffer_free(&out);
        allowed = n;
        if (otel_json_encode(&out, records_batch(&all)) == 0)
            break;
        cr_assert(out.failed);
        cr_assert_eq(out.len, 0);
    }
    cr_assert_geq(n, 2);
}

/* --- pieces --- */

static const char *string(const char *s, size_t len)
{
    out.len = 0;
    otel_json_string(&out, s, len);
    return text();
}

Test(json_text, strings_are_escaped)
{
    cr_assert_str_eq(string("", 0), "\"\"");
    cr_assert_str_eq(string("a\"b\\c/d", 7), "\"a\\\"b\\\\c/d\"");
    cr_assert_str_eq(string("\b\f\n\r\t", 5), "\"\\b\\f\\n\\r\\t\"");
    cr_assert_str_eq(string("\0\x01\x1b\x7f", 4), "\"\\u0000\\u0001\\u001b\\u007f\"");
    cr_assert_str_eq(string("h\xc3\xa9", 3), "\"h\xc3\xa9\"");
    cr_assert_str_eq(string("a\xff\"", 3), "\"a\xef\xbf\xbd\\\"\"");
}

Test(json_text, a_repair_without_memory_is_a_failure)
{
    otel_buffer_room(&out, 64);
    otel_buffer_realloc = failing_realloc;
    otel_json_string(&out, "\xff", 1);
    cr_assert(out.failed);
}

static const char *real(double v)
{
    out.len = 0;
    otel_json_double(&out, v);
    return text();
}

Test(json_text, doubles_are_short_and_exact)
{
    const double values[] = {0.1, 1.0 / 3, 5e-324, 1.7976931348623157e308, 123456789.123456789};

    cr_assert_str_eq(real(0), "0");
    cr_assert_str_eq(real(0.1), "0.1");
    cr_assert_str_eq(real(1e100), "1e+100");
    cr_assert_str_eq(real(NAN), "\"NaN\"");
    cr_assert_str_eq(real(INFINITY), "\"Infinity\"");
    cr_assert_str_eq(real(-INFINITY), "\"-Infinity\"");
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        cr_assert_eq(strtod(real(values[i]), NULL), values[i]);
}

Test(json_text, the_hosts_locale_does_not_matter)
{
    if (!setlocale(LC_NUMERIC, "de_DE.UTF-8") && !setlocale(LC_NUMERIC, "fr_FR.UTF-8"))
        cr_skip_test("no locale with a decimal comma on this machine");
    cr_assert_str_eq(real(-1.5e-9), "-1.5e-09");
}

Test(json_text, integers)
{
    otel_json_int64(&out, INT64_MIN);
    otel_json_int64(&out, INT64_MAX);
    otel_json_uint64(&out, UINT64_MAX);
    otel_json_uint(&out, 0);
    cr_assert_str_eq(text(), "\"-9223372036854775808\"\"9223372036854775807\""
                             "\"18446744073709551615\"0");
}

Test(json_text, base64_vectors)
{
    /* RFC 4648 section 10 */
    const char *const vectors[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};

    for (size_t i = 0; i < 7; i++) {
        char quoted[16];

        out.len = 0;
        otel_json_base64(&out, (const uint8_t *)"foobar", i);
        snprintf(quoted, sizeof quoted, "\"%s\"", vectors[i]);
        cr_assert_str_eq(text(), quoted);
    }
}

/* --- responses --- */

static struct otel_otlp_partial partial;

static int respond(const char *body)
{
    /* In front of a guard page: not one byte past the end is read. */
    size_t len = strlen(body);
    struct guardpage page;
    int rc;

    guardpage_open(&page, len);
    partial.rejected = 99;
    rc = otel_json_response(guardpage_put(&page, body, len), len, &partial);
    guardpage_close(&page);
    return rc;
}

Test(json_response, all_taken)
{
    const char *const bodies[] = {"",
                                  " \r\n",
                                  "{}",
                                  "{\"partialSuccess\":{}}",
                                  "{\"partialSuccess\":null}",
                                  "{ \"x\" : [1,{\"y\":\"}\"}] }"};

    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        cr_assert_eq(respond(bodies[i]), 0, "%s", bodies[i]);
        cr_assert_eq(partial.rejected, 0);
        cr_assert_str_eq(partial.message, "");
    }
}

Test(json_response, partial_success)
{
    cr_assert_eq(
        respond("{\"partialSuccess\":{\"rejectedSpans\":\"3\",\"errorMessage\":\"full\"}}"), 0);
    cr_assert_eq(partial.rejected, 3);
    cr_assert_str_eq(partial.message, "full");
    cr_assert_eq(respond(" { \"a\":{\"rejectedSpans\":9}, \"partial_success\" : { "
                         "\"error_message\" : \"a\\\"b\\\\\\n\\u001bc\" , \"z\":[[],{}],"
                         "\"rejected_spans\" : 12 } , \"b\":1.5e3 } "),
                 0);
    cr_assert_eq(partial.rejected, 12);
    cr_assert_str_eq(partial.message, "a\"b\\ ?c");
}

Test(json_response, absurd_counts_are_cut)
{
    cr_assert_eq(respond("{\"partialSuccess\":{\"rejectedSpans\":-5}}"), 0);
    cr_assert_eq(partial.rejected, 0);
    cr_assert_eq(respond("{\"partialSuccess\":{\"rejectedSpans\":99999999999999999999999}}"), 0);
    cr_assert_eq(partial.rejected, UINT32_MAX);
    cr_assert_eq(respond("{\"partialSuccess\":{\"rejectedSpans\":{\"a\":7},\"errorMessage\":1}}"),
                 0);
    cr_assert_eq(partial.rejected, 0);
}

Test(json_response, rubbish_is_refused)
{
    const char *const bodies[] = {
        "<html>",     "[]",     "{",        "{\"a\"",    "{\"a\":", "{\"a\":\"b", "{\"a\":[}",
        "{\"a\":1,}", "{\"a\\", "{\"a\":{", "{\"a\" 1}", "{1:2}",   "{\"a\":]}",  "{\"a\":\"\\"};

    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        cr_assert_eq(respond(bodies[i]), -EBADMSG, "%s", bodies[i]);
}

Test(json_response, every_prefix_of_an_answer_is_read_in_bounds)
{
    const char *body =
        "{\"partialSuccess\":{\"rejectedSpans\":\"3\",\"errorMessage\":\"f\\u0041l\"}}";
    char prefix[128] = "";

    for (size_t len = 1; len < strlen(body); len++) {
        prefix[len - 1] = body[len - 1];
        cr_assert_eq(respond(prefix), -EBADMSG, "%s", prefix);
    }
}

Test(json_response, depth_costs_no_stack)
{
    char *body = malloc(OTEL_OTLP_RESPONSE_MAX + 1);

    memset(body, '[', OTEL_OTLP_RESPONSE_MAX + 1);
    memcpy(body, "{\"a\":", 5);
    cr_assert_eq(otel_json_response(body, OTEL_OTLP_RESPONSE_MAX, &partial), -EBADMSG);
    cr_assert_eq(otel_json_response(body, OTEL_OTLP_RESPONSE_MAX + 1, &partial), -EMSGSIZE);
    free(body);
}
