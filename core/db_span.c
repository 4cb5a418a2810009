/* SPDX-License-Identifier: Apache-2.0 */
#include "core/db_span.h"

#include <string.h>

#include "core/config.h"

/* Attributes longer than this would not leave room in a record for anything else. */
#define WIRE_MAX (OTEL_OVERFLOW_SIZE / 2)

/* Of a text attribute, beyond its text: tags, lengths and the longest key used here. */
#define TEXT_OVERHEAD 40

/* Bytes a bad byte of the text grows to when it is repaired (utf8.h). */
#define REPAIR_GROWTH 3

struct builder {
    struct otel_db_statement *st;
    size_t cap; /* of st->wire */
};

/* Returns false when there is no room. Empty texts are left out. */
static bool add(struct builder *b, struct otel_text key, const char *p, size_t len)
{
    struct otel_db_statement *st = b->st;
    uint32_t limit = otel_config.attribute_value_length_limit;
    struct otel_attr attr = otel_attr_text(key, p, len);
    size_t n;

    if (!len)
        return true;
    n = otel_wire_attr(st->wire + st->wire_len, b->cap - st->wire_len, OTEL_TAG_ATTRIBUTE, &attr,
                       limit == UINT32_MAX ? SIZE_MAX : limit);
    st->wire_len = (uint16_t)(st->wire_len + n);
    st->attributes += n > 0;
    return n > 0;
}

static void set_name(struct otel_db_statement *st, const struct otel_sql *sql,
                     struct otel_text system)
{
    struct otel_text name = {sql->summary, sql->summary_len};

    if (!name.len)
        name = system;
    if (name.len > OTEL_SQL_SUMMARY_MAX)
        name.len = OTEL_SQL_SUMMARY_MAX;
    memcpy(st->name, name.data, name.len);
    st->name[name.len] = '\0';
    st->name_len = (uint16_t)name.len;
}

static void add_old_names(struct builder *b, const struct otel_sql *sql, struct otel_text system,
                          struct otel_text namespace_)
{
    add(b, OTEL_TEXT("db.system"), system.data, system.len);
    add(b, OTEL_TEXT("db.name"), namespace_.data, namespace_.len);
    add(b, OTEL_TEXT("db.operation"), sql->operation, strlen(sql->operation));
    add(b, OTEL_TEXT("db.sql.table"), sql->target, strlen(sql->target));
}

/* The query text, under one name or two: both or, when there is no room, neither. */
static bool add_text(struct builder *b, const char *p, size_t len)
{
    uint16_t wire_len = b->st->wire_len, attributes = b->st->attributes;

    if (add(b, OTEL_TEXT("db.query.text"), p, len) &&
        (!otel_config.database_dup || add(b, OTEL_TEXT("db.statement"), p, len)))
        return true;
    b->st->wire_len = wire_len;
    b->st->attributes = attributes;
    return false;
}

void otel_db_statement_build(struct otel_db_statement *st, size_t wire_cap, struct otel_text system,
                             struct otel_text namespace_, struct otel_text text, char *scratch,
                             size_t scratch_cap)
{
    struct builder b = {st, wire_cap < WIRE_MAX ? wire_cap : WIRE_MAX};
    enum otel_db_text mode = scratch ? otel_config.db_text : OTEL_DB_TEXT_OFF;
    struct otel_sql sql;
    size_t room;

    st->wire_len = st->attributes = 0;
    otel_sql_describe(&sql, scratch, scratch_cap, text.data, text.len, mode);
    set_name(st, &sql, system);
    add(&b, OTEL_TEXT("db.system.name"), system.data, system.len);
    add(&b, OTEL_TEXT("db.namespace"), namespace_.data, namespace_.len);
    add(&b, OTEL_TEXT("db.query.summary"), sql.summary, sql.summary_len);
    if (otel_config.database_dup)
        add_old_names(&b, &sql, system, namespace_);
    if (add_text(&b, scratch, sql.text_len))
        return;
    /* cut at a token, to what fits; then once more, should repaired bytes make it grow */
    room = (b.cap - st->wire_len) / (otel_config.database_dup ? 2 : 1);
    room = room > TEXT_OVERHEAD ? room - TEXT_OVERHEAD : 0;
    for (int i = 0; i < 2; i++, room /= REPAIR_GROWTH) {
        otel_sql_describe(&sql, scratch, room < scratch_cap ? room : scratch_cap, text.data,
                          text.len, mode);
        if (add_text(&b, scratch, sql.text_len))
            return;
    }
}

bool otel_db_span_start(struct otel_span *span, const struct otel_db_statement *st,
                        enum otel_span_scope scope, uint64_t start_mono_ns)
{
    struct otel_span_start start = {.name = {st->name, st->name_len},
                                    .kind = OTEL_KIND_CLIENT,
                                    .scope = scope,
                                    .start_mono_ns = start_mono_ns};

    if (!otel_span_start(span, &start))
        return false;
    otel_span_append_wire(span, st->wire, st->wire_len, st->attributes);
    return true;
}

/* A key that was not set before: nothing to look for in what the record holds. */
static void append_int(const struct otel_span *span, struct otel_text key, int64_t v)
{
    uint8_t wire[64];
    struct otel_attr attr = otel_attr_int(key, v);
    size_t n = otel_wire_attr(wire, sizeof wire, OTEL_TAG_ATTRIBUTE, &attr, SIZE_MAX);

    otel_span_append_wire(span, wire, n, 1);
}

static void set_rows(const struct otel_span *span, int64_t returned, int64_t affected)
{
    if (returned >= 0)
        append_int(span, OTEL_TEXT("db.response.returned_rows"), returned);
    if (affected >= 0 && otel_config.database_dup)
        append_int(span, OTEL_TEXT("db.rows_affected"), affected);
}

void otel_db_span_end(struct otel_span *span, int64_t returned_rows, int64_t affected_rows)
{
    set_rows(span, returned_rows, affected_rows);
    otel_span_end(span, 0);
}

void otel_db_span_fail(struct otel_span *span, struct otel_text code, struct otel_text type,
                       int64_t returned_rows)
{
    set_rows(span, returned_rows, -1);
    otel_span_set_text(span, OTEL_TEXT("db.response.status_code"), code.data, code.len);
    otel_span_set_text(span, OTEL_TEXT("error.type"), type.data, type.len);
    otel_span_set_status(span, OTEL_STATUS_ERROR, OTEL_TEXT(""));
    otel_span_end(span, 0);
}
