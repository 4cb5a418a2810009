/* SPDX-License-Identifier: Apache-2.0 */
// LIBS: -lsqlite3
/* The API used in every wrong way and at every odd time: api_calls SCENARIO. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/otel_auto.h"

static void statement(const char *sql)
{
    sqlite3 *db;

    if (sqlite3_open(":memory:", &db) || sqlite3_exec(db, sql, NULL, NULL, NULL))
        abort();
    sqlite3_close(db);
}

/* --- scopes left in every way --- */

static jmp_buf out;

static int by_return(int n)
{
    OTEL_AUTO_SPAN("return");
    return n + 1;
}

static void by_jump(void)
{
    OTEL_AUTO_SPAN("jumped");
    longjmp(out, 1);
}

static void scopes(void)
{
    by_return(1);
    for (;;) {
        OTEL_AUTO_SPAN("break");
        statement("SELECT 1 AS in_break");
        break;
    }
    {
        OTEL_AUTO_SPAN("goto");
        OTEL_AUTO_SPAN("goto inner");
        goto end;
    }
end:
    statement("SELECT 1 AS outside");
    {
        OTEL_AUTO_SPAN("around");
        if (setjmp(out) == 0)
            by_jump();
        statement("SELECT 1 AS in_around");
    }
    statement("SELECT 1 AS behind");
}

/* --- tokens --- */

static struct otel_auto_token attach_in_helper(const struct otel_auto_span *span)
{
    char room[3000]; /* this frame is gone when the token is used */

    memset(room, 1, sizeof room);
    __asm__ volatile("" ::"r"(room) : "memory");
    return otel_auto_attach_span(span);
}

static struct otel_auto_token token_of_main;

static void *detach_elsewhere(void *span)
{
    struct otel_auto_token mine = otel_auto_attach_span(span);

    printf("elsewhere %d\n", otel_auto_detach(&token_of_main));
    statement("SELECT 1 AS elsewhere");
    printf("mine %d\n", otel_auto_detach(&mine));
    return NULL;
}

static void tokens(void)
{
    struct otel_auto_span a, b;
    struct otel_auto_token first, second, none = {{0, 0}}, wrong = {{7, 7}};
    pthread_t thread;

    otel_auto_start(&a, "a");
    otel_auto_start(&b, "b");
    first = token_of_main = attach_in_helper(&a);
    statement("SELECT 1 AS in_a");
    pthread_create(&thread, NULL, detach_elsewhere, &a);
    pthread_join(thread, NULL);
    second = attach_in_helper(&b);
    printf("none %d wrong %d\n", otel_auto_detach(&none), otel_auto_detach(&wrong));
    statement("SELECT 1 AS in_b");
    printf("second %d\n", otel_auto_detach(&second));
    printf("again %d\n", otel_auto_detach(&second));
    statement("SELECT 1 AS in_a_again");
    attach_in_helper(&b);
    printf("first %d\n", otel_auto_detach(&first));
    statement("SELECT 1 AS outside");
    otel_auto_end(&a);
    otel_auto_end(&a);
    otel_auto_set_int(&a, "late", 1);
    otel_auto_end(&b);
}

/* --- nothing, and nonsense --- */

static const char *no_header(void *carrier, const char *name, size_t index)
{
    (void)carrier;
    (void)index;
    return strcmp(name, "traceparent") == 0 ? "00-nonsense" : NULL;
}

static void no_set(void *carrier, const char *name, const char *value)
{
    (void)carrier;
    printf("set %s %s\n", name, value);
}

static void nothing(void)
{
    struct otel_auto_span none, span;
    struct otel_auto_context no_context;
    struct otel_auto_token token;
    char text[OTEL_AUTO_TRACEPARENT_SIZE];
    int extracted;

    memset(&none, 0, sizeof none);
    memset(&no_context, 0, sizeof no_context);
    errno = 77;
    otel_auto_set_text(&none, "k", "v");
    otel_auto_event(&none, "e", NULL, 0);
    otel_auto_link(&none, &no_context, NULL, 0);
    otel_auto_set_status(&none, OTEL_AUTO_ERROR, NULL);
    otel_auto_end(&none);
    token = otel_auto_attach_span(&none);
    extracted = otel_auto_extract(&no_context, no_header, NULL);
    printf("%d %d %d %zu\n", otel_auto_detach(&token), extracted,
           otel_auto_context_of(&none, &no_context), otel_auto_inject(NULL, no_set, NULL));
    printf("%d '%s'\n", otel_auto_format(NULL, text), text);
    otel_auto_release(&no_context);
    otel_auto_start_at(&span, NULL, (enum otel_auto_kind)99, &no_context, 0);
    otel_auto_set_text(&span, NULL, "no key");
    otel_auto_set_text(&span, "no value", NULL);
    otel_auto_set_text_n(&span, "cut", "abcdef", 3);
    otel_auto_set_text(&span, "bytes", "\xff\xfe");
    otel_auto_set_status(&span, (enum otel_auto_status)9, "x");
    otel_auto_end(&span);
    printf("errno %d\n", errno);
}

/* --- odd times --- */

static void before_all(void)
{
    struct otel_auto_span span;

    otel_auto_start(&span, "before");
    otel_auto_print(2);
    otel_auto_end(&span);
}

__attribute__((section(".preinit_array"), used)) static void (*const before)(void) = before_all;

static void at_exit(void)
{
    OTEL_AUTO_SPAN("at exit");
}

__attribute__((destructor)) static void at_end(void)
{
    OTEL_AUTO_SPAN("at end");
}

static void on_signal(int signal)
{
    OTEL_AUTO_SPAN_AS(span, "handler");

    otel_auto_set_int(&span.span, "signal", signal);
}

static void times(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    OTEL_AUTO_SPAN("main");

    atexit(at_exit);
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
}

/* --- children --- */

static void children(void)
{
    OTEL_AUTO_SPAN_AS(parent, "parent");
    struct otel_auto_context above;
    pid_t pid = fork();

    otel_auto_context_of(&parent.span, &above);
    if (!pid) {
        struct otel_auto_span child;

        otel_auto_end(&parent.span); /* not this process's */
        otel_auto_start_at(&child, "fork child", OTEL_AUTO_INTERNAL, &above, 0);
        otel_auto_end(&child);
        {
            OTEL_AUTO_SPAN("inner");
        }
        exit(0);
    }
    waitpid(pid, NULL, 0);
    pid = vfork();
    if (!pid) {
        struct otel_auto_span child;

        otel_auto_start(&child, "vfork child");
        otel_auto_end(&child);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
}

/* --- a root that never ends --- */

static void unended(void)
{
    struct otel_auto_span around;
    struct otel_auto_token token;

    otel_auto_start(&around, "around");
    token = otel_auto_attach_span(&around);
    statement("SELECT 1 AS in_around");
    otel_auto_detach(&token);
}

/* --- print --- */

static void print(void)
{
    char text[OTEL_AUTO_TRACEPARENT_SIZE];

    otel_auto_print(1);
    {
        OTEL_AUTO_SPAN("printed");
        otel_auto_print(1);
        otel_auto_format(NULL, text);
        dprintf(1, "%s\n", text);
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } scenarios[] = {{"scopes", scopes},  {"tokens", tokens},     {"nothing", nothing},
                     {"times", times},    {"children", children}, {"print", print},
                     {"unended", unended}};

    for (size_t i = 0; argc > 1 && i < sizeof scenarios / sizeof *scenarios; i++)
        if (strcmp(argv[1], scenarios[i].name) == 0)
            scenarios[i].run();
    printf("end\n");
    return 0;
}
