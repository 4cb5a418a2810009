/* SPDX-License-Identifier: Apache-2.0
 *
 * The console as its user sees it: batches in, text on standard error out.
 */
#include "core/export/sink.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>

#include "core/export/buffer.h"
#include "core/export/console_text.h"
#include "core/sys.h"
#include "core/utf8.h"
#include "tests/support/fakehost.h"
#include "tests/support/records.h"

static struct records all; /* each test is a process of its own */
static struct otel_config config;
static const struct otel_sink *sink = &otel_sink_console;
static void *self;

static void set_up(void)
{
    records_resource(&all, "service.name", "checkout");
    self = sink->open(&config, &fakehost_table);
    cr_assert_not_null(self);
}

static void clean_up(void)
{
    records_clear(&all);
    if (self)
        sink->close(self);
}

TestSuite(console, .init = set_up, .fini = clean_up);

static struct otel_record *add(uint8_t id, uint8_t parent, const char *name, unsigned start_us,
                               unsigned end_us)
{
    struct otel_record *r = records_add(&all, id, parent, name);

    r->start_mono_ns = start_us * 1000;
    r->end_mono_ns = end_us * 1000;
    return r;
}

/* Hands over the records added since the last time; all are to be taken. */
static void export(void)
{
    struct otel_export_result r = sink->export(self, records_batch(&all));

    cr_assert_eq(r.exported, all.batch.count);
    cr_assert_eq(r.failed + r.rejected, 0);
    records_clear(&all);
}

/* What was written since the last time. */
static const char *written(void)
{
    static char text[1 << 16];

    memcpy(text, fakehost.out[2], sizeof text);
    memset(fakehost.out[2], 0, sizeof text);
    fakehost.len[2] = 0;
    return text;
}

static void assert_written(const char *expected)
{
    const char *found = written();

    cr_assert_str_eq(found, expected, "found:\n%s\nexpected:\n%s", found, expected);
}

#define HEAD "\ncheckout · pid 4711 · trace 11111111111111111111111111111111"

Test(console, a_tree)
{
    struct otel_record *r;

    r = add(3, 1, "GET", 2000, 11000);
    record_attr_text(r, "url.full", "http://api/x");
    record_attr_int(r, "http.response.status_code", 503);
    record_attr_text(r, "error.type", "503");
    r->status = OTEL_STATUS_ERROR;
    r = add(4, 3, "resolve", 2000, 2200);
    r->kind = OTEL_KIND_INTERNAL;
    r = add(5, 3, "connect", 2200, 3000);
    r->kind = OTEL_KIND_INTERNAL;
    r = add(2, 1, "SELECT documents", 500, 1300);
    record_attr_text(r, "db.query.text", "SELECT *\n  FROM documents");
    record_attr_text(r, "db.namespace", "app.db");
    r = add(1, 0, "POST", 0, 12000);
    r->kind = OTEL_KIND_SERVER;
    record_attr_text(r, "http.request.method", "POST");
    record_attr_text(r, "url.path", "/documents");
    record_attr_int(r, "http.response.status_code", 200);
    export();
    assert_written(
        HEAD
        "\n"
        "POST                  server     12.0 ms  ████████████████████████  POST /documents 200\n"
        "├── SELECT documents  client      800 µs  ·██·····················  SELECT * FROM "
        "documents\n"
        "└── GET               client     9.00 ms  ····██████████████████··  http://api/x ✗ 503\n"
        "    ├── resolve       internal    200 µs  ····▌···················\n"
        "    └── connect       internal    800 µs  ····██··················\n");
}

Test(console, the_name_column_is_cut_and_counts_characters)
{
    add(1, 0, "größter Anfang", 0, 100);
    add(2, 1, "a name so long that it would push everything else off the line", 0, 100);
    export();
    assert_written(HEAD "\n"
                        "größter Anfang                                client    100 µs  "
                        "████████████████████████\n"
                        "└── a name so long that it would push every…  client    100 µs  "
                        "████████████████████████\n");
}

Test(console, details)
{
    struct otel_record *r;
    const char *text;

    r = add(1, 0, "a", 0, 100);
    record_attr_text(r, "db.namespace", "app.db");
    r = add(2, 1, "b", 0, 100);
    record_attr_text(r, "code.function", "main");
    record_attr_int(r, "retries", 3);
    r = add(3, 1, "c", 0, 100);
    record_attr_int(r, "http.response.status_code", 404);
    record_attr_text(r, "error.type", "timeout");
    record_text(r, OTEL_TAG_STATUS_MESSAGE, "no answer in 3 s");
    r->status = OTEL_STATUS_ERROR;
    r = add(4, 1, "d", 0, 100);
    r->status = OTEL_STATUS_ERROR;
    r = add(5, 1, "e", 0, 100);
    record_attr_text(r, "error.type", "not shown without the status");
    r = add(6, 1, "f", 0, 100);
    record_attr_text(r, "network.transport", "tcp");
    record_attr_text(r, "network.peer.address", "::1");
    record_attr_int(r, "network.peer.port", 6379);
    r = add(7, 1, "g", 0, 100);
    record_attr_text(r, "dns.question.name", "example.org");
    export();
    text = written();
    cr_assert_not_null(strstr(text, "█  app.db\n"));
    cr_assert_not_null(strstr(text, "█  code.function=main retries=3\n"));
    cr_assert_not_null(strstr(text, "█  404 ✗ timeout: no answer in 3 s\n"));
    cr_assert_not_null(strstr(text, "█  ✗ error\n"));
    cr_assert_null(strstr(text, "not shown"));
    cr_assert_not_null(strstr(text, "█  ::1:6379\n"));
    cr_assert_not_null(strstr(text, "█  example.org\n"));
}

Test(console, the_error_stays_when_the_detail_is_cut)
{
    struct otel_record *r = add(1, 0, "GET", 0, 100);
    char url[300] = "http://";

    memset(url + 7, 'u', sizeof url - 8);
    record_attr_text(r, "url.full", url);
    record_attr_int(r, "http.response.status_code", 502);
    record_attr_text(r, "error.type", "502");
    r->status = OTEL_STATUS_ERROR;
    export();
    cr_assert_not_null(strstr(written(), "uuu… ✗ 502\n"));
}

Test(console, traced_data_cannot_command_the_terminal)
{
    struct otel_record *r = add(1, 0, "\x1b[2J", 0, 100);
    const char *text;

    record_attr_text(r, "url.full", "http://x/\x1b]0;owned\a\r\n\xc2\x9b");
    record_attr_text(r, "error.type", "\x1b[31m");
    record_text(r, OTEL_TAG_STATUS_MESSAGE, "\x1b[1A");
    r->status = OTEL_STATUS_ERROR;
    all.batch.resource_len = 0;
    records_resource(&all, "service.name", "\x1b[5mshop\n");
    export();
    text = written();
    for (const char *p = text; *p; p++)
        cr_assert((unsigned char)*p >= 0x20 || *p == '\n');
    cr_assert_null(strstr(text, "\xc2\x9b"));
    cr_assert_not_null(strstr(text, "?[5mshop · pid"));
    cr_assert_not_null(strstr(text, "?[2J  client"));
    cr_assert_not_null(strstr(text, "http://x/?]0;owned? ? ✗ ?[31m: ?[1A"));
}

Test(console, waits_for_the_root)
{
    add(2, 1, "child", 10, 20);
    export();
    assert_written("");
    add(3, 2, "grandchild", 12, 15);
    export();
    assert_written("");
    add(1, 0, "root", 0, 100);
    export();
    assert_written(HEAD "\n"
                        "root                client    100 µs  ████████████████████████\n"
                        "└── child           client   10.0 µs  ··███···················\n"
                        "    └── grandchild  client   3.00 µs  ··▐█····················\n");
}

Test(console, a_child_after_its_root_is_a_later_part)
{
    add(1, 0, "root", 0, 100);
    export();
    written();
    add(3, 2, "grandchild", 60, 70);
    add(2, 1, "child", 50, 100);
    export();
    assert_written(HEAD " · ended later\n"
                        "child           client   50.0 µs  ············████████████\n"
                        "└── grandchild  client   10.0 µs  ··············███·······\n");
}

Test(console, a_missing_parent_puts_a_span_at_the_top)
{
    add(7, 6, "lost", 20, 40);
    add(1, 0, "root", 0, 100);
    add(8, 7, "found", 20, 30);
    export();
    assert_written(HEAD "\n"
                        "root       client    100 µs  ████████████████████████\n"
                        "lost       client   20.0 µs  ····▐█████··············\n"
                        "└── found  client   10.0 µs  ····▐██▌················\n");
}

Test(console, flush_shows_what_has_no_root)
{
    add(2, 1, "child", 0, 100);
    export();
    assert_written("");
    sink->flush(self);
    assert_written(HEAD " · incomplete, its root has not ended\n"
                        "child  client    100 µs  ████████████████████████\n");
    sink->flush(self);
    assert_written("");
}

Test(console, traces_are_kept_apart)
{
    const char *text;

    add(1, 0, "one", 0, 100);
    add(2, 1, "of one", 0, 50);
    memset(add(3, 0, "two", 0, 100)->trace_id, 0x22, OTEL_TRACE_ID_LEN);
    memset(add(4, 1, "of three", 0, 100)->trace_id, 0x33, OTEL_TRACE_ID_LEN);
    export();
    text = written();
    cr_assert_lt(strstr(text, "└── of one"), strstr(text, "trace 2222"));
    cr_assert_not_null(strstr(text, "trace 2222"));
    cr_assert_null(strstr(text, "trace 3333"));
    sink->flush(self);
    cr_assert_not_null(strstr(written(), "trace 3333"));
}

Test(console, several_roots_of_one_trace_share_a_tree)
{
    /* Each command of a traced shell script is a local root of the same trace. */
    add(2, 0, "second", 50, 100);
    add(1, 0, "first", 0, 50);
    export();
    assert_written(HEAD "\n"
                        "first   client   50.0 µs  ████████████············\n"
                        "second  client   50.0 µs  ············████████████\n");
}

Test(console, holds_a_bounded_number_of_spans)
{
    const char *text;

    memset(add(9, 1, "oldest", 0, 100)->trace_id, 0x44, OTEL_TRACE_ID_LEN);
    export();
    for (int batch = 0; batch < 16; batch++) {
        for (int i = 0; i < 255; i++)
            add((uint8_t)i, 255, "child", 0, 100)->span_id[1] = (uint8_t)batch;
        export();
    }
    assert_written("");
    for (int i = 0; i < 16; i++)
        add((uint8_t)i, 255, "child", 0, 100)->span_id[1] = 99;
    export();
    text = written();
    cr_assert_not_null(strstr(text, "trace 4444"));
    cr_assert_not_null(strstr(text, "incomplete"));
    cr_assert_null(strstr(text, "trace 1111"));
}

Test(console, parents_in_a_ring_are_drawn_once)
{
    const char *text;

    add(1, 0, "root", 0, 100);
    add(2, 3, "ring-a", 0, 100);
    add(3, 4, "ring-b", 0, 100);
    add(4, 2, "ring-c", 0, 100);
    add(5, 5, "self", 0, 100);
    export();
    text = written();
    for (const char *const *name =
             (const char *const[]){"ring-a", "ring-b", "ring-c", "self", NULL};
         *name; name++) {
        cr_assert_not_null(strstr(text, *name));
        cr_assert_null(strstr(strstr(text, *name) + 1, *name));
    }
}

Test(console, a_deep_chain_stays_readable)
{
    const char *text;

    for (uint8_t i = 200; i >= 1; i--)
        add(i, (uint8_t)(i - 1), i == 200 ? "deepest" : "level", 0, 100);
    export();
    text = written();
    cr_assert_not_null(strstr(text, "⋯   "));
    cr_assert_not_null(strstr(text, "└── deepest  client"));
    cr_assert_lt(strlen(text), 200 * 200);
}

Test(console, times_without_length)
{
    add(1, 0, "instant", 50, 50);
    export();
    assert_written(HEAD "\n"
                        "instant  client      0 ns  ████████████████████████\n");
    memset(add(1, 0, "backwards", 50, 40)->trace_id, 0x22, OTEL_TRACE_ID_LEN);
    export();
    cr_assert_not_null(strstr(written(), " 0 ns  "));
}

Test(console, colour_on_a_terminal_only)
{
    sink->close(self);
    fakehost.tty = true;
    self = sink->open(&config, &fakehost_table);
    add(1, 0, "root", 0, 100)->status = OTEL_STATUS_ERROR;
    export();
    cr_assert_not_null(strstr(written(), "\x1b[31mroot\x1b[0m"));
}

Test(console, a_file_instead)
{
    char path[] = "/tmp/test_console.XXXXXX", found[4096];
    int fd = mkstemp(path);
    ssize_t n;

    close(fd);
    sink->close(self);
    fakehost.tty = true;
    config.console_path = path;
    self = sink->open(&config, &fakehost_table);
    add(1, 0, "root", 0, 100);
    export();
    n = otel_sys_read_file(path, found, sizeof found - 1);
    unlink(path);
    cr_assert_gt(n, 0);
    found[n] = '\0';
    cr_assert_str_eq(found, HEAD "\nroot  client    100 µs  ████████████████████████\n");
    assert_written("");
}

Test(console, what_could_not_be_written_has_failed)
{
    struct otel_export_result r;

    add(3, 1, "child", 0, 100);
    export();
    fakehost.write_error = -EPIPE;
    add(1, 0, "root", 0, 100);
    memset(add(4, 1, "held", 0, 100)->trace_id, 0x22, OTEL_TRACE_ID_LEN);
    r = sink->export(self, records_batch(&all));
    cr_assert_eq(r.exported, 1); /* the one that is held; the child was counted before */
    cr_assert_eq(r.failed, 1);
    cr_assert_str_eq(fakehost.log, "console exporter: standard error: EPIPE");
    r = sink->export(self, records_batch(&all));
    cr_assert_eq(fakehost.logs, 1);
}

static int allowed; /* allocations before they fail */

static void *failing_realloc(void *old, size_t size)
{
    return allowed-- > 0 ? realloc(old, size) : NULL;
}

Test(console, the_nth_allocation_fails)
{
    bool whole = false;

    for (int n = 0; !whole; n++) {
        struct otel_export_result r;

        otel_buffer_realloc = realloc;
        sink->close(self);
        self = sink->open(&config, &fakehost_table);
        written();
        add(2, 1, "child", 0, 100);
        add(1, 0, "root", 0, 100);
        otel_buffer_realloc = failing_realloc;
        allowed = n;
        r = sink->export(self, records_batch(&all));
        cr_assert_eq(r.exported + r.failed, 2);
        cr_assert_lt(n, 20);
        whole = r.failed == 0;
        cr_assert(whole || fakehost.logs > 0);
        records_clear(&all);
    }
    cr_assert_not_null(strstr(written(), "└── child"));
    otel_buffer_realloc = failing_realloc;
    allowed = 0;
    cr_assert_null(sink->open(&config, &fakehost_table));
}

Test(console, a_fork_child_does_not_draw_what_its_parent_holds)
{
    add(2, 1, "child", 0, 100);
    export();
    sink->abandon(self);
    self = NULL;
    assert_written("");
}
