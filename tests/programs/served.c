/* SPDX-License-Identifier: Apache-2.0 */
// LIBS: -lsqlite3
/* A server that makes threads and coroutines while it serves a request, and runs statements on
 * them, during the request and after it. Its client is a thread that makes its system calls itself.
 */
#include <netinet/in.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define STACK (256 * 1024)

static const char request[] = "GET /served HTTP/1.1\r\nHost: here\r\n\r\n";
static const char response[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
static struct sockaddr_in address = {.sin_family = AF_INET};
static int gate[2];
static ucontext_t loop, early, made, later;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void *client(void *unused)
{
    char answer[sizeof response];
    long fd = syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || syscall(SYS_connect, fd, &address, sizeof address) ||
        syscall(SYS_sendto, fd, request, sizeof request - 1, 0, NULL, 0) < 0)
        fail("client");
    while (syscall(SYS_recvfrom, fd, answer, sizeof answer, 0, NULL, 0) > 0)
        ;
    syscall(SYS_close, fd);
    return unused;
}

static void statement(const char *where, const char *when)
{
    char text[64];
    sqlite3 *db;

    snprintf(text, sizeof text, "SELECT 1 AS %s_%s", where, when);
    if (sqlite3_open(":memory:", &db) || sqlite3_exec(db, text, NULL, NULL, NULL))
        abort();
    sqlite3_close(db);
}

/* The second half when the gate opens. */
static void *thread(void *unused)
{
    char byte;

    statement("thread", "during");
    if (write(gate[1], "", 1) != 1 || read(gate[0], &byte, 1) != 1)
        fail("gate");
    return unused;
}

static void *thread_after(void *unused)
{
    char byte;

    if (read(gate[0], &byte, 1) != 1)
        fail("gate");
    statement("thread", "after");
    return unused;
}

static void body(const char *name, ucontext_t *own)
{
    statement(name, "first");
    swapcontext(own, &loop);
    statement(name, "second");
}

static void run_early(void)
{
    body("early", &early);
}

static void run_made(void)
{
    body("made", &made);
}

static void run_later(void)
{
    body("later", &later);
}

static void make(ucontext_t *c, void (*function)(void))
{
    getcontext(c);
    c->uc_stack.ss_sp = malloc(STACK);
    c->uc_stack.ss_size = STACK;
    c->uc_link = &loop;
    makecontext(c, function, 0);
}

static void resume(ucontext_t *c)
{
    if (swapcontext(&loop, c))
        fail("swapcontext");
}

static void serve(int fd)
{
    pthread_t t, after;

    make(&early, run_early);
    if (recv(fd, (char[sizeof request]){0}, sizeof request - 1, MSG_WAITALL) != sizeof request - 1)
        fail("receive");
    pthread_create(&t, NULL, thread, NULL);
    pthread_join(t, NULL);
    pthread_create(&after, NULL, thread_after, NULL);
    make(&made, run_made);
    make(&later, run_later);
    resume(&early);
    resume(&made);
    statement("main", "during");
    if (write(fd, response, sizeof response - 1) != sizeof response - 1 ||
        write(gate[1], "", 1) != 1)
        fail("answer");
    pthread_join(after, NULL);
    resume(&early);
    resume(&made);
    resume(&later);
    resume(&later);
    statement("main", "after");
}

int main(void)
{
    int listening = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t len = sizeof address;
    pthread_t t;
    int fd;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listening, (struct sockaddr *)&address, len) || listen(listening, 1) ||
        getsockname(listening, (struct sockaddr *)&address, &len) || pipe(gate))
        fail("listen");
    pthread_create(&t, NULL, client, NULL);
    fd = accept(listening, NULL, NULL);
    if (fd < 0)
        fail("accept");
    serve(fd);
    close(fd);
    pthread_join(t, NULL);
    printf("end\n");
    return 0;
}
