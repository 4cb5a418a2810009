/* SPDX-License-Identifier: Apache-2.0
 *
 * console: spans wait here until the local root of their trace has ended, then the tree is drawn.
 */
#include "core/export/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "core/export/append.h"
#include "core/export/console_tree.h"
#include "core/sys.h"
#include "core/wire.h"

#define HELD_MAX 4096 /* spans that may wait for their root */
#define BUCKETS 256
#define DRAWN 64 /* traces whose tree was drawn that are remembered */
#define SERVICE_MAX 256

struct trace {
    struct trace *next_in_bucket;
    struct trace *newer; /* in the order their first span came */
    uint8_t id[OTEL_TRACE_ID_LEN];
    uint32_t pid;
    bool rooted;  /* a local root is among the spans */
    size_t drawn; /* its place in drawn + 1, 0: no tree of it was drawn yet */
    size_t count;
    struct otel_console_span *spans;
    struct otel_console_span **end;
};

struct drawn { /* so that a child that ends after its root is not held for ever */
    uint8_t id[OTEL_TRACE_ID_LEN];
    uint64_t start_ns, end_ns; /* of the roots: later bars are relative to them */
};

struct console {
    const struct otel_export_host *host;
    struct otel_append file; /* path NULL: the host's stderr */
    struct otel_console_look look;
    struct otel_buffer buffer;
    char service[SERVICE_MAX];
    size_t service_len;

    struct trace *buckets[BUCKETS];
    struct trace *oldest;
    struct trace **newest; /* where the next one is hung */
    size_t held;
    struct drawn drawn[DRAWN]; /* a ring */
    size_t drawn_next;

    uint64_t order;       /* of the last span that came */
    uint64_t batch_order; /* of the last one before this batch */
    uint32_t in_buffer;   /* spans of this batch that the buffer draws */
};

/* --- holding --- */

static struct trace **bucket_of(struct console *c, const uint8_t *id)
{
    return &c->buckets[id[OTEL_TRACE_ID_LEN - 1]];
}

static size_t find_drawn(const struct console *c, const uint8_t *id)
{
    for (size_t i = 0; i < DRAWN; i++)
        if (memcmp(c->drawn[i].id, id, OTEL_TRACE_ID_LEN) == 0)
            return i + 1;
    return 0;
}

static struct trace *trace_of(struct console *c, const struct otel_record *r)
{
    struct trace **bucket = bucket_of(c, r->trace_id);
    struct trace *t = *bucket;

    while (t && memcmp(t->id, r->trace_id, sizeof t->id) != 0)
        t = t->next_in_bucket;
    if (t)
        return t;
    t = otel_buffer_realloc(NULL, sizeof *t);
    if (!t)
        return NULL;
    *t = (struct trace){.next_in_bucket = *bucket, .pid = r->pid};
    memcpy(t->id, r->trace_id, sizeof t->id);
    t->end = &t->spans;
    t->drawn = find_drawn(c, t->id);
    *bucket = t;
    *c->newest = t;
    c->newest = &t->newer;
    return t;
}

static bool hold(struct console *c, const struct otel_record_view *view)
{
    struct otel_console_span *span = otel_console_span_new(view);
    struct trace *t = span ? trace_of(c, view->record) : NULL;

    if (!t) {
        free(span);
        return false;
    }
    span->order = ++c->order;
    *t->end = span;
    t->end = &span->next;
    t->count++;
    t->rooted |= span->local_root;
    c->held++;
    return true;
}

/* Takes the trace at *place out of the list and frees it with its spans. */
static void drop(struct console *c, struct trace **place)
{
    struct trace *t = *place;
    struct trace **in_bucket = bucket_of(c, t->id);

    while (*in_bucket != t)
        in_bucket = &(*in_bucket)->next_in_bucket;
    *in_bucket = t->next_in_bucket;
    *place = t->newer;
    if (c->newest == &t->newer)
        c->newest = place;
    while (t->spans) {
        struct otel_console_span *next = t->spans->next;

        free(t->spans);
        t->spans = next;
    }
    c->held -= t->count;
    free(t);
}

/* --- drawing --- */

static void remember_drawn(struct console *c, const struct trace *t)
{
    struct drawn *d;

    if (t->drawn && memcmp(c->drawn[t->drawn - 1].id, t->id, sizeof t->id) == 0) {
        d = &c->drawn[t->drawn - 1];
    } else {
        d = &c->drawn[c->drawn_next++ % DRAWN];
        memcpy(d->id, t->id, sizeof d->id);
        d->start_ns = d->end_ns = 0;
    }
    for (const struct otel_console_span *s = t->spans; s; s = s->next) {
        if (!s->local_root)
            continue;
        if (!d->end_ns || s->start_ns < d->start_ns)
            d->start_ns = s->start_ns;
        if (s->end_ns > d->end_ns)
            d->end_ns = s->end_ns;
    }
}

static void draw(struct console *c, struct trace **place)
{
    struct trace *t = *place;
    struct otel_console_tree tree = {
        .service = c->service,
        .service_len = c->service_len,
        .pid = t->pid,
        .trace_id = t->id,
        .spans = t->spans,
        .count = t->count,
    };

    if (t->rooted) {
        remember_drawn(c, t);
    } else if (t->drawn) {
        tree.note = "ended later";
        if (memcmp(c->drawn[t->drawn - 1].id, t->id, sizeof t->id) == 0) {
            tree.start_ns = c->drawn[t->drawn - 1].start_ns;
            tree.end_ns = c->drawn[t->drawn - 1].end_ns;
        }
    } else {
        tree.note = "incomplete, its root has not ended";
    }
    for (const struct otel_console_span *s = t->spans; s; s = s->next)
        c->in_buffer += s->order > c->batch_order;
    otel_console_draw(&c->buffer, &tree, &c->look);
    drop(c, place);
}

/* The terminal's width now: a window changes. */
static unsigned terminal_columns(const struct otel_export_host *host)
{
    struct winsize size = {.ws_col = 0};
    int opened = otel_sys.open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0);
    int fd = opened < 0 ? opened : host->fd_adopt(opened);
    bool mine;

    if (fd < 0) {
        if (opened >= 0)
            otel_sys.close(opened);
        return 0;
    }
    mine = host->fd_owned(fd);
    if (mine && ioctl(fd, TIOCGWINSZ, &size) != 0)
        size.ws_col = 0;
    host->fd_release(fd);
    if (mine)
        otel_sys.close(fd);
    return size.ws_col;
}

/* Writes what was drawn. Returns how many spans of this batch were lost by it. */
static uint32_t write_out(struct console *c)
{
    uint32_t lost = c->in_buffer;
    int rc = 0;

    if (c->buffer.failed) {
        otel_append_say(&c->file, "drawing a tree", rc = -ENOMEM);
    } else if (c->buffer.len && c->file.path) {
        rc = otel_append_whole(&c->file, c->buffer.data, c->buffer.len);
    } else if (c->buffer.len) {
        rc = c->host->write_std(2, c->buffer.data, c->buffer.len);
        if (rc)
            otel_append_say(&c->file, "standard error", rc);
    }
    otel_buffer_reset(&c->buffer);
    c->in_buffer = 0;
    return rc ? lost : 0;
}

/* --- the sink --- */

static void *open_console(const struct otel_config *config, const struct otel_export_host *host)
{
    struct console *c = otel_buffer_realloc(NULL, sizeof *c);
    const char *path =
        config->console_path && config->console_path[0] ? config->console_path : NULL;

    if (!c) {
        host->log(OTEL_LOG_ERROR, "console exporter: out of memory");
        return NULL;
    }
    *c = (struct console){.host = host, .file = {.path = path, .host = host, .who = "console"}};
    c->look.terminal = !path && host->isatty_std(2);
    c->newest = &c->oldest;
    return c;
}

static void read_service(struct console *c, const struct otel_batch *batch)
{
    struct otel_wire_reader reader = {batch->resource, batch->resource + batch->resource_len};
    struct otel_wire_field field;
    struct otel_text key;
    struct otel_value value;

    while (otel_wire_next(&reader, &field)) {
        if (field.wire_type != 2 || !otel_wire_read_attr(field.data, field.len, &key, &value) ||
            value.type != OTEL_VALUE_STRING || key.len != strlen("service.name") ||
            memcmp(key.data, "service.name", key.len) != 0)
            continue;
        c->service_len = value.text.len < SERVICE_MAX ? value.text.len : SERVICE_MAX;
        memcpy(c->service, value.text.data, c->service_len);
    }
}

static struct otel_export_result export_console(void *self, const struct otel_batch *batch)
{
    struct console *c = self;
    struct otel_export_result result = {.failed = 0};

    c->batch_order = c->order;
    if (c->look.terminal)
        c->look.columns = terminal_columns(c->host);
    read_service(c, batch);
    for (size_t i = 0; i < batch->count; i++)
        result.failed += !hold(c, &batch->spans[i]);
    if (result.failed)
        otel_append_say(&c->file, "keeping a span", -ENOMEM);
    /* Only now, so that a root finds the children that came behind it in the same batch. */
    for (struct trace **place = &c->oldest; *place;) {
        if ((*place)->rooted || (*place)->drawn)
            draw(c, place);
        else
            place = &(*place)->newer;
    }
    while (c->held > HELD_MAX)
        draw(c, &c->oldest);
    result.failed += write_out(c);
    result.exported = (uint32_t)batch->count - result.failed;
    return result;
}

static void flush_console(void *self)
{
    struct console *c = self;

    c->batch_order = c->order; /* what is held was counted when it came */
    while (c->oldest)
        draw(c, &c->oldest);
    write_out(c);
}

static void close_console(void *self)
{
    struct console *c = self;

    while (c->oldest)
        drop(c, &c->oldest);
    otel_buffer_free(&c->buffer);
    free(c);
}

const struct otel_sink otel_sink_console = {
    .name = "console",
    .open = open_console,
    .export = export_console,
    .flush = flush_console,
    .close = close_console,
    .abandon = close_console,
};
