/* SPDX-License-Identifier: Apache-2.0 */
#include "core/log.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/sys.h"

static char got[65536];
static size_t got_len;
static int writes;

/* In the place of the kernel: stderr's lines. */
static ssize_t keep(int fd, const void *buf, size_t n)
{
    cr_assert_eq(fd, 2);
    cr_assert_leq(n, OTEL_LOG_LINE_MAX);
    memcpy(got, buf, n);
    got[n] = 0;
    got_len = n;
    writes++;
    return (ssize_t)n;
}

static int pid_42(void)
{
    return 42;
}

static void catch_lines(void)
{
    otel_sys.write = keep;
    otel_sys.getpid = pid_42;
    otel_log_init(OTEL_LOG_DEBUG, NULL);
}

Test(log, silent_until_asked)
{
    otel_sys.write = keep;
    for (int level = OTEL_LOG_NONE; level <= OTEL_LOG_DEBUG; level++) {
        cr_assert_not(otel_log_enabled(level));
        otel_log(level, "nothing");
    }
    cr_assert_eq(writes, 0);
}

Test(log, levels)
{
    catch_lines();
    for (int most = OTEL_LOG_NONE; most <= OTEL_LOG_DEBUG; most++) {
        otel_log_init(most, NULL);
        for (int level = OTEL_LOG_NONE; level <= OTEL_LOG_DEBUG; level++) {
            bool wanted = level != OTEL_LOG_NONE && level <= most;

            writes = 0;
            otel_log(level, "x");
            cr_assert_eq(writes, wanted);
            cr_assert_eq(otel_log_enabled(level), wanted);
        }
    }
    otel_log_init(OTEL_LOG_DEBUG, NULL);
    otel_log(OTEL_LOG_ERROR, "a");
    cr_assert_str_eq(got, "libotel_auto[42] error: a\n");
    otel_log(OTEL_LOG_WARN, "b");
    cr_assert_str_eq(got, "libotel_auto[42] warn: b\n");
    otel_log(OTEL_LOG_INFO, "c");
    cr_assert_str_eq(got, "libotel_auto[42] info: c\n");
    otel_log(OTEL_LOG_DEBUG, "d");
    cr_assert_str_eq(got, "libotel_auto[42] debug: d\n");
}

/* The text behind the prefix must be what printf makes of it. */
#define SAME(...)                                                                  \
    do {                                                                           \
        char expected_[1024];                                                      \
        int n_ = snprintf(expected_, sizeof expected_, "libotel_auto[42] info: "); \
        snprintf(expected_ + n_, sizeof expected_ - n_, __VA_ARGS__);              \
        strcat(expected_, "\n");                                                   \
        otel_log(OTEL_LOG_INFO, __VA_ARGS__);                                      \
        cr_assert_str_eq(got, expected_);                                          \
    } while (0)

Test(log, conversions_are_those_of_printf)
{
    static const char unterminated[3] = {'a', 'b', 'c'};

    catch_lines();
    SAME("plain");
    SAME("%s and %s", "one", "");
    SAME("%d %d %d %d", 0, -1, INT_MAX, INT_MIN);
    SAME("%u %u", 0u, UINT_MAX);
    SAME("%x %x %x", 0u, 0xdeadbeefu, 255u);
    SAME("%c%c", 'a', 'z');
    SAME("%ld %ld", LONG_MAX, LONG_MIN);
    SAME("%lu", ULONG_MAX);
    SAME("%lld %lld", LLONG_MAX, LLONG_MIN);
    SAME("%llu", ULLONG_MAX);
    SAME("%zu %zu", (size_t)0, SIZE_MAX);
    SAME("100%% of %d", 5);
    SAME("%.*s|%.*s|%.*s", 3, unterminated, 0, unterminated, 9, "short");
    SAME("%.*s", -1, "all of it");
    SAME("%d%s%llu%c%ld%zu%x%lu%u%lld", 1, "two", 3ULL, '4', 5L, (size_t)6, 7u, 8UL, 9u, 10LL);
    SAME("%s", "gr\xc3\xbc\xc3\x9f");
}

/* Through a pointer, for the compiler refuses such calls. */
static void (*volatile log_unchecked)(enum otel_log_level, const char *, ...) = otel_log;

Test(log, conversions_that_are_not_ours_end_the_conversion)
{
    catch_lines();
    log_unchecked(OTEL_LOG_INFO, "%d %q %s", 7, "never read");
    cr_assert_str_eq(got, "libotel_auto[42] info: 7 %q %s\n");
    log_unchecked(OTEL_LOG_INFO, "half %");
    cr_assert_str_eq(got, "libotel_auto[42] info: half %\n");
    log_unchecked(OTEL_LOG_INFO, "%.3s %n", "abc");
    cr_assert_str_eq(got, "libotel_auto[42] info: %.3s %n\n");
    log_unchecked(OTEL_LOG_INFO, "%l");
    cr_assert_str_eq(got, "libotel_auto[42] info: %l\n");
    log_unchecked(OTEL_LOG_INFO, "%s", NULL);
    cr_assert_str_eq(got, "libotel_auto[42] info: (null)\n");
    log_unchecked(OTEL_LOG_INFO, "%.*s", 2, NULL);
    cr_assert_str_eq(got, "libotel_auto[42] info: (null)\n");
}

Test(log, control_characters_cannot_forge_a_line)
{
    char all[34];

    catch_lines();
    otel_log(OTEL_LOG_INFO, "host said: %s", "x\nlibotel_auto[1] error: forged\r\x1b[2J\x7f\t");
    cr_assert_str_eq(got,
                     "libotel_auto[42] info: host said: x?libotel_auto[1] error: forged??[2J??\n");
    for (int i = 0; i < 33; i++)
        all[i] = (char)(i + 1);
    all[33] = 0;
    otel_log(OTEL_LOG_INFO, "%s%c", all, '\n');
    cr_assert_eq(strchr(got, '\n'), got + got_len - 1);
    cr_assert_eq(got_len, strlen("libotel_auto[42] info: \n") + 34);
}

Test(log, long_lines_are_cut)
{
    static char text[2000];

    catch_lines();
    for (size_t n = 0; n < 1000; n++) {
        size_t whole = strlen("libotel_auto[42] info: ") + n + 1;

        memset(text, 'x', n);
        text[n] = 0;
        otel_log(OTEL_LOG_INFO, "%s", text);
        cr_assert_eq(got_len, whole < OTEL_LOG_LINE_MAX ? whole : OTEL_LOG_LINE_MAX);
        cr_assert_eq(got[got_len - 1], '\n');
        cr_assert_eq(strstr(got, "...\n") != NULL, whole > OTEL_LOG_LINE_MAX, "%zu", n);
    }
    otel_log(OTEL_LOG_INFO, "%s%d%s", text, 5, "tail");
    cr_assert_eq(got_len, OTEL_LOG_LINE_MAX);
}

Test(log, errno_is_kept)
{
    otel_log_init(OTEL_LOG_DEBUG, "/nonexistent/dir/log");
    errno = 4711;
    otel_log(OTEL_LOG_ERROR, "lost");
    cr_assert_eq(errno, 4711);
}

static int writer_calls;

static int writer(const void *buf, unsigned long len)
{
    writer_calls++;
    got_len = len;
    memcpy(got, buf, len);
    errno = EPIPE;
    return -EPIPE;
}

Test(log, stderr_writer)
{
    catch_lines();
    otel_log_set_stderr_writer(writer);
    errno = 4711;
    otel_log(OTEL_LOG_WARN, "w");
    cr_assert_eq(errno, 4711);
    cr_assert_eq(writer_calls, 1);
    cr_assert_eq(writes, 0);
    cr_assert_arr_eq(got, "libotel_auto[42] warn: w\n", got_len);
    otel_log_set_stderr_writer(NULL);
    otel_log(OTEL_LOG_WARN, "w");
    cr_assert_eq(writer_calls, 1);
    cr_assert_eq(writes, 1);
}

static void *write_lines(void *arg)
{
    for (int i = 0; i < 500; i++)
        otel_log(OTEL_LOG_INFO, "thread %d line %d %s", *(int *)arg, i, "end");
    return NULL;
}

Test(log, a_file_gets_whole_lines_and_no_descriptor_stays)
{
    char dir[] = "/tmp/otel-log-XXXXXX";
    char path[64];
    int numbers[4] = {0, 1, 2, 3};
    pthread_t threads[4];
    struct stat st;
    char line[600];
    int lines = 0;
    int before;
    int after;
    FILE *file;

    cr_assert_not_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/log", dir);
    umask(0);
    otel_log_init(OTEL_LOG_INFO, path);
    before = dup(0);
    close(before);
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, write_lines, &numbers[i]);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    after = dup(0);
    cr_assert_eq(after, before);
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0600);
    file = fopen(path, "r");
    while (fgets(line, sizeof line, file)) {
        cr_assert_eq(strncmp(line, "libotel_auto[", 13), 0);
        cr_assert_str_eq(line + strlen(line) - 5, " end\n");
        lines++;
    }
    fclose(file);
    cr_assert_eq(lines, 2000);
    unlink(path);
    rmdir(dir);
}

/* A pipe without a reader would stop the host in open(). */
Test(log, a_fifo_nobody_reads_does_not_block)
{
    char dir[] = "/tmp/otel-log-XXXXXX";
    char path[64];

    cr_assert_not_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/fifo", dir);
    cr_assert_eq(mkfifo(path, 0600), 0);
    otel_log_init(OTEL_LOG_INFO, path);
    alarm(30); /* instead of waiting for ever */
    otel_log(OTEL_LOG_ERROR, "nobody reads this");
    unlink(path);
    rmdir(dir);
}

Test(log, a_closed_stderr_does_not_kill)
{
    int ends[2];
    int saved = dup(2);

    cr_assert_eq(pipe(ends), 0);
    close(ends[0]);
    dup2(ends[1], 2);
    otel_log_init(OTEL_LOG_INFO, NULL);
    otel_log(OTEL_LOG_ERROR, "into a closed pipe");
    dup2(saved, 2);
}

Test(log, once)
{
    atomic_flag said = ATOMIC_FLAG_INIT;

    cr_assert(otel_log_once(&said));
    cr_assert_not(otel_log_once(&said));
    cr_assert_not(otel_log_once(&said));
}
