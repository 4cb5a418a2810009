/* SPDX-License-Identifier: Apache-2.0 */
#include "core/http_span.h"

#include "core/config.h"
#include "core/http_sheet.h"
#include "core/record.h"
#include "core/store.h"

#define STATUS_MAX 40 /* bytes of http.response.status_code in wire form */

/* Was the span told of an error before? */
static bool failed(const struct otel_span *span)
{
    struct otel_record *record = otel_store_get(span->record);

    return record && record->status == OTEL_STATUS_ERROR;
}

static __attribute__((noinline)) void fail(const struct otel_span *span, unsigned status,
                                           struct otel_text error_type)
{
    char code[3];

    if (failed(span))
        return;
    if (status) {
        code[0] = (char)('0' + status / 100 % 10);
        code[1] = (char)('0' + status / 10 % 10);
        code[2] = (char)('0' + status % 10);
        error_type = (struct otel_text){code, sizeof code};
    }
    otel_span_set_text(span, OTEL_TEXT("error.type"), error_type.data, error_type.len);
    otel_span_set_status(span, OTEL_STATUS_ERROR, OTEL_TEXT(""));
}

/* status_error: the first status that is an error. */
static inline void respond(const struct otel_span *span, const struct otel_http_head *response,
                           struct otel_text error_type, unsigned status_error)
{
    unsigned status = response ? response->status : 0;
    uint8_t wire[STATUS_MAX];
    struct otel_attr attr;

    if (status) {
        attr = otel_attr_int(OTEL_TEXT("http.response.status_code"), status);
        otel_span_append_wire(
            span, wire, otel_wire_attr(wire, sizeof wire, OTEL_TAG_ATTRIBUTE, &attr, SIZE_MAX), 1);
        if (otel_config.http_dup)
            otel_span_set_int(span, OTEL_TEXT("http.status_code"), status);
        if (response->captured_count)
            otel_http_sheet_captured(span, false, response);
    }
    if (status >= status_error || error_type.len)
        fail(span, status >= status_error ? status : 0, error_type);
}

void otel_http_server_response(const struct otel_span *span, const struct otel_http_head *response,
                               struct otel_text error_type)
{
    if (otel_span_recording(span))
        respond(span, response, error_type, 500);
}

void otel_http_wire_response(const struct otel_span *span, const struct otel_http_head *response,
                             struct otel_text error_type, unsigned resend)
{
    if (!otel_span_recording(span))
        return;
    respond(span, response, error_type, 400);
    if (resend)
        otel_span_set_int(span, OTEL_TEXT("http.request.resend_count"), resend);
}
