/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sql.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/guardpage.h"

struct text_case {
    const char *text, *want;
};

static const struct text_case sanitized[] = {
    {"SELECT * FROM t WHERE a = 5", "SELECT * FROM t WHERE a = ?"},
    {"  SELECT\n\t1 ;\n", "SELECT ?"},
    {"SELECT 1; SELECT 2;", "SELECT ?; SELECT ?"},
    {"SELECT 'a', 'it''s', '', x'ff', 1.5e-3, .5, 0x1F, 1_000", "SELECT ?, ?, ?, ?, ?, ?, ?, ?"},
    {"SELECT -1, +1, a-1, a - -1, (-1)", "SELECT ?, ?, a-?, a - ?, (?)"},
    {"SELECT TRUE, false, NULL, t.true", "SELECT ?, ?, NULL, t.true"},
    {"SELECT DATE '2024-02-29', date('now'), date", "SELECT ?, date(?), date"},
    {"SELECT a -- 'secret'\n, b /* 1 */ FROM t", "SELECT a , b FROM t"},
    {"SELECT a/* x */FROM t", "SELECT a FROM t"},
    {"a IN (1,2,3)", "a IN (?)"},
    {"a IN ( 1, 'b' , -3 )", "a IN ( ? )"},
    {"a NOT IN (?, ?, ?) AND b", "a NOT IN (?) AND b"},
    {"a IN (1, NULL, 2)", "a IN (?, NULL, ?)"},
    {"a IN (1, b, 2), 3, 4", "a IN (?, b, ?), ?, ?"},
    {"a IN (SELECT 1, 2)", "a IN (SELECT ?)"},
    {"a IN ((1,2),(3,4))", "a IN ((?,?),(?,?))"},
    {"VALUES (1,2), (3,4)", "VALUES (?,?), (?,?)"},
    {"SELECT :a, @b, $c, ?1, 2", "SELECT :a, @b, $c, ?1, ?"},
    /* what stands in "" */
    {"SELECT a FROM \"t\" WHERE a = \"secret\"", "SELECT a FROM \"t\" WHERE a = ?"},
    {"SELECT \"t\".\"a\" AS \"b\" FROM \"t\" \"u\"",
     "SELECT \"t\".\"a\" AS \"b\" FROM \"t\" \"u\""},
    {"SELECT \"a\" FROM t", "SELECT ? FROM t"},
    {"INSERT INTO \"t\" (\"a\", \"b\") VALUES (\"c\", \"d\")",
     "INSERT INTO \"t\" (\"a\", \"b\") VALUES (?, ?)"},
    {"UPDATE \"t\" SET \"a\" = \"b\", \"c\" = \"d\"", "UPDATE \"t\" SET \"a\" = ?, \"c\" = ?"},
    {"CREATE TABLE \"t\" (\"a\" TEXT DEFAULT \"x\", \"b\" INT CHECK (\"b\" > 1))",
     "CREATE TABLE \"t\" (\"a\" TEXT DEFAULT ?, \"b\" INT CHECK (? > ?))"},
    {"SELECT `a`, [b c] FROM `t`", "SELECT `a`, [b c] FROM `t`"},
    {"SELECT 1 WHERE a IS DISTINCT FROM \"x\"", "SELECT ? WHERE a IS DISTINCT FROM ?"},
    {"VACUUM INTO \"x\"", "VACUUM INTO ?"},
    {"ATTACH \"x\" AS \"y\" KEY (\"z\")", "ATTACH ? AS \"y\" KEY (?)"},
    {"SELECT a FROM f(\"x\", \"y\")", "SELECT a FROM f(?, ?)"},
    /* keys of encrypted databases need no quotes */
    {"PRAGMA key = secret", "PRAGMA key = ?"},
    {"PRAGMA main.rekey(secret)", "PRAGMA main.rekey(?)"},
    {"PRAGMA key = `secret`; SELECT a", "PRAGMA key = ?; SELECT a"},
    {"PRAGMA journal_mode = wal", "PRAGMA journal_mode = wal"},
    {"PRAGMA foreign_keys = on", "PRAGMA foreign_keys = on"},
    /* broken */
    {"SELECT 'abc", "SELECT ?"},
    {"SELECT \"abc", "SELECT ?"},
    {"INSERT INTO t VALUES ('O'Brien', 'x')", "INSERT INTO t VALUES (?"},
    {"SELECT 'a\\', b FROM t --'", "SELECT ?"},
    {"SELECT 1 /* abc", "SELECT ?"},
    {"", ""},
    {";;", ""},
};

Test(sql, sanitize)
{
    struct guardpage in, out;

    guardpage_open(&in, 256);
    guardpage_open(&out, 512);
    for (size_t i = 0; i < sizeof sanitized / sizeof *sanitized; i++) {
        const struct text_case *c = &sanitized[i];
        size_t len = strlen(c->text), want = strlen(c->want);
        const char *text = guardpage_put(&in, c->text, len);
        struct otel_sql sql;

        for (size_t cap = 0; cap <= want + 2; cap++) {
            char *p = guardpage_room(&out, cap);

            otel_sql_describe(&sql, p, cap, text, len, OTEL_DB_TEXT_SANITIZE);
            cr_assert_leq(sql.text_len, cap);
            cr_expect(memcmp(p, c->want, sql.text_len) == 0, "%s (%zu bytes) gave \"%.*s\"",
                      c->text, cap, (int)sql.text_len, p);
            cr_expect(sql.truncated == (cap < want), "%s in %zu bytes", c->text, cap);
        }
        cr_expect(sql.text_len == want, "%s is too short", c->text);
    }
    guardpage_close(&in);
    guardpage_close(&out);
}

static const char *describe(struct otel_sql *sql, const char *text, enum otel_db_text mode,
                            size_t cap)
{
    static char out[512]; /* one test a process */

    otel_sql_describe(sql, out, cap, text, strlen(text), mode);
    out[sql->text_len] = '\0';
    return out;
}

Test(sql, modes)
{
    static const char bound[] = " SELECT 'a' , ? ; -- x", plain[] = "SELECT 'a?' , 1";
    struct otel_sql sql;

    cr_expect_str_eq(describe(&sql, bound, OTEL_DB_TEXT_AUTO, 511), bound);
    cr_expect(sql.placeholders && !sql.truncated);
    cr_expect_str_eq(describe(&sql, bound, OTEL_DB_TEXT_SANITIZE, 511), "SELECT ? , ?");
    cr_expect(sql.placeholders);
    cr_expect_str_eq(describe(&sql, bound, OTEL_DB_TEXT_RAW, 511), bound);
    cr_expect_str_eq(describe(&sql, bound, OTEL_DB_TEXT_OFF, 511), "");
    cr_expect_str_eq(sql.summary, "SELECT");
    cr_expect_str_eq(describe(&sql, plain, OTEL_DB_TEXT_AUTO, 511), "SELECT ? , ?");
    cr_expect_not(sql.placeholders);
    cr_expect_str_eq(describe(&sql, plain, OTEL_DB_TEXT_RAW, 511), plain);
}

Test(sql, raw_text_is_cut_between_tokens)
{
    struct otel_sql sql;

    cr_expect_str_eq(describe(&sql, "SELECT 'abc', ?", OTEL_DB_TEXT_AUTO, 12), "SELECT 'abc'");
    cr_expect(sql.truncated);
    cr_expect_str_eq(describe(&sql, "SELECT 'abc', ?", OTEL_DB_TEXT_RAW, 11), "SELECT");
    cr_expect_str_eq(describe(&sql, "SELECT ?", OTEL_DB_TEXT_AUTO, 3), "");
}

/* Text that cannot be split surely is sanitised although it has placeholders, and what only looks
 * like one does not count. */
Test(sql, doubtful_placeholders)
{
    struct otel_sql sql;

    cr_expect_str_eq(describe(&sql, "SET a = ?, b = 'it's'", OTEL_DB_TEXT_AUTO, 511),
                     "SET a = ?, b = ?");
    cr_expect_str_eq(describe(&sql, "VALUES (bob@example.com, 'x')", OTEL_DB_TEXT_AUTO, 511),
                     "VALUES (bob?");
    cr_expect_str_eq(describe(&sql, "VALUES (ok?, 'x')", OTEL_DB_TEXT_AUTO, 511),
                     "VALUES (ok?, ?)");
}

/* Every literal below says MARK, or its digits; none may come out. %s: the literal. */
static const char *const literals[] = {
    "'MARK'",        "'it''s MARK'",   "'MARK\\n'",     "x'MARK'",       "X'00MARK'",
    "\"MARK\"",      "\"a MARK\"",     "\"a\"\"MARK\"", "987654321",     "-987654321",
    "0x987654321AB", "987654321.5e-7", ".987654321",    "1e987654321",   "987654321MARK",
    "DATE 'MARK'",   "time 'MARK'",    "N'MARK'",       "/* MARK */ 1",  "-- MARK\n1",
    "- 987654321",   "(('MARK'))",     "$$MARK$$",      "$t$ MARK '$t$", "'MARK",
    "\"MARK",        "/* 'MARK",       "--'MARK",       "'O'MARK'",      "'\\'MARK', 'MARK'",
};

static const char *const places[] = {
    "SELECT %s",
    "SELECT a, %s FROM t",
    "SELECT(%s)",
    "SELECT f(%s, a)",
    "SELECT a FROM t WHERE b = %s AND c",
    "SELECT a FROM t WHERE b=%s",
    "SELECT a FROM t WHERE %s = b",
    "SELECT a FROM t WHERE b <> %s OR b LIKE %s",
    "SELECT a FROM t WHERE b IN (%s, %s)",
    "SELECT a FROM t WHERE b IN (a, %s) AND c BETWEEN %s AND %s",
    "SELECT a FROM t WHERE b IS NOT %s",
    "SELECT a FROM t WHERE b IS DISTINCT FROM %s",
    "SELECT a FROM t GROUP BY %s HAVING %s ORDER BY %s LIMIT %s OFFSET %s",
    "SELECT a FROM t ORDER BY b, %s",
    "SELECT CASE %s WHEN %s THEN %s ELSE %s END",
    "SELECT CASE b WHEN 1 THEN 2 END, %s",
    "SELECT a FROM f(%s)",
    "SELECT a FROM t JOIN u ON b = %s AND %s",
    "SELECT a FROM (SELECT %s) b",
    "SELECT a || %s || b -> %s",
    "SELECT CAST(%s AS text)",
    "INSERT INTO t VALUES (%s, %s), (%s, %s)",
    "INSERT INTO t (a, b) VALUES (%s, %s)",
    "INSERT INTO t (a) SELECT %s UNION SELECT %s",
    "INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET b = %s WHERE c = %s",
    "INSERT INTO t VALUES (1) RETURNING a, %s",
    "REPLACE INTO t VALUES (%s)",
    "UPDATE t SET a = %s, b = %s WHERE c = %s",
    "UPDATE t SET (a, b) = (%s, %s)",
    "DELETE FROM t WHERE a = %s",
    "WITH c AS (SELECT %s) SELECT a FROM c WHERE b = %s",
    "WITH c AS (VALUES (%s, %s)) SELECT 1",
    "CREATE TABLE t (a TEXT DEFAULT %s, b CHECK (b > %s))",
    "CREATE TABLE t (a DEFAULT (%s))",
    "CREATE TABLE t AS SELECT %s",
    "CREATE VIEW v AS SELECT a FROM t WHERE b = %s",
    "CREATE INDEX i ON t (a) WHERE b = %s",
    "CREATE TRIGGER g AFTER INSERT ON t WHEN new.a = %s BEGIN INSERT INTO u VALUES (%s); END",
    "CREATE VIRTUAL TABLE t USING fts5(a, content=%s)",
    "ALTER TABLE t ADD COLUMN a DEFAULT %s",
    "PRAGMA key = %s",
    "PRAGMA key(%s)",
    "ATTACH %s AS x KEY %s",
    "ATTACH DATABASE %s AS x",
    "VACUUM INTO %s",
    "EXPLAIN SELECT %s",
    "BEGIN; INSERT INTO t VALUES (%s); COMMIT",
    "nonsense %s",
    "%s",
};

static bool leaks(const char *p, size_t len)
{
    return memmem(p, len, "MARK", 4) || memmem(p, len, "87654", 5);
}

static void expect_no_mark(const char *text, size_t len)
{
    static const enum otel_db_text modes[] = {OTEL_DB_TEXT_SANITIZE, OTEL_DB_TEXT_AUTO};
    char out[2048];
    struct otel_sql sql;

    for (int i = 0; i < 2; i++) {
        otel_sql_describe(&sql, out, sizeof out, text, len, modes[i]);
        cr_assert(!leaks(out, sql.text_len), "%.*s gave %.*s", (int)len, text, (int)sql.text_len,
                  out);
        cr_assert(!leaks(sql.summary, sql.summary_len), "%.*s gave %s", (int)len, text,
                  sql.summary);
        cr_assert(!leaks(sql.target, strlen(sql.target)));
    }
}

Test(sql, no_literal_survives)
{
    char text[1024];

    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        for (size_t k = 0; k < sizeof literals / sizeof *literals; k++) {
            const char *l = literals[k];
            size_t len;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            len = (size_t)snprintf(text, sizeof text, places[i], l, l, l, l, l);
#pragma GCC diagnostic pop
            /* cut anywhere: a statement that is not over hides no less */
            for (size_t cut = 0; cut <= len; cut++)
                expect_no_mark(text, cut);
        }
}

/* The same in statements that make no sense at all. Double quotes stay out: where a name must stand
 * they hold a name. */
Test(sql, no_literal_survives_nonsense)
{
    static const char *const tokens[] = {
        "SELECT", "FROM",  "INTO", "TABLE",   "JOIN",    "UPDATE", "AS",    "SET",
        "VALUES", "IN",    "WITH", "PRAGMA",  "key",     "(",      ")",     ",",
        ".",      ";",     "=",    "-",       "CREATE",  "INSERT", "WHERE", "ON",
        "DELETE", "[a b]", "`a`",  "\"a b\"", "a",       "NULL",   "||",    "'b'",
        "12",     "INDEX", "x",    "DATE",    "EXPLAIN",
    };
    unsigned seed = 1;
    char text[1024];

    for (int round = 0; round < 50000; round++) {
        size_t len = 0;

        for (int i = rand_r(&seed) % 16; i >= 0; i--) {
            size_t k = (size_t)rand_r(&seed);
            const char *literal = literals[k / 2 % 24];
            const char *token = k % 2 || strchr(literal, '"')
                                    ? tokens[k / 2 % (sizeof tokens / sizeof *tokens)]
                                    : literal;

            len += (size_t)snprintf(text + len, sizeof text - len, "%s ", token);
        }
        expect_no_mark(text, len);
    }
}

Test(sql, any_bytes)
{
    static const char alphabet[] = "ab1.'\"`[]x$?:@-/*\\#e+,;() \n\xef\0";
    static const char *const words[] = {"SELECT ", "FROM ", "IN (", "INSERT INTO ", "a.b "};
    struct guardpage in, out;
    unsigned seed = 1;

    guardpage_open(&in, 64);
    guardpage_open(&out, 64);
    for (int round = 0; round < 100000; round++) {
        size_t len = (size_t)rand_r(&seed) % 48, cap = (size_t)rand_r(&seed) % 64;
        char *text = guardpage_room(&in, len), *p = guardpage_room(&out, cap);
        const char *word = words[(size_t)rand_r(&seed) % 5];
        struct otel_sql sql;

        for (size_t i = 0; i < len; i++)
            text[i] = alphabet[(size_t)rand_r(&seed) % (sizeof alphabet - 1)];
        if (strlen(word) <= len)
            memcpy(text, word, strlen(word));
        otel_sql_describe(&sql, p, cap, text, len, (enum otel_db_text)(round % 4));
        cr_assert_leq(sql.text_len, cap < len ? cap : len);
        cr_assert_eq(sql.summary_len, strlen(sql.summary));
        cr_assert_leq(sql.summary_len, OTEL_SQL_SUMMARY_MAX);
    }
    guardpage_close(&in);
    guardpage_close(&out);
}
