/* SPDX-License-Identifier: Apache-2.0 */
#include "core/http_span.h"

#include "tests/unit/http_heads.h"

static struct otel_record *respond(bool server, int status, const char *error)
{
    struct otel_http_head head = {.status = (uint16_t)status}, *response = status ? &head : NULL;
    struct otel_span span = heads_span(server ? OTEL_KIND_SERVER : OTEL_KIND_CLIENT);

    if (server)
        otel_http_server_response(&span, response, heads_text(error));
    else
        otel_http_wire_response(&span, response, heads_text(error), 0);
    otel_span_end(&span, 0);
    return spans_take();
}

Test(http_response_span, statuses, .init = spans_begin)
{
    static const struct {
        int status;
        const char *failure, *server, *client;
    } cases[] = {
        {101, "", NULL, NULL},
        {200, "", NULL, NULL},
        {304, "", NULL, NULL},
        {399, "", NULL, NULL},
        {400, "", NULL, "400"},
        {499, "", NULL, "499"},
        {500, "", "500", "500"},
        {599, "", "599", "599"},
        {999, "", "999", "999"},
        {200, "ECONNRESET", "ECONNRESET", "ECONNRESET"},
        {404, "timeout", "timeout", "404"},
        {503, "timeout", "503", "503"},
        {0, "ECONNREFUSED", "ECONNREFUSED", "ECONNREFUSED"},
        {0, "", NULL, NULL},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases * 2; i++) {
        int status = cases[i / 2].status;
        const char *error = i % 2 ? cases[i / 2].server : cases[i / 2].client;
        struct otel_record *r = respond(i % 2, status, cases[i / 2].failure);
        struct otel_wire_field message;

        heads_assert_text(r, "error.type", error);
        cr_assert_eq(r->status, error ? OTEL_STATUS_ERROR : OTEL_STATUS_UNSET);
        cr_assert_not(spans_field(r, OTEL_TAG_STATUS_MESSAGE, 0, &message));
        if (status)
            spans_assert_int(r, "http.response.status_code", status);
        else
            heads_assert_absent(r, "http.response.status_code");
        cr_assert_eq(heads_count(r), (status != 0) + (error != NULL));
    }
}

/* The head came, and then something went wrong; what is said first stays. */
Test(http_response_span, a_failure_behind_the_head, .init = spans_begin)
{
    struct otel_http_head head = {.status = 200};
    struct otel_span span = heads_span(OTEL_KIND_SERVER);
    struct otel_record *r;

    otel_http_server_response(&span, &head, OTEL_TEXT(""));
    otel_http_server_response(&span, NULL, OTEL_TEXT("ECONNRESET"));
    otel_span_end(&span, 0);
    r = spans_take();
    spans_assert_int(r, "http.response.status_code", 200);
    spans_assert_text(r, "error.type", "ECONNRESET");
    cr_assert_eq(r->status, OTEL_STATUS_ERROR);

    span = heads_span(OTEL_KIND_CLIENT);
    head.status = 502;
    otel_http_wire_response(&span, &head, OTEL_TEXT(""), 3);
    otel_http_wire_response(&span, NULL, OTEL_TEXT("ECONNRESET"), 0);
    otel_span_end(&span, 0);
    r = spans_take();
    spans_assert_text(r, "error.type", "502");
    spans_assert_int(r, "http.request.resend_count", 3);
    cr_assert_eq(heads_count(r), 3);
}

Test(http_response_span, old_names_and_captured_headers, .init = spans_begin)
{
    static const char name[] = "set-cookie";
    struct otel_http_head head = {.status = 204, .captured_count = 2};
    struct otel_span span = heads_span(OTEL_KIND_SERVER);
    struct otel_record *r;
    struct otel_value value;

    head.captured[0].name = head.captured[1].name = heads_text(name);
    head.captured[0].value = heads_text("a");
    head.captured[1].value = heads_text("b");
    head = heads_guard(&head);
    otel_config.http_dup = true;
    otel_http_server_response(&span, &head, OTEL_TEXT(""));
    otel_span_end(&span, 0);
    r = spans_take();
    spans_assert_int(r, "http.status_code", 204);
    cr_assert(spans_attribute(r, "http.response.header.set-cookie", &value));
    cr_assert_arr_eq(value.text.data,
                     "\x0a\x03\x0a\x01"
                     "a\x0a\x03\x0a\x01"
                     "b",
                     10);
    cr_assert_eq(heads_count(r), 3);
}

Test(http_response_span, not_recorded)
{
    struct otel_http_head head = {.status = 500};
    struct otel_span span = {.record = 0};

    otel_http_server_response(&span, &head, OTEL_TEXT("x"));
    otel_http_wire_response(&span, &head, OTEL_TEXT("x"), 1);
}
