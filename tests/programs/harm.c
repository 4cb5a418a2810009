/* SPDX-License-Identifier: Apache-2.0
 *
 * harm MODE [FILE]: programs that a preloaded tracer once hurt, or would hurt. Each makes a span or
 * two by SQLite (but for sandbox) and then does what was dangerous.
 */
// LIBS: -lsqlite3
#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <threads.h>
#include <unistd.h>

/* More than the stack a small thread has. */
static __thread char big[240 * 1024];

static pthread_t main_thread;

static void span(void)
{
    sqlite3 *db;

    if (sqlite3_open(":memory:", &db) || sqlite3_exec(db, "SELECT 1", NULL, NULL, NULL))
        exit(99);
    sqlite3_close(db);
}

/* Only what a return from main needs; anything else kills. */
static int sandbox(void)
{
#define ALLOW(NAME)                                        \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##NAME, 0, 1), \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        ALLOW(exit_group),
        ALLOW(write),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, 2, &program, 0, 0))
        return 98;
    return 0;
}

static void *cancel_main(void *unused)
{
    pthread_cancel(main_thread);
    pthread_join(main_thread, NULL);
    puts("main is gone");
    return unused;
}

static void *outlive_main(void *unused)
{
    pthread_join(main_thread, NULL);
    puts("main is gone");
    return unused;
}

static int leave_main(void *(*other)(void *), int by_cancel)
{
    pthread_t t;

    span();
    main_thread = pthread_self();
    if (pthread_create(&t, NULL, other, NULL))
        return 97;
    if (!by_cancel)
        thrd_exit(0);
    for (;;)
        pause();
}

/* stderr is closed, and its number given to a file of the program's own. */
static int stolen_stderr(const char *path)
{
    char text[4096] = "";
    int fd;

    close(2);
    fd = open(path, O_CREAT | O_TRUNC | O_RDWR, 0600);
    if (fd != 2 || write(fd, "HEADER\n", 7) != 7)
        return 96;
    span();
    execl("/nonexistent", "x", NULL); /* what waits is exported, and told, before this fails */
    if (pread(fd, text, sizeof text - 1, 0) < 0)
        return 95;
    printf("%s", text);
    return 0;
}

static int broken_stderr(void)
{
    int ends[2];

    if (pipe(ends) || dup2(ends[1], 2) != 2)
        return 94;
    close(ends[0]);
    close(ends[1]);
    span();
    puts("alive");
    return 0;
}

static void *fail_to_exec(void *unused)
{
    for (int i = 0; i < 5; i++) {
        span();
        execl("/nonexistent", "x", NULL);
    }
    return unused;
}

static int threads_that_exec(void)
{
    pthread_t t[4];

    for (int i = 0; i < 4; i++)
        if (pthread_create(&t[i], NULL, fail_to_exec, NULL))
            return 93;
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    puts("end");
    return 0;
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";

    if (!strcmp(mode, "sandbox"))
        return sandbox();
    if (!strcmp(mode, "cancel"))
        return leave_main(cancel_main, 1);
    if (!strcmp(mode, "thrd_exit"))
        return leave_main(outlive_main, 0);
    if (!strcmp(mode, "stolen") && argc > 2)
        return stolen_stderr(argv[2]);
    if (!strcmp(mode, "sigpipe"))
        return broken_stderr();
    if (!strcmp(mode, "execs"))
        return fail_to_exec(NULL) != NULL;
    if (!strcmp(mode, "threads"))
        return threads_that_exec();
    if (!strcmp(mode, "error")) {
        span();
        error(3, 0, "fatal");
    }
    if (!strcmp(mode, "tls")) {
        big[argc] = 1;
        span();
        puts("alive");
        return big[argc] - 1;
    }
    return 2;
}
