/* SPDX-License-Identifier: Apache-2.0 */
#include "core/export/append.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "core/sys.h"
#include "tests/support/fakehost.h"

static char dir[] = "/tmp/test_append.XXXXXX";
static char path[64];
static struct otel_append file = {.path = path, .host = &fakehost_table, .who = "file"};

static void set_up(void)
{
    cr_assert_not_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/spans.jsonl", dir);
}

static void clean_up(void)
{
    unlink(path);
    rmdir(dir);
}

TestSuite(append, .init = set_up, .fini = clean_up);

static size_t content(char *to, size_t cap)
{
    ssize_t n = otel_sys_read_file(path, to, cap - 1);

    to[n > 0 ? n : 0] = '\0';
    return n > 0 ? (size_t)n : 0;
}

static void assert_content(const char *expected)
{
    char found[4096];

    content(found, sizeof found);
    cr_assert_str_eq(found, expected);
}

Test(append, creates_for_the_owner_alone_and_appends)
{
    struct stat st;

    umask(0);
    cr_assert_eq(otel_append_whole(&file, "one\n", 4), 0);
    cr_assert_eq(otel_append_whole(&file, "two\n", 4), 0);
    assert_content("one\ntwo\n");
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(st.st_mode & 07777, 0600);
    cr_assert_eq(fakehost.adopted, 2);
    cr_assert_eq(fakehost.released, 2);
    cr_assert_eq(fakehost.logs, 0);
}

Test(append, follows_a_rotation_and_leaves_no_descriptor)
{
    int before = dup(0), after;

    close(before);
    cr_assert_eq(otel_append_whole(&file, "one\n", 4), 0);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(otel_append_whole(&file, "two\n", 4), 0);
    assert_content("two\n");
    after = dup(0);
    cr_assert_eq(before, after);
    close(after);
}

Test(append, logs_one_line_a_cause)
{
    snprintf(path, sizeof path, "%s/none/spans.jsonl", dir);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(otel_append_whole(&file, "x\n", 2), -ENOENT);
    cr_assert_eq(fakehost.logs, 1);
    cr_assert_not_null(strstr(fakehost.log, "file exporter: "));
    cr_assert_not_null(strstr(fakehost.log, "ENOENT"));
    snprintf(path, sizeof path, "%s", dir);
    cr_assert_eq(otel_append_whole(&file, "x\n", 2), -EISDIR);
    cr_assert_eq(fakehost.logs, 2);
    snprintf(path, sizeof path, "%s/spans.jsonl", dir);
    cr_assert_eq(otel_append_whole(&file, "x\n", 2), 0);
    cr_assert_eq(fakehost.logs, 2);
}

/* --- a kernel that writes little --- */

static const int *script; /* what each write does: bytes at most, or -Exxx; 0 ends it: all */
static ssize_t (*real_write)(int fd, const void *buf, size_t n);

static ssize_t scripted_write(int fd, const void *buf, size_t n)
{
    int step = *script;

    if (step)
        script++;
    if (step < 0)
        return step;
    return real_write(fd, buf, step && (size_t)step < n ? (size_t)step : n);
}

static int append_scripted(const int *steps, const char *text)
{
    script = steps;
    real_write = otel_sys.write;
    otel_sys.write = scripted_write;

    int rc = otel_append_whole(&file, text, strlen(text));

    otel_sys.write = real_write;
    return rc;
}

Test(append, completes_a_short_write)
{
    cr_assert_eq(append_scripted((int[]){3, -EINTR, -EAGAIN, 2, 0}, "a whole line\n"), 0);
    assert_content("a whole line\n");
    cr_assert_eq(fakehost.logs, 0);
}

Test(append, takes_back_half_a_line)
{
    cr_assert_eq(append_scripted((int[]){0}, "first\n"), 0);
    cr_assert_eq(append_scripted((int[]){3, 2, -ENOSPC, 0}, "second\n"), -ENOSPC);
    assert_content("first\n");
    cr_assert_not_null(strstr(fakehost.log, "ENOSPC"));
    cr_assert_eq(append_scripted((int[]){0}, "third\n"), 0);
    assert_content("first\nthird\n");
}

Test(append, a_write_that_never_becomes_possible_ends_with_the_time)
{
    int steps[1000];

    for (int i = 0; i < 999; i++)
        steps[i] = -EAGAIN;
    steps[999] = 0;
    cr_assert_eq(append_scripted(steps, "line\n"), -ETIMEDOUT);
    cr_assert_eq(fakehost.left_ns, 0);
    assert_content("");
}

Test(append, does_not_touch_a_descriptor_that_is_the_hosts_now)
{
    fakehost.stolen = true;
    cr_assert_eq(otel_append_whole(&file, "line\n", 5), -EBADF);
    assert_content("");
    cr_assert_eq(fakehost.released, 1);
}

Test(append, a_held_lock_is_waited_for_within_the_time)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0600);

    cr_assert_eq(flock(fd, LOCK_EX), 0);
    cr_assert_eq(otel_append_whole(&file, "line\n", 5), -ETIMEDOUT);
    assert_content("");
    cr_assert_eq(flock(fd, LOCK_UN), 0);
    cr_assert_eq(otel_append_whole(&file, "line\n", 5), 0);
    assert_content("line\n");
    close(fd);
}

Test(append, a_fifo_without_a_reader_does_not_block)
{
    cr_assert_eq(mkfifo(path, 0600), 0);
    cr_assert_eq(otel_append_whole(&file, "line\n", 5), -ENXIO);
}

Test(append, lines_of_several_processes_never_mix)
{
    enum { WRITERS = 4, LINES = 50, LINE = 3000 };
    static char found[WRITERS * LINES * LINE + 1];
    unsigned count[WRITERS] = {0};
    size_t len;

    for (int w = 0; w < WRITERS; w++) {
        pid_t pid = fork();

        cr_assert_geq(pid, 0);
        if (pid)
            continue;

        char line[LINE];
        int rc = 0;

        fakehost.left_ns = UINT64_MAX;
        memset(line, 'a' + w, LINE - 1);
        line[LINE - 1] = '\n';
        real_write = otel_sys.write;
        otel_sys.write = scripted_write; /* each line in three writes */
        for (int i = 0; i < LINES && !rc; i++) {
            script = (int[]){1000, 1000, 0};
            rc = otel_append_whole(&file, line, LINE);
        }
        _exit(rc != 0);
    }
    for (int w = 0; w < WRITERS; w++) {
        int status;

        cr_assert_gt(wait(&status), 0);
        cr_assert_eq(status, 0);
    }
    len = content(found, sizeof found);
    cr_assert_eq(len, WRITERS * LINES * LINE);
    for (size_t i = 0; i < len; i += LINE) {
        for (size_t j = 1; j < LINE - 1; j++)
            cr_assert_eq(found[i + j], found[i]);
        cr_assert_eq(found[i + LINE - 1], '\n');
        count[found[i] - 'a']++;
    }
    for (int w = 0; w < WRITERS; w++)
        cr_assert_eq(count[w], LINES);
}
