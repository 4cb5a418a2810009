/* SPDX-License-Identifier: Apache-2.0
 *
 * sink: the cheapest collector there is. Prints its port, then answers every POST on 127.0.0.1 with
 * an empty 200 and throws the body away, one thread a connection, until its standard input is
 * closed. The benchmarks export to it, so that what they see is the cost of this side.
 */
// PROGRAM
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\n"
                             "Content-Length: 0\r\n\r\n";

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

static void *serve(void *arg)
{
    int fd = (int)(intptr_t)arg;
    static __thread char buf[1 << 18];
    size_t have = 0;

    for (;;) {
        char *end;
        size_t head;
        size_t body;
        ssize_t n;

        while (buf[have] = '\0', (end = strstr(buf, "\r\n\r\n")) == NULL) {
            n = read(fd, buf + have, sizeof buf - 1 - have);
            if (n <= 0)
                goto out;
            have += (size_t)n;
        }
        head = (size_t)(end + 4 - buf);
        body = content_length(buf);
        have -= head;
        while (have < body) {
            n = read(fd, buf, sizeof buf - 1);
            if (n <= 0)
                goto out;
            have += (size_t)n;
        }
        have = 0; /* one request at a time is what our exporter sends */
        if (write(fd, answer, sizeof answer - 1) < 0)
            goto out;
    }
out:
    close(fd);
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
        ;
    return 0;
}
