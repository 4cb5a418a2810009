/* SPDX-License-Identifier: Apache-2.0
 *
 * signals MODE: threads and signals as they meet a traced call. Each mode sends and receives over
 * connections to a server of its own, whose requests are the spans, and checks that no byte was
 * lost, doubled or moved.
 *
 *   writes      a handler that writes to a connection of its own, whatever it interrupted
 *   forks       a handler that forks; the child writes and ends
 *   jumps       a handler that leaves a blocked call by siglongjmp, then the connection goes on
 *   altstack    a handler on a stack of its own that sends and receives
 *   cancels     a thread cancelled in each call that blocks
 *   small       threads with stacks of 16 KiB
 *   many        10,000 threads at a time
 *   dies HOW    a request, then the end by abort, segv, kill, or a handler of SIGSEGV that exits
 */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "tests/programs/minihttp.h"

#define SIGNALS 300
#define REQUEST "GET /x HTTP/1.1\r\nHost: here\r\n\r\n"
#define RESPONSE "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static uint16_t port;
static pid_t server;
static volatile sig_atomic_t handled, wrong;
static int hers, hers_too; /* the handlers' own connection, and a pipe */
static sigjmp_buf back;

/* --- the server: a child, without signals; a request is what ends with an empty line -----------
 */

static void serve(int fd)
{
    char seen[4] = "", byte;

    while (read(fd, &byte, 1) == 1) {
        memmove(seen, seen + 1, 3);
        seen[3] = byte;
        if (!memcmp(seen, "\r\n\r\n", 4))
            mini_need(write(fd, RESPONSE, sizeof RESPONSE - 1) == sizeof RESPONSE - 1, "answer");
    }
    close(fd);
}

static void *serve_one(void *fd)
{
    serve((int)(intptr_t)fd);
    return NULL;
}

static void start_server(void)
{
    struct sockaddr_in at = mini_loopback(0);
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    mini_need(bind(fd, (struct sockaddr *)&at, sizeof at) == 0, "bind");
    mini_need(listen(fd, 512) == 0, "listen");
    mini_need(getsockname(fd, (struct sockaddr *)&at, &len) == 0, "getsockname");
    port = ntohs(at.sin_port);
    server = fork();
    if (server) {
        close(fd);
        return;
    }
    for (;;) {
        pthread_t t;
        int one = accept(fd, NULL, NULL);

        if (one >= 0 && pthread_create(&t, NULL, serve_one, (void *)(intptr_t)one) == 0)
            pthread_detach(t);
    }
}

/* --- the client: by calls that a signal may interrupt ------------------------------------------
 */

static bool send_all(int fd, const char *data, size_t len)
{
    while (len) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        }
    }
    return true;
}

static bool receive_all(int fd)
{
    char got[sizeof RESPONSE - 1];
    size_t have = 0;

    while (have < sizeof got) {
        ssize_t n = read(fd, got + have, sizeof got - have);

        if (n == 0 || (n < 0 && errno != EINTR))
            return false;
        if (n > 0)
            have += (size_t)n;
    }
    return !memcmp(got, RESPONSE, sizeof got);
}

static bool exchange(int fd)
{
    return send_all(fd, REQUEST, sizeof REQUEST - 1) && receive_all(fd);
}

static void catch (int number, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};

    mini_need(sigaction(number, &action, NULL) == 0, "sigaction");
}

static void tick(long microseconds)
{
    struct itimerval every = {{0, microseconds}, {0, microseconds}};

    mini_need(setitimer(ITIMER_REAL, &every, NULL) == 0, "setitimer");
}

/* --- handlers ----------------------------------------------------------------------------------
 */

static void write_in_handler(int number)
{
    int kept = errno;

    handled++;
    if (!exchange(hers) || write(hers_too, "x", 1) != 1)
        wrong++;
    errno = kept + (number - SIGALRM);
}

static void fork_in_handler(int number)
{
    int kept = errno, status = -1;
    pid_t child;

    handled++;
    child = fork();
    if (child == 0)
        _exit(write(hers_too, "x", 1) == 1 ? 7 : 8);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (child < 0 || WEXITSTATUS(status) != 7)
        wrong++;
    errno = kept + (number - SIGALRM);
}

/* Exchanges while handlers come, until there were so many. */
static void under_signals(void (*handler)(int), int flags)
{
    int fd = mini_connect(port, 0), ends[2], pairs = 0;
    char byte;

    mini_need(pipe(ends) == 0, "pipe");
    hers = mini_connect(port, 0);
    hers_too = ends[1];
    catch (SIGALRM, handler, flags);
    tick(1000);
    while (handled < SIGNALS)
        wrong += !exchange(fd);
    tick(0);
    close(ends[1]);
    while (read(ends[0], &byte, 1) == 1)
        pairs++;
    printf("wrong %d, each wrote once: %d\n", (int)wrong, pairs == handled);
    close(fd);
    close(hers);
}

static void jump(int number)
{
    siglongjmp(back, number);
}

/* Each blocks; what it returns does not matter, it is left. */
static void block(int how, int silent, int listener)
{
    struct pollfd polled = {silent, POLLIN, 0};
    struct iovec piece = {&(char){0}, 1};
    struct epoll_event event = {EPOLLIN, {0}};
    fd_set set;
    char byte;
    static int waiting = -1;

    if (waiting < 0)
        waiting = epoll_create1(EPOLL_CLOEXEC);
    FD_ZERO(&set);
    FD_SET(silent, &set);
    if (how == 0)
        wrong += read(silent, &byte, 1) >= 0;
    if (how == 1)
        wrong += recv(silent, &byte, 1, 0) >= 0;
    if (how == 2)
        wrong += readv(silent, &piece, 1) >= 0;
    if (how == 3)
        wrong += recvfrom(silent, &byte, 1, MSG_PEEK, NULL, NULL) >= 0;
    if (how == 4)
        wrong += accept(listener, NULL, NULL) >= 0;
    if (how == 5)
        wrong += poll(&polled, 1, -1) >= 0;
    if (how == 6)
        wrong += select(silent + 1, &set, NULL, NULL, NULL) >= 0;
    if (how == 7)
        wrong += epoll_wait(waiting, &event, 1, -1) >= 0;
}

#define WAYS 8

static int silent_listener(void)
{
    struct sockaddr_in at = mini_loopback(0);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    mini_need(bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 1) == 0, "listen");
    return fd;
}

static void jumps(void)
{
    int fd = mini_connect(port, 0), listener = silent_listener();
    volatile int jumped = 0;

    catch (SIGALRM, jump, 0);
    for (volatile int i = 0; i < WAYS * 20; i++) {
        struct itimerval once = {{0, 0}, {0, 2000}};

        if (sigsetjmp(back, 1)) {
            jumped = jumped + 1;
        } else {
            setitimer(ITIMER_REAL, &once, NULL);
            for (;;)
                block(i % WAYS, fd, listener);
        }
        wrong += !exchange(fd);
    }
    printf("jumped %d, wrong %d\n", jumped, (int)wrong);
    close(fd);
    close(listener);
}

static void altstack(void)
{
    static char room[32 << 10]; /* what one with little needs: the frame alone may have 3 KiB */
    stack_t stack = {.ss_sp = room, .ss_size = sizeof room};

    memset(room, 0x5a, 4096);
    mini_need(sigaltstack(&stack, NULL) == 0, "sigaltstack");
    under_signals(write_in_handler, SA_ONSTACK);
    for (int i = 0; i < 4096; i++)
        wrong += room[i] != 0x5a;
    printf("the end of its stack is as it was: %d\n", !wrong);
}

/* --- threads -----------------------------------------------------------------------------------
 */

static int fd_of_all, listener_of_all, cleaned;

static void clean(void *unused)
{
    (void)unused;
    cleaned++;
}

static void *blocked(void *how)
{
    pthread_cleanup_push(clean, NULL);
    for (;;)
        block((int)(intptr_t)how, fd_of_all, listener_of_all);
    pthread_cleanup_pop(0);
    return NULL;
}

static void cancels(void)
{
    int ended = 0;

    fd_of_all = mini_connect(port, 0);
    listener_of_all = silent_listener();
    for (int i = 0; i < WAYS * 10; i++) {
        void *result = NULL;
        pthread_t t;

        mini_need(pthread_create(&t, NULL, blocked, (void *)(intptr_t)(i % WAYS)) == 0, "thread");
        usleep(i % 3 * 1000); /* before, or in the call */
        pthread_cancel(t);
        pthread_join(t, &result);
        ended += result == PTHREAD_CANCELED;
        wrong += !exchange(fd_of_all);
    }
    printf("cancelled %d, cleaned up at most as often %d, wrong %d\n", ended, cleaned <= ended,
           (int)wrong);
}

static void *exchange_in_small(void *unused)
{
    int fd = mini_connect(port, 0), refused = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in nowhere = mini_loopback(1);

    for (int i = 0; i < 10; i++)
        if (!exchange(fd))
            __atomic_add_fetch((int *)&wrong, 1, __ATOMIC_RELAXED);
    if (connect(refused, (struct sockaddr *)&nowhere, sizeof nowhere) != -1 ||
        errno != ECONNREFUSED)
        __atomic_add_fetch((int *)&wrong, 1, __ATOMIC_RELAXED);
    close(refused);
    close(fd);
    return unused;
}

static pthread_attr_t *smallest(void)
{
    static pthread_attr_t attributes;

    pthread_attr_init(&attributes);
    mini_need(pthread_attr_setstacksize(&attributes, 16 << 10) == 0, "stack size");
    return &attributes;
}

static void small(void)
{
    pthread_t t[16];

    for (int i = 0; i < 16; i++)
        mini_need(pthread_create(&t[i], smallest(), exchange_in_small, NULL) == 0, "thread");
    for (int i = 0; i < 16; i++)
        pthread_join(t[i], NULL);
    printf("wrong %d\n", (int)wrong);
}

static pthread_barrier_t all_are_there;

static void *one_of_many(void *number)
{
    pthread_barrier_wait(&all_are_there);
    if ((intptr_t)number % 20 == 0)
        return exchange_in_small(number);
    close(dup(1));
    return number;
}

static void many(void)
{
    enum { MANY = 10000 };
    static pthread_t t[MANY];
    long sum = 0;

    pthread_barrier_init(&all_are_there, NULL, MANY);
    for (long i = 0; i < MANY; i++)
        if (pthread_create(&t[i], smallest(), one_of_many, (void *)i)) {
            printf("no room for %d threads\n", MANY);
            fflush(stdout);
            kill(server, SIGKILL);
            _exit(4);
        }
    for (int i = 0; i < MANY; i++) {
        void *result;

        pthread_join(t[i], &result);
        sum += (long)result;
    }
    printf("sum %ld, wrong %d\n", sum, (int)wrong);
}

static void exit_in_handler(int number)
{
    _exit(number + 30);
}

static void die(const char *how)
{
    volatile int *volatile nowhere = NULL;
    int fd = mini_connect(port, 0);

    printf("wrong %d\n", !exchange(fd));
    fflush(stdout);
    close(fd);
    kill(server, SIGKILL);
    if (!strcmp(how, "abort"))
        abort();
    if (!strcmp(how, "kill"))
        raise(SIGKILL);
    if (!strcmp(how, "caught"))
        catch (SIGSEGV, exit_in_handler, 0);
    *nowhere = 1;
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";

    start_server();
    if (!strcmp(mode, "writes"))
        under_signals(write_in_handler, 0);
    if (!strcmp(mode, "forks"))
        under_signals(fork_in_handler, 0);
    if (!strcmp(mode, "jumps"))
        jumps();
    if (!strcmp(mode, "altstack"))
        altstack();
    if (!strcmp(mode, "cancels"))
        cancels();
    if (!strcmp(mode, "small"))
        small();
    if (!strcmp(mode, "many"))
        many();
    if (!strcmp(mode, "dies") && argc > 2)
        die(argv[2]);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    return 3;
}
