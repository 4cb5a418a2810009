/* SPDX-License-Identifier: Apache-2.0 */
// LIBS: -lsqlite3
/* A server that reads one request and, while it is under way, waits in one way for one thing, then
 * runs a statement: waits CALL WHAT. What: own (the request's connection), pipe, both, nothing (a
 * time limit passes), sleep (nothing is waited for), fails. Its client is a thread that makes its
 * system calls itself. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t size);
int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                const sigset_t *mask, size_t size);

#define REQUEST "GET /waits HTTP/1.1\r\nHost: here\r\n\r\n"

static const char requests[] = REQUEST REQUEST;
static const char response[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
static struct sockaddr_in address = {.sin_family = AF_INET};
static int connection, gate[2], epoll_fd;

/* What is waited for, and for how long. */
static bool own, foreign;
static int timeout_ms;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* The second request comes with the first: the connection stays readable. */
static void *client(void *unused)
{
    char answer[sizeof response];
    long fd = syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || syscall(SYS_connect, fd, &address, sizeof address) ||
        syscall(SYS_sendto, fd, requests, sizeof requests - 1, 0, NULL, 0) < 0)
        fail("client");
    while (syscall(SYS_recvfrom, fd, answer, sizeof answer, 0, NULL, 0) > 0)
        ;
    syscall(SYS_close, fd);
    return unused;
}

static void statement(const char *sql)
{
    sqlite3 *db;

    if (sqlite3_open(":memory:", &db) || sqlite3_exec(db, sql, NULL, NULL, NULL))
        abort();
    sqlite3_close(db);
}

static nfds_t fill(struct pollfd fds[3])
{
    nfds_t n = 0;

    fds[n++] = (struct pollfd){.fd = -1, .events = POLLIN};
    if (own)
        fds[n++] = (struct pollfd){.fd = connection, .events = POLLIN};
    if (foreign)
        fds[n++] = (struct pollfd){.fd = gate[0], .events = POLLIN};
    return n;
}

static struct timespec time_limit(void)
{
    return (struct timespec){timeout_ms / 1000, timeout_ms % 1000 * 1000000};
}

static int by_poll(void)
{
    struct pollfd fds[3];

    return poll(fds, fill(fds), timeout_ms);
}

static int by_poll_chk(void)
{
    struct pollfd fds[3];

    return __poll_chk(fds, fill(fds), timeout_ms, sizeof fds);
}

static int by_ppoll(void)
{
    struct timespec t = time_limit();
    struct pollfd fds[3];

    return ppoll(fds, fill(fds), &t, NULL);
}

static int by_ppoll_chk(void)
{
    struct timespec t = time_limit();
    struct pollfd fds[3];

    return __ppoll_chk(fds, fill(fds), &t, NULL, sizeof fds);
}

static int most(fd_set *set)
{
    FD_ZERO(set);
    if (own)
        FD_SET(connection, set);
    if (foreign)
        FD_SET(gate[0], set);
    return own || foreign ? (connection > gate[0] ? connection : gate[0]) + 1 : 0;
}

static int by_select(void)
{
    struct timeval t = {timeout_ms / 1000, timeout_ms % 1000 * 1000};
    fd_set set;
    int count = most(&set);

    return select(count, count ? &set : NULL, NULL, NULL, &t);
}

static int by_pselect(void)
{
    struct timespec t = time_limit();
    fd_set set;
    int count = most(&set);

    return pselect(count, count ? &set : NULL, NULL, NULL, &t, NULL);
}

static struct epoll_event events[4];

static void subscribe(void)
{
    struct epoll_event e = {.events = EPOLLIN};

    e.data.ptr = &connection;
    if (own && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, connection, &e))
        fail("epoll_ctl");
    e.data.u64 = 4711;
    if (own && epoll_ctl(epoll_fd, EPOLL_CTL_MOD, connection, &e))
        fail("epoll_ctl");
    e.data.ptr = gate;
    if (foreign && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, gate[0], &e))
        fail("epoll_ctl");
}

static int by_epoll_wait(void)
{
    subscribe();
    return epoll_wait(epoll_fd, events, 4, timeout_ms);
}

static int by_epoll_pwait(void)
{
    subscribe();
    return epoll_pwait(epoll_fd, events, 4, timeout_ms, NULL);
}

static int by_epoll_pwait2(void)
{
    struct timespec t = time_limit();

    subscribe();
    return epoll_pwait2(epoll_fd, events, 4, &t, NULL);
}

typedef int waiter(void);

static void interrupt(int signal)
{
    (void)signal;
}

static void prepare(const char *what)
{
    own = !strcmp(what, "own") || !strcmp(what, "both");
    foreign = strcmp(what, "own") && strcmp(what, "sleep");
    timeout_ms = own || !strcmp(what, "pipe") || !strcmp(what, "fails") ? 60000 : 5;
    if (!strcmp(what, "pipe") || !strcmp(what, "both"))
        if (write(gate[1], "", 1) != 1)
            fail("pipe");
    if (!strcmp(what, "fails")) {
        struct sigaction action = {.sa_handler = interrupt};

        sigaction(SIGALRM, &action, NULL);
        ualarm(2000, 2000);
    }
}

static void serve(waiter *wait_for, const char *what)
{
    char buf[sizeof REQUEST];
    int listening = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t len = sizeof address;
    pthread_t t;
    int n;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listening, (struct sockaddr *)&address, len) || listen(listening, 1) ||
        getsockname(listening, (struct sockaddr *)&address, &len) || pipe(gate))
        fail("listen");
    pthread_create(&t, NULL, client, NULL);
    connection = accept(listening, NULL, NULL);
    if (connection < 0 ||
        recv(connection, buf, sizeof REQUEST - 1, MSG_WAITALL) != sizeof REQUEST - 1)
        fail("receive");
    epoll_fd = epoll_create1(0);
    statement("SELECT 1 AS before");
    prepare(what);
    errno = 0;
    n = wait_for();
    printf("%s gave %d, errno %d\n", what, n, errno);
    ualarm(0, 0);
    statement("SELECT 1 AS behind");
    if (write(connection, response, sizeof response - 1) != sizeof response - 1)
        fail("answer");
    close(connection);
    pthread_join(t, NULL);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        waiter *wait_for;
    } call[] = {
        {"poll", by_poll},
        {"poll_chk", by_poll_chk},
        {"ppoll", by_ppoll},
        {"ppoll_chk", by_ppoll_chk},
        {"select", by_select},
        {"pselect", by_pselect},
        {"epoll_wait", by_epoll_wait},
        {"epoll_pwait", by_epoll_pwait},
        {"epoll_pwait2", by_epoll_pwait2},
    };

    for (size_t i = 0; argc > 2 && i < sizeof call / sizeof *call; i++)
        if (!strcmp(call[i].name, argv[1]))
            serve(call[i].wait_for, argv[2]);
    printf("end\n");
    return 0;
}
