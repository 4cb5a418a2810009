/* SPDX-License-Identifier: Apache-2.0
 *
 * bytes: ns of CPU for write() and read() of one byte, on a device (never tracked) and on a TCP
 * connection of loopback that does not speak HTTP. Run natively and under the shim; the difference
 * is the hook. What such a call costs the kernel has to be small and the same each time: the sender
 * is corked, the receiver has bytes waiting. Rounds in which that has to be set up anew are never
 * the best.
 */
// PROGRAM
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
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

static void write_device(void *fd)
{
    if (write(*(int *)fd, buf, 1) < 0)
        failed = 1;
}

static void read_device(void *fd)
{
    if (read(*(int *)fd, buf, 1) < 0)
        failed = 1;
}

static void drain(void)
{
    while (recv(receiver, buf, sizeof buf, MSG_DONTWAIT) > 0)
        ;
    waiting = 0;
}

static void write_socket(void *unused)
{
    (void)unused;
    if (write(sender, buf, 1) == 1 && ++waiting == PILE)
        drain();
}

static void read_socket(void *unused)
{
    (void)unused;
    if (!waiting && send(sender, buf, PILE, 0) == PILE)
        waiting = PILE;
    if (read(receiver, buf, 1) == 1)
        waiting--;
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

/* The connect() is a span, which starts the thread that exports, and libc's calls cost more in a
 * process that has a second thread, whoever made it: natively there is to be one, too. */
static void *idle(void *unused)
{
    pause();
    return unused;
}

int main(void)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    double written, got, sent, received;
    pthread_t thread;

    if (fd < 0)
        return 1;
    bench_pin();
    written = bench_best(write_device, &fd, 1500, 256, 0);
    got = bench_best(read_device, &fd, 1500, 256, 0);
    if (pthread_create(&thread, NULL, idle, NULL) || connect_pair())
        return 1;
    cork(1);
    sent = bench_best(write_socket, NULL, 1500, 256, 0);
    cork(0);
    drain();
    received = bench_best(read_socket, NULL, 1500, 256, 0);
    if (failed)
        return 1;
    printf("%.2f %.2f %.2f %.2f\n", written, got, sent, received);
    return 0;
}
