/* SPDX-License-Identifier: Apache-2.0 */
#include "core/export/console_span.h"

#include <stdio.h>
#include <string.h>

#include "core/export/buffer.h"
#include "core/export/console_text.h"
#include "core/wire.h"

enum { SPAN_NAME = OTEL_TAG_NAME >> 3, SPAN_ATTRIBUTE = OTEL_TAG_ATTRIBUTE >> 3 };
enum { STATUS_MESSAGE = OTEL_TAG_STATUS_MESSAGE >> 3 };

enum wanted {
    METHOD,
    STATUS_CODE,
    URL_FULL,
    URL_PATH,
    QUERY_TEXT,
    NAMESPACE,
    QUESTION,
    PEER_ADDRESS,
    PEER_PORT,
    ERROR_TYPE,
    WANTED
};

static const struct otel_text wanted_keys[WANTED] = {
    [METHOD] = OTEL_TEXT("http.request.method"),
    [STATUS_CODE] = OTEL_TEXT("http.response.status_code"),
    [URL_FULL] = OTEL_TEXT("url.full"),
    [URL_PATH] = OTEL_TEXT("url.path"),
    [QUERY_TEXT] = OTEL_TEXT("db.query.text"),
    [NAMESPACE] = OTEL_TEXT("db.namespace"),
    [QUESTION] = OTEL_TEXT("dns.question.name"),
    [PEER_ADDRESS] = OTEL_TEXT("network.peer.address"),
    [PEER_PORT] = OTEL_TEXT("network.peer.port"),
    [ERROR_TYPE] = OTEL_TEXT("error.type"),
};

#define UTF8_MAX 4
#define OTHERS_SHOWN 3

struct text { /* a text under construction */
    char data[OTEL_CONSOLE_DETAIL_MAX * UTF8_MAX];
    size_t len;
};

/* What is read from a record. Texts point into its data. */
struct content {
    struct otel_text name, message;
    struct otel_text found[WANTED];
    char numbers[WANTED][24]; /* found texts of integers lie here */
    struct text others;       /* the first attributes that are not wanted, "key=value" */
    unsigned other_count;
};

static void add(struct text *text, const char *p, size_t len, size_t max_chars)
{
    text->len += otel_console_clean(text->data + text->len, sizeof text->data - text->len, p, len,
                                    max_chars);
}

static void add_char(struct text *text, char c)
{
    if (text->len < sizeof text->data)
        text->data[text->len++] = c;
}

static struct otel_text value_text(const struct otel_value *value, char number[static 24])
{
    switch (value->type) {
    case OTEL_VALUE_STRING:
        return value->text;
    case OTEL_VALUE_BOOL:
        return value->boolean ? OTEL_TEXT("true") : OTEL_TEXT("false");
    case OTEL_VALUE_INT:
        snprintf(number, 24, "%lld", (long long)value->integer);
        return (struct otel_text){number, strlen(number)};
    default:
        return OTEL_TEXT("…");
    }
}

static void read_attr(struct content *c, const uint8_t *message, size_t len)
{
    struct otel_text key, text;
    struct otel_value value;
    char number[24];

    if (!otel_wire_read_attr(message, len, &key, &value))
        return;
    text = value_text(&value, number);
    for (int w = 0; w < WANTED; w++) {
        if (key.len != wanted_keys[w].len || memcmp(key.data, wanted_keys[w].data, key.len) != 0)
            continue;
        if (text.data == number) { /* it goes with this call */
            memcpy(c->numbers[w], number, sizeof number);
            text.data = c->numbers[w];
        }
        c->found[w] = text;
        return;
    }
    if (c->other_count++ >= OTHERS_SHOWN)
        return;
    if (c->others.len)
        add_char(&c->others, ' ');
    add(&c->others, key.data, key.len, 40);
    add_char(&c->others, '=');
    add(&c->others, text.data, text.len, 40);
}

static void read_content(struct content *c, const struct otel_record_view *view)
{
    struct otel_wire_reader reader = {view->data, view->data + view->data_len};
    struct otel_wire_field field;

    while (otel_wire_next(&reader, &field)) {
        struct otel_text text = {(const char *)field.data, field.len};

        if (field.wire_type != 2)
            continue;
        if (field.number == SPAN_NAME)
            c->name = text;
        else if (field.number == STATUS_MESSAGE)
            c->message = text;
        else if (field.number == SPAN_ATTRIBUTE)
            read_attr(c, field.data, field.len);
    }
}

/* What a span is about that is no request and no statement. */
static void write_peer(struct text *out, const struct content *c)
{
    const struct otel_text *f = c->found;

    add(out, f[PEER_ADDRESS].data, f[PEER_ADDRESS].len, OTEL_CONSOLE_DETAIL_MAX - 21);
    if (f[PEER_PORT].len) {
        add_char(out, ':');
        add(out, f[PEER_PORT].data, f[PEER_PORT].len, 20);
    }
}

static enum wanted main_part_of(const struct otel_text *f)
{
    static const enum wanted parts[] = {URL_FULL, QUERY_TEXT, NAMESPACE};

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (f[parts[i]].len)
            return parts[i];
    return QUESTION;
}

static void write_detail(struct text *out, const struct content *c)
{
    const struct otel_text *f = c->found;
    enum wanted main_part = main_part_of(f);

    if (!f[URL_FULL].len && f[URL_PATH].len) {
        add(out, f[METHOD].data, f[METHOD].len, 20);
        add_char(out, ' ');
        main_part = URL_PATH;
    }
    if (f[main_part].len)
        add(out, f[main_part].data, f[main_part].len, OTEL_CONSOLE_DETAIL_MAX - 21);
    else if (f[PEER_ADDRESS].len)
        write_peer(out, c);
    else
        add(out, c->others.data, c->others.len, OTEL_CONSOLE_DETAIL_MAX);
}

static bool same(struct otel_text a, struct otel_text b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* error.type, and the status message where it says more. */
static void write_error(struct text *out, const struct content *c)
{
    struct otel_text type = c->found[ERROR_TYPE];

    add(out, type.data, type.len, 30);
    if (c->message.len && !same(type, c->message)) {
        if (type.len) {
            add_char(out, ':');
            add_char(out, ' ');
        }
        add(out, c->message.data, c->message.len, OTEL_CONSOLE_ERROR_MAX - 30);
    }
    if (out->len == 0)
        add(out, "error", 5, 5);
}

static struct otel_console_piece keep(char **to, const struct text *text)
{
    struct otel_console_piece piece = {*to, text->len};

    memcpy(*to, text->data, text->len);
    *to += text->len;
    return piece;
}

static void fill(struct otel_console_span *span, const struct otel_record *r)
{
    span->start_ns = r->start_mono_ns + (uint64_t)r->clock_offset_ns;
    span->end_ns = r->end_mono_ns + (uint64_t)r->clock_offset_ns;
    if (r->end_mono_ns < r->start_mono_ns)
        span->end_ns = span->start_ns;
    memcpy(span->span_id, r->span_id, sizeof span->span_id);
    memcpy(span->parent_span_id, r->parent_span_id, sizeof span->parent_span_id);
    span->kind = r->kind;
    span->error = r->status == OTEL_STATUS_ERROR;
    span->local_root = r->local_root;
}

struct otel_console_span *otel_console_span_new(const struct otel_record_view *view)
{
    struct content c = {.other_count = 0};
    struct text name = {.len = 0}, detail = {.len = 0}, code = {.len = 0}, error = {.len = 0};
    bool failed = view->record->status == OTEL_STATUS_ERROR;
    struct otel_console_span *span;
    char *to;

    read_content(&c, view);
    add(&name, c.name.data, c.name.len, OTEL_CONSOLE_NAME_MAX);
    write_detail(&detail, &c);
    if (failed)
        write_error(&error, &c);
    if (!failed || !same(c.found[STATUS_CODE], c.found[ERROR_TYPE]))
        add(&code, c.found[STATUS_CODE].data, c.found[STATUS_CODE].len, OTEL_CONSOLE_CODE_MAX);
    span = otel_buffer_realloc(NULL, sizeof *span + name.len + detail.len + code.len + error.len);
    if (!span)
        return NULL;
    *span = (struct otel_console_span){.next = NULL};
    fill(span, view->record);
    to = span->text;
    span->name = keep(&to, &name);
    span->detail = keep(&to, &detail);
    span->code = keep(&to, &code);
    span->error_text = keep(&to, &error);
    return span;
}
