/* SPDX-License-Identifier: Apache-2.0
 *
 * Stands still for a profiler: each line of its input is one step, told by a line of its output.
 * 1. the address of this thread's otel_thread_ctx_v1 in hexadecimal; 2. "inside" a function that
 * SQLite calls; 3. "outside"; 4. the id of a child made by fork; 5. that child has "worked".
 */
// LIBS: -lsqlite3
#include <dlfcn.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void step(void)
{
    char c;

    while (read(0, &c, 1) == 1 && c != '\n')
        ;
}

static void stop(sqlite3_context *context, int n, sqlite3_value **values)
{
    (void)n, (void)values;
    puts("inside");
    fflush(stdout);
    step();
    sqlite3_result_int(context, 1);
}

static void work(const char *sql)
{
    sqlite3 *db;

    if (sqlite3_open(":memory:", &db) != SQLITE_OK)
        exit(1);
    sqlite3_create_function(db, "stop", 0, SQLITE_UTF8, NULL, stop, NULL, NULL);
    sqlite3_exec(db, sql, NULL, NULL, NULL);
    sqlite3_close(db);
}

int main(void)
{
    void *variable;
    pid_t child;

    step();
    variable = dlsym(RTLD_DEFAULT, "otel_thread_ctx_v1");
    printf("%lx\n", (unsigned long)variable);
    fflush(stdout);
    step();
    work("SELECT stop()");
    puts("outside");
    fflush(stdout);
    step();
    child = fork();
    if (!child) {
        printf("%d\n", (int)getpid());
        fflush(stdout);
        step();
        work("SELECT 2");
        puts("worked");
        fflush(stdout);
        step();
        return 0;
    }
    return child < 0 || waitpid(child, NULL, 0) != child;
}
