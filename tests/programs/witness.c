/* SPDX-License-Identifier: Apache-2.0
 *
 * witness [NAME]: prints what a process finds itself with, a line a fact: arguments, environment,
 * descriptors and their flags, signals, limits, threads, ids. Then it makes a connection nobody
 * accepts, so that a tracer has something to tell, and says what is different after that.
 *
 * witness daemon FILE: leaves its parent as a daemon does, with every descriptor closed, and writes
 * its facts to FILE, which appears when all is in it.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

extern char **environ;

static FILE *out;

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void say_environment(void)
{
    char *sorted[4096];
    size_t n = 0;

    while (environ[n] && n < 4096) {
        sorted[n] = environ[n];
        n++;
    }
    qsort(sorted, n, sizeof *sorted, by_text);
    for (size_t i = 0; i < n; i++)
        fprintf(out, "env %s\n", sorted[i]);
}

/* What a descriptor is, without the number of its pipe or socket. */
static void say_descriptor(int fd)
{
    char path[64], target[512] = "?";
    ssize_t length;

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    length = readlink(path, target, sizeof target - 1);
    if (length > 0)
        target[length] = 0;
    if (!strncmp(target, "pipe:", 5) || !strncmp(target, "socket:", 7))
        strchr(target, ':')[1] = 0;
    fprintf(out, "fd %d %s flags %x status %x\n", fd, target, fcntl(fd, F_GETFD),
            fcntl(fd, F_GETFL) & ~O_LARGEFILE);
}

static void say_descriptors(void)
{
    char open[1024] = "";
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        int fd = atoi(entry->d_name);

        if (entry->d_name[0] != '.' && fd != dirfd(dir) && fd != fileno(out) && fd < 1024)
            open[fd] = 1;
    }
    if (dir)
        closedir(dir);
    if (out == stdout)
        open[1] = 1;
    for (int fd = 0; fd < 1024; fd++)
        if (open[fd])
            say_descriptor(fd);
}

/* A line of /proc/self/status. Signals 32 and 33 are libc's own, which takes them for itself as
 * soon as there is a second thread. */
static void say_fact(const char *line, size_t name)
{
    unsigned long long signals;

    if (!strncmp(line, "Sig", 3) && sscanf(line + name + 1, "%llx", &signals) == 1)
        fprintf(out, "%.*s %016llx\n", (int)name, line, signals & ~(3ull << 31));
    else
        fprintf(out, "%s", line);
}

/* Of /proc/self/status what a library could have changed. */
static void say_status(void)
{
    static const char *const kept[] = {"Umask",  "Uid",        "Gid",    "Groups",
                                       "SigPnd", "ShdPnd",     "SigBlk", "SigIgn",
                                       "SigCgt", "NoNewPrivs", "Seccomp"};
    FILE *status = fopen("/proc/self/status", "r");
    char line[512];

    while (status && fgets(line, sizeof line, status)) {
        size_t name = strcspn(line, ":");

        for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
            if (strlen(kept[i]) == name && !strncmp(line, kept[i], name))
                say_fact(line, name);
    }
    if (status)
        fclose(status);
}

/* How many threads there are but the one the tracer says that it adds. */
static int threads(void)
{
    DIR *dir = opendir("/proc/self/task");
    struct dirent *entry;
    int count = 0;

    while (dir && (entry = readdir(dir))) {
        char path[300], comm[32] = "";
        FILE *file;

        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        file = entry->d_name[0] == '.' ? NULL : fopen(path, "r");
        if (!file)
            continue;
        if (fgets(comm, sizeof comm, file))
            count += strcmp(comm, "otel_auto\n") != 0;
        fclose(file);
    }
    if (dir)
        closedir(dir);
    return count;
}

static void say_limits(void)
{
    for (int which = 0; which < RLIM_NLIMITS; which++) {
        struct rlimit limit;

        if (!getrlimit(which, &limit))
            fprintf(out, "limit %d %ld %ld\n", which, (long)limit.rlim_cur, (long)limit.rlim_max);
    }
}

static void say_handlers(void)
{
    for (int number = 1; number < NSIG; number++) {
        struct sigaction action;

        if (!sigaction(number, NULL, &action) && action.sa_handler != SIG_DFL)
            fprintf(out, "signal %d %s flags %x\n", number,
                    action.sa_handler == SIG_IGN ? "ignored" : "caught", action.sa_flags);
    }
}

static void say_rest(void)
{
    struct itimerval timer;
    stack_t stack;
    char name[17] = "";
    int death = -1;

    for (int which = ITIMER_REAL; which <= ITIMER_PROF; which++)
        if (!getitimer(which, &timer))
            fprintf(out, "timer %d %ld\n", which, (long)timer.it_value.tv_sec);
    if (!sigaltstack(NULL, &stack))
        fprintf(out, "altstack %x\n", stack.ss_flags);
    prctl(PR_GET_NAME, name);
    prctl(PR_GET_PDEATHSIG, &death);
    fprintf(out, "name %s, dumpable %d, nice %d, parent-death signal %d\n", name,
            prctl(PR_GET_DUMPABLE), getpriority(PRIO_PROCESS, 0), death);
    fprintf(out, "leads its session %d, its group %d\n", getsid(0) == getpid(),
            getpgrp() == getpid());
}

static void say_all(void)
{
    char folder[1024];

    fprintf(out, "cwd %s\n", getcwd(folder, sizeof folder) ?: "?");
    say_environment();
    say_descriptors();
    say_status();
    say_handlers();
    say_limits();
    fprintf(out, "threads %d\n", threads());
    say_rest();
}

/* To a port of our own that does not listen. */
static void connect_in_vain(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof at;
    int bound = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0), rc;

    if (bind(bound, (struct sockaddr *)&at, sizeof at) ||
        getsockname(bound, (struct sockaddr *)&at, &length))
        fprintf(out, "no port: %s\n", strerror(errno));
    rc = connect(fd, (struct sockaddr *)&at, sizeof at);
    fprintf(out, "sockets %d %d, connect %d %s\n", bound, fd, rc, strerrorname_np(errno));
    close(fd);
    close(bound);
}

/* Facts, a span, and the facts that a tracer which has begun to work might have changed. */
static void witness(void)
{
    int before = threads();

    say_all();
    connect_in_vain();
    say_descriptors();
    say_status();
    say_handlers();
    for (int i = 0; i < 1000 && threads() > before; i++) /* it names itself */
        usleep(10000);
    fprintf(out, "threads %d\n", threads());
}

static int leave(const char *path)
{
    char scratch[1024];

    snprintf(scratch, sizeof scratch, "%s.new", path);
    if (fork())
        _exit(0);
    setsid();
    if (fork())
        _exit(0);
    for (int fd = 0; fd < 1024; fd++)
        close(fd);
    umask(027);
    signal(SIGHUP, SIG_IGN);
    out = fopen(scratch, "w");
    if (!out)
        return 1;
    witness();
    return fclose(out) || rename(scratch, path);
}

int main(int argc, char **argv)
{
    out = stdout;
    if (argc > 2 && !strcmp(argv[1], "daemon"))
        return leave(argv[2]);
    for (int i = 1; i < argc; i++)
        fprintf(out, "argument %s\n", argv[i]);
    witness();
    return 0;
}
