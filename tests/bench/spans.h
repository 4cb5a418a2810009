/* SPDX-License-Identifier: Apache-2.0
 *
 * The span the benchmarks of core start and end: a client's, with five attributes.
 */
#ifndef OTEL_BENCH_SPANS_H
#define OTEL_BENCH_SPANS_H

#include "core/span.h"

static inline void bench_span(void *unused)
{
    static const struct otel_span_start start = {
        .name = {"GET", 3}, .kind = OTEL_KIND_CLIENT, .scope = OTEL_SCOPE_CURL};
    struct otel_span span;

    (void)unused;
    if (otel_span_start(&span, &start)) {
        otel_span_set_text(&span, OTEL_TEXT("http.request.method"), "GET", 3);
        otel_span_set_text(&span, OTEL_TEXT("url.full"), "http://localhost:8080/documents/17", 34);
        otel_span_set_text(&span, OTEL_TEXT("server.address"), "localhost", 9);
        otel_span_set_int(&span, OTEL_TEXT("server.port"), 8080);
        otel_span_set_int(&span, OTEL_TEXT("http.response.status_code"), 200);
    }
    otel_span_end(&span, 0);
}

#endif
