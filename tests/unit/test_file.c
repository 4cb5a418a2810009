/* SPDX-License-Identifier: Apache-2.0 */
#include "core/export/sink.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>

#include "core/export/buffer.h"
#include "core/sys.h"
#include "tests/support/fakehost.h"
#include "tests/support/records.h"

static struct records all; /* each test is a process of its own */
static struct otel_config config;
static char path[] = "/tmp/test_file.XXXXXX";
static void *self;
static const struct otel_sink *sink;

static void open_sink(const struct otel_sink *which)
{
    int fd = mkstemp(path);

    cr_assert_geq(fd, 0);
    close(fd);
    config.file_path = path;
    sink = which;
    self = sink->open(&config, &fakehost_table);
    cr_assert_not_null(self);
}

static void clean_up(void)
{
    records_clear(&all);
    if (self)
        sink->close(self);
    unlink(path);
}

TestSuite(file, .fini = clean_up);

static void assert_result(struct otel_export_result r, uint32_t exported, uint32_t failed)
{
    cr_assert_eq(r.exported, exported);
    cr_assert_eq(r.rejected, 0);
    cr_assert_eq(r.failed, failed);
}

static unsigned count(const char *text, const char *piece)
{
    unsigned n = 0;

    while ((text = strstr(text, piece))) {
        n++;
        text++;
    }
    return n;
}

Test(file, one_line_a_batch)
{
    static char found[1 << 16];
    ssize_t n;

    open_sink(&otel_sink_file);
    records_add(&all, 1, 0, "GET\n");
    records_add(&all, 2, 0, "POST");
    assert_result(sink->export(self, records_batch(&all)), 2, 0);
    sink->flush(self);
    assert_result(sink->export(self, records_batch(&all)), 2, 0);
    n = otel_sys_read_file(path, found, sizeof found - 1);
    cr_assert_gt(n, 0);
    found[n] = '\0';
    cr_assert_eq(count(found, "\n"), 2);
    cr_assert_eq(count(found, "{\"resourceSpans\":["), 2);
    cr_assert_eq(found[n - 1], '\n');
    cr_assert_eq(fakehost.len[1], 0);
}

Test(file, stdout_gets_the_same_line)
{
    open_sink(&otel_sink_stdout);
    records_add(&all, 1, 0, "GET");
    assert_result(sink->export(self, records_batch(&all)), 1, 0);
    cr_assert_eq(strncmp(fakehost.out[1], "{\"resourceSpans\":[", 18), 0);
    cr_assert_eq(count(fakehost.out[1], "\n"), 1);
    cr_assert_eq(fakehost.adopted, 0);
}

Test(file, a_failure_counts_each_span_and_is_said_once)
{
    open_sink(&otel_sink_stdout);
    records_add(&all, 1, 0, "GET");
    records_add(&all, 2, 0, "GET");
    fakehost.write_error = -EPIPE;
    assert_result(sink->export(self, records_batch(&all)), 0, 2);
    assert_result(sink->export(self, records_batch(&all)), 0, 2);
    cr_assert_eq(fakehost.logs, 1);
    cr_assert_str_eq(fakehost.log, "otlp/stdout exporter: standard output: EPIPE");
    fakehost.write_error = 0;
    assert_result(sink->export(self, records_batch(&all)), 2, 0);
}

Test(file, an_unwritable_file_is_a_failure)
{
    open_sink(&otel_sink_file);
    unlink(path);
    sink->close(self);
    config.file_path = "/nonexistent/spans";
    self = sink->open(&config, &fakehost_table);
    records_add(&all, 1, 0, "GET");
    assert_result(sink->export(self, records_batch(&all)), 0, 1);
    cr_assert_str_eq(fakehost.log, "file exporter: /nonexistent/spans: ENOENT");
}

Test(file, without_a_path_there_is_no_exporter)
{
    cr_assert_null(otel_sink_file.open(&config, &fakehost_table));
    cr_assert_eq(fakehost.logs, 1);
}

static int allowed; /* allocations before they fail */

static void *failing_realloc(void *old, size_t size)
{
    return allowed-- > 0 ? realloc(old, size) : NULL;
}

Test(file, the_nth_allocation_fails)
{
    otel_buffer_realloc = failing_realloc;
    cr_assert_null(otel_sink_stdout.open(&config, &fakehost_table));
    allowed = 1;
    open_sink(&otel_sink_stdout);
    for (uint8_t i = 0; i < 20; i++)
        records_add(&all, i, 0, "GET");
    for (int n = 0; n < 3; n++) {
        allowed = n;
        assert_result(sink->export(self, records_batch(&all)), 0, 20);
        cr_assert_eq(fakehost.len[1], 0);
    }
    allowed = 100;
    assert_result(sink->export(self, records_batch(&all)), 20, 0);
    cr_assert_eq(count(fakehost.out[1], "spanId"), 20);
}

Test(file, a_batch_too_large_for_a_request_becomes_two_lines)
{
    static char big[30000];
    static struct otel_record *first;

    memset(big, 'x', sizeof big - 1);
    open_sink(&otel_sink_file);
    first = records_add(&all, 1, 0, "GET");
    record_attr_text(first, "k", big);
    for (size_t i = 1; i < 2300; i++)
        all.record[i] = first;
    all.batch.count = 2300;
    assert_result(sink->export(self, records_batch(&all)), 2300, 0);
    all.batch.count = 1;

    FILE *f = fopen(path, "r");
    unsigned lines = 0;
    int c;

    cr_assert_not_null(f);
    while ((c = getc_unlocked(f)) != EOF)
        lines += c == '\n';
    fclose(f);
    cr_assert_eq(lines, 2);
}

Test(file, a_fork_child_forgets_it)
{
    open_sink(&otel_sink_file);
    sink->abandon(self);
    self = NULL;
    cr_assert_eq(fakehost.released, 0);
}
