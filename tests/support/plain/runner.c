/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs the tests that criterion.h beside it collected, each in a child process, and closes with
 * Criterion's line. Options: --filter PATTERN (of "suite/name"), --timeout SECONDS; -jN is taken
 * and ignored, one test runs at a time.
 */
#include "tests/support/plain/criterion/criterion.h"

#include <fnmatch.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

extern struct plain_test __start_plain_tests[], __stop_plain_tests[];

/* Of the child that runs a test, whose threads may all report: only ever set. */
static _Atomic bool failed;

void plain_fail(bool fatal, const char *file, int line, const char *what, const char *format, ...)
{
    va_list arguments;

    fprintf(stderr, "%s:%d: not so: %s", file, line, what);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    failed = true;
    if (fatal)
        _exit(1);
}

void plain_skip(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    _exit(0);
}

static const struct plain_options *suite_of(const struct plain_test *test)
{
    static const struct plain_options none;

    for (struct plain_test *t = __start_plain_tests; t < __stop_plain_tests; t++)
        if (!t->run && !strcmp(t->suite, test->suite))
            return &t->options;
    return &none;
}

static void run(const struct plain_test *test, unsigned timeout)
{
    const struct plain_options *suite = suite_of(test);

    signal(SIGALRM, SIG_DFL);
    alarm(test->options.timeout > 0 ? (unsigned)test->options.timeout + 1 : timeout);
    if (suite->init)
        suite->init();
    if (test->options.init)
        test->options.init();
    test->run();
    if (test->options.fini)
        test->options.fini();
    if (suite->fini)
        suite->fini();
    exit(failed);
}

/* The child under way, for the handler of the runner's own alarm. */
static volatile pid_t running;

static void out_of_time(int signal)
{
    (void)signal;
    kill(running, SIGKILL);
}

/* Waits for the test, a little longer than it has: it may have taken SIGALRM for itself. Says how
 * it ended when that was badly. */
static bool passed(const struct plain_test *test, pid_t child, unsigned timeout)
{
    int status;

    running = child;
    alarm(timeout + 5);
    if (child < 0 || waitpid(child, &status, 0) < 0)
        status = -1;
    alarm(0);
    if (status)
        fprintf(stderr, "[FAIL] %s::%s: wait status %d\n", test->suite, test->name, status);
    return !status;
}

int main(int argc, char **argv)
{
    const char *filter = "*";
    unsigned timeout = 120;
    int tested = 0;
    int good = 0;

    for (int i = 1; i + 1 < argc; i++) {
        if (!strcmp(argv[i], "--filter"))
            filter = argv[i + 1];
        else if (!strcmp(argv[i], "--timeout"))
            timeout = (unsigned)atoi(argv[i + 1]);
    }
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = out_of_time, .sa_flags = SA_RESTART},
              NULL);
    for (struct plain_test *t = __start_plain_tests; t < __stop_plain_tests; t++) {
        char name[256];
        pid_t child;

        snprintf(name, sizeof name, "%s/%s", t->suite, t->name ? t->name : "");
        if (!t->run || fnmatch(filter, name, 0))
            continue;
        fflush(NULL);
        child = fork();
        if (!child)
            run(t, timeout);
        tested++;
        good += passed(t, child, timeout);
    }
    fprintf(stderr, "[====] Synthesis: Tested: %d | Passing: %d | Failing: %d | Crashing: 0\n",
            tested, good, tested - good);
    return good != tested;
}
