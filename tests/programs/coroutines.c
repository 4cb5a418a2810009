/* SPDX-License-Identifier: Apache-2.0 */
// LIBS: -lsqlite3
/* ucontext coroutines that give way in the middle of a statement: coroutines SCENARIO. */
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define STACK (256 * 1024)

static ucontext_t loop;
static struct coroutine {
    ucontext_t context;
    int number;
    int finished;
} coroutines[3];
/* Who runs; one thread at a time switches. */
static struct coroutine *running;

static void statement(const char *what, int number)
{
    char text[64];
    sqlite3 *db;

    snprintf(text, sizeof text, "SELECT 1 AS %s_%d", what, number);
    if (sqlite3_open(":memory:", &db) || sqlite3_exec(db, text, NULL, NULL, NULL))
        abort();
    sqlite3_close(db);
}

static void give_way(void)
{
    if (swapcontext(&running->context, &loop))
        abort();
}

/* The SQL function give_way(): in the middle of a step. */
static void in_step(sqlite3_context *c, int count, sqlite3_value **values)
{
    int number = running->number;

    (void)count, (void)values;
    statement("before", number);
    give_way();
    statement("behind", number);
    give_way();
    statement("last", number);
    sqlite3_result_int(c, number);
}

/* Without a mutex, which is a thread's and not a coroutine's. */
static void body(void)
{
    char text[64];
    sqlite3 *db;
    sqlite3_stmt *stmt;
    int number = running->number;

    snprintf(text, sizeof text, "SELECT give_way() AS outer_%d", number);
    if (sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) ||
        sqlite3_create_function(db, "give_way", 0, SQLITE_UTF8, NULL, in_step, NULL, NULL) ||
        sqlite3_prepare_v2(db, text, -1, &stmt, NULL))
        abort();
    printf("step %d", sqlite3_step(stmt));
    printf(" %d\n", sqlite3_column_int(stmt, 0));
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    statement("after", number);
    running->finished = 1;
}

static void make(struct coroutine *c, int number)
{
    getcontext(&c->context);
    c->number = number;
    c->context.uc_stack.ss_sp = malloc(STACK);
    c->context.uc_stack.ss_size = STACK;
    c->context.uc_link = &loop;
    makecontext(&c->context, body, 0);
}

static void resume(struct coroutine *c)
{
    running = c;
    if (swapcontext(&loop, &c->context))
        abort();
}

static void own(void)
{
    for (int i = 0; i < 3; i++)
        make(&coroutines[i], i);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 3; i++)
            resume(&coroutines[i]);
        statement("loop", round);
    }
    for (int i = 0; i < 3; i++)
        printf("finished %d\n", coroutines[i].finished);
}

static void *resume_once(void *c)
{
    resume(c);
    statement("thread", 0);
    return NULL;
}

/* Each time on another thread. */
static void wander(void)
{
    pthread_t t;

    make(&coroutines[0], 0);
    for (int i = 0; i < 3; i++) {
        if (pthread_create(&t, NULL, resume_once, &coroutines[0]))
            abort();
        pthread_join(t, NULL);
    }
    printf("finished %d\n", coroutines[0].finished);
}

static void print_many(int a, int b, int c, int d, int e, int f, int g, int h, int i)
{
    printf("%d %d %d %d %d %d %d %d %d\n", a, b, c, d, e, f, g, h, i);
}

static void print_one(int a)
{
    printf("%d\n", a);
}

static void print_none(void)
{
    printf("none\n");
    setcontext(&loop);
}

/* Arguments in registers and on the stack; an end by uc_link and one by setcontext. */
static void arguments(void)
{
    static char stack[STACK];
    static ucontext_t c;

    getcontext(&c);
    c.uc_stack.ss_sp = stack;
    c.uc_stack.ss_size = sizeof stack;
    c.uc_link = &loop;
    makecontext(&c, (void (*)(void))print_many, 9, 1, 2, 3, 4, 5, 6, 7, 8, -9);
    swapcontext(&loop, &c);
    makecontext(&c, (void (*)(void))print_one, 1, -1);
    swapcontext(&loop, &c);
    makecontext(&c, print_none, 0);
    swapcontext(&loop, &c);
    printf("back\n");
}

/* As a long jump upwards, with a statement's step in between. */
static volatile int turns;
static ucontext_t above;

static void jump(sqlite3_context *c, int count, sqlite3_value **values)
{
    (void)c, (void)count, (void)values;
    turns++;
    setcontext(&above);
}

static void jumps(void)
{
    sqlite3 *db;

    if (sqlite3_open(":memory:", &db) ||
        sqlite3_create_function(db, "jump", 0, SQLITE_UTF8, NULL, jump, NULL, NULL))
        abort();
    getcontext(&above);
    printf("turn %d\n", turns);
    if (turns < 1)
        sqlite3_exec(db, "SELECT jump() AS outer_0", NULL, NULL, NULL);
    statement("after", 0);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } scenario[] = {{"own", own}, {"wander", wander}, {"arguments", arguments}, {"jumps", jumps}};

    for (size_t i = 0; argc > 1 && i < sizeof scenario / sizeof *scenario; i++)
        if (!strcmp(scenario[i].name, argv[1]))
            scenario[i].run();
    printf("end\n");
    return 0;
}
