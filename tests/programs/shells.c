// LIBS: -lsqlite3
/* SPDX-License-Identifier: Apache-2.0
 *
 * shells: all there is to see of system() and popen(), line by line: statuses, output, signals,
 * descriptors, errors. shells span COMMAND: runs COMMAND by both inside a statement.
 */
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

static const char *const commands[] = {
    "exit 0",
    "exit 3",
    "",
    "   ",
    "# a comment",
    "true # and a comment",
    "echo 'it''s' \"$HOME\" \\a",
    "echo one\necho two",
    "cat <<E\nhere\nE",
    "echo a \\\nb",
    "echo end\\",
    "kill -9 $$",
    "kill -TERM $$",
    "nonexistent-program",
    "echo $((",
    "echo 'open",
    ")",
    "-c",
    "-x echo",
    "+e",
    "set -x; echo traced",
    "exec 3>&1; echo three >&3",
    "echo $0 $# $@",
    "A=1 sh -c 'echo $A'",
    "for i in 1 2 3; do echo $i; done | tail -n 1",
    "echo out; echo err >&2; false",
    "grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status",
    "tr '\\0' ' ' </proc/$$/cmdline",
    "ls /proc/self/fd | wc -l",
    "cat; echo got it",
};

static void say(const char *what, int status)
{
    printf("%s: %x\n", what, (unsigned)status);
    fflush(stdout);
}

static void say_signals(const char *when)
{
    struct sigaction interrupt, quit;
    sigset_t mask;

    sigaction(SIGINT, NULL, &interrupt);
    sigaction(SIGQUIT, NULL, &quit);
    sigprocmask(SIG_BLOCK, NULL, &mask);
    printf("%s: interrupt %d %x quit %d blocked %d\n", when, interrupt.sa_handler == SIG_IGN,
           (unsigned)interrupt.sa_flags, quit.sa_handler == SIG_IGN, sigismember(&mask, SIGCHLD));
    fflush(stdout);
}

static void handler(int number)
{
    (void)number;
}

static volatile sig_atomic_t children;

static void on_child(int number)
{
    (void)number;
    children++;
}

static void with_system(void)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        errno = 0;
        say(commands[i], system(commands[i]));
    }
    printf("is there a shell: %d\n", system(NULL));
    fflush(stdout);
}

static void signals(void)
{
    struct sigaction keep = {.sa_handler = handler, .sa_flags = SA_NODEFER};
    char command[64];

    signal(SIGCHLD, on_child);
    say_signals("at first");
    sigaction(SIGINT, &keep, NULL);
    snprintf(command, sizeof command, "kill -INT %d; kill -QUIT %d", getpid(), getpid());
    say("not hit by either", system(command));
    say_signals("handled");
    printf("children seen: %d\n", (int)children);
    signal(SIGINT, SIG_IGN);
    say("ignored goes down", system("grep SigIgn /proc/self/status"));
    say_signals("ignored");
    signal(SIGINT, SIG_DFL);
    signal(SIGQUIT, SIG_DFL);
    signal(SIGCHLD, SIG_IGN);
    errno = 0;
    printf("nobody to wait for: %d", system("exit 4"));
    printf(" %s\n", strerror(errno));
    signal(SIGCHLD, SIG_DFL);
}

static void *often(void *unused)
{
    for (int i = 0; i < 10; i++)
        if (system("exit 5") != 0x500)
            printf("another status\n");
    return unused;
}

static void *for_ever(void *unused)
{
    system("echo begins; exec sleep 1000");
    return unused;
}

static void in_threads(void)
{
    pthread_t of[4];

    for (int i = 0; i < 4; i++)
        pthread_create(&of[i], NULL, often, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(of[i], NULL);
    say_signals("after threads");
}

/* The shell has begun when its first line has come through the pipe. */
static void cancelled(void)
{
    int out = dup(1), ends[2];
    pthread_t thread;
    char byte;
    void *result;

    if (pipe2(ends, O_CLOEXEC))
        abort();
    dup2(ends[1], 1);
    close(ends[1]);
    pthread_create(&thread, NULL, for_ever, NULL);
    if (read(ends[0], &byte, 1) != 1)
        abort();
    pthread_cancel(thread);
    pthread_join(thread, &result);
    dup2(out, 1);
    close(out);
    close(ends[0]);
    printf("cancelled: %d, children left: %d\n", result == PTHREAD_CANCELED,
           waitpid(-1, NULL, WNOHANG) >= 0);
    say_signals("after a cancellation");
}

static void reads(const char *command, const char *mode, int (*end)(FILE *))
{
    FILE *stream = popen(command, mode);
    char line[256];

    if (!stream) {
        printf("%s %s: %s\n", command, mode, strerror(errno));
        return;
    }
    printf("flags %x at exec %d\n", (unsigned)fcntl(fileno(stream), F_GETFL),
           fcntl(fileno(stream), F_GETFD));
    while (fgets(line, sizeof line, stream))
        printf("  %s", line);
    say(command, end(stream));
}

static void writes(const char *command, const char *mode)
{
    FILE *stream = popen(command, mode);

    if (!stream) {
        printf("%s %s: %s\n", command, mode, strerror(errno));
        return;
    }
    fprintf(stream, "first\nsecond\n");
    errno = 0;
    say(command, pclose(stream));
}

/* So that the compiler does not see which is called. */
static int (*volatile closes)(FILE *) = fclose;
static int (*volatile pcloses)(FILE *) = pclose;

/* The later one must not hold the earlier one's end, or this never ends. */
static void several(void)
{
    FILE *first = popen("cat >/dev/null; exit 6", "w");
    FILE *second = popen("cat", "w");
    FILE *third = popen("ls /proc/self/fd | wc -l", "re");
    char line[64] = "";

    printf("third sees %s", fgets(line, sizeof line, third) ? line : "nothing\n");
    say("first", pclose(first));
    say("second", closes(second));
    say("third", pclose(third));
}

static void with_popen(void)
{
    FILE *stream;
    int out;

    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        reads(commands[i], i % 2 ? "r" : "re", i % 3 ? pclose : fclose);
    writes("cat; exit 7", "w");
    writes("cat", "we");
    for (const char *const *mode = (const char *const[]){"", "x", "rw", "wr", "ee", "r+", NULL};
         *mode; mode++)
        writes("true", *mode);
    several();
    errno = 0;
    say("not a popen", pcloses(fopen("/dev/null", "r")));
    fflush(stdout);
    out = dup(1);
    close(0);
    close(1);
    stream = popen("cat >&2; exit 9", "w"); /* its own ends are 0 and 1 */
    if (stream)
        fprintf(stream, "through 0 and 1\n");
    dup2(2, 5);
    out = dup2(out, 6);
    fprintf(stderr, "%x\n", stream ? (unsigned)pclose(stream) : 0xffff);
    dup2(out, 1);
    open("/dev/null", O_RDONLY);
}

/* SIGPIPE is the host's affair: here it is ignored, and the stream says so. */
static void broken(void)
{
    FILE *stream;
    char big[70000];

    signal(SIGPIPE, SIG_IGN);
    memset(big, 'x', sizeof big);
    stream = popen("exec <&-; exit 0", "w");
    fwrite(big, 1, sizeof big, stream);
    errno = 0;
    say("broken pipe", pclose(stream));
    signal(SIGPIPE, SIG_DFL);
}

/* A child that closes its parent's stream has nobody to wait for. */
static void forked(void)
{
    FILE *stream = popen("cat", "w");
    int status;

    fflush(stdout);
    if (!fork()) {
        errno = 0;
        status = pclose(stream);
        printf("in a child: %d %s\n", status, strerror(errno));
        say("its own", system("exit 9"));
        _exit(0);
    }
    wait(NULL);
    say("in the parent", pclose(stream));
}

static const char *inside;

static void call(sqlite3_context *context, int n, sqlite3_value **values)
{
    FILE *stream;
    char line[256];

    (void)n;
    (void)values;
    say("system", system(inside));
    stream = popen(inside, "r");
    while (stream && fgets(line, sizeof line, stream))
        printf("%s", line);
    say("popen", stream ? pclose(stream) : -1);
    sqlite3_result_int(context, 0);
}

static void in_a_span(void)
{
    sqlite3 *db;

    if (sqlite3_open(":memory:", &db) ||
        sqlite3_create_function(db, "call", 0, SQLITE_UTF8, NULL, call, NULL, NULL) ||
        sqlite3_exec(db, "SELECT call()", NULL, NULL, NULL))
        abort();
    sqlite3_close(db);
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "span")) {
        inside = argv[2];
        in_a_span();
        return 0;
    }
    with_system();
    signals();
    in_threads();
    cancelled();
    with_popen();
    broken();
    forked();
    return 0;
}
