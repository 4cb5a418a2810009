// LIBS: -lsqlite3
/* SPDX-License-Identifier: Apache-2.0
 *
 * forks KIND CHILDREN SPANS: makes CHILDREN children in the way of KIND, one after the other while
 * another thread keeps making spans of refused connections (KIND storm), or each on its own. A
 * child allocates, looks up a name, loads a library and runs SPANS statements ("SELECT n"). Prints
 * how many ended in which way. A child that does not get on within a minute is ended by a signal.
 *
 * Kinds: fork, vfork, spawn, clone, syscall (clone without libc), handler (fork in a signal
 * handler), system, popen, pty, daemon (twice forked, everything closed), storm, nested (a child of
 * a child). KIND child: what the started programs run.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_S 60

static const char *self, *kind;
static char *count_text;
static int spans;
static volatile int stop;

static int is(const char *name)
{
    return strcmp(kind, name) == 0;
}

static void statements(int n)
{
    char text[32];
    sqlite3 *db;

    if (sqlite3_open(":memory:", &db))
        abort();
    for (int i = 0; i < n; i++) {
        snprintf(text, sizeof text, "SELECT %d", i);
        if (sqlite3_exec(db, text, NULL, NULL, NULL))
            abort();
    }
    sqlite3_close(db);
}

static int child(void)
{
    struct addrinfo *found = NULL;
    void *some[64];

    alarm(PATIENCE_S);
    for (int i = 0; i < 64; i++)
        some[i] = malloc((size_t)i * 1000 + 1);
    for (int i = 0; i < 64; i++)
        free(some[i]);
    if (!getaddrinfo("127.0.0.1", "80", NULL, &found))
        freeaddrinfo(found);
    if (!dlopen("libm.so.6", RTLD_NOW))
        abort();
    statements(spans);
    return 7;
}

static int in_clone(void *unused)
{
    (void)unused;
    exit(child());
}

static char *arguments[5];

static void own_command(char *command, size_t size)
{
    snprintf(command, size, "exec %s child 1 %d", self, spans);
}

/* Two forks, every descriptor closed, a session of its own; the pipe tells when it has ended. */
static pid_t daemonized(void)
{
    int ends[2];
    char byte;
    pid_t pid;

    if (pipe(ends))
        abort();
    pid = fork();
    if (!pid) {
        setsid();
        if (fork())
            _exit(7);
        for (int fd = 0; fd < 1024; fd++)
            if (fd != ends[1])
                close(fd);
        exit(child());
    }
    close(ends[1]);
    if (read(ends[0], &byte, 1) != 0)
        abort();
    close(ends[0]);
    return pid;
}

static pid_t in_pty(void)
{
    int primary;
    char buffer[256];
    pid_t pid = forkpty(&primary, NULL, NULL, NULL);

    if (!pid)
        exit(child());
    while (read(primary, buffer, sizeof buffer) > 0)
        ;
    close(primary);
    return pid;
}

static volatile pid_t handled;

static void handler(int number)
{
    (void)number;
    handled = fork();
    if (!handled)
        exit(child());
}

static pid_t nested(void)
{
    pid_t pid = fork();
    int status;

    if (pid)
        return pid;
    if (!fork())
        exit(child());
    wait(&status);
    statements(1);
    exit(WEXITSTATUS(status));
}

static pid_t by_vfork(void)
{
    pid_t pid = vfork();

    if (!pid) {
        execv(self, arguments);
        _exit(1);
    }
    return pid;
}

static pid_t start(void)
{
    static char stack[256 * 1024] __attribute__((aligned(16)));
    pid_t pid = -1;

    if (is("spawn"))
        return posix_spawn(&pid, self, NULL, NULL, arguments, environ) ? -1 : pid;
    if (is("vfork"))
        return by_vfork();
    if (is("clone"))
        return clone(in_clone, stack + sizeof stack, SIGCHLD, NULL);
    if (is("daemon"))
        return daemonized();
    if (is("pty"))
        return in_pty();
    if (is("nested"))
        return nested();
    if (is("handler")) {
        signal(SIGUSR1, handler);
        raise(SIGUSR1);
        return handled;
    }
    pid = is("syscall") ? (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL) : fork();
    if (!pid)
        exit(child());
    return pid;
}

static int one(void)
{
    char command[512];
    int status = -1;
    FILE *stream;
    pid_t pid;

    own_command(command, sizeof command);
    if (is("system"))
        return system(command);
    if (is("popen")) {
        stream = popen(command, "r");
        return stream ? pclose(stream) : -1;
    }
    pid = start();
    return pid > 0 && waitpid(pid, &status, 0) == pid ? status : -1;
}

/* Connections that are refused: spans that hold no lock of any library. */
static void *keep_busy(void *unused)
{
    struct sockaddr_in nobody = {.sin_family = AF_INET, .sin_port = htons(1)};

    nobody.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    while (!stop) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (connect(fd, (struct sockaddr *)&nobody, sizeof nobody) == 0)
            abort();
        close(fd);
        usleep(100);
    }
    return unused;
}

int main(int argc, char **argv)
{
    int children, well = 0, ended = 0;
    pthread_t thread;

    if (argc != 4)
        return 2;
    self = argv[0];
    kind = argv[1];
    children = atoi(argv[2]);
    count_text = argv[3];
    spans = atoi(count_text);
    if (is("child"))
        return child();
    arguments[0] = argv[0];
    arguments[1] = "child";
    arguments[2] = "1";
    arguments[3] = count_text;
    statements(1);
    if (is("storm"))
        pthread_create(&thread, NULL, keep_busy, NULL);
    for (int i = 0; i < children; i++) {
        int status = one();

        well += WIFEXITED(status) && WEXITSTATUS(status) == 7;
        ended += WIFSIGNALED(status);
    }
    stop = 1;
    if (is("storm"))
        pthread_join(thread, NULL);
    statements(1);
    printf("%d well, %d by a signal\n", well, ended);
    return 0;
}
