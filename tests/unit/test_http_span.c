/* SPDX-License-Identifier: Apache-2.0 */
#include "core/http_span.h"

#include <stdio.h>

#include "tests/unit/spans.h"

static struct otel_text text(const char *p)
{
    return (struct otel_text){p, strlen(p)};
}

/* The record of one request, from what the hook knows before and after it. */
static struct otel_record *run(const struct otel_http_client *http)
{
    struct otel_span_start start = {
        .name = {"?", 1}, .kind = OTEL_KIND_CLIENT, .scope = OTEL_SCOPE_CURL};
    struct otel_span span;

    cr_assert(otel_span_start(&span, &start));
    otel_http_client_request(&span, http);
    otel_http_client_response(&span, http);
    otel_span_end(&span, 0);
    return spans_take();
}

static void assert_name(struct otel_record *record, const char *name)
{
    struct otel_wire_field field;

    cr_assert(spans_field(record, OTEL_TAG_NAME, 0, &field));
    cr_assert(field.len == strlen(name) && !memcmp(field.data, name, field.len), "%.*s",
              (int)field.len, field.data);
}

static void assert_absent(struct otel_record *record, const char *key)
{
    struct otel_value value;

    cr_assert_not(spans_attribute(record, key, &value), "%s is there", key);
}

static int count(struct otel_record *record)
{
    struct otel_wire_field field;
    int n = 0;

    while (spans_field(record, OTEL_TAG_ATTRIBUTE, n, &field))
        n++;
    return n;
}

Test(http_span, methods)
{
    static const struct {
        const char *method, *attribute, *name;
    } cases[] = {{"GET", "GET", "GET"},       {"PATCH", "PATCH", "PATCH"},
                 {"QUERY", "QUERY", "QUERY"}, {"get", "_OTHER", "HTTP"},
                 {"GE", "_OTHER", "HTTP"},    {"GETS", "_OTHER", "HTTP"},
                 {"", "_OTHER", "HTTP"}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct otel_text attribute = otel_http_method(text(cases[i].method));
        struct otel_text name = otel_http_client_name(text(cases[i].method));

        cr_expect(attribute.len == strlen(cases[i].attribute) &&
                      !memcmp(attribute.data, cases[i].attribute, attribute.len),
                  "%s", cases[i].method);
        cr_expect(name.len == strlen(cases[i].name) && !memcmp(name.data, cases[i].name, name.len),
                  "%s", cases[i].method);
    }
}

Test(http_span, a_request_that_worked, .init = spans_begin)
{
    struct otel_record *r = run(&(struct otel_http_client){
        .method = text("GET"),
        .url = text("https://user:secret@example.com/a?sig=b"),
        .peer_address = text("192.0.2.1"),
        .peer_port = 443,
        .protocol_version = text("2"),
        .status_code = 200,
    });

    assert_name(r, "GET");
    spans_assert_text(r, "http.request.method", "GET");
    spans_assert_text(r, "url.full", "https://REDACTED:REDACTED@example.com/a?sig=REDACTED");
    spans_assert_text(r, "server.address", "example.com");
    spans_assert_int(r, "server.port", 443);
    spans_assert_int(r, "http.response.status_code", 200);
    spans_assert_text(r, "network.peer.address", "192.0.2.1");
    spans_assert_int(r, "network.peer.port", 443);
    spans_assert_text(r, "network.protocol.version", "2");
    cr_assert_eq(count(r), 8, "no others, the old names least of all");
    cr_assert_eq(r->status, OTEL_STATUS_UNSET);
}

Test(http_span, statuses, .init = spans_begin)
{
    static const struct {
        int code;
        const char *failure, *error_type;
    } cases[] = {
        {100, "", NULL},
        {204, "", NULL},
        {301, "", NULL},
        {399, "", NULL},
        {400, "", "400"},
        {404, "", "404"},
        {500, "", "500"},
        {599, "", "599"},
        {0, "COULDNT_RESOLVE_HOST", "COULDNT_RESOLVE_HOST"},
        {200, "PARTIAL_FILE", "PARTIAL_FILE"},
        {404, "HTTP_RETURNED_ERROR", "404"},
        {0, "", NULL},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct otel_wire_field message;
        struct otel_record *r = run(&(struct otel_http_client){
            .method = text("GET"),
            .url = text("http://h/"),
            .status_code = cases[i].code,
            .error_type = text(cases[i].failure),
        });

        if (cases[i].error_type)
            spans_assert_text(r, "error.type", cases[i].error_type);
        else
            assert_absent(r, "error.type");
        cr_assert_eq(r->status, cases[i].error_type ? OTEL_STATUS_ERROR : OTEL_STATUS_UNSET);
        cr_assert_not(spans_field(r, OTEL_TAG_STATUS_MESSAGE, 0, &message));
        if (!cases[i].code)
            assert_absent(r, "http.response.status_code");
    }
}

Test(http_span, an_unknown_method, .init = spans_begin)
{
    struct otel_record *r = run(&(struct otel_http_client){
        .method = text("PURGE"), .url = text("h:81/"), .resend_count = 2});

    assert_name(r, "HTTP");
    spans_assert_text(r, "http.request.method", "_OTHER");
    spans_assert_text(r, "http.request.method_original", "PURGE");
    spans_assert_text(r, "url.full", "http://h:81/");
    spans_assert_int(r, "server.port", 81);
    spans_assert_int(r, "http.request.resend_count", 2);
    assert_absent(r, "network.peer.address");
}

Test(http_span, old_names_when_asked, .init = spans_begin)
{
    struct otel_record *r;

    otel_config.http_dup = true;
    r = run(&(struct otel_http_client){
        .method = text("PURGE"), .url = text("u@h/x"), .status_code = 503});
    spans_assert_text(r, "http.request.method", "_OTHER");
    spans_assert_text(r, "http.method", "PURGE");
    spans_assert_text(r, "http.url", "http://REDACTED@h/x");
    spans_assert_text(r, "http.scheme", "http");
    spans_assert_text(r, "net.peer.name", "h");
    spans_assert_int(r, "net.peer.port", 80);
    spans_assert_int(r, "http.status_code", 503);
}

Test(http_span, what_is_not_http, .init = spans_begin)
{
    struct otel_record *r = run(&(struct otel_http_client){
        .url = text("ftp://u:p@h/x"), .error_type = text("REMOTE_ACCESS_DENIED")});

    assert_name(r, "?");
    spans_assert_text(r, "url.full", "ftp://REDACTED:REDACTED@h/x");
    spans_assert_text(r, "server.address", "h");
    spans_assert_int(r, "server.port", 21);
    spans_assert_text(r, "error.type", "REMOTE_ACCESS_DENIED");
    assert_absent(r, "http.request.method");
    cr_assert_eq(count(r), 4);
}

Test(http_span, odd_urls, .init = spans_begin)
{
    struct otel_record *r =
        run(&(struct otel_http_client){.method = text("GET"), .url = text("http://h:p@ss:x/")});

    spans_assert_text(r, "url.full", "http://REDACTED:REDACTED@ss:x/");
    assert_absent(r, "server.address");
    r = run(&(struct otel_http_client){.method = text("GET"), .url = text("http://[::1]:90/")});
    spans_assert_text(r, "server.address", "::1");
    r = run(&(struct otel_http_client){.method = text("GET")});
    assert_absent(r, "url.full");
    cr_assert_eq(count(r), 1);
}

Test(http_span, a_long_url_is_cut, .init = spans_begin)
{
    char url[8192];
    struct otel_value value;
    struct otel_record *r;

    memset(url, 'a', sizeof url);
    memcpy(url, "http://u:p@h/", 13);
    r = run(&(struct otel_http_client){.method = text("GET"), .url = {url, sizeof url}});
    cr_assert(spans_attribute(r, "url.full", &value));
    cr_assert_eq(value.text.len, 1536);
    cr_assert_eq(memcmp(value.text.data, "http://REDACTED:REDACTED@h/aaa", 30), 0);
}

Test(http_span, a_span_that_is_not_recorded_is_left_alone)
{
    struct otel_span none = {.record = 0};
    struct otel_http_client http = {.method = text("GET"), .url = text("http://h/")};

    otel_http_client_request(&none, &http);
    otel_http_client_response(&none, &http);
    cr_assert_eq(none.record, 0);
}
