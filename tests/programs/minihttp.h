/* SPDX-License-Identifier: Apache-2.0
 *
 * As much HTTP/1.1 as the small servers beside it need, with nothing but libc: a listener
 * on a free port of 127.0.0.1, messages with a Content-Length, requests without a body.
 *
 * They exist to call libc in the way of some real server, so all of them end the program when a
 * call fails that cannot fail here.
 */
#ifndef OTEL_PROGRAMS_MINIHTTP_H
#define OTEL_PROGRAMS_MINIHTTP_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MINI_PATH 256

/* Bytes read so far; NUL behind them. */
struct mini_message {
    size_t len;
    char bytes[4096];
};

static inline void mini_need(bool ok, const char *what)
{
    if (!ok) {
        perror(what);
        exit(9);
    }
}

static inline struct sockaddr_in mini_loopback(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return to;
}

/* Listens and prints the port as a line. flags: SOCK_NONBLOCK or 0. */
static inline int mini_listen(int flags)
{
    struct sockaddr_in at = mini_loopback(0);
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | flags, 0);

    mini_need(fd >= 0, "socket");
    mini_need(bind(fd, (struct sockaddr *)&at, sizeof at) == 0, "bind");
    mini_need(listen(fd, 512) == 0, "listen");
    mini_need(getsockname(fd, (struct sockaddr *)&at, &len) == 0, "getsockname");
    printf("%u\n", ntohs(at.sin_port));
    fflush(stdout);
    return fd;
}

/* A connection, or one under way with SOCK_NONBLOCK in flags. */
static inline int mini_connect(uint16_t port, int flags)
{
    struct sockaddr_in to = mini_loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | flags, 0);
    int one = 1;

    mini_need(fd >= 0, "socket");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    mini_need(connect(fd, (struct sockaddr *)&to, sizeof to) == 0 || errno == EINPROGRESS,
              "connect");
    return fd;
}

/* Adds what one recv() gives. Returns its result. */
static inline ssize_t mini_receive(int fd, struct mini_message *m)
{
    ssize_t n = recv(fd, m->bytes + m->len, sizeof m->bytes - 1 - m->len, 0);

    if (n > 0) {
        m->len += (size_t)n;
        m->bytes[m->len] = '\0';
    }
    return n;
}

/* Where the body begins, NULL: the head is not complete. */
static inline const char *mini_body(const struct mini_message *m)
{
    const char *end = m->len ? strstr(m->bytes, "\r\n\r\n") : NULL;

    return end ? end + 4 : NULL;
}

/* Length of the body when the message is complete, -1 otherwise. */
static inline long mini_complete(const struct mini_message *m)
{
    const char *body = mini_body(m), *at;
    long length = 0;

    if (!body)
        return -1;
    at = strcasestr(m->bytes, "\r\ncontent-length:");
    if (at && at < body)
        length = strtol(at + strlen("\r\ncontent-length:"), NULL, 10);
    return m->len >= (size_t)(body - m->bytes) + (size_t)length ? length : -1;
}

/* The path of a request. */
static inline void mini_path(const struct mini_message *m, char out[static MINI_PATH])
{
    mini_need(sscanf(m->bytes, "%*s %255s", out) == 1, "request line");
}

static inline bool mini_wants_close(const struct mini_message *m)
{
    return strcasestr(m->bytes, "\r\nconnection: close") != NULL;
}

/* Both are short enough for a socket's empty buffer, so one send() takes them whole. */
static inline void mini_send(int fd, const char *bytes, size_t len)
{
    ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);

    mini_need(n == (ssize_t)len || (n < 0 && (errno == EPIPE || errno == ECONNRESET)), "send");
}

static inline void mini_request(int fd, const char *path)
{
    char text[512];
    int len = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: upstream\r\n\r\n", path);

    mini_send(fd, text, (size_t)len);
}

static inline void mini_answer(int fd, const char *body, size_t len)
{
    char text[8192];
    int head = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", len);

    mini_need(len < sizeof text - (size_t)head, "answer");
    memcpy(text + head, body, len);
    mini_send(fd, text, (size_t)head + len);
}

#endif
