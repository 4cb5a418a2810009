/* SPDX-License-Identifier: Apache-2.0
 *
 * The host's side of the exporter module for unit tests: what a sink writes and logs lands in
 * memory, time is a counter that only sleep() moves, descriptors are adopted as they are.
 * One test at a time (Criterion gives each a process).
 */
#ifndef OTEL_TESTS_SUPPORT_FAKEHOST_H
#define OTEL_TESTS_SUPPORT_FAKEHOST_H

#include <string.h>
#include <unistd.h>

#include "core/export/module.h"

struct fakehost {
    char out[3][1 << 16]; /* by descriptor, NUL-terminated */
    size_t len[3];
    int write_error; /* what write_std returns */
    bool tty;
    char log[1024]; /* the last line */
    unsigned logs;
    uint64_t left_ns; /* time_left_ns(); sleep takes from it */
    int adopted, released;
    bool stolen; /* the host closed our descriptor: fd_owned is false */
};

static struct fakehost fakehost = {.left_ns = 1000000000}; /* of the one test thread */

static void fakehost_log(enum otel_log_level level, const char *text)
{
    (void)level;
    strncpy(fakehost.log, text, sizeof fakehost.log - 1);
    fakehost.logs++;
}

static bool fakehost_log_enabled(enum otel_log_level level)
{
    (void)level;
    return true;
}

static uint64_t fakehost_time_left(void)
{
    return fakehost.left_ns;
}

static bool fakehost_exiting(void)
{
    return false;
}

static void fakehost_sleep(uint64_t ns)
{
    fakehost.left_ns -= ns < fakehost.left_ns ? ns : fakehost.left_ns;
}

static int fakehost_write_std(int fd, const void *buf, size_t len)
{
    if (fakehost.write_error)
        return fakehost.write_error;
    if (len > sizeof fakehost.out[fd] - 1 - fakehost.len[fd])
        len = sizeof fakehost.out[fd] - 1 - fakehost.len[fd];
    memcpy(fakehost.out[fd] + fakehost.len[fd], buf, len);
    fakehost.len[fd] += len;
    return 0;
}

static bool fakehost_isatty_std(int fd)
{
    (void)fd;
    return fakehost.tty;
}

static int fakehost_adopt(int fd)
{
    fakehost.adopted++;
    return fd;
}

static bool fakehost_owned(int fd)
{
    (void)fd;
    return !fakehost.stolen;
}

static void fakehost_release(int fd)
{
    (void)fd;
    fakehost.released++;
}

static void fakehost_waiting(bool begins)
{
    (void)begins;
}

static const struct otel_export_host fakehost_table = {
    .log = fakehost_log,
    .log_enabled = fakehost_log_enabled,
    .time_left_ns = fakehost_time_left,
    .exiting = fakehost_exiting,
    .sleep = fakehost_sleep,
    .waiting = fakehost_waiting,
    .write_std = fakehost_write_std,
    .isatty_std = fakehost_isatty_std,
    .fd_adopt = fakehost_adopt,
    .fd_owned = fakehost_owned,
    .fd_release = fakehost_release,
};

#endif
