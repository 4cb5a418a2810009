/* SPDX-License-Identifier: Apache-2.0 */
#include "core/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "core/sys.h"

struct reader {
    bool (*each)(const char *line, size_t len, void *arg);
    void *arg;
    size_t used;
    bool skip; /* the rest of a line that was too long */
    char buf[OTEL_LINE_MAX];
};

/* Gives out the whole lines in buf and moves what is left to its start. True: stop. */
static bool give_lines(struct reader *r)
{
    char *at = r->buf;
    size_t left = r->used;
    char *end;

    while ((end = left ? memchr(at, '\n', left) : NULL)) {
        size_t len = (size_t)(end - at);

        if (!r->skip && r->each(at, len, r->arg))
            return true;
        r->skip = false;
        at += len + 1;
        left -= len + 1;
    }
    if (left == sizeof r->buf) {
        r->skip = true;
        left = 0;
    }
    memmove(r->buf, at, left);
    r->used = left;
    return false;
}

static int read_lines(struct reader *r, int fd)
{
    for (;;) {
        ssize_t n = otel_sys.read(fd, r->buf + r->used, sizeof r->buf - r->used);

        if (n == -EINTR)
            continue;
        if (n < 0)
            return (int)n;
        if (n == 0)
            break;
        r->used += (size_t)n;
        if (give_lines(r))
            return 0;
    }
    if (r->used && !r->skip)
        r->each(r->buf, r->used, r->arg);
    return 0;
}

int otel_lines_each(const char *path, bool (*each)(const char *line, size_t len, void *arg),
                    void *arg)
{
    struct reader reader = {.each = each, .arg = arg};
    int fd = otel_sys.open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0);
    int err;

    if (fd < 0)
        return fd;
    err = read_lines(&reader, fd);
    otel_sys.close(fd);
    return err;
}
