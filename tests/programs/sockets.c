/* SPDX-License-Identifier: Apache-2.0
 *
 * sockets MODE: makes the calls that open, connect and end sockets, with the arguments programs
 * give and those they should not, and prints what each returned and the errno it left. No line
 * depends on the port or the time.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/programs/say.h"

static struct sockaddr *bad_addr(void)
{
    return nowhere;
}

static struct sockaddr_storage address;
static socklen_t address_len;
#define ADDRESS ((struct sockaddr *)&address)

static void loopback(int domain)
{
    memset(&address, 0, sizeof address);
    address.ss_family = (sa_family_t)domain;
    if (domain == AF_INET) {
        ((struct sockaddr_in *)&address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address_len = sizeof(struct sockaddr_in);
    } else if (domain == AF_INET6) {
        ((struct sockaddr_in6 *)&address)->sin6_addr = in6addr_loopback;
        address_len = sizeof(struct sockaddr_in6);
    } else {
        struct sockaddr_un *un = (struct sockaddr_un *)&address;
        int n = snprintf(un->sun_path + 1, sizeof un->sun_path - 1, "otel-sockets-%d", getpid());

        address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (unsigned)n);
    }
}

/* Listens on a free port or an abstract name; address is where. */
static int listening(int domain)
{
    int fd = socket(domain, SOCK_STREAM, 0);

    loopback(domain);
    if (bind(fd, ADDRESS, address_len) != 0 || listen(fd, 16) != 0)
        abort();
    address_len = sizeof address;
    if (getsockname(fd, ADDRESS, &address_len) != 0)
        abort();
    return fd;
}

static void talk(int client, int server)
{
    char got[16] = "";

    SAY(send(client, "ping", 4, 0));
    SAY(recv(server, got, sizeof got, 0));
    SAY(write(server, got, 4));
    SAY(read(client, got, sizeof got));
    printf("%s\n", got);
}

static void bad_descriptors(void)
{
    int file = open("/dev/null", O_RDWR);
    int path = open("/dev/null", O_PATH);
    const int fds[] = {-1, 777, 1 << 20, -2147483647, file, path};
    int value = 0;
    socklen_t len = sizeof value;

    loopback(AF_INET);
    for (unsigned i = 0; i < sizeof fds / sizeof *fds; i++) {
        int fd = fds[i];

        SAY(bind(fd, ADDRESS, address_len));
        SAY(listen(fd, 1));
        SAY(accept(fd, NULL, NULL));
        SAY(accept4(fd, NULL, NULL, SOCK_CLOEXEC));
        SAY(connect(fd, ADDRESS, address_len));
        SAY(connect(fd, bad_addr(), address_len));
        SAY(shutdown(fd, SHUT_RDWR));
        SAY(getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &len));
        SAY(send(fd, "x", 1, 0));
    }
}

static void bad_arguments(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int value = 0;
    socklen_t len = sizeof value;

    SAY(socket(-1, SOCK_STREAM, 0));
    SAY(socket(AF_INET, 4711, 0));
    SAY(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
    SAY(socket(AF_UNIX, SOCK_STREAM, IPPROTO_TCP));
    SAY(socketpair(AF_INET, SOCK_STREAM, 0, nowhere));
    SAY(socketpair(AF_UNIX, SOCK_STREAM, 0, nowhere));
    loopback(AF_INET);
    SAY(bind(fd, bad_addr(), address_len));
    SAY(bind(fd, ADDRESS, 3));
    SAY(connect(fd, bad_addr(), address_len));
    SAY(connect(fd, bad_addr(), 0));
    SAY(connect(fd, ADDRESS, 0));
    SAY(connect(fd, ADDRESS, 3));
    SAY(connect(fd, ADDRESS, 4711));
    SAY(connect(fd, NULL, address_len));
    loopback(AF_INET6);
    SAY(connect(fd, ADDRESS, address_len));
    SAY(accept(fd, NULL, NULL));
    SAY(shutdown(fd, SHUT_WR));
    SAY(shutdown(fd, 4711));
    SAY(getsockopt(fd, SOL_SOCKET, SO_ERROR, nowhere, &len));
    SAY(getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, nowhere));
    SAY(getsockopt(fd, SOL_SOCKET, 4711, &value, &len));
    SAY(listen(socket(AF_INET, SOCK_DGRAM, 0), 1));
    SAY(listen(fd, -1));
    SAY(close(fd));
    SAY(close(fd));
}

/* The kernel takes a connection off the queue before it finds that it cannot say whose it is. */
static void bad_accepts(void)
{
    int fd = listening(AF_INET);
    struct sockaddr_in peer;
    socklen_t len = sizeof peer;
    int got;

    fcntl(fd, F_SETFL, O_NONBLOCK);
    SAY(accept(fd, nowhere, nowhere));
    for (int i = 0; i < 6; i++) {
        if (connect(socket(AF_INET, SOCK_STREAM, 0), ADDRESS, address_len) != 0)
            abort();
    }
    SAY(accept(fd, (struct sockaddr *)&peer, nowhere));
    SAY(accept(fd, bad_addr(), &len));
    SAY(accept4(fd, NULL, NULL, 4711));
    len = (socklen_t)-1;
    SAY(accept(fd, (struct sockaddr *)&peer, &len));
    len = 4; /* shorter than the address: cut, and told how long it is */
    got = SAY(accept(fd, (struct sockaddr *)&peer, &len));
    printf("%u %d\n", len, got > 0);
    len = 0;
    SAY(accept(fd, bad_addr(), &len));
    SAY(accept(fd, NULL, nowhere));
    SAY(accept(fd, NULL, NULL));
}

static void connects(int domain)
{
    int fd = listening(domain);
    int client = socket(domain, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_storage peer;
    socklen_t len = sizeof peer;
    int server;

    SAY(connect(client, ADDRESS, address_len));
    server = SAY(accept(fd, (struct sockaddr *)&peer, &len));
    printf("peer of %u bytes\n", len);
    SAY(connect(client, ADDRESS, address_len));
    talk(client, server);
    SAY(shutdown(client, SHUT_WR));
    SAY(recv(server, &peer, 1, 0));
    SAY(send(client, "x", 1, MSG_NOSIGNAL));
    SAY(write(server, "late", 4));
    SAY(recv(client, &peer, 4, MSG_WAITALL));
    SAY(close(server));
    SAY(recv(client, &peer, 1, 0));
    SAY(close(client));
    SAY(close(fd));
    client = socket(domain, SOCK_STREAM, 0);
    SAY(connect(client, ADDRESS, address_len)); /* nobody listens any more */
    SAY(close(client));
}

static void without_blocking(void)
{
    int fd = listening(AF_INET);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct pollfd wait = {client, POLLOUT, 0};
    int error = 4711;
    socklen_t len = sizeof error;
    int server;

    SAY(connect(client, ADDRESS, address_len));
    SAY(poll(&wait, 1, -1));
    SAY(getsockopt(client, SOL_SOCKET, SO_ERROR, &error, &len));
    printf("error %d of %u bytes\n", error, len);
    SAY(connect(client, ADDRESS, address_len));
    SAY(connect(client, ADDRESS, address_len));
    server = SAY(accept(fd, NULL, NULL));
    talk(client, server);
    close(fd);
    client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    SAY(connect(client, ADDRESS, address_len));
    wait.fd = client;
    SAY(poll(&wait, 1, -1));
    SAY(getsockopt(client, SOL_SOCKET, SO_ERROR, &error, &len));
    printf("error %s of %u bytes\n", strerrorname_np(error), len);
    SAY(getsockopt(client, SOL_SOCKET, SO_ERROR, &error, &len));
    printf("error %d\n", error);
    SAY(send(client, "x", 1, MSG_NOSIGNAL));
    SAY(close(client));
}

static void datagrams(void)
{
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    int server = socket(AF_INET, SOCK_DGRAM, 0);
    int client = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_storage from;
    socklen_t len = sizeof from;
    char got[16] = "";

    loopback(AF_INET);
    SAY(bind(server, ADDRESS, address_len));
    address_len = sizeof address;
    SAY(getsockname(server, ADDRESS, &address_len));
    SAY(send(client, "x", 1, 0));
    SAY(connect(client, ADDRESS, address_len));
    SAY(send(client, "ping", 4, 0));
    SAY(recvfrom(server, got, sizeof got, 0, (struct sockaddr *)&from, &len));
    SAY(sendto(server, got, 4, 0, (struct sockaddr *)&from, len));
    SAY(recv(client, got, sizeof got, 0));
    SAY(connect(client, &nobody, sizeof nobody));
    SAY(send(client, "x", 1, 0));
    SAY(sendto(client, "pong", 4, 0, ADDRESS, address_len));
    SAY(recv(server, got, sizeof got, 0));
    SAY(connect(client, ADDRESS, address_len));
    SAY(close(server));
    SAY(send(client, "x", 1, 0));
    SAY(send(client, "x", 1, 0)); /* the answer to the one before */
    SAY(close(client));
    printf("%s\n", got);
}

/* A stream socket goes back to the state before connect(). */
static void disconnects(void)
{
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    int fd = listening(AF_INET);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    int first, second;
    char got;

    SAY(connect(client, ADDRESS, address_len));
    first = SAY(accept(fd, NULL, NULL));
    SAY(connect(client, &nobody, sizeof nobody));
    SAY(recv(first, &got, 1, 0));
    SAY(send(client, "x", 1, MSG_NOSIGNAL));
    SAY(connect(client, ADDRESS, address_len));
    second = SAY(accept(fd, NULL, NULL));
    talk(client, second);
}

static void pairs(void)
{
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET,
                                SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK};
    int pair[2];

    for (unsigned i = 0; i < sizeof types / sizeof *types; i++) {
        SAY(socketpair(AF_UNIX, types[i], 0, pair));
        printf("%d %d %d %d\n", pair[0], pair[1], fcntl(pair[0], F_GETFD), fcntl(pair[0], F_GETFL));
        talk(pair[0], pair[1]);
        SAY(close(pair[0]));
        SAY(close(pair[1]));
    }
}

static void limits(void)
{
    struct rlimit few = {12, 12};
    int fd = listening(AF_INET);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    int pair[2] = {-7, -7};

    SAY(setrlimit(RLIMIT_NOFILE, &few));
    SAY(connect(client, ADDRESS, address_len));
    while (dup(fd) >= 0)
        ;
    SAY(socket(AF_INET, SOCK_STREAM, 0));
    SAY(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    SAY(accept(fd, NULL, NULL));
    printf("%d %d\n", pair[0], pair[1]);
    SAY(close(11));
    SAY(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    SAY(accept(fd, NULL, NULL));
    talk(client, 11);
}

static void *blocked(void *fd)
{
    char got;

    printf("%zd\n", recv(*(int *)fd, &got, 1, 0));
    return NULL;
}

/* One thread waits for bytes while another ends the socket, a thousand times. */
static void threads(void)
{
    int fd = listening(AF_INET);

    for (int i = 0; i < 1000; i++) {
        int client = socket(AF_INET, SOCK_STREAM, 0);
        pthread_t thread;
        int server;

        if (connect(client, ADDRESS, address_len) != 0 || (server = accept(fd, NULL, NULL)) < 0)
            abort();
        pthread_create(&thread, NULL, blocked, &server);
        shutdown(server, SHUT_RDWR);
        close(client);
        pthread_join(thread, NULL);
        close(server);
    }
}

/* Ten thousand connections at a time, as far as the limit goes, and many one after another. */
static void many(void)
{
    struct rlimit limit;
    int fd = listening(AF_UNIX);
    int *held, n = 0;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    held = calloc(20000, sizeof *held);
    while (n < 20000 && n + 100 < (int)limit.rlim_cur) {
        held[n] = socket(AF_UNIX, SOCK_STREAM, 0);
        if (connect(held[n], ADDRESS, address_len) != 0)
            abort();
        held[n + 1] = accept(fd, NULL, NULL);
        n += 2;
    }
    for (int i = 0; i < n; i += 2) {
        char c = 0;

        if (write(held[i], "x", 1) != 1 || read(held[i + 1], &c, 1) != 1 || c != 'x')
            abort();
    }
    SAY(close_range(3, ~0U, 0));
    fd = listening(AF_UNIX);
    for (int i = 0; i < 100000; i++) {
        int client = socket(AF_UNIX, SOCK_STREAM, 0);

        if (client < 0 || connect(client, ADDRESS, address_len) != 0 ||
            close(accept(fd, NULL, NULL)) != 0 || close(client) != 0)
            abort();
    }
    printf("%d\n", n);
    free(held);
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!strcmp(mode, "bad")) {
        bad_descriptors();
        bad_arguments();
    } else if (!strcmp(mode, "accept")) {
        bad_accepts();
    } else if (!strcmp(mode, "ipv4")) {
        connects(AF_INET);
    } else if (!strcmp(mode, "ipv6")) {
        connects(AF_INET6);
    } else if (!strcmp(mode, "unix")) {
        connects(AF_UNIX);
    } else if (!strcmp(mode, "nonblocking")) {
        without_blocking();
    } else if (!strcmp(mode, "udp")) {
        datagrams();
    } else if (!strcmp(mode, "disconnect")) {
        disconnects();
    } else if (!strcmp(mode, "pairs")) {
        pairs();
    } else if (!strcmp(mode, "limits")) {
        limits();
    } else if (!strcmp(mode, "threads")) {
        threads();
    } else if (!strcmp(mode, "many")) {
        many();
    }
    printf("end\n");
    return 0;
}
