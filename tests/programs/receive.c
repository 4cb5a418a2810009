/* SPDX-License-Identifier: Apache-2.0 */
// LIBS: -lsqlite3
/* An HTTP server that reads its two requests in one way: receive MODE. Its client is a thread that
 * makes its system calls itself, so nobody sees it. A statement runs for each request. Prints what
 * the calls gave. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define BODY 5000

ssize_t __read_chk(int fd, void *buf, size_t len, size_t size);
ssize_t __recv_chk(int fd, void *buf, size_t len, size_t size, int flags);
ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t size, int flags, struct sockaddr *from,
                       socklen_t *from_len);

static const char response[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
static struct sockaddr_in address = {.sin_family = AF_INET};
static char head[2][256];

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void raw_send(int fd, const char *data, size_t len)
{
    while (len) {
        long n = syscall(SYS_sendto, fd, data, len, 0, NULL, 0);

        if (n <= 0)
            fail("client sends");
        data += n;
        len -= (size_t)n;
    }
}

static void *client(void *unused)
{
    static char body[BODY];
    char answer[sizeof response];
    long fd = syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || syscall(SYS_connect, fd, &address, sizeof address))
        fail("client connects");
    memset(body, 'b', sizeof body);
    for (int i = 0; i < 2; i++) {
        raw_send((int)fd, head[i], 20);
        raw_send((int)fd, head[i] + 20, strlen(head[i]) - 20);
        if (i)
            raw_send((int)fd, body, sizeof body);
        for (size_t have = 0; have < sizeof response - 1;) {
            long n = syscall(SYS_recvfrom, fd, answer + have, sizeof response - 1 - have, 0, 0, 0);

            if (n <= 0)
                fail("client receives");
            have += (size_t)n;
        }
        if (memcmp(answer, response, sizeof response - 1))
            fail("answer");
    }
    syscall(SYS_close, fd);
    return unused;
}

static void tell(const char *what, ssize_t result)
{
    printf("%s %zd %s\n", what, result, result < 0 ? strerror(errno) : "");
}

static void statement(const char *sql)
{
    sqlite3 *db;

    if (sqlite3_open(":memory:", &db) || sqlite3_exec(db, sql, NULL, NULL, NULL))
        abort();
    sqlite3_close(db);
}

/* --- one call each; room: more than any of them asks for --- */

static ssize_t by_read(int fd, char *buf, size_t len)
{
    return read(fd, buf, len);
}

static ssize_t by_read_chk(int fd, char *buf, size_t len)
{
    return __read_chk(fd, buf, len, len);
}

static ssize_t by_recv(int fd, char *buf, size_t len)
{
    return recv(fd, buf, len, 0);
}

static ssize_t by_recv_chk(int fd, char *buf, size_t len)
{
    return __recv_chk(fd, buf, len, len, 0);
}

static ssize_t by_recvfrom(int fd, char *buf, size_t len)
{
    struct sockaddr_storage from;
    socklen_t from_len = sizeof from;

    return recvfrom(fd, buf, len, 0, (struct sockaddr *)&from, &from_len);
}

static ssize_t by_recvfrom_chk(int fd, char *buf, size_t len)
{
    return __recvfrom_chk(fd, buf, len, len, 0, NULL, NULL);
}

static ssize_t by_recvmsg(int fd, char *buf, size_t len)
{
    struct iovec iov[3] = {{buf, 3}, {buf + 3, 0}, {buf + 3, len - 3}};
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = len > 3 ? 3 : 1};

    if (len < 3)
        iov[0].iov_len = len;
    return recvmsg(fd, &message, 0);
}

static ssize_t by_recvmmsg(int fd, char *buf, size_t len)
{
    struct iovec iov[2] = {{buf, len / 2}, {buf + len / 2, len - len / 2}};
    struct mmsghdr messages[2] = {{.msg_hdr = {.msg_iov = iov, .msg_iovlen = 1}},
                                  {.msg_hdr = {.msg_iov = iov + 1, .msg_iovlen = 1}}};
    int n = recvmmsg(fd, messages, len > 1 ? 1 : 2, 0, NULL);

    return n <= 0 ? n : (ssize_t)(messages[0].msg_len + (n > 1 ? messages[1].msg_len : 0));
}

static ssize_t by_readv(int fd, char *buf, size_t len)
{
    struct iovec iov[2] = {{buf, len / 3}, {buf + len / 3, len - len / 3}};

    return readv(fd, iov, 2);
}

static ssize_t by_preadv2(int fd, char *buf, size_t len)
{
    struct iovec iov = {buf, len};

    errno = 0;
    if (preadv2(fd, &iov, 1, 0, 0) != -1 || errno != ESPIPE)
        fail("a socket has a position");
    return preadv2(fd, &iov, 1, -1, 0);
}

static ssize_t by_single(int fd, char *buf, size_t len)
{
    return read(fd, buf, len > 1 ? 1 : len);
}

static ssize_t by_peek(int fd, char *buf, size_t len)
{
    ssize_t n = recv(fd, buf, len, MSG_PEEK);

    if (n > 0 && recv(fd, buf, (size_t)n, MSG_PEEK) != n)
        fail("peek");
    return n > 0 ? recv(fd, buf, (size_t)n / 2 + 1, 0) : n;
}

static ssize_t by_waiting(int fd, char *buf, size_t len)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    ssize_t n;

    while ((n = recv(fd, buf, len, MSG_DONTWAIT)) < 0 && errno == EAGAIN)
        poll(&p, 1, -1);
    return n;
}

/* Its number was a file's; nobody saw the socket come. Once, before the first byte. */
static ssize_t by_received(int fd, char *buf, size_t len)
{
    char control[CMSG_SPACE(sizeof fd)] = "", byte = 'x';
    struct iovec iov = {&byte, 1};
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    int pair[2], file = open("/dev/null", O_RDONLY);
    static bool done;

    if (done) {
        close(file);
        return read(fd, buf, len);
    }
    done = true;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || read(file, &byte, 1) != 0)
        fail("pair");
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(h), &fd, sizeof fd);
    if (sendmsg(pair[0], &m, 0) != 1)
        fail("send a descriptor");
    close(file);
    m.msg_controllen = sizeof control;
    if (recvmsg(pair[1], &m, 0) != 1)
        fail("receive a descriptor");
    memcpy(&file, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof file);
    close(pair[0]);
    close(pair[1]);
    if (dup2(file, fd) != fd)
        fail("dup2");
    close(file);
    return read(fd, buf, len);
}

/* Of a body only the length is of interest: MSG_TRUNC throws the bytes away. */
static ssize_t by_trunc(int fd, char *buf, size_t len)
{
    return recv(fd, buf, len, len < BODY ? 0 : MSG_TRUNC);
}

typedef ssize_t reader(int fd, char *buf, size_t len);

/* The head, byte by byte up to its end or in pieces, then the body. */
static bool read_request(reader *read_some, int fd, bool has_body)
{
    static char buf[16384];
    size_t have = 0, end = 0, want = has_body ? BODY : 0;

    while (!end) {
        ssize_t n = read_some(fd, buf + have, 100);
        char *empty;

        if (n < 0)
            fail("receive");
        if (n == 0)
            return false;
        have += (size_t)n;
        buf[have] = 0;
        empty = strstr(buf, "\r\n\r\n");
        end = empty ? (size_t)(empty - buf) + 4 : 0;
    }
    while (have < end + want) {
        ssize_t n = read_some(fd, buf, BODY);

        if (n <= 0)
            fail("receive the body");
        have += (size_t)n;
    }
    printf("request of %zu\n", have);
    return true;
}

static void serve(reader *read_some)
{
    int listening = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t len = sizeof address;
    pthread_t t;
    int fd;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listening, (struct sockaddr *)&address, len) || listen(listening, 1) ||
        getsockname(listening, (struct sockaddr *)&address, &len))
        fail("listen");
    snprintf(head[0], sizeof head[0], "GET /first HTTP/1.1\r\nHost: here\r\n\r\n");
    snprintf(head[1], sizeof head[1], "POST /second HTTP/1.1\r\nHost: here\r\n%s%d\r\n\r\n",
             "Content-Length: ", BODY);
    pthread_create(&t, NULL, client, NULL);
    fd = accept(listening, NULL, NULL);
    if (fd < 0)
        fail("accept");
    for (int i = 0; read_request(read_some, fd, i == 1); i++) {
        statement(i ? "SELECT 1 AS second" : "SELECT 1 AS first");
        if (write(fd, response, sizeof response - 1) != sizeof response - 1)
            fail("answer");
    }
    errno = 77;
    tell("then", read_some(fd, head[0], 10));
    printf("errno %d\n", errno);
    statement("SELECT 1 AS after");
    pthread_join(t, NULL);
    close(fd);
    close(listening);
}

/* The checked forms still end a program that would overflow. */
static void overflow(void)
{
    char buf[16];
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
        fail("pair");
    printf("received %zd\n", __recv_chk(pair[0], buf, sizeof buf, sizeof buf, MSG_DONTWAIT));
    fflush(stdout);
    __read_chk(pair[0], buf, sizeof buf + 1, sizeof buf);
}

/* A thread that is cancelled in a blocked call, and a handler that interrupts one. */
static int blocked[2];

static void *block(void *unused)
{
    char byte;

    recv(blocked[0], &byte, 1, 0);
    return unused;
}

static void on_signal(int signal)
{
    (void)signal;
    if (write(blocked[1], "i", 1) != 1)
        abort();
}

static void interrupts(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    struct msghdr bad = {.msg_iovlen = 1};
    void *volatile nowhere = (void *)8;
    pthread_t t;
    void *result;
    char byte;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, blocked))
        fail("pair");
    pthread_create(&t, NULL, block, NULL);
    pthread_cancel(t);
    pthread_join(t, &result);
    printf("cancelled %d\n", result == PTHREAD_CANCELED);
    sigaction(SIGALRM, &action, NULL);
    ualarm(1000, 0);
    tell("interrupted", recv(blocked[0], &byte, 1, 0));
    tell("then", read(blocked[0], &byte, 1));
    tell("nothing", read(blocked[0], NULL, 0));
    tell("vector", readv(blocked[0], nowhere, 1));
    bad.msg_iov = nowhere;
    tell("message", recvmsg(blocked[0], &bad, 0));
    tell("no message", recvmsg(blocked[0], nowhere, 0));
    tell("no descriptor", recvmsg(-1, nowhere, 0));
    tell("large", read(123456789, &byte, 1));
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        reader *read_some;
    } mode[] = {
        {"read", by_read},         {"read_chk", by_read_chk}, {"recv", by_recv},
        {"recv_chk", by_recv_chk}, {"recvfrom", by_recvfrom}, {"recvfrom_chk", by_recvfrom_chk},
        {"recvmsg", by_recvmsg},   {"recvmmsg", by_recvmmsg}, {"readv", by_readv},
        {"preadv2", by_preadv2},   {"single", by_single},     {"peek", by_peek},
        {"waiting", by_waiting},   {"trunc", by_trunc},       {"received", by_received},
    };

    for (size_t i = 0; argc > 1 && i < sizeof mode / sizeof *mode; i++)
        if (!strcmp(argv[1], mode[i].name))
            serve(mode[i].read_some);
    if (argc > 1 && !strcmp(argv[1], "overflow"))
        overflow();
    if (argc > 1 && !strcmp(argv[1], "interrupts"))
        interrupts();
    printf("end\n");
    return 0;
}
