/* SPDX-License-Identifier: Apache-2.0 */
// LIBS: -lsqlite3
/* SQLite used in every way the hooks know, one scenario a run: sqlite_calls SCENARIO FOLDER. Prints
 * what the library answered. */
#include <pthread.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static sqlite3 *db;

static sqlite3 *open_file(const char *name)
{
    sqlite3 *fresh;

    printf("open %s %d\n", name, sqlite3_open(name, &fresh));
    return fresh;
}

static void run(sqlite3 *on, const char *sql)
{
    char *message = NULL;

    printf("exec %d", sqlite3_exec(on, sql, NULL, NULL, &message));
    printf(" %s\n", message ? message : "");
    sqlite3_free(message);
}

static sqlite3_stmt *prepare(const char *sql)
{
    sqlite3_stmt *stmt;
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

    if (rc || !stmt)
        printf("prepare %d %s\n", rc, sqlite3_errmsg(db));
    return stmt;
}

static int step(sqlite3_stmt *stmt)
{
    int rc = sqlite3_step(stmt);

    printf("step %d %s\n", rc, rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : "");
    return rc;
}

static void one(const char *sql)
{
    sqlite3_stmt *stmt = prepare(sql);

    while (step(stmt) == SQLITE_ROW)
        ;
    printf("finalize %d\n", sqlite3_finalize(stmt));
}

static void fill(void)
{
    run(db, "CREATE TABLE t (a INTEGER UNIQUE, b TEXT);"
            "INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, 'three')");
}

/* A prepared statement: run to the end twice, reset early, finalized early, never stepped. */
static void prepared(void)
{
    sqlite3_stmt *stmt;

    fill();
    stmt = prepare("SELECT b FROM t WHERE a > ? ORDER BY a");
    for (int i = 0; i < 2; i++) {
        sqlite3_bind_int(stmt, 1, i);
        while (step(stmt) == SQLITE_ROW)
            ;
        printf("reset %d\n", sqlite3_reset(stmt));
    }
    step(stmt);
    printf("reset %d\n", sqlite3_reset(stmt));
    step(stmt);
    step(stmt);
    printf("finalize %d\n", sqlite3_finalize(stmt));
    stmt = prepare("SELECT 'never stepped'");
    printf("finalize %d\n", sqlite3_finalize(stmt));
    printf("finalize %d\n", sqlite3_finalize(NULL));
    printf("nothing %p\n", (void *)prepare(" -- only a comment\n"));
    one("SELECT a FROM t -- done restarts\n");
}

/* A step after done begins anew without a reset: the library resets by itself. */
static void restart(void)
{
    sqlite3_stmt *stmt;

    fill();
    stmt = prepare("SELECT max(a) FROM t");
    for (int i = 0; i < 6; i++)
        step(stmt);
    run(db, "ALTER TABLE t ADD COLUMN c"); /* SQLITE_SCHEMA inside the next step */
    step(stmt);
    step(stmt);
    printf("finalize %d\n", sqlite3_finalize(stmt));
}

static void many_in_one(void)
{
    run(db, " CREATE TABLE t (a UNIQUE);\n-- comment\n INSERT INTO t VALUES (1) ;\n ; /* x */;"
            "INSERT INTO t VALUES (2);INSERT INTO t VALUES (1); SELECT 'not reached'");
    run(db, "");
    run(db, NULL);
    run(db, "-- nothing\n");
    run(db, "SELECT 1; SELEC 'secret'; SELECT 3");
    run(db, "SELECT 1; SELECT nope FROM t; SELECT 3");
    run(db, "SELECT a FROM t ;  \n");
}

static int inner(void *arg, int columns, char **values, char **names)
{
    printf("row %s %s %d\n", values[0], names[0], columns);
    if (arg)
        sqlite3_exec(db, "SELECT 'inner', 1; SELECT 'second', 2", inner, NULL, NULL);
    return 0;
}

static int stop(void *arg, int columns, char **values, char **names)
{
    (void)columns;
    (void)names;
    printf("row %s\n", values[0]);
    return --*(int *)arg < 0;
}

static void callbacks(void)
{
    int rows = 1;

    fill();
    printf("exec %d\n", sqlite3_exec(db, "SELECT a FROM t WHERE a < 3; SELECT 9", inner, "", NULL));
    printf("exec %d\n", sqlite3_exec(db, "SELECT b FROM t; SELECT 9", stop, &rows, NULL));
    run(db, "SELECT 'afterwards'");
}

/* A function of the program's own that queries, and one that fails. */
static void lookup(sqlite3_context *context, int count, sqlite3_value **values)
{
    sqlite3_stmt *stmt;

    (void)count;
    sqlite3_prepare_v2(db, "SELECT b FROM t WHERE a = ?", -1, &stmt, NULL);
    sqlite3_bind_value(stmt, 1, values[0]);
    if (sqlite3_step(stmt) == SQLITE_ROW)
        sqlite3_result_value(context, sqlite3_column_value(stmt, 0));
    else
        sqlite3_result_error(context, "secret not found", -1);
    sqlite3_finalize(stmt);
}

static void functions(void)
{
    fill();
    sqlite3_create_function(db, "lookup", 1, SQLITE_UTF8, NULL, lookup, NULL, NULL);
    one("SELECT lookup(a) FROM t WHERE a < 3");
    run(db, "SELECT lookup(a) FROM t WHERE a = 3");
    one("SELECT lookup(77)");
}

static sqlite3_stmt *kept;

/* Ends in a jump: sqlite3_reset returns into the library. */
__attribute__((optimize("optimize-sibling-calls"))) static void
next_of(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    sqlite3_bind_value(kept, 1, values[0]);
    sqlite3_step(kept);
    sqlite3_result_value(context, sqlite3_column_value(kept, 0));
    sqlite3_reset(kept);
}

static void kept_statement(void)
{
    fill();
    kept = prepare("SELECT min(a) FROM t WHERE a > ?");
    sqlite3_create_function(db, "next_of", 1, SQLITE_UTF8, NULL, next_of, NULL, NULL);
    one("SELECT next_of(a) FROM t ORDER BY a");
    sqlite3_finalize(kept);
}

static void errors(void)
{
    sqlite3_stmt *stmt;

    fill();
    one("INSERT INTO t VALUES (1, 'secret')");
    printf("prepare %d\n", sqlite3_prepare_v2(db, "SELECT ' secret' FROM;", -1, &stmt, NULL));
    printf("prepare %d\n",
           sqlite3_prepare_v3(db, "SELECT nope FROM t; SELECT 2", -1, 0, &stmt, NULL));
    printf("prepare %d\n", sqlite3_prepare_v2(db, "SELECT nope FROM t rest", 18, &stmt, NULL));
    run(db, "CREATE TABLE c (x CHECK (x > 0), y NOT NULL)");
    one("INSERT INTO c VALUES (-1, 1)");
    one("INSERT INTO c VALUES (1, NULL)");
    sqlite3_extended_result_codes(db, 1);
    one("INSERT INTO c VALUES (1, NULL)");
}

/* sqlite3_prepare: the code of an error comes with reset or finalize. */
static void legacy(void)
{
    sqlite3_stmt *stmt;

    fill();
    printf("prepare %d\n",
           sqlite3_prepare(db, "INSERT INTO t VALUES (1, 'secret')", -1, &stmt, NULL));
    step(stmt);
    printf("reset %d\n", sqlite3_reset(stmt));
    step(stmt);
    printf("finalize %d\n", sqlite3_finalize(stmt));
    sqlite3_prepare(db, "SELECT a FROM t", -1, &stmt, NULL);
    step(stmt);
    printf("finalize %d\n", sqlite3_finalize(stmt));
}

static void busy(void)
{
    sqlite3 *other = open_file("busy.db");
    sqlite3_stmt *stmt;

    sqlite3_close(db);
    db = open_file("busy.db");
    fill();
    run(other, "BEGIN EXCLUSIVE");
    stmt = prepare("INSERT INTO t VALUES (4, 'four')");
    if (stmt)
        step(stmt);
    run(db, "BEGIN IMMEDIATE");
    run(other, "COMMIT");
    if (!stmt)
        stmt = prepare("INSERT INTO t VALUES (4, 'four')");
    step(stmt);
    printf("finalize %d\n", sqlite3_finalize(stmt));
    sqlite3_close(other);
}

static int interrupt(void *arg)
{
    sqlite3_interrupt(arg);
    return 0;
}

static void interrupted(void)
{
    sqlite3_progress_handler(db, 1000, interrupt, db);
    one("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(i) FROM n");
    sqlite3_progress_handler(db, 0, NULL, NULL);
    one("SELECT 'afterwards'");
}

static void *step_on(void *stmt)
{
    step(stmt);
    return NULL;
}

static void threads(void)
{
    sqlite3_stmt *stmt;
    pthread_t thread;

    fill();
    stmt = prepare("SELECT a FROM t");
    step(stmt);
    for (int i = 0; i < 3; i++) {
        pthread_create(&thread, NULL, step_on, stmt);
        pthread_join(thread, NULL);
    }
    printf("finalize %d\n", sqlite3_finalize(stmt));
}

/* ASCII only. */
static const void *utf16(const char *text)
{
    static unsigned short out[8][256];
    static int next;
    unsigned short *to = out[next++ % 8];

    for (size_t i = 0; i <= strlen(text); i++)
        to[i] = (unsigned char)text[i];
    return to;
}

static void wide(void)
{
    sqlite3_stmt *stmt;
    const void *tail;

    sqlite3_close(db);
    printf("open %d\n", sqlite3_open16(utf16("wide.db"), &db));
    fill();
    printf("prepare %d\n",
           sqlite3_prepare16(db, utf16("SELECT a FROM t WHERE b = 'secret'"), -1, &stmt, &tail));
    step(stmt);
    sqlite3_finalize(stmt);
    printf("prepare %d\n",
           sqlite3_prepare16_v2(db, utf16("SELECT b FROM t LIMIT 1; x"), -1, &stmt, &tail));
    printf("tail %c\n", *((const char *)tail + 2));
    step(stmt);
    sqlite3_finalize(stmt);
    printf("prepare %d\n",
           sqlite3_prepare16_v3(db, utf16("SELECT 1 FROM t WHERE 0"), -1, 0, &stmt, &tail));
    step(stmt);
    sqlite3_finalize(stmt);
    printf("prepare %d\n",
           sqlite3_prepare16_v2(db, utf16("SELECT 'secret' FROM nowhere"), -1, &stmt, &tail));
    printf("prepare %d\n",
           sqlite3_prepare16_v2(db, utf16("SELECT nope 'secret'"), 22, &stmt, &tail));
}

static void bytes(void)
{
    fill();
    run(db, "SELECT '\xff\xfe secret', x'00ff', \"\xc3\x28\" FROM t");
    run(db, "INSERT INTO t VALUES (5, x'DEADBEEF')");
    one("SELECT '\xe2\x82' AS \"broken\xe2\x82\"");
}

static void names(void)
{
    const char *uri = "file:memdb?mode=memory&cache=shared&key=secret";
    sqlite3 *other;

    sqlite3_open_v2(uri, &other, SQLITE_OPEN_READWRITE | SQLITE_OPEN_URI, NULL);
    run(other, "SELECT 'uri'");
    sqlite3_close_v2(other);
    sqlite3_open("", &other);
    run(other, "SELECT 'temporary'");
    sqlite3_close(other);
    printf("open %d\n", sqlite3_open_v2("/nowhere/x.db", &other, SQLITE_OPEN_READONLY, NULL));
    run(other, "SELECT * FROM sqlite_master");
    sqlite3_close(other);
    sqlite3_close(NULL);
    other = open_file("names.db");
    run(other, "ATTACH ':memory:' AS second; CREATE TABLE second.x (a); SELECT a FROM second.x");
    sqlite3_close(other);
}

/* A connection that cannot close yet, and one that goes with its last statement. */
static void closing(void)
{
    sqlite3_stmt *stmt = prepare("SELECT 1 UNION SELECT 2");

    step(stmt);
    printf("close %d\n", sqlite3_close(db));
    step(stmt);
    printf("finalize %d\n", sqlite3_finalize(stmt));
    one("SELECT 'still here'");
    stmt = prepare("SELECT 3 UNION SELECT 4");
    step(stmt);
    printf("close_v2 %d\n", sqlite3_close_v2(db));
    step(stmt);
    printf("finalize %d\n", sqlite3_finalize(stmt));
    db = NULL;
}

static void table(void)
{
    char **values;
    int rows;
    int columns;

    fill();
    printf("get_table %d", sqlite3_get_table(db, "SELECT a, b FROM t; SELECT a, b FROM t WHERE 0",
                                             &values, &rows, &columns, NULL));
    printf(" %d %d %s\n", rows, columns, values[3]);
    sqlite3_free_table(values);
    printf("get_table %d\n",
           sqlite3_get_table(db, "SELECT nope FROM t", &values, &rows, &columns, NULL));
}

/* The library queries itself: full-text tables, ALTER, VACUUM, ANALYZE, a trigger. */
static void nested(void)
{
    fill();
    run(db, "CREATE VIRTUAL TABLE f USING fts4(body)");
    run(db, "INSERT INTO f VALUES ('some words'); INSERT INTO f(f) VALUES ('optimize')");
    one("SELECT body FROM f WHERE f MATCH 'words'");
    run(db, "CREATE VIRTUAL TABLE r USING rtree(i, x0, x1); INSERT INTO r VALUES (1, 2, 3)");
    run(db, "ALTER TABLE t RENAME COLUMN b TO c; VACUUM; ANALYZE; PRAGMA integrity_check");
    run(db, "CREATE TRIGGER g AFTER INSERT ON t BEGIN INSERT INTO f VALUES (new.c); END");
    one("INSERT INTO t VALUES (8, 'eight')");
}

static void changes(void)
{
    fill();
    run(db, "UPDATE t SET b = 'x' WHERE a < 3");
    run(db, "UPDATE t SET b = 'y' WHERE a > 100");
    one("DELETE FROM t WHERE a = 1");
    run(db, "CREATE TABLE u (a)");
    one("SELECT count(a) FROM t");
    one("WITH w AS (SELECT a FROM t) SELECT a FROM w");
    one("INSERT INTO t VALUES (10, 'ten') RETURNING a");
}

/* The same texts over and over, on two databases in turn. */
static void again(void)
{
    sqlite3 *other = open_file("names.db");
    char sql[64];

    for (int i = 0; i < 8; i++) {
        run(i % 2 ? db : other, "SELECT 'same'");
        snprintf(sql, sizeof sql, "SELECT count(x), %d FROM (SELECT 1 AS x)", i);
        run(i % 2 ? db : other, sql);
    }
    sqlite3_close(other);
}

/* Texts that do not fit: many columns, one long literal, a literal longer than what is looked at.
 */
static void lengthy(void)
{
    static char sql[40000];
    char *p = sql + sprintf(sql, "SELECT 1 AS c0");

    for (int i = 1; i < 300; i++)
        p += sprintf(p, ", 1 AS column_%d", i);
    for (int i = 0; i < 3; i++)
        run(db, sql);
    for (int size = 2000; size < 38000; size += 20000) {
        p = sql + sprintf(sql, "SELECT '");
        memset(p, 's', (size_t)size);
        strcpy(p + size, "' AS kept");
        run(db, sql);
    }
}

static jmp_buf back;

static int leap(void *arg, int columns, char **values, char **names)
{
    (void)arg;
    (void)columns;
    (void)values;
    (void)names;
    longjmp(back, 1);
}

/* Callbacks that leave by longjmp, as some language bindings do. */
static void leaps(void)
{
    for (volatile int i = 0; i < 3; i++)
        if (!setjmp(back))
            sqlite3_exec(db, "SELECT 'left'", leap, NULL, NULL);
    printf("exec %d\n", sqlite3_exec(db, "SELECT 'after a leap'", NULL, NULL, NULL));
}

static long resident_kb(void)
{
    char line[256];
    long kb = 0;
    FILE *f = fopen("/proc/self/status", "r");

    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmRSS: %ld", &kb) == 1)
            break;
    if (f)
        fclose(f);
    return kb;
}

static void rounds(int count)
{
    for (int i = 0; i < count; i++) {
        sqlite3_stmt *stmt = prepare("SELECT 1");
        sqlite3_step(stmt);
        sqlite3_finalize(stmt);
        sqlite3_exec(db, "SELECT 2", NULL, NULL, NULL);
    }
}

static void growth(void)
{
    long before;

    rounds(10000);
    before = resident_kb();
    rounds(100000);
    printf("grown %s\n", resident_kb() - before < 1024 ? "no" : "yes");
}

/* More statements than the hooks have room for: the rest go untraced. */
static void crowd(void)
{
    enum { CROWD = 20000 };
    static sqlite3_stmt *stmts[CROWD];
    int rows = 0;

    for (int i = 0; i < CROWD; i++)
        stmts[i] = prepare("SELECT 1");
    for (int i = 0; i < CROWD; i++)
        rows += sqlite3_step(stmts[i]) == SQLITE_ROW;
    for (int i = 0; i < CROWD; i++)
        sqlite3_finalize(stmts[i]);
    printf("rows %d\n", rows);
    one("SELECT 'room again'");
}

/* A child that goes on with its parent's statement, as programs do by mistake, while it has some of
 * its own under way. */
static void child(sqlite3_stmt *inherited)
{
    sqlite3_stmt *own[6];

    for (int i = 0; i < 6; i++)
        step(own[i] = prepare("SELECT 1 AS child UNION SELECT 2"));
    step(inherited);
    sqlite3_finalize(inherited);
    for (int i = 0; i < 6; i++) {
        step(own[i]);
        sqlite3_finalize(own[i]);
    }
    fflush(stdout);
    exit(0);
}

static void forked(void)
{
    sqlite3_stmt *stmt;
    pid_t pid;

    fill();
    stmt = prepare("SELECT a FROM t");
    step(stmt);
    fflush(stdout);
    pid = fork();
    if (!pid)
        child(stmt);
    waitpid(pid, NULL, 0);
    sqlite3_finalize(stmt);
}

static const struct {
    const char *name;
    void (*run)(void);
} scenarios[] = {
    {"prepared", prepared},   {"restart", restart},     {"many_in_one", many_in_one},
    {"callbacks", callbacks}, {"functions", functions}, {"errors", errors},
    {"again", again},         {"lengthy", lengthy},     {"kept_statement", kept_statement},
    {"legacy", legacy},       {"busy", busy},           {"interrupted", interrupted},
    {"threads", threads},     {"wide", wide},           {"bytes", bytes},
    {"names", names},         {"closing", closing},     {"table", table},
    {"nested", nested},       {"changes", changes},     {"leaps", leaps},
    {"growth", growth},       {"crowd", crowd},         {"forked", forked},
};

int main(int argc, char **argv)
{
    if (argc < 3 || chdir(argv[2]))
        return 2;
    unlink("busy.db");
    unlink("names.db");
    unlink("wide.db");
    if (strcmp(argv[1], "leaps") == 0)
        sqlite3_config(SQLITE_CONFIG_SINGLETHREAD); /* no mutex stays locked */
    sqlite3_open(":memory:", &db);
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
        if (strcmp(argv[1], scenarios[i].name) == 0)
            scenarios[i].run();
    printf("close %d\n", sqlite3_close_v2(db));
    return 0;
}
