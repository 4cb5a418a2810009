// LIBS: -lsqlite3
/* SPDX-License-Identifier: Apache-2.0
 *
 * exits MODE: runs one statement, then ends the process in that way. Where the process goes on
 * after a failed attempt it runs another statement.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static sqlite3 *db;
static char *arguments[] = {"echo", "from", "exec", NULL};
static char *variables[] = {"A=1", NULL};

static void statement(void)
{
    if (!db && sqlite3_open(":memory:", &db) != SQLITE_OK)
        abort();
    if (sqlite3_exec(db, "SELECT 1", NULL, NULL, NULL) != SQLITE_OK)
        abort();
}

static void say_atexit(void)
{
    printf("atexit\n");
}

static void say_quick(void)
{
    printf("at_quick_exit\n");
    fflush(stdout);
}

static void *exit_in_thread(void *unused)
{
    exit(5);
    return unused;
}

static void *late(void *unused)
{
    usleep(100000);
    printf("last thread\n");
    return unused;
}

static void on_signal(int number)
{
    exit(20 + (number == SIGUSR1));
}

static void in_thread(void *(*run)(void *), int leave)
{
    pthread_t t;

    if (pthread_create(&t, NULL, run, NULL))
        abort();
    if (leave)
        pthread_exit(NULL);
    pthread_join(t, NULL);
}

static void leave(const char *mode)
{
    if (!strcmp(mode, "exit"))
        exit(4);
    if (!strcmp(mode, "thread"))
        in_thread(exit_in_thread, 0);
    if (!strcmp(mode, "pthread_exit"))
        in_thread(late, 1);
    if (!strcmp(mode, "_exit"))
        _exit(6);
    if (!strcmp(mode, "_Exit"))
        _Exit(7);
    if (!strcmp(mode, "quick_exit"))
        quick_exit(8);
    if (!strcmp(mode, "err"))
        errno = ENOENT, err(9, "number %d", 9);
    if (!strcmp(mode, "errx"))
        errx(10, "number %d", 10);
    if (!strcmp(mode, "signal"))
        raise(SIGUSR1);
    if (!strcmp(mode, "daemon"))
        printf("daemon %d\n", daemon(1, 1));
}

/* With a path that does not exist each form returns. */
static void exec(const char *mode, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (!strcmp(mode, "execv"))
        execv(path, arguments);
    if (!strcmp(mode, "execve"))
        execve(path, arguments, variables);
    if (!strcmp(mode, "execvp"))
        execvp(path, arguments);
    if (!strcmp(mode, "execvpe"))
        execvpe(path, arguments, variables);
    if (!strcmp(mode, "fexecve"))
        fexecve(fd, arguments, variables);
    if (!strcmp(mode, "execveat"))
        execveat(AT_FDCWD, path, arguments, variables, 0);
    if (!strcmp(mode, "execl"))
        execl(path, "echo", "from", "execl", "1", "2", "3", "4", "5", "6", "7", "8", NULL);
    if (!strcmp(mode, "execlp"))
        execlp(path, "echo", "from", "execlp", NULL);
    if (!strcmp(mode, "execle"))
        execle(path, "env", NULL, variables);
    if (!strncmp(mode, "exec", 4) || !strncmp(mode, "fexec", 5))
        printf("%s: %s\n", mode, strerror(errno));
}

/* A vfork child shares our memory: what it does on its way must leave no mark on us. */
static void children(const char *mode)
{
    int status = 0;
    pid_t pid = -1;

    if (!strcmp(mode, "vfork") || !strcmp(mode, "vfork-fails")) {
        pid = vfork();
        if (pid == 0) {
            close(0);
            execv(mode[5] ? "/nonexistent" : "/bin/true", arguments);
            _exit(12);
        }
    }
    if (!strcmp(mode, "fork")) {
        pid = fork();
        if (pid == 0) {
            statement();
            exit(13);
        }
    }
    if (pid < 0)
        return;
    waitpid(pid, &status, 0);
    printf("child ended with %d\n", WEXITSTATUS(status));
    statement();
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "return";

    setvbuf(stdout, NULL, _IOLBF, 0);
    atexit(say_atexit);
    at_quick_exit(say_quick);
    signal(SIGUSR1, on_signal);
    statement();
    leave(mode);
    if (argc > 2) {
        exec(mode, argv[2]);
        statement();
    }
    children(mode);
    return 3;
}
