/* SPDX-License-Identifier: Apache-2.0 */
#include "core/spool_keep.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "core/clock.h"
#include "core/config.h"
#include "core/counters.h"
#include "core/generation.h"
#include "core/ids.h"
#include "core/log.h"
#include "core/spool.h"
#include "core/spool_folder.h"
#include "core/spool_format.h"
#include "core/sys.h"
#include "core/sys_file.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* What is read of a file to know whether it is such a one. */
#define READ_LEN offsetof(struct otel_spool_header, handover)

/* When this process kept its first batch, unix ns; 0: it has not. The batch thread's; a fork child
 * resets it before it has one. */
static uint64_t first_kept;

/* The batch thread: each is said once. */
static atomic_flag said_refused = ATOMIC_FLAG_INIT;
static atomic_flag said_dropped = ATOMIC_FLAG_INIT;

/* --- the bound -------------------------------------------------------------------------------- */

/* The files that are there. */
struct survey {
    uint64_t bytes;
    /* The oldest of those made after `after`. */
    uint64_t after;
    uint64_t made; /* UINT64_MAX: none */
    char name[OTEL_SPOOL_NAME_MAX];
};

static int open_file(int folder, const char *name, struct stat *st)
{
    int fd = otel_sys_file.openat(folder, name,
                                  O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0);

    if (fd >= 0 && (otel_sys.fstat(fd, st) < 0 || !S_ISREG(st->st_mode))) {
        otel_sys.close(fd);
        return -1;
    }
    return fd;
}

static void look_at(struct survey *survey, int folder, const char *name)
{
    char bytes[READ_LEN];
    uint64_t magic, made;
    uint32_t leaving;
    struct stat st;
    int fd = open_file(folder, name, &st);
    int64_t n;

    if (fd < 0)
        return;
    n = otel_sys_file.pread(fd, bytes, sizeof bytes, 0);
    otel_sys.close(fd);
    if (n != (int64_t)sizeof bytes)
        return;
    memcpy(&magic, bytes + offsetof(struct otel_spool_header, magic), sizeof magic);
    memcpy(&made, bytes + offsetof(struct otel_spool_header, made_unix_ns), sizeof made);
    memcpy(&leaving, bytes + offsetof(struct otel_spool_header, leaving), sizeof leaving);
    if (magic != OTEL_SPOOL_MAGIC || leaving != OTEL_SPOOL_BATCH)
        return;
    survey->bytes += (uint64_t)st.st_size;
    if (made > survey->after && made < survey->made) {
        survey->made = made;
        strcpy(survey->name, name);
    }
}

static void look_around(struct survey *survey, const char *path, uint64_t after)
{
    char names[4096];
    long n;
    /* A descriptor of its own: it begins at the first name. */
    int fd = otel_sys.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);

    *survey = (struct survey){.after = after, .made = UINT64_MAX};
    if (fd < 0)
        return;
    while ((n = otel_sys_file.getdents(fd, names, sizeof names)) > 0) {
        for (long at = 0; at + (long)OTEL_DIRENT_NAME < n;) {
            const struct otel_dirent *e = (const struct otel_dirent *)(names + at);
            uint32_t destination, pid;

            if (e->size <= OTEL_DIRENT_NAME || e->size > n - at)
                break;
            at += e->size;
            if (otel_spool_name_parse(e->name, &destination, &pid) &&
                destination == (uint32_t)otel_spool_destination())
                look_at(survey, fd, e->name);
        }
    }
    otel_sys.close(fd);
}

/* How many spans it has. It is locked by us. */
static uint32_t count_ended(struct otel_spool_header *h, uint64_t size)
{
    bool delivered;
    uint32_t n = 0;

    if (otel_sys.madvise(h, size, MADV_POPULATE_WRITE) < 0 || !otel_spool_sound(h, size))
        return 0;
    delivered = otel_handover_complete(&h->handover);
    for (uint32_t i = 0; i < atomic_load(&h->records_there); i++) {
        const struct otel_record *r =
            (const struct otel_record *)((char *)h + otel_spool_records_at() +
                                         (size_t)i * OTEL_RECORD_SIZE);

        n += otel_spool_fate(r, OTEL_SPOOL_BATCH, delivered) == OTEL_SPOOL_ENDED;
    }
    return n;
}

static void count_dropped(const struct otel_spool_header *h, uint32_t spans)
{
    if (h->pid == (uint32_t)otel_generation_pid() && first_kept && h->made_unix_ns >= first_kept) {
        otel_count(OTEL_COUNT_KEPT, -(uint64_t)spans);
        otel_count(OTEL_COUNT_DROPPED_SPOOL, spans);
    }
    if (otel_log_once(&said_dropped))
        otel_log(OTEL_LOG_WARN,
                 "the collector is away for long: OTEL_AUTO_SPOOL_MAX is reached, the oldest spans "
                 "are dropped (%u of process %u first)",
                 spans, h->pid);
}

/* The bytes that are free now. One that somebody drains is left alone: 0. */
static uint64_t drop(const struct otel_spool_folder *folder, const char *name)
{
    struct otel_spool_header *h;
    struct stat st;
    uint64_t size = 0;
    int fd = open_file(folder->fd, name, &st);

    if (fd < 0)
        return 0;
    if (otel_sys_file.flock(fd, LOCK_EX | LOCK_NB) == 0 && otel_sys.fstat(fd, &st) == 0 &&
        st.st_nlink == 1 && (uint64_t)st.st_size >= otel_spool_records_at()) {
        h = otel_sys_file.map(fd, NULL, (size_t)st.st_size);
        if (h) {
            size = (uint64_t)st.st_size;
            otel_sys.madvise(h, size, MADV_DONTFORK);
            count_dropped(h, count_ended(h, size));
            otel_sys_file.unlinkat(folder->fd, name);
            otel_sys.munmap(h, size);
        }
    }
    otel_sys.close(fd);
    return size;
}

/* Is there leave for so many more bytes? Drops the oldest for them. */
static bool make_leave(const struct otel_spool_folder *folder, uint64_t size)
{
    struct survey survey;
    uint64_t after = 0;

    if (size > otel_config.spool_max)
        return false;
    for (;;) {
        look_around(&survey, folder->path, after);
        if (survey.bytes + size <= otel_config.spool_max)
            return true;
        if (survey.made == UINT64_MAX)
            return false;
        after = survey.made;
        drop(folder, survey.name);
    }
}

/* --- the file --------------------------------------------------------------------------------- */

static void fill_header(struct otel_spool_header *h, const uint8_t *resource, size_t len)
{
    h->header_size = (uint32_t)otel_spool_records_at();
    h->record_size = OTEL_RECORD_SIZE;
    h->overflow_size = OTEL_OVERFLOW_SIZE;
    h->pid = (uint32_t)otel_generation_pid();
    h->destination = otel_spool_destination();
    h->made_unix_ns = otel_clock_unix_ns();
    h->seen_mono_ns = otel_clock_mono_ns();
    atomic_store(&h->records_there, h->records);
    atomic_store(&h->overflows_there, h->overflows);
    atomic_store(&h->leaving, OTEL_SPOOL_BATCH);
    /* The resource is known: the names that it could be made of stay empty, and so does what the
     * obituary knows a process by. */
    memcpy(h->resource, resource, len);
    atomic_store(&h->resource_len, (uint32_t)len);
}

static bool is_inline(const struct otel_record_view *view)
{
    return view->data_len <= OTEL_RECORD_INLINE;
}

static void fill_records(struct otel_spool_header *h, const struct otel_record_view *views)
{
    char *record_at = (char *)h + otel_spool_records_at();
    char *block_at = (char *)h + otel_spool_overflows_at(h->records);
    uint32_t blocks = 0;

    for (uint32_t i = 0; i < h->records; i++, record_at += OTEL_RECORD_SIZE) {
        struct otel_record *record = (struct otel_record *)record_at;

        memcpy(record, views[i].record, sizeof *record);
        record->keys = 0;
        record->used = (uint32_t)views[i].data_len;
        record->overflow = is_inline(&views[i]) ? 0 : ++blocks;
        memcpy(record->overflow ? block_at : (char *)record->data, views[i].data,
               views[i].data_len);
        if (record->overflow)
            block_at += OTEL_OVERFLOW_SIZE;
        atomic_store(&record->state, OTEL_RECORD_ENDED);
    }
}

/* A file for so many, its pages there, under its name, but for the magic number: nobody's yet. */
static struct otel_spool_header *make(const struct otel_spool_folder *folder, uint32_t records,
                                      uint32_t overflows,
                                      char hidden[static OTEL_SPOOL_NAME_MAX + 1])
{
    uint64_t size = otel_spool_size(records, overflows);
    struct otel_spool_header *h;

    hidden[0] = '.';
    otel_spool_name(hidden + 1, (uint32_t)otel_generation_pid(), (uint32_t)otel_ids_random());
    h = otel_spool_make(folder, hidden, size, NULL);
    if (!h)
        return NULL;
    otel_sys.madvise(h, size, MADV_DONTFORK);
    if (otel_sys.madvise(h, size, MADV_POPULATE_WRITE) == 0) {
        h->records = records;
        h->overflows = overflows;
        return h;
    }
    otel_sys_file.unlinkat(folder->fd, hidden);
    otel_sys.munmap(h, size);
    return NULL;
}

static bool copy(const struct otel_spool_folder *folder, const struct otel_record_view *views,
                 size_t count, const uint8_t *resource, size_t len)
{
    struct otel_spool_header *own = otel_spool_own();
    char hidden[OTEL_SPOOL_NAME_MAX + 1];
    struct otel_spool_header *h;
    uint32_t overflows = 0;
    uint64_t size;
    bool done;

    for (size_t i = 0; i < count; i++)
        overflows += !is_inline(&views[i]);
    size = otel_spool_size((uint32_t)count, overflows);
    h = make_leave(folder, size) ? make(folder, (uint32_t)count, overflows, hidden) : NULL;
    if (!h)
        return false;
    fill_header(h, resource, len);
    fill_records(h, views);
    if (!first_kept)
        first_kept = h->made_unix_ns;
    done = otel_sys_file.renameat(folder->fd, hidden, hidden + 1) == 0;
    if (done) {
        /* Two stores, no system call between: before them the spans are in the own file alone, for
         * this one is not sound; behind them the own file's have been handed over. */
        otel_handover_done(&own->handover);
        *(volatile uint64_t *)&h->magic = OTEL_SPOOL_MAGIC;
    } else {
        otel_sys_file.unlinkat(folder->fd, hidden);
    }
    otel_sys.munmap(h, size); /* with it goes the lock */
    return done;
}

bool otel_spool_keep(const struct otel_record_view *views, size_t count, const uint8_t *resource,
                     size_t resource_len)
{
    struct otel_spool_folder folder;
    bool done = false;

    if (!count || count > OTEL_SPOOL_RECORDS_MAX || !otel_spool_kept() ||
        resource_len > OTEL_RESOURCE_MAX)
        return false;
    if (otel_spool_folder_open(&folder, false) == 0) {
        done = copy(&folder, views, count, resource, resource_len);
        otel_sys.close(folder.fd);
    }
    if (done)
        otel_count(OTEL_COUNT_KEPT, count);
    else if (otel_log_once(&said_refused))
        otel_log(OTEL_LOG_WARN, "the spool has no room for what the collector does not take: it "
                                "waits in the queue, until that is full");
    return done;
}

void otel_spool_keep_reset(void)
{
    first_kept = 0;
}
