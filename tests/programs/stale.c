// SPDX-License-Identifier: Apache-2.0
/*
 * A client whose socket is closed by a system call nobody sees, right behind an answer, and whose
 * number a file takes: what it writes there looks like a request.
 *
 *     stale PORT FOLDER    prints what each call gave, and what is in the file
 */
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "tests/programs/minihttp.h"

static const char request[] = "GET /file HTTP/1.1\r\nHost: h\r\n\r\n";

static int by_write(int fd)
{
    return (int)write(fd, request, sizeof request - 1);
}

static int by_writev(int fd)
{
    struct iovec pieces[] = {{(char *)request, 10}, {(char *)request + 10, sizeof request - 11}};

    return (int)writev(fd, pieces, 2);
}

static int by_pwritev2(int fd)
{
    struct iovec piece = {(char *)request, sizeof request - 1};

    return (int)pwritev2(fd, &piece, 1, -1, 0);
}

static int by_send(int fd)
{
    return (int)send(fd, request, sizeof request - 1, MSG_NOSIGNAL);
}

static void once(uint16_t port, const char *path, const char *name, int (*by)(int fd))
{
    struct mini_message answer = {0};
    char content[4096];
    int fd = mini_connect(port, 0);
    int file;
    ssize_t n;

    mini_request(fd, "/asked");
    while (mini_complete(&answer) < 0)
        mini_need(mini_receive(fd, &answer) > 0, "the server is gone");
    syscall(SYS_close, fd);
    file = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    mini_need(file == fd, "another number");
    errno = 0;
    printf("%s: %d, %s\n", name, by(fd), strerror(errno));
    n = pread(fd, content, sizeof content, 0);
    printf("%.*s--\n", (int)n, content);
    close(fd);
}

int main(int argc, char **argv)
{
    char path[4096];
    uint16_t port = argc > 2 ? (uint16_t)atoi(argv[1]) : 0;

    if (!port)
        return 2;
    snprintf(path, sizeof path, "%s/file", argv[2]);
    once(port, path, "write", by_write);
    once(port, path, "writev", by_writev);
    once(port, path, "pwritev2", by_pwritev2);
    once(port, path, "send", by_send);
    return 0;
}
