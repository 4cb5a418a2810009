/* SPDX-License-Identifier: Apache-2.0
 *
 * sink: the cheapest collector there is. Prints its port, then answers every POST on 127.0.0.1 with
 * an empty 200 and counts the spans in it, one thread a connection, until its standard input is
 * closed. For each byte of that it prints how many it has received, a number for each kind (0 to
 * 5). The benchmarks export to it, so that what they see is the cost of this side.
 */
// PROGRAM
#include <arpa/inet.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define KINDS 6
#define HEAD_MAX 65536

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\n"
                             "Content-Length: 0\r\n\r\n";

/* Spans so far, a number for each kind. Added to by each connection's thread. */
static _Atomic uint64_t received[KINDS];

/* Bytes of the body, from the head; 0 when it names none. */
static size_t content_length(const char *head)
{
    for (const char *line = head; (line = strchr(line, '\n')) != NULL;) {
        line++;
        if (!strncasecmp(line, "Content-Length:", 15))
            return strtoul(line + 15, NULL, 10);
    }
    return 0;
}

/* --- counting --------------------------------------------------------------------------------- */

/* A field of a message: its number, its value or its body's length. */
struct field {
    unsigned number;
    uint64_t value;
    const uint8_t *body; /* NULL: not one with a length */
};

static bool varint(const uint8_t **p, const uint8_t *end, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && *p < end; shift += 7) {
        uint8_t byte = *(*p)++;

        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

/* False: the end, or nothing we sent. */
static bool next(const uint8_t **p, const uint8_t *end, struct field *f)
{
    uint64_t tag;

    f->body = NULL;
    if (*p >= end || !varint(p, end, &tag))
        return false;
    f->number = (unsigned)(tag >> 3);
    switch (tag & 7) {
    case 0:
        return varint(p, end, &f->value);
    case 1:
        *p += 8;
        return *p <= end;
    case 2:
        if (!varint(p, end, &f->value) || f->value > (uint64_t)(end - *p))
            return false;
        f->body = *p;
        *p += f->value;
        return true;
    case 5:
        *p += 4;
        return *p <= end;
    default:
        return false;
    }
}

static void count_span(const uint8_t *p, const uint8_t *end)
{
    struct field f;
    uint64_t kind = 0;

    while (!kind && next(&p, end, &f))
        if (f.number == 6 && !f.body)
            kind = f.value;
    received[kind < KINDS ? kind : 0]++;
}

/* ExportTraceServiceRequest.resource_spans, ResourceSpans.scope_spans, ScopeSpans.spans: 1, 2, 2.
 */
static void count(const uint8_t *p, const uint8_t *end, int depth)
{
    struct field f;

    while (next(&p, end, &f)) {
        if (!f.body || f.number != (depth ? 2 : 1))
            continue;
        if (depth == 2)
            count_span(f.body, f.body + f.value);
        else
            count(f.body, f.body + f.value, depth + 1);
    }
}

/* --- serving ---------------------------------------------------------------------------------- */

/* A connection and its request as far as it came. */
struct peer {
    int fd;
    size_t have, room;
    char *buf;
};

/* False: it closed, or there is no memory. */
static bool more(struct peer *peer, size_t wanted)
{
    ssize_t n;

    if (wanted + 1 > peer->room) {
        char *larger = realloc(peer->buf, wanted + 1);

        if (!larger)
            return false;
        peer->buf = larger;
        peer->room = wanted + 1;
    }
    n = read(peer->fd, peer->buf + peer->have, peer->room - 1 - peer->have);
    if (n <= 0)
        return false;
    peer->have += (size_t)n;
    peer->buf[peer->have] = '\0';
    return true;
}

/* One request at a time is what our exporter sends. */
static bool serve_one(struct peer *peer)
{
    char *end = NULL;
    size_t head, whole;

    peer->have = 0;
    while (!end) {
        if (!more(peer, HEAD_MAX))
            return false;
        end = strstr(peer->buf, "\r\n\r\n");
    }
    head = (size_t)(end + 4 - peer->buf);
    whole = head + content_length(peer->buf);
    while (peer->have < whole)
        if (!more(peer, whole))
            return false;
    count((uint8_t *)peer->buf + head, (uint8_t *)peer->buf + whole, 0);
    return write(peer->fd, answer, sizeof answer - 1) > 0;
}

static void *serve(void *arg)
{
    struct peer peer = {.fd = (int)(intptr_t)arg};

    while (serve_one(&peer))
        ;
    free(peer.buf);
    close(peer.fd);
    return NULL;
}

static void *accept_all(void *arg)
{
    int listener = (int)(intptr_t)arg;

    for (;;) {
        pthread_t t;
        int fd = accept(listener, NULL, NULL);

        if (fd >= 0 && pthread_create(&t, NULL, serve, (void *)(intptr_t)fd) == 0)
            pthread_detach(t);
    }
    return NULL;
}

static void tell(void)
{
    for (int kind = 0; kind < KINDS; kind++)
        printf("%llu%c", (unsigned long long)received[kind], kind < KINDS - 1 ? ' ' : '\n');
    fflush(stdout);
}

int main(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    pthread_t t;
    char c;

    if (bind(listener, (struct sockaddr *)&a, len) || listen(listener, 64) ||
        getsockname(listener, (struct sockaddr *)&a, &len))
        return 1;
    printf("%d\n", ntohs(a.sin_port));
    fflush(stdout);
    if (pthread_create(&t, NULL, accept_all, (void *)(intptr_t)listener))
        return 1;
    while (read(0, &c, 1) > 0)
        tell();
    return 0;
}
