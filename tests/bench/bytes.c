/* SPDX-License-Identifier: Apache-2.0
 *
 * bytes: ns of CPU for write() and read() of one byte, on a device (never tracked) and on a TCP
 * connection of loopback that does not speak HTTP; each first by the name that nothing interposes
 * (__write, __read), then by the usual one. Run under the shim, the difference is the hook: of some
 * ns in some hundred, which two processes differ by without it. The two take turns, round by round.
 *
 * What such a call costs the kernel has to be small and the same each time: the sender is corked,
 * the receiver has bytes waiting. Rounds in which that has to be set up anew are never the best.
 */
// PROGRAM
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/bench.h"

#define PILE 8192

static char buf[1 << 16];
/* Bytes sent and not read yet; one-threaded, as all of this. */
static unsigned waiting;
static int sender = -1, receiver = -1;
static int failed;

ssize_t __read(int fd, void *to, size_t len);
ssize_t __write(int fd, const void *from, size_t len);

static void write_device_bare(void *fd)
{
    failed |= __write(*(int *)fd, buf, 1) < 0;
}

static void write_device(void *fd)
{
    failed |= write(*(int *)fd, buf, 1) < 0;
}

static void read_device_bare(void *fd)
{
    failed |= __read(*(int *)fd, buf, 1) < 0;
}

static void read_device(void *fd)
{
    failed |= read(*(int *)fd, buf, 1) < 0;
}

static void drain(void)
{
    while (recv(receiver, buf, sizeof buf, MSG_DONTWAIT) > 0)
        ;
    waiting = 0;
}

static void wrote(ssize_t n)
{
    if (n == 1 && ++waiting == PILE)
        drain();
}

static void write_socket_bare(void *unused)
{
    (void)unused;
    wrote(__write(sender, buf, 1));
}

static void write_socket(void *unused)
{
    (void)unused;
    wrote(write(sender, buf, 1));
}

static void fill(void)
{
    if (!waiting && send(sender, buf, PILE, 0) == PILE)
        waiting = PILE;
}

static void read_socket_bare(void *unused)
{
    (void)unused;
    fill();
    waiting -= __read(receiver, buf, 1) == 1;
}

static void read_socket(void *unused)
{
    (void)unused;
    fill();
    waiting -= read(receiver, buf, 1) == 1;
}

static void cork(int on)
{
    setsockopt(sender, IPPROTO_TCP, TCP_CORK, &on, sizeof on);
}

/* Nothing that begins a request or a response: the connection is not HTTP from its first byte. */
static int connect_pair(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    char c = 1;

    if (bind(listener, (struct sockaddr *)&a, len) || listen(listener, 1) ||
        getsockname(listener, (struct sockaddr *)&a, &len))
        return -1;
    sender = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(sender, (struct sockaddr *)&a, len))
        return -1;
    receiver = accept(listener, NULL, NULL);
    return write(sender, &c, 1) == 1 && read(receiver, &c, 1) == 1 ? 0 : -1;
}

/* Prints the best of each. */
static void compare(void (*bare)(void *), void (*hooked)(void *), void *arg)
{
    double least[2] = {1e12, 1e12};

    for (int r = 0; r < 1500; r++) {
        for (int i = 0; i < 2; i++) {
            int which = (r + i) % 2; /* each is the first of a round as often */
            double took = bench_best(which ? hooked : bare, arg, 1, 256, 0);

            least[which] = took < least[which] ? took : least[which];
        }
    }
    printf("%.2f %.2f ", least[0], least[1]);
}

int main(void)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (fd < 0)
        return 1;
    bench_pin();
    compare(write_device_bare, write_device, &fd);
    compare(read_device_bare, read_device, &fd);
    if (connect_pair())
        return 1;
    cork(1);
    compare(write_socket_bare, write_socket, NULL);
    cork(0);
    drain();
    compare(read_socket_bare, read_socket, NULL);
    puts("");
    return failed;
}
