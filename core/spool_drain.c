/* SPDX-License-Identifier: Apache-2.0 */
#include "core/spool_drain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/batch.h"
#include "core/clock.h"
#include "core/resource.h"
#include "core/spool_folder.h"
#include "core/spool_format.h"
#include "core/sys.h"
#include "core/sys_file.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define BATCH_MAX 512
#define DAY_NS (UINT64_C(24) * 3600 * 1000000000)
#define MINUTE_NS (UINT64_C(60) * 1000000000)

/* A pass over the folder. Too large for a stack; mapped for the time of the pass. */
struct pass {
    struct otel_spool_folder folder;
    struct otel_spool_sum *sum;
    bool (*go_on)(void);
    /* The file under way. */
    struct otel_spool_header *header;
    uint64_t size;
    const uint8_t *resource;
    size_t resource_len;
    /* The batch under way. */
    struct otel_record_view views[BATCH_MAX];
    struct otel_record *records[BATCH_MAX];
    size_t used; /* of copies */
    uint8_t built[OTEL_RESOURCE_MAX];
    char names[32768];       /* as getdents has them */
    uint8_t copies[1 << 20]; /* of the data of spans that get more */
};

static struct otel_record *record_at(struct otel_spool_header *h, uint32_t i)
{
    return (struct otel_record *)((char *)h + otel_spool_records_at() +
                                  (size_t)i * OTEL_RECORD_SIZE);
}

/* Pages that are there may be touched; a hole on a full tmpfs may not. */
static bool ready(struct otel_spool_header *h, uint64_t from, uint64_t len)
{
    return otel_sys.madvise((char *)h + from, len, MADV_POPULATE_WRITE) == 0;
}

/* The latest time that anything in the file tells. What lies in the future tells nothing. */
static uint64_t last_heard(struct otel_spool_header *h)
{
    uint64_t now = otel_clock_mono_ns();
    uint64_t last = atomic_load(&h->seen_mono_ns);

    if (last > now)
        last = 0;
    for (uint32_t i = 0; i < atomic_load(&h->records_there); i++) {
        const struct otel_record *r = record_at(h, i);

        if (r->start_mono_ns > last && r->start_mono_ns <= now)
            last = r->start_mono_ns;
        if (r->end_mono_ns > last && r->end_mono_ns <= now)
            last = r->end_mono_ns;
    }
    return last;
}

/* Leaves only records to be sent, all of them ENDED, and free ones. */
static void settle(struct pass *pass)
{
    struct otel_spool_header *h = pass->header;
    uint32_t leaving = atomic_load(&h->leaving);
    bool delivered = otel_handover_complete(&h->handover);
    uint64_t last = leaving == OTEL_SPOOL_RUNNING ? last_heard(h) : 0;

    for (uint32_t i = 0; i < atomic_load(&h->records_there); i++) {
        struct otel_record *r = record_at(h, i);
        enum otel_spool_fate fate = otel_spool_fate(r, leaving, delivered);

        if (fate == OTEL_SPOOL_TORN)
            pass->sum->torn++;
        if (fate == OTEL_SPOOL_OPEN)
            otel_spool_end(r, last);
        else
            atomic_store(&r->state,
                         fate == OTEL_SPOOL_ENDED ? OTEL_RECORD_ENDED : OTEL_RECORD_FREE);
    }
    otel_handover_reset(&h->handover);
}

/* The data of a span that died, and what says so behind it. False: no room in this batch. */
static bool copy_died(struct pass *pass, struct otel_record_view *view)
{
    uint8_t *out = pass->copies + pass->used;

    if (sizeof pass->copies - pass->used < view->data_len + OTEL_SPOOL_DIED_MAX)
        return false;
    memcpy(out, view->data, view->data_len);
    view->data_len += otel_spool_died(out + view->data_len, atomic_load(&pass->header->signal));
    view->data = out;
    pass->used += view->data_len;
    return true;
}

/* Adds the record to the batch. False: it must wait for the next. One whose data cannot be is
 * dropped. */
static bool add(struct pass *pass, size_t *n, struct otel_record *record)
{
    struct otel_spool_header *h = pass->header;
    uint32_t block;
    const uint8_t *data = otel_spool_data(h, record, &block);
    struct otel_record_view view = {record, data, record->used};

    if (*n == BATCH_MAX)
        return false;
    if (!data || (block != UINT32_MAX &&
                  !ready(h, (uint64_t)(data - (const uint8_t *)h), OTEL_OVERFLOW_SIZE))) {
        atomic_store(&record->state, OTEL_RECORD_FREE);
        pass->sum->torn++;
        return true;
    }
    if (record->died && !copy_died(pass, &view))
        return false;
    pass->views[*n] = view;
    pass->records[(*n)++] = record;
    return true;
}

static void set_states(struct pass *pass, size_t n, uint32_t state)
{
    for (size_t i = 0; i < n; i++)
        atomic_store_explicit(&pass->records[i]->state, state, memory_order_release);
}

/* Sends n records. False: they stay, the collector is away. */
static bool send_batch(struct pass *pass, size_t n)
{
    struct otel_spool_header *h = pass->header;
    struct otel_batch batch = {.spans = pass->views,
                               .count = n,
                               .resource = pass->resource,
                               .resource_len = pass->resource_len,
                               .handover = &h->handover,
                               .again = true};
    struct otel_export_result result;

    otel_handover_reset(&h->handover);
    set_states(pass, n, OTEL_RECORD_EXPORTING);
    result = otel_batch_export(&batch);
    if (result.later) {
        set_states(pass, n, OTEL_RECORD_ENDED);
        pass->sum->away = true;
        return false;
    }
    for (size_t i = 0; i < n; i++)
        pass->sum->died += pass->records[i]->died;
    set_states(pass, n, OTEL_RECORD_FREE);
    pass->sum->exported += result.exported;
    pass->sum->lost += result.rejected + result.failed;
    return true;
}

/* True when all of the file is sent. */
static bool send_all(struct pass *pass)
{
    struct otel_spool_header *h = pass->header;
    uint32_t count = atomic_load(&h->records_there);

    for (uint32_t i = 0; i < count;) {
        size_t n = 0;

        for (pass->used = 0; i < count; i++) {
            struct otel_record *r = record_at(h, i);

            if (atomic_load(&r->state) == OTEL_RECORD_ENDED && !add(pass, &n, r))
                break;
        }
        if (n && (!pass->go_on() || !send_batch(pass, n)))
            return false;
    }
    return true;
}

static void find_resource(struct pass *pass)
{
    struct otel_spool_header *h = pass->header;
    struct otel_resource_of of = {.pid = h->pid,
                                  .executable = h->executable,
                                  .service_name = h->service_name,
                                  .attributes = h->resource_attributes};

    pass->resource_len = atomic_load(&h->resource_len);
    pass->resource = h->resource;
    if (pass->resource_len)
        return;
    pass->resource = pass->built;
    pass->resource_len = otel_resource_build_of(pass->built, sizeof pass->built, &of);
}

static uint32_t count_ended(struct pass *pass)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < atomic_load(&pass->header->records_there); i++)
        n += atomic_load(&record_at(pass->header, i)->state) == OTEL_RECORD_ENDED;
    return n;
}

/* The mapped file, to its end. True: it can go. */
static bool empty(struct pass *pass)
{
    struct otel_spool_header *h = pass->header;
    uint64_t now = otel_clock_unix_ns();

    if (!otel_spool_sound(h, pass->size) || h->destination != otel_spool_destination() ||
        !ready(h, 0, otel_spool_records_at() + (uint64_t)h->records_there * OTEL_RECORD_SIZE))
        return false;
    settle(pass);
    if (now > h->made_unix_ns && now - h->made_unix_ns > DAY_NS) {
        pass->sum->lost += count_ended(pass);
        return true;
    }
    find_resource(pass);
    return send_all(pass);
}

/* Is this a file that a process of ours can have made, and who has the lock? 0: it is ours now. */
static int claim(int fd, struct stat *st)
{
    if (otel_sys.fstat(fd, st) < 0 || !S_ISREG(st->st_mode) || st->st_uid != geteuid())
        return -EPERM;
    if (otel_sys_file.flock(fd, LOCK_EX | LOCK_NB) < 0)
        return -EBUSY;
    /* Somebody may have emptied it while we came. */
    return otel_sys.fstat(fd, st) < 0 || st->st_nlink != 1 ? -ESTALE : 0;
}

/* A file of no use, and nobody's. */
static bool is_stale(const struct stat *st, uint64_t after_ns)
{
    uint64_t now = otel_clock_unix_ns() / 1000000000;

    return now > (uint64_t)st->st_mtime && (now - (uint64_t)st->st_mtime) > after_ns / 1000000000;
}

static int open_file(struct pass *pass, const char *name)
{
    return otel_sys_file.openat(pass->folder.fd, name,
                                O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0);
}

/* A file under its hidden name whose process was killed while it made it. */
static void sweep(struct pass *pass, const char *name)
{
    int fd = open_file(pass, name);
    struct stat st;

    if (fd < 0)
        return;
    if (claim(fd, &st) == 0 && is_stale(&st, MINUTE_NS))
        otel_sys_file.unlinkat(pass->folder.fd, name);
    otel_sys.close(fd);
}

static void drain_file(struct pass *pass, const char *name)
{
    int fd = open_file(pass, name);
    struct stat st;
    int err;

    if (fd < 0)
        return;
    err = claim(fd, &st);
    if (err == -EBUSY)
        pass->sum->alive++;
    if (!err && (uint64_t)st.st_size >= otel_spool_records_at())
        pass->header = otel_sys_file.map(fd, NULL, (size_t)st.st_size);
    otel_sys.close(fd); /* a mapping keeps the lock */
    if (err)
        return;
    pass->size = (uint64_t)st.st_size;
    if (pass->header) {
        otel_sys.madvise(pass->header, pass->size, MADV_DONTFORK);
        if (ready(pass->header, 0, otel_spool_records_at()) && empty(pass)) {
            otel_sys_file.unlinkat(pass->folder.fd, name);
            pass->sum->files++;
        } else if (is_stale(&st, DAY_NS)) {
            otel_sys_file.unlinkat(pass->folder.fd, name);
        }
        otel_sys.munmap(pass->header, pass->size);
        pass->header = NULL;
    } else if (is_stale(&st, DAY_NS)) {
        otel_sys_file.unlinkat(pass->folder.fd, name);
    }
}

static bool goes_on(const struct pass *pass)
{
    return !pass->sum->away && pass->go_on();
}

static void each_name(struct pass *pass, size_t len)
{
    uint32_t ours = (uint32_t)otel_spool_destination();

    for (size_t at = 0; at + OTEL_DIRENT_NAME < len && goes_on(pass);) {
        const struct otel_dirent *e = (const struct otel_dirent *)(pass->names + at);
        uint32_t destination, pid;

        if (!e->size || e->size > len - at)
            return;
        at += e->size;
        if (otel_spool_name_parse(e->name, &destination, &pid) && destination == ours)
            drain_file(pass, e->name);
        else if (e->name[0] == '.' && otel_spool_name_parse(e->name + 1, &destination, &pid))
            sweep(pass, e->name);
    }
}

/* The folder's time of access says when that was: whoever reads it sets it. */
static bool was_read(int folder, uint32_t within_ms)
{
    struct stat st;
    uint64_t read_ns;
    uint64_t now = otel_clock_unix_ns();

    if (!within_ms || otel_sys.fstat(folder, &st) < 0)
        return false;
    read_ns = (uint64_t)st.st_atim.tv_sec * 1000000000 + (uint64_t)st.st_atim.tv_nsec;
    return read_ns <= now && now - read_ns < within_ms * UINT64_C(1000000);
}

int otel_spool_drain(struct otel_spool_sum *sum, uint32_t unless_within_ms, bool (*go_on)(void))
{
    struct pass *pass = otel_sys.mmap(sizeof *pass);
    long n;
    int err;

    if (!pass)
        return -ENOMEM;
    pass->sum = sum;
    pass->go_on = go_on;
    err = otel_spool_folder_open(&pass->folder, false);
    if (!err && !was_read(pass->folder.fd, unless_within_ms)) {
        otel_sys_file.touch(pass->folder.fd);
        while (goes_on(pass) &&
               (n = otel_sys_file.getdents(pass->folder.fd, pass->names, sizeof pass->names)) > 0)
            each_name(pass, (size_t)n);
        if (sum->files)
            otel_spool_folder_leave(pass->folder.path);
    }
    if (!err)
        otel_sys.close(pass->folder.fd);
    otel_sys.munmap(pass, sizeof *pass);
    return err;
}
