/* SPDX-License-Identifier: Apache-2.0
 *
 * sqlite: what a statement costs the thread that executes it, natively and under the shim.
 *
 *     sqlite cost               ns of CPU of this thread: sqlite3_exec of SELECT 1, a prepared step
 *                               (with its reset)
 *     sqlite pace COUNT RATE    COUNT prepared steps, RATE a second; prints the resident KiB at the
 *                               end. What the process used is for the caller's wait4 to see.
 */
// PROGRAM
// LIBS: -lsqlite3
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"

static void exec_one(void *db)
{
    sqlite3_exec(db, "SELECT 1", NULL, NULL, NULL);
}

static void step_one(void *statement)
{
    sqlite3_step(statement);
    sqlite3_reset(statement);
}

static long resident_kib(void)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[128];
    long kib = 0;

    while (f && fgets(line, sizeof line, f))
        sscanf(line, "VmRSS: %ld", &kib);
    if (f)
        fclose(f);
    return kib;
}

/* The batch thread starts with the first span and must not share this thread's processor. */
static void cost(sqlite3 *db, sqlite3_stmt *statement)
{
    double exec;
    double step;

    exec_one(db);
    bench_pin();
    exec = bench_best(exec_one, db, 60, 128, 2000);
    step = bench_best(step_one, statement, 60, 128, 2000);
    printf("%.1f %.1f\n", exec, step);
}

int main(int argc, char **argv)
{
    sqlite3 *db;
    sqlite3_stmt *statement;

    if (sqlite3_open(":memory:", &db) || sqlite3_prepare_v2(db, "SELECT 1", -1, &statement, NULL))
        return 1;
    if (argc == 2 && !strcmp(argv[1], "cost"))
        cost(db, statement);
    else if (argc == 4 && !strcmp(argv[1], "pace")) {
        bench_pace(step_one, statement, strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10),
                   60);
        printf("%ld\n", resident_kib());
    } else
        return 2;
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return 0;
}
