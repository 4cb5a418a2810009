/* SPDX-License-Identifier: Apache-2.0
 *
 * docsvc DATABASE [PORT]: serves POST /documents on 127.0.0.1 and says on which port. SIGTERM ends
 * it when the requests under way are answered.
 */
#include "tests/apps/docsvc/docsvc.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_MAX 16384
#define BODY_MAX (1 << 20)

/* Set by the signal handler. */
static volatile sig_atomic_t stopping;

/* Connections being served. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t all_done = PTHREAD_COND_INITIALIZER;
static int serving;

static void answer(int connection, const char *status, const char *body)
{
    char text[1024];
    int length = snprintf(text, sizeof text,
                          "HTTP/1.1 %s\r\nContent-Type: application/json\r\n"
                          "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                          status, strlen(body), body);

    for (int sent = 0; sent < length;) {
        ssize_t n = send(connection, text + sent, (size_t)(length - sent), MSG_NOSIGNAL);

        if (n <= 0)
            return;
        sent += (int)n;
    }
}

/* Reads until the head is complete. Returns where the body begins, NULL: never. */
static char *read_head(int connection, char *text, size_t *length)
{
    char *end = NULL;

    while (!end && *length < HEAD_MAX) {
        ssize_t n = recv(connection, text + *length, HEAD_MAX - *length, 0);

        if (n <= 0)
            return NULL;
        *length += (size_t)n;
        text[*length] = '\0';
        end = strstr(text, "\r\n\r\n");
    }
    return end ? end + 4 : NULL;
}

static size_t content_length(const char *head)
{
    const char *line = strcasestr(head, "\r\nContent-Length:");

    return line ? strtoul(line + 17, NULL, 10) : 0;
}

/* The body, of which some may have come with the head; the caller frees it. */
static char *read_body(int connection, const char *begun, size_t have, size_t length)
{
    char *body = length <= BODY_MAX ? malloc(length + 1) : NULL;

    if (!body)
        return NULL;
    if (have > length)
        have = length;
    memcpy(body, begun, have);
    while (have < length) {
        ssize_t n = recv(connection, body + have, length - have, 0);

        if (n <= 0) {
            free(body);
            return NULL;
        }
        have += (size_t)n;
    }
    body[length] = '\0';
    return body;
}

static void post_document(int connection, const char *text, size_t length)
{
    char body[64];
    int stored = process_document(text, length);

    if (stored < 0) {
        answer(connection, "502 Bad Gateway", "{\"error\":\"the model does not answer\"}");
        return;
    }
    snprintf(body, sizeof body, "{\"entities\":%d}", stored);
    answer(connection, "201 Created", body);
}

static void serve(int connection)
{
    char head[HEAD_MAX + 1], *begun, *body;
    size_t have = 0, length;

    begun = read_head(connection, head, &have);
    if (!begun)
        return;
    if (strncmp(head, "POST /documents ", 16) != 0) {
        answer(connection, "404 Not Found", "{}");
        return;
    }
    length = content_length(head);
    body = read_body(connection, begun, have - (size_t)(begun - head), length);
    if (body)
        post_document(connection, body, length);
    else
        answer(connection, "400 Bad Request", "{}");
    free(body);
}

static void *run(void *arg)
{
    int connection = (int)(intptr_t)arg;

    serve(connection);
    close(connection);
    pthread_mutex_lock(&lock);
    if (--serving == 0)
        pthread_cond_signal(&all_done);
    pthread_mutex_unlock(&lock);
    return NULL;
}

static void start(int connection)
{
    pthread_t thread;

    pthread_mutex_lock(&lock);
    serving++;
    pthread_mutex_unlock(&lock);
    if (pthread_create(&thread, NULL, run, (void *)(intptr_t)connection) == 0)
        pthread_detach(thread);
    else
        run((void *)(intptr_t)connection);
}

static void stop(int number)
{
    (void)number;
    stopping = 1;
}

static int listen_on(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)atoi(port));
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, 64) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) != 0)
        return -1;
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = stop};
    int listener, connection;

    if (argc < 2) {
        fputs("usage: docsvc DATABASE [PORT]\n", stderr);
        return 2;
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    sigaction(SIGTERM, &action, NULL);
    listener = store_open(argv[1]) == 0 ? listen_on(argc > 2 ? argv[2] : "0") : -1;
    if (listener < 0)
        return 1;
    while (!stopping) {
        connection = accept(listener, NULL, NULL);
        if (connection >= 0)
            start(connection);
        else if (errno != EINTR)
            break;
    }
    pthread_mutex_lock(&lock);
    while (serving)
        pthread_cond_wait(&all_done, &lock);
    pthread_mutex_unlock(&lock);
    return 0;
}
