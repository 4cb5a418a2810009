/* SPDX-License-Identifier: Apache-2.0 */
#include "core/spool_keep.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <time.h>
#include <utime.h>

#include "core/clock.h"
#include "core/counters.h"
#include "core/exporter.h"
#include "core/generation.h"
#include "core/spool.h"
#include "core/spool_drain.h"
#include "core/sys.h"
#include "core/sys_file.h"
#include "tests/unit/spool_folder.h"

#define BIG 4000

/* What the exporter was given. */
static struct {
    uint32_t spans;
    uint32_t big; /* of these, with all the data that make_big() gives */
    char names[16][16];
    uint8_t resource[OTEL_RESOURCE_MAX];
    size_t resource_len;
} seen;

static void *fake_open(const struct otel_config *config, const struct otel_export_host *host)
{
    (void)config;
    (void)host;
    return &seen;
}

static void look_at(const struct otel_record_view *view)
{
    struct otel_wire_reader reader = {view->data, view->data + view->data_len};
    struct otel_wire_field field;

    while (otel_wire_next(&reader, &field)) {
        if (*field.start == OTEL_TAG_NAME && seen.spans < 16)
            snprintf(seen.names[seen.spans], sizeof *seen.names, "%.*s", (int)field.len,
                     field.data);
        seen.big += *field.start == OTEL_TAG_ATTRIBUTE && field.len > BIG &&
                    field.data[field.len - 1] == 'x';
    }
    seen.spans++;
}

static struct otel_export_result fake_export(void *self, const struct otel_batch *batch)
{
    (void)self;
    for (size_t i = 0; i < batch->count; i++)
        look_at(&batch->spans[i]);
    memcpy(seen.resource, batch->resource, batch->resource_len);
    seen.resource_len = batch->resource_len;
    return (struct otel_export_result){.exported = (uint32_t)batch->count};
}

static void nothing(void *self)
{
    (void)self;
}

static const struct otel_export_module fake = {
    .abi = OTEL_EXPORT_ABI,
    .open = fake_open,
    .export = fake_export,
    .flush = nothing,
    .close = nothing,
    .abandon = nothing,
};

static const struct otel_export_module *load(const char **why)
{
    (void)why;
    return &fake;
}

static const struct otel_platform platform = {.load_module = load};

static void begin(void)
{
    otel_exporter_init(&platform);
    otel_generation_init();
    spool_begin();
    otel_counters_reset();
    otel_spool_keep_reset();
}

TestSuite(spool_keep, .init = begin, .fini = spool_end);

static struct otel_record_view views[16];
static uint64_t handles[16];

static void make_big(struct otel_span *span)
{
    static char text[BIG];
    struct otel_attr big = otel_attr_text(OTEL_TEXT("big"), text, sizeof text);

    memset(text, 'x', sizeof text);
    otel_span_set(span, &big);
}

/* A batch under way, of n spans called so, the first of them too big for its record. */
static size_t batch(size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        struct otel_span span;

        cr_assert(spool_span(&span, name));
        if (!i)
            make_big(&span);
        otel_span_end(&span, 0);
    }
    cr_assert_eq(otel_queue_take(handles, 16), n);
    cr_assert_not_null(otel_spool_begin(handles, (uint32_t)n));
    for (size_t i = 0; i < n; i++) {
        struct otel_record *record = otel_store_get(handles[i]);
        size_t cap;

        views[i] = (struct otel_record_view){record, otel_store_data(record, &cap), record->used};
    }
    return n;
}

static const uint8_t resource[] = "resource";

/* As the batch thread does it. */
static bool keep(size_t n, const char *name)
{
    batch(n, name);
    if (!otel_spool_keep(views, n, resource, sizeof resource)) {
        otel_spool_take_back(handles, (uint32_t)n);
        return false;
    }
    for (size_t i = 0; i < n; i++)
        otel_store_free(handles[i]);
    return true;
}

static bool yes(void)
{
    return true;
}

static struct otel_spool_sum drain(void)
{
    struct otel_spool_sum sum = {0};

    cr_assert_eq(otel_spool_drain(&sum, 0, yes), 0);
    return sum;
}

static uint64_t kept(void)
{
    return otel_counter_sum(OTEL_COUNT_KEPT);
}

static uint64_t dropped(void)
{
    return otel_counter_sum(OTEL_COUNT_DROPPED_SPOOL);
}

Test(spool_keep, what_is_kept_is_what_is_drained_by_the_process_itself_too)
{
    struct otel_spool_sum sum;
    int firsts = 0;

    cr_assert(keep(5, "first"));
    cr_assert(keep(3, "second"));
    cr_assert_eq(kept(), 8);
    cr_assert_eq(spool_files(NULL), 3, "its own, and one for each");
    sum = drain();
    cr_assert_eq(sum.exported, 8);
    cr_assert_eq(sum.files, 2);
    cr_assert_eq(sum.died + sum.torn + sum.lost, 0);
    cr_assert_eq(seen.spans, 8);
    cr_assert_eq(seen.big, 2);
    cr_assert_eq(seen.resource_len, sizeof resource);
    cr_assert_arr_eq(seen.resource, resource, sizeof resource);
    cr_assert_eq(spool_files(NULL), 1);
    for (int i = 0; i < 8; i++)
        firsts += !strcmp(seen.names[i], "first");
    cr_assert_eq(firsts, 5);
}

/* The moment between the copy and the end of the records: a kill there sends nothing twice. */
Test(spool_keep, the_own_file_has_handed_it_over)
{
    struct otel_spool_header *own;

    batch(4, "once");
    own = otel_spool_own();
    cr_assert_not(otel_handover_complete(&own->handover));
    cr_assert(otel_spool_keep(views, 4, resource, sizeof resource));
    cr_assert(otel_handover_complete(&own->handover));
    for (int i = 0; i < 4; i++)
        cr_assert_eq(otel_spool_fate(views[i].record, OTEL_SPOOL_RUNNING, true),
                     OTEL_SPOOL_NOTHING);
}

static uint64_t size_of_one(void)
{
    return otel_spool_size(4, 1);
}

Test(spool_keep, the_oldest_go_where_there_are_too_many)
{
    otel_config.spool_max = (uint32_t)(2 * size_of_one());
    cr_assert(keep(4, "a"));
    cr_assert(keep(4, "b"));
    cr_assert_eq(dropped(), 0);
    cr_assert(keep(4, "c"));
    cr_assert_eq(spool_files(NULL), 3);
    cr_assert_eq(kept(), 8);
    cr_assert_eq(dropped(), 4);
    cr_assert_eq(drain().exported, 8);
    for (int i = 0; i < 8; i++)
        cr_assert_str_neq(seen.names[i], "a");
}

Test(spool_keep, what_another_process_kept_is_not_counted_here)
{
    otel_config.spool_max = (uint32_t)size_of_one();
    cr_assert(keep(4, "a"));
    otel_counters_reset();
    otel_spool_keep_reset(); /* as if it had been an earlier one of that number */
    cr_assert(keep(4, "b"));
    cr_assert_eq(kept(), 4);
    cr_assert_eq(dropped(), 0);
    cr_assert_eq(drain().exported, 4);
}

Test(spool_keep, one_that_is_being_drained_is_left_alone)
{
    char path[sizeof spool_path + 260], name[256] = "", own[256];
    struct stat st;
    int fd;

    batch(1, "own");
    cr_assert_eq(spool_files(own), 1);
    otel_store_free(handles[0]);
    otel_config.spool_max = (uint32_t)size_of_one();
    cr_assert(keep(4, "a"));
    for (DIR *dir = opendir(spool_path); !*name;) {
        struct dirent *e = readdir(dir);

        if (e->d_name[0] != '.' && strcmp(e->d_name, own))
            strcpy(name, e->d_name);
        if (*name)
            closedir(dir);
    }
    snprintf(path, sizeof path, "%s/%s", spool_path, name);
    fd = open(path, O_RDWR);
    cr_assert_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
    cr_assert_not(keep(4, "b"));
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(dropped(), 0);
    close(fd);
    cr_assert(keep(4, "c"));
    cr_assert_neq(stat(path, &st), 0);
}

Test(spool_keep, nothing_is_kept_where_nothing_may_be)
{
    otel_config.spool_max = 0;
    cr_assert_not(keep(4, "a"));
    cr_assert_eq(spool_files(NULL), 1);
    cr_assert_eq(otel_store_get(handles[0])->state, OTEL_RECORD_ENDED);
    cr_assert_eq(kept(), 0);
}

static int no_pages(void *p, size_t len, int advice)
{
    (void)p;
    (void)len;
    return advice == MADV_DONTFORK ? 0 : -ENOMEM;
}

Test(spool_keep, a_full_tmpfs_is_a_refusal)
{
    int (*madvise_of)(void *, size_t, int) = otel_sys.madvise;
    bool done;

    batch(4, "a");
    otel_sys.madvise = no_pages;
    done = otel_spool_keep(views, 4, resource, sizeof resource);
    otel_sys.madvise = madvise_of;
    cr_assert_not(done);
    cr_assert_eq(spool_files(NULL), 1, "nothing is left of it");
    cr_assert_not(otel_handover_complete(&otel_spool_own()->handover));
    cr_assert(keep(4, "b"));
}

static int no_rename(int folder, const char *from, const char *to)
{
    (void)folder;
    (void)from;
    (void)to;
    return -ENOSPC;
}

Test(spool_keep, so_is_a_name_that_cannot_be_given)
{
    batch(4, "a");
    otel_sys_file.renameat = no_rename;
    cr_assert_not(otel_spool_keep(views, 4, resource, sizeof resource));
    cr_assert_eq(spool_files(NULL), 1);
    cr_assert_not(otel_handover_complete(&otel_spool_own()->handover));
}

static void leave(const char *name, time_t age)
{
    char path[sizeof spool_path + 260];
    struct utimbuf then = {time(NULL) - age, time(NULL) - age};

    snprintf(path, sizeof path, "%s/%s", spool_path, name);
    close(open(path, O_WRONLY | O_CREAT, 0600));
    cr_assert_eq(utime(path, &then), 0);
}

Test(spool_keep, what_a_kill_left_half_made_is_swept)
{
    char name[OTEL_SPOOL_NAME_MAX + 1] = ".";
    char left[256];

    otel_spool_name(name + 1, 4711, 1);
    leave(name, 3600);
    otel_spool_name(name + 1, 4711, 2);
    leave(name, 5);
    drain();
    cr_assert_eq(spool_files(left), 1);
    cr_assert_str_eq(left, name, "it may be at work yet");
}

Test(spool_keep, after_a_day_it_is_dropped)
{
    struct otel_spool_sum sum;
    char path[sizeof spool_path + 260];
    DIR *dir;
    struct dirent *e;

    cr_assert(keep(4, "a"));
    dir = opendir(spool_path);
    while ((e = readdir(dir))) {
        uint64_t made = otel_clock_unix_ns() - UINT64_C(90000) * 1000000000;
        int fd;

        snprintf(path, sizeof path, "%s/%s", spool_path, e->d_name);
        fd = open(path, O_RDWR);
        if (fd >= 0)
            cr_assert_eq(
                pwrite(fd, &made, sizeof made, offsetof(struct otel_spool_header, made_unix_ns)),
                sizeof made);
        close(fd);
    }
    closedir(dir);
    sum = drain();
    cr_assert_eq(sum.lost, 4);
    cr_assert_eq(sum.exported, 0);
    cr_assert_eq(spool_files(NULL), 1);
}
