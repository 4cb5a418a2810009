/* SPDX-License-Identifier: Apache-2.0
 *
 * numbers MODE: gives sockets second numbers, takes numbers away and hands them on, in all the ways
 * there are, and prints what each call returned and the errno it left.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/programs/say.h"

static void talk(int a, int b)
{
    char got[8] = "";

    SAY(write(a, "ping", 4));
    SAY(read(b, got, sizeof got));
    SAY(send(b, got, 4, MSG_NOSIGNAL));
    SAY(recv(a, got, sizeof got, MSG_DONTWAIT));
    printf("%s\n", got);
}

static void pair_of(int pair[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        abort();
}

static void duplicates(void)
{
    int pair[2], copy, file = open("/dev/null", O_RDWR);

    pair_of(pair);
    copy = SAY(dup(pair[0]));
    talk(copy, pair[1]);
    SAY(close(pair[0]));
    talk(copy, pair[1]);
    SAY(dup2(copy, 20));
    SAY(dup2(20, 20));
    SAY(dup2(copy, copy));
    SAY(close(copy));
    talk(20, pair[1]);
    SAY(dup3(20, 21, O_CLOEXEC));
    printf("%d\n", fcntl(21, F_GETFD));
    SAY(dup2(file, 20)); /* what was a socket is a file now */
    SAY(write(20, "x", 1));
    talk(21, pair[1]);
    SAY(dup2(21, file)); /* and the other way round */
    talk(file, pair[1]);
    SAY(close(21));
    talk(file, pair[1]);
    SAY(close(file));
    SAY(recv(pair[1], &copy, 1, 0));
    SAY(send(pair[1], "x", 1, MSG_NOSIGNAL));
}

static void bad_duplicates(void)
{
    struct rlimit few = {64, 64};
    int pair[2];

    pair_of(pair);
    SAY(dup(-1));
    SAY(dup(777));
    SAY(dup2(-1, 5));
    SAY(dup2(777, pair[0])); /* closes nothing */
    SAY(dup2(pair[0], -1));
    SAY(dup2(777, 777));
    SAY(dup3(pair[0], pair[0], 0));
    SAY(dup3(pair[0], 20, 4711));
    SAY(dup3(777, 777, 0));
    SAY(fcntl(777, F_DUPFD, 5));
    SAY(fcntl(pair[0], F_DUPFD, -1));
    SAY(setrlimit(RLIMIT_NOFILE, &few));
    SAY(dup2(pair[0], 64));
    SAY(dup2(pair[0], 1 << 30));
    SAY(dup3(pair[0], 64, 0));
    SAY(fcntl(pair[0], F_DUPFD, 64));
    SAY(fcntl(pair[0], F_DUPFD_CLOEXEC, 1 << 30));
    SAY(fcntl(pair[0], F_DUPFD, 63));
    SAY(fcntl(pair[0], F_DUPFD, 63));
    talk(63, pair[1]);
    while (dup(pair[0]) >= 0)
        ;
    SAY(dup(pair[0]));
    SAY(fcntl(pair[0], F_DUPFD, 0));
    talk(pair[0], pair[1]);
}

/* Each kind of argument fcntl takes reaches the kernel as it came. */
static void controls(void)
{
    struct f_owner_ex owner = {F_OWNER_PID, getpid()};
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 10};
    int pair[2], pipes[2];
    int memory = memfd_create("numbers", MFD_ALLOW_SEALING);
    uint64_t hint = 0;

    pair_of(pair);
    if (pipe(pipes) != 0)
        abort();
    SAY(fcntl(pair[0], F_GETFD));
    SAY(fcntl(pair[0], F_SETFD, FD_CLOEXEC));
    SAY(fcntl(pair[0], F_GETFD));
    SAY(fcntl(pair[0], F_DUPFD, 30));
    SAY(fcntl(30, F_GETFD));
    SAY(fcntl64(pair[0], F_DUPFD_CLOEXEC, 30));
    SAY(fcntl(31, F_GETFD));
    SAY(close(pair[0]));
    talk(31, pair[1]);
    SAY(fcntl(30, F_SETFL, O_NONBLOCK));
    SAY(fcntl64(31, F_GETFL) & O_NONBLOCK);
    SAY(recv(30, &lock, 1, 0));
    SAY(fcntl(30, F_SETOWN_EX, &owner));
    owner.pid = 0;
    SAY(fcntl(30, F_GETOWN_EX, &owner));
    printf("%d\n", owner.pid == getpid());
    SAY(fcntl(30, F_GETOWN_EX, nowhere));
    SAY(fcntl(30, F_SETSIG, SIGUSR1));
    SAY(fcntl(30, F_GETSIG));
    SAY(fcntl(memory, F_SETLK, &lock));
    lock.l_pid = 0;
    SAY(fcntl(memory, F_OFD_GETLK, &lock));
    printf("%d\n", lock.l_type == F_WRLCK);
    SAY(fcntl(memory, F_SETLK, nowhere));
    SAY(fcntl64(memory, F_GETLK, nowhere));
    SAY(fcntl(memory, F_ADD_SEALS, F_SEAL_GROW));
    SAY(fcntl(memory, F_GET_SEALS) == F_SEAL_GROW);
    SAY(fcntl(memory, F_GET_RW_HINT, &hint));
    SAY(fcntl(pipes[0], F_SETPIPE_SZ, 1 << 16));
    SAY(fcntl(pipes[0], F_GETPIPE_SZ));
    SAY(fcntl(pipes[0], F_SETPIPE_SZ, -1));
    SAY(fcntl(pair[1], 4711, nowhere));
    SAY(fcntl(-1, F_GETFD));
}

static void closes(void)
{
    int pair[2];

    pair_of(pair);
    SAY(close(pair[0]));
    SAY(close(pair[0]));
    SAY(close(-1));
    SAY(close(1 << 30));
    SAY(close_range(pair[1], pair[0], 0));
    SAY(close_range(3, ~0U, 4711));
    SAY(close_range(3, ~0U, CLOSE_RANGE_CLOEXEC));
    printf("%d\n", fcntl(pair[1], F_GETFD));
    pair_of(pair);
    talk(pair[0], pair[1]);
    SAY(dup2(pair[0], 40));
    SAY(close_range(3, 39, 0));
    SAY(send(40, "x", 1, MSG_NOSIGNAL));
    pair_of(pair);
    talk(pair[0], pair[1]);
    SAY(close_range(3, ~0U, CLOSE_RANGE_UNSHARE));
    pair_of(pair);
    talk(pair[0], pair[1]);
    closefrom(-5 + 8);
    SAY(write(pair[0], "x", 1));
    pair_of(pair);
    SAY(syscall(SYS_close, pair[0])); /* unseen: a file has the number now */
    SAY(open("/dev/null", O_RDWR));
    SAY(write(pair[0], "x", 1));
    SAY(read(pair[0], pair, 1));
    SAY(close(pair[0]));
}

static void streams(void)
{
    int pair[2];
    char line[16] = "";
    FILE *stream;

    pair_of(pair);
    stream = fdopen(pair[0], "r+");
    fputs("hello\n", stream);
    SAY(fclose(stream)); /* flushes */
    SAY(read(pair[1], line, sizeof line));
    printf("%s", line);
    SAY(close(pair[0]));
    SAY(close(pair[1]));
    pair_of(pair);
    stream = fdopen(pair[0], "w");
    SAY(close(pair[0]));
    SAY(fclose(stream));
    pair_of(pair);
    stream = fdopen(pair[0], "w");
    fputs("lost", stream);
    SAY(close(pair[0]));
    SAY(fclose(stream)); /* cannot flush */
    SAY(close(pair[1]));
    pair_of(pair);
    stream = fdopen(pair[0], "w");
    stream = freopen("/dev/null", "w", stream);
    SAY(fileno(stream));
    SAY(read(pair[1], line, 1));
    stream = freopen64("/nonexistent/file", "w", stream);
    SAY(stream == NULL);
    stream = fmemopen(line, sizeof line, "w"); /* has no descriptor */
    SAY(fclose(stream));
    SAY(close(pair[1]));
}

static void wait_for(pid_t pid)
{
    int status = 0;

    waitpid(pid, &status, 0);
    printf("child %d\n", status);
}

static void children(void)
{
    int pair[2], other[2];
    pid_t pid;

    pair_of(pair);
    pair_of(other);
    talk(pair[0], pair[1]);
    fflush(stdout);
    pid = fork(); /* closes what is the parent's too */
    if (pid == 0) {
        talk(pair[0], pair[1]);
        SAY(close(pair[0]));
        SAY(close_range(3, ~0U, 0));
        SAY(write(pair[1], "x", 1));
        fflush(stdout);
        _exit(0);
    }
    wait_for(pid);
    talk(pair[0], pair[1]);
    pid = vfork(); /* shares the parent's memory, not its descriptors */
    if (pid == 0) {
        close(pair[0]);
        dup2(other[0], pair[1]);
        close_range(3, ~0U, 0);
        open("/dev/null", O_RDWR);
        write(3, "x", 1);
        socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
        execl("/bin/sh", "sh", "-c", "ls /proc/self/fd | wc -l", NULL);
        _exit(127);
    }
    pair[0] = 3, pair[1] = 4;
    wait_for(pid);
    talk(pair[0], pair[1]);
    talk(other[0], other[1]);
    pid = fork(); /* a child that lives on with what its parent ends */
    if (pid == 0) {
        char got = 0;

        close(pair[1]);
        if (read(pair[0], &got, 1) == 1 && read(pair[0], &got, 1) == 0)
            _exit(got);
        _exit(1);
    }
    close(pair[0]);
    SAY(write(pair[1], "x", 1));
    SAY(close(pair[1]));
    wait_for(pid);
    pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL); /* a fork nobody sees */
    if (pid == 0) {
        close(other[0]);
        _exit(close(other[0]) != -1 || errno != EBADF);
    }
    wait_for(pid);
    talk(other[0], other[1]);
}

static void send_number(int over, int fd)
{
    char space[CMSG_SPACE(sizeof fd)] = "";
    struct iovec piece = {"x", 1};
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    SAY(sendmsg(over, &message, 0));
}

static int receive_number(int over)
{
    char space[CMSG_SPACE(sizeof(int))] = "", byte;
    struct iovec piece = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    int fd = -1;

    SAY(recvmsg(over, &message, 0));
    if (CMSG_FIRSTHDR(&message))
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    return fd;
}

/* A number given away and received again, on top of one that was another socket's. */
static void rights(void)
{
    int pair[2], over[2], got;

    pair_of(over);
    pair_of(pair);
    talk(pair[0], pair[1]);
    send_number(over[0], pair[0]);
    SAY(close(pair[0]));
    got = SAY(receive_number(over[1]));
    talk(got, pair[1]);
    SAY(close(got));
    SAY(recv(pair[1], &got, 1, 0));
    send_number(over[0], open("/dev/null", O_RDWR));
    got = SAY(receive_number(over[1]));
    SAY(write(got, "x", 1));
    SAY(read(got, &got, 1));
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";

    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    if (!strcmp(mode, "dup")) {
        duplicates();
    } else if (!strcmp(mode, "bad")) {
        bad_duplicates();
    } else if (!strcmp(mode, "fcntl")) {
        controls();
    } else if (!strcmp(mode, "close")) {
        closes();
    } else if (!strcmp(mode, "streams")) {
        streams();
    } else if (!strcmp(mode, "children")) {
        children();
    } else if (!strcmp(mode, "rights")) {
        rights();
    }
    printf("end\n");
    return 0;
}
