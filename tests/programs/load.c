/* SPDX-License-Identifier: Apache-2.0
 *
 * A server that allocates nothing for a request, and a client that keeps it busy.
 *
 *     load serve                       an event loop; prints its port, ends when standard input
 * does. Answers "ok", but /count with how often the thread that serves has allocated so far,
 * libraries in it included load run PORT PEERS ROUNDS       opens PEERS connections, and ROUNDS
 * times sends a request on each, then reads each answer; prints the answers
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define FDS 32768
#define REQUEST_MAX 512
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n"
#define GET "GET /documents/17 HTTP/1.1\r\nHost: localhost\r\n\r\n"

/* --- the allocator, counted ------------------------------------------------------------------- */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static __thread unsigned long allocations;

void *malloc(size_t size)
{
    allocations++;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    allocations++;
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    allocations++;
    return __libc_realloc(old, size);
}

void *memalign(size_t alignment, size_t size)
{
    allocations++;
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    *out = memalign(alignment, size);
    return *out ? 0 : ENOMEM;
}

/* --- the server ------------------------------------------------------------------------------- */

/* What has come of a request, by descriptor. */
static struct {
    size_t have;
    char bytes[REQUEST_MAX];
} peers[FDS];

static void need(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void watch(int poller, int fd)
{
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};

    need(epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e) == 0, "epoll_ctl");
}

static void answer(int fd)
{
    char text[128], body[32];
    int body_len = snprintf(body, sizeof body, "%lu\n", allocations);
    int len = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s",
                       body_len, body);

    if (!strncmp(peers[fd].bytes, "GET /count ", 11))
        need(send(fd, text, (size_t)len, MSG_NOSIGNAL) == len, "send");
    else
        need(send(fd, OK, sizeof OK - 1, MSG_NOSIGNAL) == sizeof OK - 1, "send");
}

static void serve_peer(int fd)
{
    size_t have = peers[fd].have;
    ssize_t n = recv(fd, peers[fd].bytes + have, REQUEST_MAX - 1 - have, 0);

    if (n <= 0) {
        peers[fd].have = 0;
        close(fd);
        return;
    }
    peers[fd].have += (size_t)n;
    peers[fd].bytes[peers[fd].have] = '\0';
    if (!strstr(peers[fd].bytes, "\r\n\r\n"))
        return;
    answer(fd);
    peers[fd].have = 0;
}

static int serve(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int poller = epoll_create1(0);
    struct epoll_event events[64];

    need(bind(listener, (struct sockaddr *)&a, len) == 0 && listen(listener, 4096) == 0 &&
             getsockname(listener, (struct sockaddr *)&a, &len) == 0,
         "listen");
    printf("%d\n", ntohs(a.sin_port));
    fflush(stdout);
    watch(poller, listener);
    watch(poller, 0);
    for (;;) {
        int n = epoll_wait(poller, events, 64, -1);

        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;

            if (fd == 0)
                return 0;
            if (fd != listener) {
                serve_peer(fd);
                continue;
            }
            while ((fd = accept(listener, NULL, NULL)) >= 0) {
                need(fd < FDS, "descriptors");
                watch(poller, fd);
            }
        }
    }
}

/* --- the client ------------------------------------------------------------------------------- */

static bool read_answer(int fd)
{
    char bytes[sizeof OK];
    size_t have = 0;

    while (have < sizeof OK - 1) {
        ssize_t n = recv(fd, bytes + have, sizeof OK - 1 - have, 0);

        if (n <= 0)
            return false;
        have += (size_t)n;
    }
    return !memcmp(bytes, OK, sizeof OK - 1);
}

static int run(uint16_t port, int count, long rounds)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    static int fds[FDS];
    long answers = 0;

    need(count <= FDS, "peers");
    for (int i = 0; i < count; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        need(connect(fds[i], (struct sockaddr *)&a, sizeof a) == 0, "connect");
    }
    for (long r = 0; r < rounds; r++) {
        for (int i = 0; i < count; i++)
            need(send(fds[i], GET, sizeof GET - 1, 0) == sizeof GET - 1, "send");
        for (int i = 0; i < count; i++)
            answers += read_answer(fds[i]);
    }
    printf("%ld\n", answers);
    return 0;
}

int main(int argc, char **argv)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (argc == 2 && !strcmp(argv[1], "serve"))
        return serve();
    if (argc == 5 && !strcmp(argv[1], "run"))
        return run((uint16_t)atoi(argv[2]), atoi(argv[3]), atol(argv[4]));
    return 2;
}
