/* SPDX-License-Identifier: Apache-2.0
 *
 * probe: calls that fail, each in a way of its own, and some that succeed; prints what each
 * returned and the errno it left.
 */
#include "tests/programs/say.h"

#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char buffer[64];
static struct iovec piece = {buffer, sizeof buffer};
static struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
/* What the compiler would refuse. */
static volatile int negative = -1, too_many = IOV_MAX + 1;
static char *arguments[] = {"true", NULL};

static void bad_numbers(void)
{
    struct pollfd polled = {-5, POLLIN, 0};
    int badly[2] = {-1, 1 << 30};

    for (int i = 0; i < 2; i++) {
        int fd = badly[i];

        SAY(close(fd));
        SAY(read(fd, buffer, 1));
        SAY(write(fd, buffer, 1));
        SAY(readv(fd, &piece, 1));
        SAY(writev(fd, &piece, 1));
        SAY(send(fd, buffer, 1, 0));
        SAY(recv(fd, buffer, 1, 0));
        SAY(sendto(fd, buffer, 1, 0, NULL, 0));
        SAY(recvfrom(fd, buffer, 1, 0, NULL, NULL));
        SAY(sendmsg(fd, &message, 0));
        SAY(recvmsg(fd, &message, 0));
        SAY(sendfile(fd, 0, NULL, 1));
        SAY(accept(fd, NULL, NULL));
        SAY(accept4(fd, NULL, NULL, SOCK_CLOEXEC));
        SAY(connect(fd, NULL, 0));
        SAY(shutdown(fd, SHUT_RDWR));
        SAY(dup(fd));
        SAY(dup2(fd, 5));
        SAY(dup2(1, fd));
        SAY(dup3(fd, 5, O_CLOEXEC));
        SAY(dup3(1, 1, 0));
        SAY(fcntl(fd, F_GETFD));
        SAY(fcntl(fd, F_DUPFD, 3));
        SAY(epoll_wait(fd, (struct epoll_event[1]){}, 1, 0));
        SAY(epoll_ctl(fd, EPOLL_CTL_ADD, 0, NULL));
        SAY(fdopen(fd, "r"));
    }
    SAY(close_range(9, 3, 0));
    SAY(close_range(500, 600, 1 << 20));
    SAY(fcntl(1, 999));
    SAY(fcntl(1, F_DUPFD, 1 << 30));
    SAY(poll(&polled, 1, 0));
    SAY(poll(nowhere, 1, 0));
    SAY(poll(NULL, 0, 0));
    SAY(select(-1, NULL, NULL, NULL, NULL));
    SAY(select(0, NULL, NULL, NULL, &(struct timeval){0, 0}));
}

static void bad_sockets(void)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(1)};
    struct sockaddr_un nobody = {AF_UNIX, "/nobody/listens"};
    int tcp = socket(AF_INET, SOCK_STREAM, 0), udp = socket(AF_INET, SOCK_DGRAM, 0), pair[2];

    signal(SIGPIPE, SIG_IGN);
    SAY(socket(AF_INET, 99, 0));
    SAY(socket(-1, SOCK_STREAM, 0));
    SAY(socketpair(AF_INET, SOCK_STREAM, 0, pair));
    SAY(send(tcp, buffer, 1, 0));
    SAY(write(tcp, buffer, 1));
    SAY(recv(tcp, buffer, 1, 0));
    SAY(read(tcp, buffer, 1));
    SAY(shutdown(tcp, SHUT_RDWR));
    SAY(accept(tcp, NULL, NULL));
    SAY(connect(tcp, (struct sockaddr *)&at, 3));
    SAY(connect(tcp, (struct sockaddr *)&at, sizeof at));
    SAY(connect(tcp, nowhere, sizeof at));
    SAY(send(udp, buffer, 1, 0));
    SAY(sendto(udp, buffer, 1, 0, nowhere, sizeof at));
    SAY(sendto(udp, buffer, 1, MSG_OOB, (struct sockaddr *)&at, sizeof at));
    SAY(recv(udp, buffer, 1, MSG_DONTWAIT));
    SAY(connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&nobody, sizeof nobody));
    SAY(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    SAY(recv(pair[0], buffer, 1, MSG_DONTWAIT));
    SAY(send(pair[0], nowhere, 5, 0));
    SAY(write(pair[0], nowhere, 5));
    SAY(writev(pair[0], nowhere, 2));
    SAY(writev(pair[0], &piece, negative));
    SAY(writev(pair[0], &piece, too_many));
    SAY(sendmsg(pair[0], nowhere, 0));
    SAY(write(pair[0], buffer, 0));
    SAY(send(pair[0], buffer, 5, 0));
    SAY(recv(pair[1], nowhere, 5, 0));
    SAY(recv(pair[1], buffer, 5, MSG_PEEK));
    SAY(recv(pair[1], buffer, 50, 0));
    SAY(send(pair[0], buffer, 1, MSG_OOB));
    SAY(close(pair[1]));
    SAY(write(pair[0], buffer, 1));
    SAY(send(pair[0], buffer, 1, MSG_NOSIGNAL));
    SAY(read(pair[0], buffer, 1));
    SAY(sendfile(pair[0], 1, nowhere, 1));
    SAY(close(pair[0]));
    SAY(close(pair[0]));
    SAY(send(pair[0], buffer, 1, 0));
}

static void bad_names(void)
{
    struct addrinfo *found, hints = {.ai_flags = AI_NUMERICHOST};

    SAY(getaddrinfo(NULL, NULL, NULL, &found));
    SAY(getaddrinfo("no.number", NULL, &hints, &found));
    SAY(getaddrinfo("127.0.0.1", "no-such-service", NULL, &found));
    SAY(getaddrinfo("127.0.0.1", "80", &(struct addrinfo){.ai_family = 99}, &found));
    SAY(getaddrinfo("127.0.0.1", "80", &(struct addrinfo){.ai_flags = 1 << 30}, &found));
}

static void *nothing(void *unused)
{
    return unused;
}

static void bad_programs(void)
{
    static char huge[8 << 20];
    pthread_t thread;
    pid_t child;
    int status;

    memset(huge, 'x', sizeof huge - 1);
    SAY(execve("/no/such/program", arguments, NULL));
    SAY(execve("/etc/passwd", arguments, NULL));
    SAY(execve("/tmp", arguments, NULL));
    SAY(execve("/etc/passwd/x", arguments, NULL));
    SAY(execve(nowhere, arguments, NULL));
    SAY(execve("/bin/true", (char *[]){"true", huge, NULL}, NULL));
    SAY(execve("/bin/true", arguments, (char *[]){huge, NULL}));
    SAY(execvp("no-such-program", arguments));
    SAY(execvp("", arguments));
    SAY(execlp("no-such-program", "x", NULL));
    SAY(execl("/no/such/program", "x", NULL));
    SAY(fexecve(-1, arguments, arguments));
    SAY(posix_spawn(&child, "/no/such/program", NULL, NULL, arguments, NULL));
    SAY(posix_spawnp(&child, "no-such-program", NULL, NULL, arguments, NULL));
    SAY(system(NULL));
    SAY(WEXITSTATUS(system("exit 3")));
    SAY(WTERMSIG(system("kill -9 $$")));
    SAY(popen("true", "bad"));
    SAY(waitpid(-1, &status, WNOHANG));
    SAY(waitpid(-1, &status, 1 << 30));
    SAY(pthread_create(&thread, NULL, nothing, NULL));
    SAY(pthread_join(thread, NULL));
}

int main(void)
{
    bad_numbers();
    bad_sockets();
    bad_names();
    bad_programs();
    return 0;
}
