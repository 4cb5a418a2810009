/* SPDX-License-Identifier: Apache-2.0 */
#include "core/lines.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/sys.h"

static const char *content;
static size_t content_len, content_at, step;
static int read_error, interrupts, opened, closed;

static int fake_open(const char *path, int flags, unsigned mode)
{
    (void)flags, (void)mode;
    if (strcmp(path, "/there") != 0)
        return -ENOENT;
    content_at = 0;
    opened++;
    return 1000;
}

/* step bytes at a time; after the last byte an end or read_error. */
static ssize_t fake_read(int fd, void *buf, size_t n)
{
    size_t left = content_len - content_at;

    cr_expect_eq(fd, 1000);
    cr_expect_gt(n, 0);
    if (interrupts-- > 0)
        return -EINTR;
    if (!left)
        return read_error;
    n = n < left ? n : left;
    n = n < step ? n : step;
    memcpy(buf, content + content_at, n);
    content_at += n;
    return (ssize_t)n;
}

static int fake_close(int fd)
{
    (void)fd;
    closed++;
    return 0;
}

static char got[20000];
static int stop_after;

static bool each(const char *line, size_t len, void *arg)
{
    cr_expect_eq(arg, got);
    sprintf(got + strlen(got), "[%.*s]", (int)len, line);
    return --stop_after == 0;
}

static int run(const char *text, size_t len, size_t bytes)
{
    otel_sys.open = fake_open;
    otel_sys.read = fake_read;
    otel_sys.close = fake_close;
    content = text;
    content_len = len;
    step = bytes;
    opened = closed = 0;
    *got = '\0';
    return otel_lines_each("/there", each, got);
}

Test(lines, cases)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"", ""},         {"a", "[a]"},       {"a\n", "[a]"},
        {"\n", "[]"},     {"a\nb", "[a][b]"}, {"a\n\nb\n", "[a][][b]"},
        {"\n\n", "[][]"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t bytes = 1; bytes < 6; bytes++) {
            cr_expect_eq(run(cases[i].text, strlen(cases[i].text), bytes), 0);
            cr_expect_str_eq(got, cases[i].want);
            cr_expect_eq(opened, 1);
            cr_expect_eq(closed, 1);
        }
    }
}

Test(lines, stops_when_told)
{
    stop_after = 2;
    cr_expect_eq(run("a\nb\nc\n", 6, 100), 0);
    cr_expect_str_eq(got, "[a][b]");
    cr_expect_eq(closed, 1);
}

Test(lines, long_lines_are_left_out)
{
    static char text[3 * OTEL_LINE_MAX];

    for (size_t len = OTEL_LINE_MAX - 2; len < 2 * OTEL_LINE_MAX + 3; len++) {
        for (size_t bytes = 1000; bytes < 12000; bytes += 4001) {
            memset(text, 'x', len);
            memcpy(text + len, "\nb\n", 3);
            run(text, len + 3, bytes);
            if (len < OTEL_LINE_MAX)
                cr_expect_eq(strlen(got), len + 5, "%zu", len);
            else
                cr_expect_str_eq(got, "[b]", "%zu by %zu", len, bytes);
            run(text, len, bytes); /* without an end */
            cr_expect_eq(strlen(got), len < OTEL_LINE_MAX ? len + 2 : 0, "%zu", len);
        }
    }
}

Test(lines, failures)
{
    cr_expect_eq(run("a\n", 2, 1), 0);
    cr_expect_eq(otel_lines_each("/not/there", each, got), -ENOENT);
    read_error = -EIO;
    cr_expect_eq(run("a\nb", 3, 10), -EIO);
    cr_expect_str_eq(got, "[a]");
    cr_expect_eq(closed, 1);
    read_error = 0;
    interrupts = 3;
    cr_expect_eq(run("a\n", 2, 1), 0);
    cr_expect_str_eq(got, "[a]");
}
