/* SPDX-License-Identifier: Apache-2.0 */
#include "core/export/append.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/sys.h"

#define NAP_NS ((uint64_t)1000000)
#define NAP_MAX_NS ((uint64_t)20000000)

/* Waits a little, longer each time. False when there is no time left. */
static bool nap(const struct otel_export_host *host, uint64_t *ns)
{
    if (host->time_left_ns() == 0)
        return false;
    host->sleep(*ns);
    if (*ns < NAP_MAX_NS)
        *ns *= 2;
    return true;
}

/* Not the blocking form: the holder may be stopped, and the host's exit waits for us. */
static int lock(const struct otel_export_host *host, int fd)
{
    uint64_t ns = NAP_NS;

    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EINTR)
            continue;
        if (errno != EWOULDBLOCK)
            return 0; /* a file system without locks: O_APPEND and one write have to do */
        if (!nap(host, &ns))
            return -ETIMEDOUT;
    }
    return 0;
}

static int write_all(const struct otel_export_host *host, int fd, const char *p, size_t len,
                     size_t *written)
{
    uint64_t ns = NAP_NS;

    while (*written < len) {
        ssize_t n = host->fd_owned(fd) ? otel_sys.write(fd, p + *written, len - *written) : -EBADF;

        if (n > 0)
            *written += (size_t)n;
        else if (n == -EAGAIN && !nap(host, &ns))
            return -ETIMEDOUT;
        else if (n != -EAGAIN && n != -EINTR)
            return n ? (int)n : -EIO;
    }
    return 0;
}

/* Takes back the beginning of a piece, if it still is the end of the file. */
static void cut_off(int fd, size_t written)
{
    struct stat st;
    off_t end = lseek(fd, 0, SEEK_CUR);

    if (written > 0 && end >= (off_t)written && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
        st.st_size == end && ftruncate(fd, end - (off_t)written) != 0)
        return; /* the half line stays: nothing more can be done */
}

static int append(const struct otel_export_host *host, const char *path, const void *bytes,
                  size_t len)
{
    /* O_NONBLOCK: the open of a FIFO that nobody reads would not return. */
    int opened = otel_sys.open(
        path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
    size_t written = 0;
    bool mine;
    int fd, rc;

    if (opened < 0)
        return opened;
    fd = host->fd_adopt(opened);
    if (fd < 0) {
        otel_sys.close(opened);
        return fd;
    }
    rc = lock(host, fd);
    if (rc == 0)
        rc = write_all(host, fd, bytes, len, &written);
    mine = host->fd_owned(fd);
    if (rc && mine)
        cut_off(fd, written);
    host->fd_release(fd);
    if (mine) /* closing it releases the lock */
        otel_sys.close(fd);
    return rc;
}

int otel_append_whole(struct otel_append *file, const void *bytes, size_t len)
{
    int rc = append(file->host, file->path, bytes, len);

    if (rc == 0)
        file->said = 0;
    else
        otel_append_say(file, file->path, rc);
    return rc;
}

void otel_append_say(struct otel_append *file, const char *what, int rc)
{
    const char *name = strerrorname_np(-rc); /* not strerror: it would load the host's catalogue */
    char line[OTEL_LOG_LINE_MAX];

    if (file->said == rc)
        return;
    file->said = rc;
    snprintf(line, sizeof line, "%s exporter: %s: %s", file->who, what, name ? name : "error");
    file->host->log(OTEL_LOG_ERROR, line);
}
