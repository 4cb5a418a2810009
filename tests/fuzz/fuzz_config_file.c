/* SPDX-License-Identifier: Apache-2.0
 *
 * The input is a configuration file. Whatever stands there, the settings are usable, and what is
 * said of it is one line each. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/config.h"
#include "core/config_file.h"
#include "core/log.h"
#include "core/sys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The file, and how much of it was read. One thread fuzzes. */
static const uint8_t *file;
static size_t file_len;
static size_t file_at;

static int open_file(const char *path, int flags, unsigned mode)
{
    (void)flags, (void)mode;
    file_at = 0;
    return strcmp(path, "/file") == 0 ? 1000 : -ENOENT; /* nor does a log create one */
}

static ssize_t read_file(int fd, void *buf, size_t n)
{
    size_t left = file_len - file_at;

    (void)fd;
    n = n < left ? n : left;
    memcpy(buf, file + file_at, n);
    file_at += n;
    return (ssize_t)n;
}

static int close_file(int fd)
{
    return fd == 1000 ? 0 : -EBADF;
}

static const char *lookup(const char *name)
{
    if (!strcmp(name, "OTEL_CONFIG_FILE"))
        return "/file";
    return strcmp(name, "A") != 0 ? NULL : "${A}: [x\n";
}

static int check_line(const void *buf, unsigned long len)
{
    if (!len || memchr(buf, '\n', len) != (const char *)buf + len - 1)
        abort();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct otel_config *c = &otel_config;

    otel_sys.open = open_file;
    otel_sys.read = read_file;
    otel_sys.close = close_file;
    otel_log_set_stderr_writer(check_line);
    file = data;
    file_len = size;
    otel_config_load(lookup, false);
    if (!c->max_queue_size || c->max_export_batch_size > c->max_queue_size || !c->otlp_endpoint ||
        strpbrk(c->otlp_endpoint, " \t\r\n"))
        abort();
    if ((c->exporters & OTEL_EXPORTER_FILE) && !c->file_path)
        abort();
    if (c->file_wrong && !c->disabled)
        abort();
    return 0;
}
