/* SPDX-License-Identifier: Apache-2.0 */
// LIBS: -lsqlite3
/* Threads made while a statement is current (in the callback of sqlite3_exec), and threads made in
 * every way that can go wrong: threads SCENARIO. Prints what the calls gave. */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

static sem_t ready, go;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int released;
static int gate[2];

static void statement(const char *sql)
{
    sqlite3 *db;

    if (sqlite3_open(":memory:", &db) || sqlite3_exec(db, sql, NULL, NULL, NULL))
        abort();
    sqlite3_close(db);
}

/* Runs inside with a statement as the current context. */
static void during(int (*inside)(void *, int, char **, char **))
{
    sqlite3 *db;

    if (sqlite3_open(":memory:", &db) || sqlite3_exec(db, "SELECT 1 AS outer", inside, NULL, NULL))
        abort();
    sqlite3_close(db);
}

static void *plain(void *text)
{
    statement(text);
    return text;
}

static int c11(void *text)
{
    statement(text);
    return 7;
}

static int nested_c11(void *text)
{
    thrd_t t;
    int result;

    thrd_create(&t, c11, text);
    thrd_join(t, &result);
    return result;
}

static int make_both(void *arg, int columns, char **values, char **names)
{
    pthread_t t;
    thrd_t c;
    void *result;
    int number;

    (void)arg, (void)columns, (void)values, (void)names;
    printf("create %d\n", pthread_create(&t, NULL, plain, "SELECT 1 AS posix"));
    printf("join %d", pthread_join(t, &result));
    printf(" %s\n", (char *)result);
    printf("create %d\n", thrd_create(&c, c11, "SELECT 1 AS c11"));
    printf("join %d", thrd_join(c, &number));
    printf(" %d\n", number);
    thrd_create(&c, nested_c11, "SELECT 1 AS grandchild");
    thrd_join(c, &number);
    printf("%d\n", number);
    return 0;
}

static void inherit(void)
{
    during(make_both);
    statement("SELECT 1 AS after");
}

static pthread_t late;

/* A pipe is no wait for work: it does not end the context, the statement's end does. */
static void *after_it(void *text)
{
    char byte;

    if (read(gate[0], &byte, 1) != 1)
        abort();
    statement(text);
    return NULL;
}

static int make_late(void *arg, int columns, char **values, char **names)
{
    (void)arg, (void)columns, (void)values, (void)names;
    pthread_create(&late, NULL, after_it, "SELECT 1 AS late");
    return 0;
}

static void ended(void)
{
    if (pipe(gate))
        abort();
    during(make_late);
    if (write(gate[1], "", 1) != 1)
        abort();
    pthread_join(late, NULL);
}

static struct timespec from_now(long ms)
{
    struct timespec at;

    clock_gettime(CLOCK_REALTIME, &at);
    at.tv_sec += ms / 1000;
    at.tv_nsec += ms % 1000 * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

/* With the mutex, so that what it waits for comes later. */
static void wait_condition(int far)
{
    struct timespec at = from_now(far ? 60000 : 5);
    int error = 0;

    while (far < 2 ? !error && (!released || !far) : !released)
        error = far < 2 ? pthread_cond_timedwait(&condition, &mutex, &at)
                        : pthread_cond_wait(&condition, &mutex);
    pthread_mutex_unlock(&mutex);
    printf("condition %d %d\n", far, error);
}

/* Each does its first statement for who made it; the second, after a wait, for nobody known. */
static void *worker(void *how)
{
    char text[64];

    snprintf(text, sizeof text, "SELECT 1 AS before_%s", (char *)how);
    statement(text);
    if (strcmp(how, "semaphore"))
        pthread_mutex_lock(&mutex);
    sem_post(&ready);
    if (!strcmp(how, "semaphore"))
        sem_wait(&go);
    else
        wait_condition(!strcmp(how, "near") ? 0 : !strcmp(how, "far") ? 1 : 2);
    snprintf(text, sizeof text, "SELECT 1 AS behind_%s", (char *)how);
    statement(text);
    return NULL;
}

static int make_workers(void *arg, int columns, char **values, char **names)
{
    static char *const how[] = {"semaphore", "near", "far", "condition"};
    pthread_t t;

    (void)arg, (void)columns, (void)values, (void)names;
    for (size_t i = 0; i < sizeof how / sizeof *how; i++) {
        released = 0;
        pthread_create(&t, NULL, worker, how[i]);
        sem_wait(&ready);
        sem_post(&go);
        pthread_mutex_lock(&mutex);
        released = 1;
        pthread_cond_broadcast(&condition);
        pthread_mutex_unlock(&mutex);
        pthread_join(t, NULL);
        if (strcmp(how[i], "semaphore"))
            sem_wait(&go);
    }
    return 0;
}

static void waits(void)
{
    sem_init(&ready, 0, 0);
    sem_init(&go, 0, 0);
    during(make_workers);
}

static pthread_key_t key;
static __thread int own;

static void destroy(void *value)
{
    printf("destructor %s, own %d\n", (char *)value, own);
    statement("SELECT 1 AS destructor");
}

static void cleanup(void *value)
{
    printf("cleanup %s\n", (char *)value);
}

static void *leaves(void *how)
{
    own = 5;
    pthread_setspecific(key, how);
    pthread_cleanup_push(cleanup, how);
    if (!strcmp(how, "exit"))
        pthread_exit("exited");
    if (!strcmp(how, "cancel")) {
        pthread_cancel(pthread_self());
        pthread_testcancel();
    }
    pthread_cleanup_pop(1);
    return "returned";
}

static void *exits_in_callback(void *unused);

static int exit_thread(void *arg, int columns, char **values, char **names)
{
    (void)arg, (void)columns, (void)values, (void)names;
    pthread_create(&late, NULL, after_it, "SELECT 1 AS late");
    pthread_exit("from the callback");
}

static void *exits_in_callback(void *unused)
{
    during(exit_thread);
    return unused;
}

static void ends(void)
{
    static char *const how[] = {"return", "exit", "cancel"};
    pthread_t t;
    void *result;

    pthread_key_create(&key, destroy);
    for (int i = 0; i < 3; i++) {
        pthread_create(&t, NULL, leaves, how[i]);
        pthread_join(t, &result);
        printf("%s %s\n", how[i], result == PTHREAD_CANCELED ? "cancelled" : (char *)result);
    }
    if (pipe(gate))
        abort();
    pthread_create(&t, NULL, exits_in_callback, NULL);
    pthread_join(t, &result);
    printf("%s\n", (char *)result);
    if (write(gate[1], "", 1) != 1)
        abort();
    pthread_join(late, NULL);
}

static void *named(void *text)
{
    char name[16];
    pthread_attr_t attributes;
    size_t size;
    sigset_t blocked;

    pthread_getname_np(pthread_self(), name, sizeof name);
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstacksize(&attributes, &size);
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    printf("%s %s %zu %d\n", (char *)text, name, size, sigismember(&blocked, SIGUSR2));
    pthread_attr_destroy(&attributes);
    return NULL;
}

static void *detached(void *unused)
{
    sem_post(&ready);
    return unused;
}

static void attributes(void)
{
    pthread_attr_t a;
    pthread_t t;
    int error;

    sem_init(&ready, 0, 0);
    pthread_attr_init(&a);
    printf("small %d\n", pthread_attr_setstacksize(&a, PTHREAD_STACK_MIN));
    printf("create %d\n", pthread_create(&t, &a, named, "small"));
    pthread_join(t, NULL);
    pthread_attr_setstacksize(&a, (size_t)1 << 46);
    errno = 99;
    error = pthread_create(&t, &a, named, "huge");
    printf("huge %s %d\n", strerror(error), errno);
    pthread_attr_setstacksize(&a, 1 << 20);
    pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
    printf("detached %d\n", pthread_create(&t, &a, detached, NULL));
    sem_wait(&ready);
    for (int i = 0; i < 10000; i++)
        if (pthread_create(&t, NULL, detached, NULL) || pthread_join(t, NULL))
            abort();
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } scenario[] = {{"inherit", inherit},
                    {"ended", ended},
                    {"waits", waits},
                    {"ends", ends},
                    {"attributes", attributes}};

    for (size_t i = 0; argc > 1 && i < sizeof scenario / sizeof *scenario; i++)
        if (!strcmp(scenario[i].name, argv[1]))
            scenario[i].run();
    printf("end\n");
    return 0;
}
