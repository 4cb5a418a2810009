/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sql_summary.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

struct summary_case {
    const char *text, *summary, *operation, *target;
};

static const struct summary_case cases[] = {
    {"SELECT * FROM documents", "SELECT documents", "SELECT", "documents"},
    {"select * from Documents", "select Documents", "select", "Documents"},
    {"SELECT 1", "SELECT", "SELECT", ""},
    {"SELECT a FROM t WHERE x IN (1) ORDER BY a, b", "SELECT t", "SELECT", "t"},
    {"SELECT * FROM a, b AS c, main.d e", "SELECT a b main.d", "SELECT", "a"},
    {"SELECT * FROM a LEFT JOIN b ON a.x = b.x, c", "SELECT a b c", "SELECT", "a"},
    {"SELECT * FROM a NATURAL JOIN b USING (x, y) JOIN c", "SELECT a b c", "SELECT", "a"},
    {"SELECT * FROM (a, b) x, (c JOIN d)", "SELECT a b c d", "SELECT", "a"},
    {"SELECT * FROM (SELECT * FROM a) b, c", "SELECT SELECT a c", "SELECT", "c"},
    {"SELECT (SELECT max(x) FROM a) FROM b", "SELECT SELECT a b", "SELECT", "b"},
    {"SELECT 1 WHERE EXISTS (SELECT 1 FROM a)", "SELECT SELECT a", "SELECT", "a"},
    {"SELECT a FROM b UNION ALL SELECT c FROM d", "SELECT b SELECT d", "SELECT", "b"},
    {"SELECT * FROM json_each('[1]') j, t", "SELECT json_each t", "SELECT", "json_each"},
    {"SELECT a IS DISTINCT FROM b, c IS NOT DISTINCT FROM d FROM e", "SELECT e", "SELECT", "e"},
    {"SELECT trim(both FROM x) FROM t", "SELECT t", "SELECT", "t"},
    {"INSERT INTO entities VALUES (1)", "INSERT entities", "INSERT", "entities"},
    {"INSERT OR REPLACE INTO t(a) VALUES (1)", "INSERT t", "INSERT", "t"},
    {"INSERT INTO t DEFAULT VALUES", "INSERT t", "INSERT", "t"},
    {"INSERT INTO o SELECT * FROM c, d", "INSERT o SELECT c d", "INSERT", "o"},
    {"INSERT INTO t VALUES (1) ON CONFLICT DO UPDATE SET a = 1", "INSERT t", "INSERT", "t"},
    {"REPLACE INTO t VALUES (replace(a, b, c))", "REPLACE t", "REPLACE", "t"},
    {"UPDATE t SET a = 1 WHERE b = 2", "UPDATE t", "UPDATE", "t"},
    {"UPDATE OR IGNORE main.t SET a = 1 FROM u", "UPDATE main.t u", "UPDATE", "main.t"},
    {"DELETE FROM t WHERE a = 1", "DELETE t", "DELETE", "t"},
    {"CREATE TABLE t (a, b REFERENCES c ON DELETE CASCADE)", "CREATE TABLE t", "CREATE TABLE", "t"},
    {"CREATE TEMP TABLE IF NOT EXISTS x.t (a)", "CREATE TABLE x.t", "CREATE TABLE", "x.t"},
    {"CREATE VIRTUAL TABLE t USING fts5(a)", "CREATE TABLE t", "CREATE TABLE", "t"},
    {"CREATE TABLE t AS SELECT * FROM u", "CREATE TABLE t SELECT u", "CREATE TABLE", "t"},
    {"CREATE UNIQUE INDEX i ON t (a)", "CREATE INDEX i", "CREATE INDEX", "i"},
    {"CREATE VIEW v AS SELECT 1 FROM t", "CREATE VIEW v SELECT t", "CREATE VIEW", "v"},
    {"CREATE TRIGGER g AFTER UPDATE ON t BEGIN DELETE FROM u; INSERT INTO v VALUES (1); END",
     "CREATE TRIGGER g", "CREATE TRIGGER", "g"},
    {"DROP TABLE IF EXISTS t", "DROP TABLE t", "DROP TABLE", "t"},
    {"ALTER TABLE t RENAME TO u", "ALTER TABLE t", "ALTER TABLE", "t"},
    {"BEGIN IMMEDIATE", "BEGIN", "BEGIN", ""},
    {"COMMIT;", "COMMIT", "COMMIT", ""},
    {"ROLLBACK TO SAVEPOINT s_17", "ROLLBACK", "ROLLBACK", ""},
    {"SAVEPOINT s_17", "SAVEPOINT", "SAVEPOINT", ""},
    {"PRAGMA main.user_version = 1", "PRAGMA main.user_version", "PRAGMA", "main.user_version"},
    {"VACUUM INTO 'f'", "VACUUM", "VACUUM", ""},
    {"ANALYZE t", "ANALYZE t", "ANALYZE", "t"},
    {"ATTACH 'f' AS x", "ATTACH", "ATTACH", ""},
    {"EXPLAIN QUERY PLAN SELECT 1 FROM t", "EXPLAIN SELECT t", "EXPLAIN", "t"},
    {"WITH c AS (SELECT * FROM a) SELECT * FROM C, b", "SELECT a SELECT b", "SELECT", "b"},
    {"WITH RECURSIVE c(x) AS (VALUES(1)), d AS (SELECT * FROM c) DELETE FROM e",
     "VALUES SELECT DELETE e", "DELETE", "e"},
    {"WITH c AS (SELECT 1) SELECT * FROM main.c", "SELECT SELECT main.c", "SELECT", "main.c"},
    {"VALUES (1)", "VALUES", "VALUES", ""},
    {"SELECT * FROM \"t\", `u`, [v], \"my t\", [my u], \"1\"", "SELECT t u v \"my t\" [my u] \"1\"",
     "SELECT", "t"},
    {"SELECT * FROM key, main.\"select\"", "SELECT key main.select", "SELECT", "key"},
    {"SELECT 1 FROM a; DELETE FROM b", "SELECT a DELETE b", "SELECT", "a"},
    {"SELECT /* FROM x */ * FROM -- y\n t", "SELECT t", "SELECT", "t"},
    {"SELECT 'FROM x' FROM 'y'", "SELECT", "SELECT", ""},
    {"SELEC * FROM t", "", "", ""},
    {"", "", "", ""},
    {"t.SELECT", "", "", ""},
};

Test(sql_summary, table)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct summary_case *c = &cases[i];
        struct otel_sql sql;

        otel_sql_describe(&sql, NULL, 0, c->text, strlen(c->text), OTEL_DB_TEXT_OFF);
        cr_expect_str_eq(sql.summary, c->summary, "%s gave \"%s\"", c->text, sql.summary);
        cr_expect_eq(sql.summary_len, strlen(c->summary));
        cr_expect_str_eq(sql.operation, c->operation, "%s gave \"%s\"", c->text, sql.operation);
        cr_expect_str_eq(sql.target, c->target, "%s gave \"%s\"", c->text, sql.target);
        cr_expect_eq(sql.text_len, 0);
    }
}

/* The summary is a whole number of names, whatever their length: schema.name is one. */
Test(sql_summary, is_cut_between_tokens)
{
    for (int width = 1; width < 300; width++) {
        char text[4096] = "SELECT * FROM ", name[640];
        struct otel_sql sql;

        snprintf(name, sizeof name, "%.*s.%.*s", width, "", 0, "");
        memset(name, 'a', (size_t)width);
        snprintf(name + width, sizeof name - (size_t)width, ".b");
        for (int i = 0; i < 10; i++) {
            strcat(text, i ? "," : "");
            strcat(text, name);
        }
        otel_sql_describe(&sql, NULL, 0, text, strlen(text), OTEL_DB_TEXT_OFF);
        cr_assert_leq(sql.summary_len, OTEL_SQL_SUMMARY_MAX);
        cr_assert_eq(sql.summary_len, strlen(sql.summary));
        cr_assert_eq((sql.summary_len - 6) % ((size_t)width + 3), 0, "%s", sql.summary);
        cr_assert(sql.summary_len + (size_t)width + 3 > OTEL_SQL_SUMMARY_MAX ||
                  sql.summary_len == 6 + 10 * ((size_t)width + 3));
    }
}

Test(sql_summary, deep_parentheses_are_harmless)
{
    char text[1024] = "SELECT * FROM ";
    struct otel_sql sql;

    memset(text + 14, '(', 200);
    strcpy(text + 214, "SELECT 1 FROM t");
    otel_sql_describe(&sql, NULL, 0, text, strlen(text), OTEL_DB_TEXT_OFF);
    cr_expect_str_eq(sql.summary, "SELECT SELECT");
}
