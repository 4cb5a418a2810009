/* SPDX-License-Identifier: Apache-2.0
 *
 * Request heads for the tests of HTTP spans: a span is started, told of a head, ended, and its
 * record taken. Every text of the head and of the peers lies right before a page that faults, so
 * that whoever reads one byte too far is seen. Single-threaded.
 */
#ifndef TESTS_UNIT_HTTP_HEADS_H
#define TESTS_UNIT_HTTP_HEADS_H

#include "core/http_span.h"
#include "tests/support/guardpage.h"
#include "tests/unit/spans.h"

static inline struct otel_text heads_text(const char *p)
{
    return (struct otel_text){p, strlen(p)};
}

/* A guarded copy, until the test ends. */
static inline struct otel_text heads_guarded(struct otel_text text)
{
    struct guardpage page;

    if (!text.data)
        return text;
    guardpage_open(&page, text.len);
    return (struct otel_text){guardpage_put(&page, text.data, text.len), text.len};
}

/* head with all its texts guarded; captured names stay, for they are compared by address. */
static inline struct otel_http_head heads_guard(const struct otel_http_head *head)
{
    struct otel_http_head copy = *head;
    struct otel_text *const texts[] = {
        &copy.method,    &copy.target,        &copy.host,           &copy.user_agent,
        &copy.forwarded, &copy.forwarded_for, &copy.forwarded_host, &copy.forwarded_proto};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = heads_guarded(*texts[i]);
    for (size_t i = 0; i < copy.captured_count; i++)
        copy.captured[i].value = heads_guarded(copy.captured[i].value);
    return copy;
}

static inline struct otel_span heads_span(enum otel_span_kind kind)
{
    struct otel_span_start start = {.kind = kind, .scope = OTEL_SCOPE_SOCKET, .root = true};
    struct otel_span span;

    cr_assert(otel_span_start(&span, &start));
    return span;
}

/* The record of a server's span for head. peer, local: NULL for 192.0.2.7:4711 and nothing. */
static inline struct otel_record *heads_serve(const struct otel_http_head *head,
                                              const struct otel_http_peer *peer,
                                              const struct otel_http_peer *local)
{
    const struct otel_http_peer usual = {{"192.0.2.7", 9}, 4711, false}, none = {.port = 0};
    struct otel_http_head copy = heads_guard(head);
    struct otel_http_peer from = peer ? *peer : usual, to = local ? *local : none;
    struct otel_span span = heads_span(OTEL_KIND_SERVER);

    from.address = heads_guarded(from.address);
    to.address = heads_guarded(to.address);
    otel_http_server_request(&span, &copy, &from, &to);
    otel_span_end(&span, 0);
    return spans_take();
}

/* The same of a client's; peer NULL: 192.0.2.9:8080. */
static inline struct otel_record *heads_ask(const struct otel_http_head *head,
                                            const struct otel_http_peer *peer)
{
    const struct otel_http_peer usual = {{"192.0.2.9", 9}, 8080, false};
    struct otel_http_head copy = heads_guard(head);
    struct otel_http_peer to = peer ? *peer : usual;
    struct otel_span span = heads_span(OTEL_KIND_CLIENT);

    to.address = heads_guarded(to.address);
    otel_http_wire_request(&span, &copy, &to);
    otel_span_end(&span, 0);
    return spans_take();
}

static inline void heads_assert_name(struct otel_record *record, const char *name)
{
    struct otel_wire_field field;

    cr_assert(spans_field(record, OTEL_TAG_NAME, 0, &field));
    cr_assert(field.len == strlen(name) && !memcmp(field.data, name, field.len), "%.*s, not %s",
              (int)field.len, field.data, name);
}

static inline void heads_assert_absent(struct otel_record *record, const char *key)
{
    struct otel_value value;

    cr_assert_not(spans_attribute(record, key, &value), "%s is there", key);
}

/* Text expected, or NULL: the attribute is absent. */
#define heads_assert_text(record, key, expected)      \
    do {                                              \
        if (expected)                                 \
            spans_assert_text(record, key, expected); \
        else                                          \
            heads_assert_absent(record, key);         \
    } while (0)

/* How many attributes there are; the record's own count agrees. */
static inline int heads_count(struct otel_record *record)
{
    struct otel_wire_field field;
    int n = 0;

    while (spans_field(record, OTEL_TAG_ATTRIBUTE, n, &field))
        n++;
    cr_assert_eq(record->attributes, n);
    return n;
}

#endif
