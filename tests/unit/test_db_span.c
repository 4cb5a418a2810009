/* SPDX-License-Identifier: Apache-2.0 */
#include "core/db_span.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/guardpage.h"
#include "tests/unit/spans.h"

#define CAP 2048

static union {
    struct otel_db_statement st;
    char room[sizeof(struct otel_db_statement) + CAP];
} statement; /* one test a process */

static char scratch[CAP];

static struct otel_text text(const char *p)
{
    return (struct otel_text){p, strlen(p)};
}

static struct otel_db_statement *build(const char *sql)
{
    otel_db_statement_build(&statement.st, CAP, text("sqlite"), text("/tmp/x.db"), text(sql),
                            scratch, sizeof scratch);
    return &statement.st;
}

static struct otel_record *run(const struct otel_db_statement *st, int64_t rows, int64_t affected)
{
    struct otel_span span;

    cr_assert(otel_db_span_start(&span, st, OTEL_SCOPE_SQLITE, 0));
    otel_db_span_end(&span, rows, affected);
    return spans_take();
}

static void assert_absent(struct otel_record *record, const char *key)
{
    struct otel_value value;

    cr_assert_not(spans_attribute(record, key, &value), "%s is there", key);
}

static void assert_name(struct otel_record *record, const char *name)
{
    struct otel_wire_field field;

    cr_assert(spans_field(record, OTEL_TAG_NAME, 0, &field));
    cr_assert(field.len == strlen(name) && !memcmp(field.data, name, field.len), "%.*s",
              (int)field.len, field.data);
}

Test(db_span, a_statement_that_worked, .init = spans_begin)
{
    struct otel_record *r = run(build("SELECT * FROM t WHERE a = 'secret'"), 3, 7);

    assert_name(r, "SELECT t");
    cr_assert_eq(r->kind, OTEL_KIND_CLIENT);
    cr_assert_eq(r->scope, OTEL_SCOPE_SQLITE);
    cr_assert_eq(r->status, OTEL_STATUS_UNSET);
    cr_assert_eq(r->attributes, 5);
    spans_assert_text(r, "db.system.name", "sqlite");
    spans_assert_text(r, "db.namespace", "/tmp/x.db");
    spans_assert_text(r, "db.query.text", "SELECT * FROM t WHERE a = ?");
    spans_assert_text(r, "db.query.summary", "SELECT t");
    spans_assert_int(r, "db.response.returned_rows", 3);
    assert_absent(r, "db.statement");
    assert_absent(r, "db.rows_affected");
}

Test(db_span, unknown_rows_are_left_out, .init = spans_begin)
{
    struct otel_record *r = run(build("BEGIN"), -1, -1);

    assert_name(r, "BEGIN");
    assert_absent(r, "db.response.returned_rows");
}

Test(db_span, a_statement_that_failed, .init = spans_begin)
{
    struct otel_wire_field message;
    struct otel_span span;
    struct otel_record *r;

    cr_assert(otel_db_span_start(&span, build("INSERT INTO t VALUES (1)"), OTEL_SCOPE_SQLITE, 0));
    otel_db_span_fail(&span, text("1555"), text("SQLITE_CONSTRAINT_PRIMARYKEY"), -1);
    r = spans_take();
    cr_assert_eq(r->status, OTEL_STATUS_ERROR);
    cr_assert_not(spans_field(r, OTEL_TAG_STATUS_MESSAGE, 0, &message));
    spans_assert_text(r, "db.response.status_code", "1555");
    spans_assert_text(r, "error.type", "SQLITE_CONSTRAINT_PRIMARYKEY");
    assert_absent(r, "db.response.returned_rows");
}

Test(db_span, old_names_when_asked, .init = spans_begin)
{
    struct otel_record *r;

    otel_config.database_dup = true;
    r = run(build("UPDATE t SET a = 1"), -1, 4);
    spans_assert_text(r, "db.query.text", "UPDATE t SET a = ?");
    spans_assert_text(r, "db.statement", "UPDATE t SET a = ?");
    spans_assert_text(r, "db.system", "sqlite");
    spans_assert_text(r, "db.name", "/tmp/x.db");
    spans_assert_text(r, "db.operation", "UPDATE");
    spans_assert_text(r, "db.sql.table", "t");
    spans_assert_int(r, "db.rows_affected", 4);
}

Test(db_span, text_that_is_no_sql_is_named_after_the_system, .init = spans_begin)
{
    struct otel_record *r = run(build("nonsense"), -1, -1);

    assert_name(r, "sqlite");
    assert_absent(r, "db.query.summary");
    spans_assert_text(r, "db.query.text", "nonsense");
}

Test(db_span, modes_of_the_text, .init = spans_begin)
{
    struct otel_record *r;

    otel_config.db_text = OTEL_DB_TEXT_OFF;
    r = run(build("SELECT 1 FROM t"), -1, -1);
    assert_name(r, "SELECT t");
    assert_absent(r, "db.query.text");
    otel_config.db_text = OTEL_DB_TEXT_RAW;
    spans_assert_text(run(build("SELECT 1 FROM t"), -1, -1), "db.query.text", "SELECT 1 FROM t");
    otel_db_statement_build(&statement.st, CAP, text("sqlite"), text(":memory:"),
                            text("SELECT 1 FROM t"), NULL, 0);
    r = run(&statement.st, -1, -1);
    assert_name(r, "SELECT t");
    assert_absent(r, "db.query.text");
}

Test(db_span, values_obey_the_length_limit, .init = spans_begin)
{
    otel_config.attribute_value_length_limit = 4;
    spans_assert_text(run(build("SELECT a FROM t"), -1, -1), "db.query.text", "SELE");
}

/* Whatever the room, what is there is whole: the wire reads back, the text ends between tokens. */
Test(db_span, any_room, .init = spans_begin)
{
    static const char sql[] = "SELECT abcdefgh, abcdefgh, abc\xff\xff\xff\xff, abcdefgh FROM abcd";
    static const char whole[] = "SELECT abcdefgh, abcdefgh, abc\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
                                "\xef\xbf\xbd, abcdefgh FROM abcd";
    struct guardpage page;

    guardpage_open(&page, sizeof(struct otel_db_statement) + 512);
    for (size_t cap = 0; cap < 512; cap++) {
        struct otel_db_statement *st =
            guardpage_room(&page, (offsetof(struct otel_db_statement, wire) + cap + 1) & ~1UL);
        struct otel_wire_reader reader;
        struct otel_wire_field field;
        int n = 0;

        otel_config.database_dup = cap & 1;
        otel_db_statement_build(st, cap, text("sqlite"), text("main"), text(sql), scratch,
                                sizeof scratch);
        cr_assert_leq(st->wire_len, cap);
        reader = (struct otel_wire_reader){st->wire, st->wire + st->wire_len};
        for (; otel_wire_next(&reader, &field); n++) {
            struct otel_text key;
            struct otel_value value;

            cr_assert(otel_wire_read_attr(field.data, field.len, &key, &value));
            if (key.len == 13 && !memcmp(key.data, "db.query.text", 13)) {
                size_t len = value.text.len;

                cr_assert(len < sizeof whole && !memcmp(value.text.data, whole, len));
                cr_assert(strchr(" ,", whole[len]) || whole[len - 1] == ',', "%.*s", (int)len,
                          value.text.data);
            }
        }
        cr_assert_eq(n, st->attributes);
        cr_assert_eq(reader.at, reader.end);
        cr_assert_str_eq(st->name, "SELECT abcd");
    }
    guardpage_close(&page);
}

Test(db_span, a_statement_of_megabytes, .init = spans_begin)
{
    size_t len = 4 << 20;
    char *sql = malloc(len), *room = malloc(len + 16);
    struct otel_db_statement *st = malloc(sizeof *st + 65536);
    struct otel_record *r;

    cr_assert(sql && room && st);
    memset(sql, ',', len);
    memcpy(sql, "SELECT a", 8);
    otel_db_statement_build(st, 65536, text("sqlite"), text("main"), (struct otel_text){sql, len},
                            room, len + 16);
    cr_assert(st->wire_len > 8000 && st->wire_len <= 16384, "%u", st->wire_len);
    r = run(st, 0, -1);
    cr_assert_eq(r->attributes, 5);
    cr_assert_eq(r->dropped_attributes, 0);
    free(sql);
    free(room);
    free(st);
}

Test(db_span, not_sampled, .init = spans_begin)
{
    struct otel_span span;

    otel_config.sampler.kind = OTEL_SAMPLER_ALWAYS_OFF;
    cr_assert_not(otel_db_span_start(&span, build("SELECT 1"), OTEL_SCOPE_SQLITE, 0));
    cr_assert(otel_span_context_valid(&span.ctx));
    otel_db_span_end(&span, 1, 1);
}
