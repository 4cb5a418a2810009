/* SPDX-License-Identifier: Apache-2.0 */
#include "core/span_data.h"

#include <stdlib.h>

#include "tests/unit/spans.h"

static struct otel_span span;

static void start(void)
{
    struct otel_span_start s = {.name = OTEL_TEXT("x"), .kind = OTEL_KIND_INTERNAL};

    spans_begin();
    cr_assert(otel_span_start(&span, &s));
}

static struct otel_record *end(void)
{
    otel_span_end(&span, 0);
    return spans_take();
}

Test(span_data, a_key_set_again_replaces_its_value, .init = start)
{
    struct otel_record *r;

    otel_span_set_text(&span, OTEL_TEXT("a"), "one", 3);
    otel_span_set_int(&span, OTEL_TEXT("b"), -5);
    otel_span_set_text(&span, OTEL_TEXT("a"), "a longer one", 12);
    r = end();
    cr_assert_eq(r->attributes, 2);
    spans_assert_text(r, "a", "a longer one");
    spans_assert_int(r, "b", -5);
}

Test(span_data, a_key_that_is_the_beginning_of_another_is_its_own, .init = start)
{
    struct otel_record *r;

    otel_span_set_text(&span, OTEL_TEXT("http.url"), "1", 1);
    otel_span_set_text(&span, OTEL_TEXT("http"), "2", 1);
    r = end();
    spans_assert_text(r, "http.url", "1");
    spans_assert_text(r, "http", "2");
}

Test(span_data, the_name_can_change, .init = start)
{
    struct otel_wire_field name;
    struct otel_record *r;

    otel_span_set_int(&span, OTEL_TEXT("b"), 1);
    otel_span_set_name(&span, OTEL_TEXT("a better name"));
    r = end();
    cr_assert(spans_field(r, OTEL_TAG_NAME, 0, &name));
    cr_assert_eq(name.len, 13);
    cr_assert_not(spans_field(r, OTEL_TAG_NAME, 1, &name));
    spans_assert_int(r, "b", 1);
}

Test(span_data, counts_what_is_over_the_limit, .init = start)
{
    char key[8];
    struct otel_record *r;

    otel_config.attribute_count_limit = 10;
    for (int i = 0; i < 15; i++) {
        snprintf(key, sizeof key, "k%d", i);
        otel_span_set_int(&span, (struct otel_text){key, strlen(key)}, i);
    }
    otel_span_set_int(&span, OTEL_TEXT("k3"), 33);
    r = end();
    cr_assert_eq(r->attributes, 10);
    cr_assert_eq(r->dropped_attributes, 5);
    spans_assert_int(r, "k3", 33);
}

Test(span_data, cuts_values_by_characters, .init = start)
{
    struct otel_record *r;

    otel_config.attribute_value_length_limit = 3;
    otel_span_set_text(&span, OTEL_TEXT("a"), "äöüß", 8);
    r = end();
    spans_assert_text(r, "a", "äöü");
}

Test(span_data, moves_to_an_overflow_block_and_loses_nothing, .init = start)
{
    char key[8];
    char value[100];
    struct otel_record *r;

    otel_config.attribute_count_limit = 1000;
    memset(value, 'v', sizeof value);
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "k%d", i);
        otel_span_set_text(&span, (struct otel_text){key, strlen(key)}, value, sizeof value);
    }
    r = end();
    cr_assert_eq(r->attributes, 100);
    cr_assert_eq(r->dropped_attributes, 0);
    cr_assert_gt(r->used, OTEL_RECORD_INLINE);
}

Test(span_data, counts_what_does_not_fit_at_all, .init = start)
{
    static char value[12000];
    struct otel_record *r;

    memset(value, 'v', sizeof value);
    otel_span_set_text(&span, OTEL_TEXT("a"), value, sizeof value);
    otel_span_set_text(&span, OTEL_TEXT("b"), value, sizeof value);
    otel_span_set_text(&span, OTEL_TEXT("c"), value, sizeof value);
    otel_span_set_int(&span, OTEL_TEXT("d"), 1);
    r = end();
    cr_assert_eq(r->attributes, 3);
    cr_assert_eq(r->dropped_attributes, 1);
    spans_assert_int(r, "d", 1);
}

Test(span_data, cuts_an_endless_value_between_characters, .init = start)
{
    static char value[OTEL_VALUE_MAX + 100];
    struct otel_value v;

    for (size_t i = 0; i < sizeof value; i++)
        value[i] = i % 2 ? '\xa4' : '\xc3';
    value[0] = 'x'; /* the cut would fall inside a character */
    value[1] = 'y';
    otel_span_set_text(&span, OTEL_TEXT("a"), value, sizeof value);
    cr_assert(spans_attribute(end(), "a", &v));
    cr_assert_leq(v.text.len, OTEL_VALUE_MAX);
    cr_assert_eq((unsigned char)v.text.data[v.text.len - 1], 0xa4);
}

Test(span_data, events_have_time_and_attributes, .init = start)
{
    struct otel_attr attr = otel_attr_int(OTEL_TEXT("n"), 4);
    struct otel_wire_field event;
    struct otel_wire_field f;
    struct otel_wire_reader reader;
    struct otel_record *r;

    otel_config.event_count_limit = 2;
    otel_span_event(&span, OTEL_TEXT("first"), 5000, &attr, 1);
    otel_span_event(&span, OTEL_TEXT("second"), 0, NULL, 0);
    otel_span_event(&span, OTEL_TEXT("third"), 0, NULL, 0);
    r = end();
    cr_assert_eq(r->events, 2);
    cr_assert_eq(r->dropped_events, 1);
    cr_assert(spans_field(r, OTEL_TAG_EVENT, 0, &event));
    reader = (struct otel_wire_reader){event.data, event.data + event.len};
    cr_assert(otel_wire_next(&reader, &f));
    cr_assert_eq(f.number, 1);
    cr_assert_eq(f.value, (uint64_t)(5000 + r->clock_offset_ns));
}

Test(span_data, links_name_their_span, .init = start)
{
    struct otel_span_context to = {.trace_id = {1}, .span_id = {2}, .flags = 1, .remote = true};
    struct otel_wire_field link;
    struct otel_wire_field f;
    struct otel_wire_reader reader;
    struct otel_record *r;

    otel_config.link_count_limit = 1;
    otel_span_link(&span, &to, NULL, 0);
    otel_span_link(&span, &to, NULL, 0);
    r = end();
    cr_assert_eq(r->links, 1);
    cr_assert_eq(r->dropped_links, 1);
    cr_assert(spans_field(r, OTEL_TAG_LINK, 0, &link));
    reader = (struct otel_wire_reader){link.data, link.data + link.len};
    cr_assert(otel_wire_next(&reader, &f));
    cr_assert_eq(f.len, 16);
    cr_assert_eq(f.data[0], 1);
    cr_assert(otel_wire_next(&reader, &f));
    cr_assert_eq(f.data[0], 2);
    cr_assert(otel_wire_next(&reader, &f));
    cr_assert_eq(f.number, 6);
    cr_assert_eq(f.value, 0x301);
}

/* Random sets, replacements, names and events: what is read back is always what was set last. */
Test(span_data, random_sequences_read_back, .init = start)
{
    int64_t last[40];

    srand(42);
    memset(last, 0xff, sizeof last);
    for (int i = 0; i < 5000; i++) {
        char key[8];
        int k = rand() % 40;

        snprintf(key, sizeof key, "k%d", k);
        if (rand() % 10 == 0)
            otel_span_set_name(&span, (struct otel_text){"a name of some length", 1 + rand() % 20});
        last[k] = rand();
        otel_span_set_int(&span, (struct otel_text){key, strlen(key)}, last[k]);
    }
    struct otel_record *r = end();

    for (int k = 0; k < 40; k++) {
        char key[8];

        snprintf(key, sizeof key, "k%d", k);
        spans_assert_int(r, key, last[k]);
    }
    cr_assert_eq(r->attributes, 40);
}
