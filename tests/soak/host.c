/* SPDX-License-Identifier: Apache-2.0
 *
 * host SECONDS: a program that does everything at once, for so long: an HTTP server with a thread a
 * connection, and beside it workers that ask it over connections they keep, with requests sent in
 * threes, by libcurl, or break off in the middle; one that has statements run, and one that forks.
 *
 * Each second it writes a line "tick N N …", how much each worker has done so far, and at its end
 * "hard N", how many children asked the server and then ended by _exit(), and "done". It knows
 * nothing of tracing; tests/soak/run preloads it and watches.
 */
// PROGRAM
// LIBS: -lcurl -lsqlite3
#include <arpa/inet.h>
#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n"
#define ANSWER_LEN (sizeof ANSWER - 1)
#define REQUEST(PATH) "GET " PATH " HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define PAUSE_NS 2000000 /* between two pieces of a worker's work */
#define KEPT 20          /* requests on a kept connection */

extern char **environ;

/* Set by main when the time is over; any thread. */
static _Atomic bool over;
/* Connections the server has open; any thread. */
static _Atomic int serving;
/* Where the server listens; written by main before the workers start. */
static struct sockaddr_in address;

static void give_up(const char *what)
{
    perror(what);
    _exit(9);
}

static void pause_ns(long ns)
{
    struct timespec t = {0, ns};

    nanosleep(&t, NULL);
}

/* --- statements ------------------------------------------------------------------------------- */

static void statements(sqlite3 *db, int n)
{
    sqlite3_stmt *statement;

    if (sqlite3_prepare_v2(db, "SELECT ?1", -1, &statement, NULL) != SQLITE_OK)
        give_up("sqlite3_prepare_v2");
    for (int i = 0; i < n; i++) {
        sqlite3_bind_int(statement, 1, i);
        if (sqlite3_step(statement) != SQLITE_ROW || sqlite3_column_int(statement, 0) != i)
            give_up("sqlite3_step");
        sqlite3_reset(statement);
    }
    sqlite3_finalize(statement);
    if (sqlite3_exec(db, "SELECT nothing FROM nowhere", NULL, NULL, NULL) == SQLITE_OK)
        give_up("sqlite3_exec");
}

static void some_statements(int n)
{
    sqlite3 *db;

    if (sqlite3_open(":memory:", &db) != SQLITE_OK)
        give_up("sqlite3_open");
    statements(db, n);
    sqlite3_close(db);
}

/* --- server ----------------------------------------------------------------------------------- */

/* Answers each whole request in buf; returns how many bytes are left. */
static size_t answer_all(int fd, char *buf, size_t len)
{
    char *end;

    buf[len] = '\0';
    while ((end = strstr(buf, "\r\n\r\n")) != NULL) {
        if (!strncmp(buf, "GET /statement", 14))
            some_statements(1);
        send(fd, ANSWER, ANSWER_LEN, MSG_NOSIGNAL);
        len -= (size_t)(end + 4 - buf);
        memmove(buf, end + 4, len + 1);
    }
    return len;
}

static void *serve(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char buf[4096];
    size_t len = 0;
    ssize_t n;

    while (len < sizeof buf - 1 && (n = recv(fd, buf + len, sizeof buf - 1 - len, 0)) > 0)
        len = answer_all(fd, buf, len + (size_t)n);
    close(fd);
    serving--;
    return NULL;
}

static void *accept_all(void *arg)
{
    int listener = (int)(intptr_t)arg;
    pthread_t t;
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        serving++;
        if (pthread_create(&t, NULL, serve, (void *)(intptr_t)fd))
            give_up("pthread_create");
        pthread_detach(t);
    }
    return NULL;
}

/* --- workers: one piece of work each ---------------------------------------------------------- */

static int connected(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address))
        give_up("connect");
    return fd;
}

static void ask(int fd, const char *requests, int n)
{
    char got[ANSWER_LEN];

    if (send(fd, requests, strlen(requests), MSG_NOSIGNAL) != (ssize_t)strlen(requests))
        give_up("send");
    for (int i = 0; i < n; i++)
        if (recv(fd, got, sizeof got, MSG_WAITALL) != (ssize_t)sizeof got ||
            memcmp(got, ANSWER, ANSWER_LEN))
            give_up("recv");
}

static void keep_alive(unsigned round)
{
    int fd = connected();

    for (int i = 0; i < KEPT; i++)
        ask(fd, round % 2 ? REQUEST("/statement") : REQUEST("/kept"), 1);
    close(fd);
}

static void pipeline(unsigned round)
{
    int fd = connected();

    (void)round;
    ask(fd, REQUEST("/1") REQUEST("/statement") REQUEST("/3"), 3);
    ask(fd, REQUEST("/4") REQUEST("/5"), 2);
    close(fd);
}

/* At once, in the middle of a head, before the answer, in its middle; half of them by a reset. */
static void break_off(unsigned round)
{
    struct linger reset = {1, 0};
    int fd = connected();
    char got[8];

    if (round % 4 == 1)
        send(fd, "GET /half HTTP/1.1\r\nHo", 22, MSG_NOSIGNAL);
    if (round % 4 > 1)
        send(fd, REQUEST("/broken"), sizeof REQUEST("/broken") - 1, MSG_NOSIGNAL);
    if (round % 4 == 3 && recv(fd, got, sizeof got, 0) < 0)
        give_up("recv");
    if (round % 8 > 3)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(fd);
}

static size_t drop(char *data, size_t size, size_t n, void *unused)
{
    (void)data;
    (void)unused;
    return size * n;
}

/* The worker's; what is left of it main cleans up. */
static CURL *easy;

/* A handle is kept for 50 rounds. */
static void curl(unsigned round)
{
    static char url[64]; /* the one thread of this work */

    if (!easy) {
        snprintf(url, sizeof url, "http://127.0.0.1:%d/curl", ntohs(address.sin_port));
        easy = curl_easy_init();
        curl_easy_setopt(easy, CURLOPT_URL, url);
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, drop);
    }
    if (curl_easy_perform(easy) != CURLE_OK)
        give_up("curl_easy_perform");
    if (round % 50 == 49) {
        curl_easy_cleanup(easy);
        easy = NULL;
    }
}

static void sqlite(unsigned round)
{
    static sqlite3 *db; /* the one thread of this work */

    if (!db && sqlite3_open(":memory:", &db) != SQLITE_OK)
        give_up("sqlite3_open");
    statements(db, 3);
    if (round % 100 == 99) {
        sqlite3_close(db);
        db = NULL;
    }
}

/* A child that works and ends, one that ends hard, one that becomes another program. The first two
 * ask the server: SQLite's locks do not survive a fork among threads. */
static void children(unsigned round)
{
    static char *const argv[] = {"true", NULL};
    int status = 0;
    pid_t pid = -1;

    if (round % 3 == 2) {
        if (posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ))
            give_up("posix_spawn");
    } else if ((pid = fork()) == 0) {
        keep_alive(0);
        if (round % 3)
            _exit(0);
        exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
        give_up("child");
    pause_ns(200000000);
}

/* Of the rounds of children() those whose child ended by _exit(). */
static unsigned long hard_ends(unsigned long rounds)
{
    return (rounds + 1) / 3;
}

static void (*const works[])(unsigned round) = {keep_alive, keep_alive, pipeline, break_off,
                                                curl,       sqlite,     children};
#define WORKERS (sizeof works / sizeof *works)

/* Pieces done; each worker writes its own. */
static _Atomic unsigned long done[WORKERS];

static void *work(void *arg)
{
    unsigned w = (unsigned)(uintptr_t)arg;

    for (unsigned round = 0; !over; round++) {
        works[w](round);
        done[w]++;
        pause_ns(PAUSE_NS);
    }
    return NULL;
}

static void tick(void)
{
    char line[256] = "tick";
    size_t len = 4;

    for (unsigned w = 0; w < WORKERS; w++)
        len += (size_t)snprintf(line + len, sizeof line - len, " %lu", (unsigned long)done[w]);
    line[len++] = '\n';
    if (write(1, line, len) < 0)
        give_up("write");
}

static int start_server(pthread_t *t)
{
    socklen_t len = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&address, len) || listen(listener, 256) ||
        getsockname(listener, (struct sockaddr *)&address, &len) ||
        pthread_create(t, NULL, accept_all, (void *)(intptr_t)listener))
        give_up("server");
    return listener;
}

int main(int argc, char **argv)
{
    int seconds = argc > 1 ? atoi(argv[1]) : 10;
    pthread_t server, worker[WORKERS];
    int listener;

    curl_global_init(CURL_GLOBAL_ALL);
    listener = start_server(&server);
    for (uintptr_t w = 0; w < WORKERS; w++)
        if (pthread_create(&worker[w], NULL, work, (void *)w))
            give_up("pthread_create");
    for (int s = 0; s < seconds; s++) {
        sleep(1);
        tick();
    }
    over = true;
    for (unsigned w = 0; w < WORKERS; w++)
        pthread_join(worker[w], NULL);
    if (easy)
        curl_easy_cleanup(easy);
    shutdown(listener, SHUT_RDWR);
    pthread_join(server, NULL);
    while (serving)
        pause_ns(PAUSE_NS); /* they end by themselves: their clients have closed */
    printf("hard %lu\ndone\n", hard_ends(done[WORKERS - 1]));
    return fflush(stdout) != 0;
}
