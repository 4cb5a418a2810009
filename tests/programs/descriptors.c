// LIBS: -lsqlite3
/* SPDX-License-Identifier: Apache-2.0
 *
 * descriptors MODE: a daemon that tidies up its descriptors in that way between two statements,
 * then uses the lowest numbers for sockets of its own and prints what it reads from them. In
 * between it waits for the file WAIT_FOR, where that is set.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT 256

static sqlite3 *db;

static void statement(void)
{
    if (!db && sqlite3_open(":memory:", &db) != SQLITE_OK)
        abort();
    if (sqlite3_exec(db, "SELECT 1", NULL, NULL, NULL) != SQLITE_OK)
        abort();
}

/* The highest open descriptor that is a socket; -1: none. */
static int foreign_socket(void)
{
    DIR *folder = opendir("/proc/self/fd");
    struct dirent *entry;
    int highest = -1;

    while ((entry = readdir(folder))) {
        char target[64] = "";
        int fd = atoi(entry->d_name);

        if (readlinkat(dirfd(folder), entry->d_name, target, sizeof target - 1) > 0 &&
            !strncmp(target, "socket:", 7) && fd > highest)
            highest = fd;
    }
    closedir(folder);
    return highest;
}

/* Does the exporter's thread rest, in a futex call? */
static bool exporter_rests(void)
{
    DIR *folder = opendir("/proc/self/task");
    struct dirent *entry;
    bool rests = false;

    while ((entry = readdir(folder))) {
        char path[300], text[64] = "";
        FILE *file;

        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        file = fopen(path, "r");
        if (!file)
            continue;
        if (fscanf(file, "%63s", text) == 1 && !strcmp(text, "otel_auto")) {
            snprintf(path, sizeof path, "/proc/self/task/%s/syscall", entry->d_name);
            file = freopen(path, "r", file);
            rests = file && fscanf(file, "%63s", text) == 1 && atoi(text) == SYS_futex;
        }
        if (file)
            fclose(file);
    }
    closedir(folder);
    return rests;
}

/* Until the test has seen the first span, and its connection rests. */
static void wait_for(const char *path)
{
    while (access(path, F_OK) != 0 || !exporter_rests())
        poll(NULL, 0, 1);
    if (foreign_socket() >= 0 && foreign_socket() < LIMIT / 2)
        printf("a foreign socket has a low number\n");
}

static void close_each(void)
{
    int closed = 0, wrong = 0;

    for (int fd = 3; fd < LIMIT; fd++) {
        if (close(fd) == 0)
            closed++;
        else if (errno != EBADF)
            wrong++;
    }
    printf("closed %d, wrong errno %d\n", closed, wrong);
}

static void take_each(bool three)
{
    int null = open("/dev/null", O_RDWR);
    int taken = 0;

    for (int fd = 3; fd < LIMIT; fd++) {
        if (fd != null && (three ? dup3(null, fd, 0) : dup2(null, fd)) == fd)
            taken++;
    }
    printf("taken %d\n", taken);
    for (int fd = 3; fd < LIMIT; fd++)
        close(fd);
}

static void in_child(void)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        int fd;

        while ((fd = foreign_socket()) >= 0) {
            if (close(fd) != 0)
                _exit(1);
        }
        _exit(0);
    }
    waitpid(pid, &status, 0);
    printf("child %d\n", WEXITSTATUS(status));
}

static void tidy(const char *mode)
{
    if (!strcmp(mode, "close"))
        close_each();
    if (!strcmp(mode, "close_range"))
        printf("close_range %d\n", close_range(3, ~0U, 0));
    if (!strcmp(mode, "close_range_last"))
        printf("close_range %d\n", close_range(3, LIMIT - 1, 0));
    if (!strcmp(mode, "cloexec"))
        printf("close_range %d\n", close_range(3, ~0U, CLOSE_RANGE_CLOEXEC));
    if (!strcmp(mode, "bad") && close_range(9, 3, 0) < 0)
        printf("close_range: %s\n", strerror(errno));
    if (!strcmp(mode, "closefrom"))
        closefrom(-1 + 4);
    if (!strcmp(mode, "dup2"))
        take_each(false);
    if (!strcmp(mode, "dup3"))
        take_each(true);
    if (!strcmp(mode, "fork"))
        in_child();
    if (!strcmp(mode, "unseen") && foreign_socket() >= 0)
        close_range(foreign_socket(), foreign_socket(), CLOSE_RANGE_UNSHARE);
}

/* Eight pairs on whatever numbers are free now: each says what it was told, and nothing else. */
static void use(bool lowest)
{
    int pairs[8][2];
    char got[64] = "";

    for (int i = 0; i < 8; i++) {
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]) != 0) {
            printf("no room for a pair\n");
            return;
        }
        if (lowest && pairs[i][0] != 3 + 2 * i)
            printf("pair %d has number %d\n", i, pairs[i][0]);
    }
    statement();
    for (int i = 0; i < 8; i++) {
        if (write(pairs[i][0], "ping", 4) != 4)
            printf("short write\n");
        shutdown(pairs[i][0], SHUT_WR);
        printf("%zd", read(pairs[i][1], got, sizeof got));
    }
    printf(" %s\n", got);
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "close";
    struct rlimit limit = {LIMIT, LIMIT};

    setrlimit(RLIMIT_NOFILE, &limit);
    statement();
    if (getenv("WAIT_FOR"))
        wait_for(getenv("WAIT_FOR"));
    tidy(mode);
    use(!strncmp(mode, "close", 5));
    printf("end\n");
    return 0;
}
