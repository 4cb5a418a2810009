/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP over stdio streams, as old network programs speak it:
 *
 *     stdio_http client PORT PATH…   a request for each path, on a connection each
 *     stdio_http keep PORT PATH…     the same on one connection, through one "r+" stream
 *     stdio_http server N            answers N connections; prints its port first
 *     stdio_http threads N           the same, each in a thread of its own; at most 1000
 *     stdio_http inetd HOW           answers one request on standard input and output and ends so:
 *                                    return, exit, _exit, fclose, thread, handler
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in address = {.sin_family = AF_INET};

static int connected(const char *port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)atoi(port));
    if (connect(fd, (struct sockaddr *)&address, sizeof address)) {
        perror("connect");
        exit(1);
    }
    return fd;
}

/* Up to the blank line; returns the announced length. */
static size_t read_head(FILE *in, int say)
{
    char line[1000];
    size_t length = 0;

    while (fgets(line, sizeof line, in) && strcmp(line, "\r\n")) {
        if (!strncasecmp(line, "Content-Length:", 15))
            length = strtoul(line + 15, NULL, 10);
        if (say)
            printf("%s", line);
    }
    return length;
}

static void read_response(FILE *in)
{
    unsigned long sum = 0;
    size_t length = read_head(in, 1), n = 0;

    for (int c; n < length && (c = getc(in)) != EOF; n++)
        sum = sum * 31 + (unsigned)c;
    printf("%zu of %zu bytes, %lx\n", n, length, sum);
}

/* In small pieces: the stream puts them together. */
static void ask(FILE *out, const char *path, const char *connection)
{
    fprintf(out, "GET %s HTTP/1.1\r\n", path);
    fputs("Host: localhost\r\n", out);
    fprintf(out, "X-Padding: %0*d\r\nConnection: %s\r\n", 5000, 7, connection);
    fputs("\r\n", out);
    if (fflush(out))
        perror("fflush");
}

static void client(const char *port, const char *path)
{
    int fd = connected(port);
    FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");

    if (fileno(in) != fd)
        abort();
    ask(out, path, "close");
    read_response(in);
    printf("%d %d\n", fclose(out), fclose(in));
}

/* Reading and writing in turns wants a positioning call between, which fails on a socket. */
static void keep(const char *port, char **paths)
{
    FILE *both = fdopen(connected(port), "r+");

    for (; *paths; paths++) {
        ask(both, *paths, "keep-alive");
        read_response(both);
        printf("%d\n", fseek(both, 0, SEEK_CUR));
    }
    printf("%d\n", fclose(both));
}

static void answer(FILE *in, FILE *out, const char *name)
{
    char body[7000], path[1000] = "";
    size_t size = sizeof body;

    if (fscanf(in, "GET %999s HTTP/%*[0-9.]%*[\r\n]", path) != 1)
        return;
    read_head(in, 0);
    if (!strcmp(path, "/small"))
        size = 10; /* all of the response stays in the buffer */
    memset(body, 'b', sizeof body);
    fprintf(out, "HTTP/1.1 %d OK\r\n", strcmp(path, "/lost") ? 200 : 404);
    fprintf(out, "Content-Length: %zu\r\nConnection: close\r\n\r\n%s", size + strlen(name), name);
    for (size_t i = 0; i < size; i++)
        putc(body[i], out);
}

static void *serve(void *fd)
{
    int number = (int)(intptr_t)fd;
    FILE *in = fdopen(number, "r"), *out = fdopen(dup(number), "w");

    answer(in, out, "server");
    if (fclose(out) || fclose(in))
        perror("fclose");
    return NULL;
}

static int listening(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t len = sizeof address;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 100) ||
        getsockname(fd, (struct sockaddr *)&address, &len))
        abort();
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

static void server(int connections, int threaded)
{
    pthread_t thread[1000];
    int listener = listening();

    for (int i = 0; i < connections; i++) {
        void *fd = (void *)(intptr_t)accept(listener, NULL, NULL);

        if (!threaded)
            serve(fd);
        else if (pthread_create(&thread[i], NULL, serve, fd))
            abort();
    }
    for (int i = 0; threaded && i < connections; i++)
        pthread_join(thread[i], NULL);
}

/* Bytes that bypass the stream: the order of all must stay. */
static void bypass(void)
{
    if (write(1, "[handler]", 9) != 9)
        abort();
}

static void *exits(void *unused)
{
    exit(0);
    return unused;
}

static void inetd(const char *how)
{
    char numbers[20];
    pthread_t t;

    snprintf(numbers, sizeof numbers, "%d %d ", fileno(stdin), fileno(stdout));
    if (!strcmp(how, "handler"))
        atexit(bypass);
    answer(stdin, stdout, numbers);
    if (!strcmp(how, "exit"))
        exit(0);
    if (!strcmp(how, "_exit"))
        _exit(fflush(stdout));
    if (!strcmp(how, "fclose"))
        exit(fclose(stdout));
    if (!strcmp(how, "thread") && pthread_create(&t, NULL, exits, NULL) == 0)
        pthread_join(t, NULL);
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    if (argc > 3 && !strcmp(argv[1], "client"))
        for (int i = 3; i < argc; i++)
            client(argv[2], argv[i]);
    else if (argc > 3 && !strcmp(argv[1], "keep"))
        keep(argv[2], argv + 3);
    else if (argc > 2 && !strcmp(argv[1], "server"))
        server(atoi(argv[2]), 0);
    else if (argc > 2 && !strcmp(argv[1], "threads"))
        server(atoi(argv[2]), 1);
    else if (argc > 2 && !strcmp(argv[1], "inetd"))
        inetd(argv[2]);
    return 0;
}
