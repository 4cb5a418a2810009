/* SPDX-License-Identifier: Apache-2.0
 *
 * The span the benchmarks of core start and end: a root of kind CLIENT with five attributes, three
 * texts and two numbers, as an HTTP client has. Its start, attributes, end and way into the queue
 * are the work of the host's thread; opentelemetry-cpp was measured with the same five.
 * Its texts are short ASCII, the usual case; what long ones cost is not asked here.
 */
#ifndef OTEL_BENCH_SPANS_H
#define OTEL_BENCH_SPANS_H

#include "core/context.h"
#include "core/span.h"

/* One such span, from start to queue. When it is not sampled no attribute is set, as a hook does.
 * The argument is there to suit bench_best() and bench_pace(). It is not made current: what
 * attaching costs is the hooks' affair. Threads: any. */
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

/* The span of a traced function by itself, without the call: the attributes of tests/bench/
 * function.c, one of them made beforehand, current between start and end. */
static inline void bench_function_span(void *unused)
{
    static const struct otel_span_start start = {
        .name = {"work", 4}, .kind = OTEL_KIND_INTERNAL, .scope = OTEL_SCOPE_FUNCTION};
    static uint8_t wire[64];
    static size_t len;
    struct otel_span span;
    uint32_t token;

    (void)unused;
    if (!len) {
        struct otel_attr name = otel_attr_text(OTEL_TEXT("code.function.name"), "work", 4);

        len = otel_wire_attr(wire, sizeof wire, OTEL_TAG_ATTRIBUTE, &name, SIZE_MAX);
    }
    if (otel_span_start(&span, &start)) {
        otel_span_append_wire(&span, wire, len, 1);
        otel_span_set_int(&span, OTEL_TEXT("n"), 3);
    }
    token = otel_context_attach(&span.ctx);
    otel_span_set_int(&span, OTEL_TEXT("function.result"), 4);
    otel_span_end(&span, 0);
    otel_context_detach(token);
}

#endif
