// LIBS: -lpthread
/* SPDX-License-Identifier: Apache-2.0
 *
 * A client that sends in every way there is: send_calls MODE PORT. Says what each call gave. The
 * bytes it was told are gone go to the file named by TOLD, for the comparison with what arrived.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#define GET "GET /a HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n"
#define OWN_LINE "%s: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
#define OWN "GET /own HTTP/1.1\r\nHost: h\r\n" OWN_LINE "X: y\r\n\r\n"

/* Set in main, before any thread. */
static int port;
static FILE *told_file;
/* Counted by the handler. */
static _Atomic int signals;

static void told(const void *data, ssize_t n)
{
    if (n > 0 && told_file)
        fwrite(data, 1, (size_t)n, told_file);
}

static ssize_t say(const char *call, ssize_t n)
{
    printf("%s %zd %s\n", call, n, n < 0 ? strerrorname_np(errno) : "");
    return n;
}

static int dial_flags(int flags)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int small = 4096;

    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    if (flags)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        exit(9);
    return fd;
}

static int dial(void)
{
    return dial_flags(0);
}

/* The answers of n requests. */
static void answers(int fd, int n)
{
    char buf[4096];

    while (n > 0) {
        ssize_t got = recv(fd, buf, sizeof buf, 0);

        if (got <= 0)
            break;
        for (ssize_t i = 0; i + 3 < got; i++)
            n -= !memcmp(buf + i, "\r\n\r\n", 4);
    }
    printf("answered %d\n", n);
}

static void bytes(void)
{
    const char *text = GET;
    int fd = dial();

    for (size_t i = 0; i < strlen(text); i++) {
        ssize_t n = i % 3 == 0   ? send(fd, text + i, 1, 0)
                    : i % 3 == 1 ? write(fd, text + i, 1)
                                 : sendto(fd, text + i, 1, MSG_NOSIGNAL, NULL, 0);

        told(text + i, say("byte", n));
    }
    answers(fd, 1);
    close(fd);
}

static ssize_t by_message(int fd, struct iovec *iov, size_t count, int flags)
{
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = count};

    return sendmsg(fd, &message, flags);
}

static ssize_t by_messages(int fd, struct iovec *iov, size_t count)
{
    struct mmsghdr messages[3] = {0};
    ssize_t total = 0;
    int n;

    for (size_t i = 0; i < count; i++) {
        messages[i].msg_hdr.msg_iov = &iov[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    n = sendmmsg(fd, messages, (unsigned)count, 0);
    for (int i = 0; i < n; i++)
        total += messages[i].msg_len;
    return n < 0 ? -1 : total;
}

/* A text in three pieces, cut at each position, by each call that takes pieces. */
static void cut(const char *text)
{
    size_t len = strlen(text);

    for (size_t at = 0; at < len; at++) {
        size_t next = at + (len - at) / 2;
        char copy[1024];
        struct iovec iov[3] = {{copy, at}, {copy + at, next - at}, {copy + next, len - next}};
        int fd = dial();
        ssize_t n;

        memcpy(copy, text, len);
        n = at % 4 == 0   ? writev(fd, iov, 3)
            : at % 4 == 1 ? by_message(fd, iov, 3, 0)
            : at % 4 == 2 ? pwritev2(fd, iov, 3, -1, 0)
                          : by_messages(fd, iov, 3);
        told(copy, say("pieces", n));
        if (memcmp(copy, text, len) != 0)
            puts("the program's memory has changed");
        answers(fd, 1);
        close(fd);
    }
}

static void iovecs(void)
{
    cut(GET);
}

static void own(void)
{
    static const char *const names[] = {"traceparent", "Traceparent", "TRACEPARENT", "tRaCePaReNt"};
    char text[512];

    for (int i = 0; i < 4; i++) {
        int len = snprintf(text, sizeof text, OWN, names[i]);
        int fd = dial();

        for (int at = 0; at < len; at += i + 1)
            told(text + at, say("part", send(fd, text + at,
                                             (size_t)(len - at < i + 1 ? len - at : i + 1), 0)));
        answers(fd, 1);
        close(fd);
    }
    cut(text);
}

/* A request whose head has `size` bytes of cookies. */
static size_t big(char *out, size_t size)
{
    size_t len = (size_t)sprintf(out, "GET /big HTTP/1.1\r\nHost: h\r\n");

    for (size_t i = 0; i < size / 64; i++)
        len += (size_t)sprintf(out + len, "Cookie: %054zu\r\n", i);
    return len + (size_t)sprintf(out + len, "\r\n");
}

/* A traceparent behind 9 KB of cookies, in one call and in pieces. */
static void cookies(void)
{
    static const size_t pieces[] = {1 << 14, 1000, 77};
    static char text[1 << 14];

    for (int i = 0; i < 3; i++) {
        size_t len = big(text, 9000) - 2;
        int fd = dial();

        len += (size_t)sprintf(text + len, OWN_LINE "X: y\r\n\r\n", "traceparent");
        for (size_t at = 0; at < len; at += pieces[i])
            told(text + at,
                 say("part", send(fd, text + at, len - at < pieces[i] ? len - at : pieces[i], 0)));
        answers(fd, 1);
        close(fd);
    }
}

/* Ten heads of 30 KB through a small buffer, to a reader that is slower. */
static void nonblocking(void)
{
    static char text[40000];
    size_t len = big(text, 30000);
    int fd = dial_flags(1);
    int full = 0;

    fcntl(fd, F_SETFL, O_NONBLOCK);
    for (int i = 0; i < 10; i++) {
        for (size_t at = 0; at < len;) {
            struct pollfd p = {fd, POLLOUT, 0};
            ssize_t n = i % 2 ? write(fd, text + at, len - at) : send(fd, text + at, len - at, 0);

            told(text + at, n);
            at += n > 0 ? (size_t)n : 0;
            if (n < 0 && errno != EAGAIN) {
                say("send", n);
                return;
            }
            if (n < 0) {
                full = 1;
                poll(&p, 1, -1);
            }
        }
    }
    fcntl(fd, F_SETFL, 0);
    printf("was full: %d\n", full);
    answers(fd, 10);
    close(fd);
}

static void more(void)
{
    const char *text = GET;
    int fd = dial();

    told(text, say("more", send(fd, text, 10, MSG_MORE)));
    told(text + 10, say("more", send(fd, text + 10, 20, MSG_MORE | MSG_NOSIGNAL)));
    told(text + 30, say("last", send(fd, text + 30, strlen(text) - 30, 0)));
    answers(fd, 1);
    close(fd);
}

static void file(void)
{
    const char *head = "POST /file HTTP/1.1\r\nContent-Length: 100000\r\n\r\n";
    static char body[100000];
    FILE *f = tmpfile();
    off_t at = 0;
    int fd = dial();
    int pipes[2];

    memset(body, 'b', sizeof body);
    fwrite(body, 1, sizeof body, f);
    fflush(f);
    told(head, say("head", send(fd, head, strlen(head), MSG_MORE)));
    told(body, say("sendfile", sendfile(fd, fileno(f), &at, 60000)));
    if (pipe(pipes) == 0) {
        lseek(fileno(f), 60000, SEEK_SET);
        say("splice in", splice(fileno(f), NULL, pipes[1], NULL, 40000, 0));
        told(body, say("splice out", splice(pipes[0], NULL, fd, NULL, 40000, 0)));
    }
    answers(fd, 1);
    told(GET, say("next", send(fd, GET, strlen(GET), 0)));
    answers(fd, 1);
    close(fd);
}

static void pipelined(void)
{
    const char *text = GET "POST /b HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc" GET;
    int fd = dial();

    told(text, say("all", send(fd, text, strlen(text), 0)));
    answers(fd, 3);
    told(text, say("again", write(fd, text, strlen(text))));
    answers(fd, 3);
    close(fd);
}

struct sender {
    int fd;
    pthread_mutex_t *lock;
};

static void *send_some(void *arg)
{
    struct sender *s = arg;

    for (int i = 0; i < 8; i++) {
        if (s->lock)
            pthread_mutex_lock(s->lock);
        if (send(s->fd, GET, strlen(GET), 0) != (ssize_t)strlen(GET))
            puts("a request in part");
        if (s->lock)
            pthread_mutex_unlock(s->lock);
    }
    return NULL;
}

/* Two threads on one socket, in turn or as it comes. */
static void threads(bool locked)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct sender s = {dial(), locked ? &lock : NULL};
    pthread_t t[2];

    for (int i = 0; i < 2; i++)
        pthread_create(&t[i], NULL, send_some, &s);
    for (int i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    for (int i = 0; i < 16; i++)
        told(GET, (ssize_t)strlen(GET));
    answers(s.fd, 16);
    close(s.fd);
}

static void threads_locked(void)
{
    threads(true);
}

static void threads_free(void)
{
    threads(false);
}

/* Lets the peer read on when a call that is restarted has waited long enough. */
static void on_signal(int number)
{
    if (++signals == 4 && number == SIGALRM)
        close(dial());
}

static void handle(int number, int flags)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};

    sigaction(number, &action, NULL);
}

/* Sends heads to a peer that reads nothing until another connection comes. A call that is
 * interrupted, or out of time, ends that; then the rest goes out. */
static void blocked(bool timeout)
{
    static char text[8192];
    size_t len = big(text, 6000);
    int fd = dial_flags(1);
    size_t at = 0;
    int sent = 0;
    bool stopped = false;
    ssize_t n;

    if (timeout)
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &(struct timeval){0, 50000},
                   sizeof(struct timeval));
    for (; sent < 15; sent++, at = 0) {
        while (at < len) {
            n = send(fd, text + at, len - at, 0);
            told(text + at, n);
            at += n > 0 ? (size_t)n : 0;
            if (!stopped && (n < 0 || at < len)) {
                stopped = true;
                setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
                close(dial());
            }
        }
    }
    answers(fd, sent);
    close(fd);
}

static void tick(int flags)
{
    struct itimerval every = {{0, 50000}, {0, 50000}};

    handle(SIGALRM, flags);
    setitimer(ITIMER_REAL, &every, NULL);
    blocked(false);
    printf("signals: %d\n", signals > 0);
}

static void interrupted(void)
{
    tick(0);
}

static void restarted(void)
{
    tick(SA_RESTART);
}

static void timed_out(void)
{
    blocked(true);
}

/* The peer sends RST when it has read one request. */
static void reset(void)
{
    char buf[64];
    int fd = dial();

    handle(SIGPIPE, 0);
    told(GET, say("first", send(fd, GET, strlen(GET), 0)));
    say("answer", recv(fd, buf, sizeof buf, 0));
    told(GET, say("second", send(fd, GET, strlen(GET), 0)));
    told(GET, say("third", write(fd, GET, strlen(GET))));
    say("fourth", send(fd, GET, strlen(GET), MSG_NOSIGNAL));
    printf("signals: %d\n", signals);
    close(fd);
}

/* Memory the kernel refuses. */
static void faults(void)
{
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    static struct iovec good[2000];
    struct iovec half[2] = {{page + 4096 - 10, 10}, {page + 4096, 10}};
    struct msghdr *nowhere = (struct msghdr *)(page + 4096);
    int fd = dial();

    memcpy(page + 4096 - 10, GET, 10);
    mprotect(page + 4096, 4096, PROT_NONE);
    say("send", send(fd, (void *)16, 10, 0));
    say("write", write(fd, page + 4096, 10));
    say("writev array", writev(fd, (struct iovec *)(page + 4096), 2));
    say("writev", writev(fd, &half[1], 1));
    say("sendmsg", sendmsg(fd, nowhere, 0));
    say("sendmmsg", sendmmsg(fd, (struct mmsghdr *)nowhere, 1, 0));
    good[0] = (struct iovec){(void *)GET, strlen(GET)};
    say("no pieces", writev(fd, good, 0));
    say("too many", writev(fd, good, 2000));
    say("too long",
        writev(fd, (struct iovec[]){{(void *)GET, SIZE_MAX / 2}, {(void *)GET, 99}}, 2));
    say("nothing", send(fd, "", 0, 0));
    say("pwritev2", pwritev2(fd, good, 1, 5, 0));
    told(page + 4096 - 10, say("half", writev(fd, half, 2)));
    told(GET + 10, say("rest", send(fd, GET + 10, strlen(GET) - 10, 0)));
    answers(fd, 1);
    handle(SIGPIPE, 0);
    shutdown(fd, SHUT_WR);
    say("shut", send(fd, GET, strlen(GET), 0));
    close(fd);
    say("closed", send(fd, GET, strlen(GET), 0));
    fd = socket(AF_INET, SOCK_STREAM, 0);
    say("unconnected", send(fd, GET, strlen(GET), 0));
    say("unconnected", write(fd, GET, strlen(GET)));
    printf("signals: %d\n", signals);
}

static void fast_open(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    told(GET, say("sendto",
                  sendto(fd, GET, strlen(GET), MSG_FASTOPEN, (struct sockaddr *)&to, sizeof to)));
    answers(fd, 1);
    close(fd);
}

/* One notification for each call that asked for it. */
static void zero_copy(void)
{
    int fd = dial();
    int on = 1;
    struct pollfd p = {fd, 0, 0};
    char control[128];
    struct msghdr message = {.msg_control = control, .msg_controllen = sizeof control};

    setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof on);
    told(GET, say("zerocopy", send(fd, GET, strlen(GET), MSG_ZEROCOPY)));
    answers(fd, 1);
    poll(&p, 1, -1);
    say("notified", recvmsg(fd, &message, MSG_ERRQUEUE));
    told(GET, say("copy", send(fd, GET, strlen(GET), 0)));
    answers(fd, 1);
    close(fd);
}

static void *send_for_ever(void *arg)
{
    static char text[8192];
    size_t len = big(text, 3000);

    for (;;)
        if (send(*(int *)arg, text, len, 0) < 0)
            return NULL;
}

/* A thread is cancelled in a call that blocks; the socket lives on. */
static void cancelled(void)
{
    int fd = dial_flags(1);
    int flags = fcntl(fd, F_GETFL);
    struct pollfd p = {fd, POLLOUT, 0};
    pthread_t t;
    void *end;

    pthread_create(&t, NULL, send_for_ever, &fd);
    while (poll(&p, 1, 0) == 1)
        sched_yield();
    pthread_cancel(t);
    pthread_join(t, &end);
    printf("cancelled: %d\n", end == PTHREAD_CANCELED);
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    say("full", send(fd, GET, strlen(GET), 0));
    fcntl(fd, F_SETFL, flags);
    close(dial());
    say("goes on", send(fd, GET, strlen(GET), 0));
    close(fd);
}

static const struct {
    const char *name;
    void (*run)(void);
} modes[] = {{"bytes", bytes},
             {"iovecs", iovecs},
             {"own", own},
             {"cookies", cookies},
             {"nonblocking", nonblocking},
             {"more", more},
             {"file", file},
             {"pipelined", pipelined},
             {"threads_locked", threads_locked},
             {"threads_free", threads_free},
             {"interrupted", interrupted},
             {"restarted", restarted},
             {"timed_out", timed_out},
             {"reset", reset},
             {"faults", faults},
             {"fast_open", fast_open},
             {"zero_copy", zero_copy},
             {"cancelled", cancelled}};

int main(int argc, char **argv)
{
    const char *path = getenv("TOLD");

    if (argc < 3)
        return 2;
    port = atoi(argv[2]);
    told_file = path ? fopen(path, "w") : NULL;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (strcmp(modes[i].name, argv[1]) == 0) {
            modes[i].run();
            if (told_file)
                fclose(told_file);
            return 0;
        }
    }
    return 2;
}
