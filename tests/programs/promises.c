/* SPDX-License-Identifier: Apache-2.0
 *
 * promises: asks for limits, filters and signals, and checks at the kernel, by raw system calls,
 * that each is in force as asked for: before and after a span, in a child, and after an exec.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/programs/minihttp.h"

/* As the kernel has it. */
static void say_limit(const char *name, int which)
{
    struct rlimit limit = {0, 0};

    syscall(SYS_prlimit64, 0, which, NULL, &limit);
    printf("%s %ld %ld\n", name, (long)limit.rlim_cur, (long)limit.rlim_max);
}

static void say_signals(void)
{
    /* What sigaction gives by itself: handler, flags, restorer, mask. */
    struct {
        void *handler;
        unsigned long flags;
        void *restorer;
        unsigned long mask;
    } action;
    unsigned long blocked = 0;
    int taken = 0;

    for (int number = 1; number <= 64; number++) {
        memset(&action, 0, sizeof action);
        if (syscall(SYS_rt_sigaction, number, NULL, &action, sizeof action.mask) == 0 &&
            action.handler && (number < 32 || number > 33)) { /* those are libc's */
            printf("signal %d: %s\n", number,
                   action.handler == (void *)SIG_IGN ? "ignored" : "caught");
            taken++;
        }
    }
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &blocked, sizeof blocked);
    printf("taken %d, blocked %lx\n", taken, blocked);
}

static void say_filters(void)
{
    char line[256];
    FILE *status = fopen("/proc/self/status", "r");

    while (status && fgets(line, sizeof line, status))
        if (!strncmp(line, "Seccomp", 7) || !strncmp(line, "NoNewPrivs", 10))
            fputs(line, stdout);
    if (status)
        fclose(status);
}

/* A connection that is refused: what a tracer tells of. */
static void span(void)
{
    struct sockaddr_in nowhere = mini_loopback(1);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    printf("connect %d\n", connect(fd, (struct sockaddr *)&nowhere, sizeof nowhere));
    close(fd);
}

static void say(const char *when)
{
    printf("-- %s\n", when);
    say_limit("files", RLIMIT_NOFILE);
    say_limit("file size", RLIMIT_FSIZE);
    say_limit("stack", RLIMIT_STACK);
    say_limit("core", RLIMIT_CORE);
    say_signals();
    say_filters();
    fflush(stdout);
}

static void limit(int which, rlim_t cur, rlim_t max)
{
    printf("setrlimit %d\n", setrlimit(which, &(struct rlimit){cur, max}));
}

/* getpriority, which nobody needs, fails with the errno given. */
static int filter(int number)
{
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpriority, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)number),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog all = {sizeof program / sizeof *program, program};

    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &all, 0, 0);
}

static void try_filter(void)
{
    long got = syscall(SYS_getpriority, 0, 0);

    printf("getpriority %ld %s\n", got, got < 0 ? strerrorname_np(errno) : "");
}

static void caught(int number)
{
    (void)number;
}

int main(int argc, char **argv)
{
    sigset_t some;
    int status = 0;

    if (argc > 1) {
        say("after exec");
        try_filter();
        return 0;
    }
    say("at start");
    span();
    say("after a span");
    limit(RLIMIT_NOFILE, 50, 60);
    limit(RLIMIT_FSIZE, 4096, 8192);
    limit(RLIMIT_STACK, 1 << 20, 1 << 20);
    limit(RLIMIT_CORE, 0, 0);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGSEGV, caught);
    signal(SIGPROF, caught);
    sigemptyset(&some);
    sigaddset(&some, SIGUSR1);
    sigaddset(&some, SIGRTMAX);
    sigprocmask(SIG_BLOCK, &some, NULL);
    say("as asked for");
    span();
    say("after another span");
    printf("filter without the right: %d\n", getuid() ? filter(EIO) : -1);
    printf("no new privileges: %d\n", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    printf("filter: %d\n", filter(EIO));
    try_filter();
    span();
    say("behind the filter");
    if (fork() == 0) {
        span();
        say("in a child");
        execl("/proc/self/exe", argv[0], "again", NULL);
        _exit(9);
    }
    wait(&status);
    printf("child %d\n", status);
    return 0;
}
