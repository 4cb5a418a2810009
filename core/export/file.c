/* SPDX-License-Identifier: Apache-2.0
 *
 * otlp/stdout and file: one line of OTLP JSON for each batch.
 */
#include "core/export/sink.h"

#include <errno.h>
#include <stdlib.h>

#include "core/export/append.h"
#include "core/export/json.h"

struct lines {
    struct otel_append file; /* path NULL: the host's stdout */
    struct otel_buffer buffer;
};

static struct lines *lines_open(const struct otel_export_host *host, const char *who,
                                const char *path)
{
    struct lines *lines = otel_buffer_realloc(NULL, sizeof *lines);

    if (lines)
        *lines = (struct lines){.file = {.path = path, .host = host, .who = who}};
    else
        host->log(OTEL_LOG_ERROR, "file exporter: out of memory");
    return lines;
}

static void *open_stdout(const struct otel_config *config, const struct otel_export_host *host)
{
    (void)config;
    return lines_open(host, "otlp/stdout", NULL);
}

static void *open_file(const struct otel_config *config, const struct otel_export_host *host)
{
    if (!config->file_path || !config->file_path[0]) {
        host->log(OTEL_LOG_ERROR, "file exporter: OTEL_AUTO_FILE names no file");
        return NULL;
    }
    return lines_open(host, "file", config->file_path);
}

static int write_line(struct lines *lines)
{
    int rc;

    if (lines->file.path)
        return otel_append_whole(&lines->file, lines->buffer.data, lines->buffer.len);
    rc = lines->file.host->write_std(1, lines->buffer.data, lines->buffer.len);
    if (rc == 0)
        lines->file.said = 0;
    else
        otel_append_say(&lines->file, "standard output", rc);
    return rc;
}

/* Returns how many of the spans were written. A batch too large for one request is written as two
 * lines: a reader may post each line as it is. */
static uint32_t write_batch(struct lines *lines, struct otel_batch batch)
{
    int rc;

    otel_buffer_reset(&lines->buffer);
    rc = otel_json_encode(&lines->buffer, &batch);
    if (rc == -EFBIG && batch.count > 1) {
        struct otel_batch half = batch;
        uint32_t written;

        half.count = batch.count / 2;
        written = write_batch(lines, half);
        half.spans += half.count;
        half.count = batch.count - half.count;
        return written + write_batch(lines, half);
    }
    if (rc == 0) {
        otel_buffer_append(&lines->buffer, "\n", 1);
        rc = lines->buffer.failed ? -ENOMEM : 0;
    }
    if (rc) {
        otel_append_say(&lines->file, "encoding a batch", rc);
        return 0;
    }
    return write_line(lines) == 0 ? (uint32_t)batch.count : 0;
}

static struct otel_export_result export_lines(void *self, const struct otel_batch *batch)
{
    uint32_t written = write_batch(self, *batch);

    return (struct otel_export_result){.exported = written,
                                       .failed = (uint32_t)batch->count - written};
}

static void flush_nothing(void *self)
{
    (void)self;
}

static void close_lines(void *self)
{
    struct lines *lines = self;

    otel_buffer_free(&lines->buffer);
    free(lines);
}

const struct otel_sink otel_sink_stdout = {
    .name = "otlp/stdout",
    .open = open_stdout,
    .export = export_lines,
    .flush = flush_nothing,
    .close = close_lines,
    .abandon = close_lines,
};

const struct otel_sink otel_sink_file = {
    .name = "file",
    .open = open_file,
    .export = export_lines,
    .flush = flush_nothing,
    .close = close_lines,
    .abandon = close_lines,
};
