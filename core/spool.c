/* SPDX-License-Identifier: Apache-2.0 */
#include "core/spool.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "core/clock.h"
#include "core/config.h"
#include "core/generation.h"
#include "core/ids.h"
#include "core/log.h"
#include "core/obituary.h"
#include "core/spool_folder.h"
#include "core/store.h"
#include "core/sys.h"
#include "core/sys_file.h"
#include "core/tracer.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* What is had ready at a time, bytes: little for a program that makes one span. */
#define STEP_MIN ((size_t)64 * 1024)
#define STEP_MAX ((size_t)1024 * 1024)

/* Set by store.c at start-up. */
static uint32_t record_count;
static uint32_t overflow_count;

/* Written by the one thread that maps the store, or resets it in a fork child; read by any. NULL:
 * no file. */
static _Atomic(struct otel_spool_header *) own;

/* The file has its name still. Any thread. */
static _Atomic bool named;

/* What goes with it: written before own is set. place: where the parent's was, to be used again. */
static char own_path[OTEL_SPOOL_PATH_MAX];
static char own_name[OTEL_SPOOL_NAME_MAX];
static void *place;

/* Any thread: each is said once. */
static atomic_flag said_refused = ATOMIC_FLAG_INIT;
static atomic_flag said_full = ATOMIC_FLAG_INIT;

struct otel_spool_header *otel_spool_own(void)
{
    return atomic_load_explicit(&own, memory_order_acquire);
}

bool otel_spool_kept(void)
{
    return otel_spool_own() && atomic_load(&named);
}

static void set_states(const uint64_t *records, uint32_t count, uint32_t state)
{
    for (uint32_t i = 0; i < count; i++) {
        struct otel_record *record = otel_store_get(records[i]);

        if (record)
            atomic_store_explicit(&record->state, state, memory_order_release);
    }
}

struct otel_handover *otel_spool_begin(const uint64_t *records, uint32_t count)
{
    struct otel_spool_header *h = otel_spool_own();

    if (!h)
        return NULL;
    otel_handover_reset(&h->handover);
    set_states(records, count, OTEL_RECORD_EXPORTING);
    return &h->handover;
}

void otel_spool_take_back(const uint64_t *records, uint32_t count)
{
    set_states(records, count, OTEL_RECORD_ENDED);
}

void otel_spool_layout(uint32_t records, uint32_t overflows)
{
    record_count = records;
    overflow_count = overflows;
}

static uint64_t size(void)
{
    return otel_spool_size(record_count, overflow_count);
}

static void copy(char *to, size_t cap, const char *from)
{
    size_t len = from ? strnlen(from, cap - 1) : 0;

    if (len)
        memcpy(to, from, len);
    to[len] = '\0';
}

/* The base name; the path is read into memory of the file that is free still. */
static void note_executable(struct otel_spool_header *h)
{
    char *path = (char *)h->resource;
    long n = otel_sys.readlink("/proc/self/exe", path, sizeof h->resource - 1);
    char *slash;

    if (n <= 0)
        return;
    path[n] = '\0';
    slash = strrchr(path, '/');
    copy(h->executable, sizeof h->executable, slash ? slash + 1 : path);
}

static void fill(struct otel_spool_header *h)
{
    h->header_size = (uint32_t)otel_spool_records_at();
    h->record_size = OTEL_RECORD_SIZE;
    h->overflow_size = OTEL_OVERFLOW_SIZE;
    h->records = record_count;
    h->overflows = overflow_count;
    h->pid = (uint32_t)otel_generation_pid();
    h->destination = otel_spool_destination();
    h->made_unix_ns = otel_clock_unix_ns();
    h->seen_mono_ns = otel_clock_mono_ns();
    note_executable(h);
    copy(h->service_name, sizeof h->service_name, otel_config.service_name);
    if (otel_config.resource_attributes &&
        strlen(otel_config.resource_attributes) < sizeof h->resource_attributes)
        copy(h->resource_attributes, sizeof h->resource_attributes,
             otel_config.resource_attributes);
    h->magic = OTEL_SPOOL_MAGIC;
}

static uint32_t first_records(void)
{
    uint32_t n = STEP_MIN / OTEL_RECORD_SIZE;

    return n < record_count ? n : record_count;
}

/* Makes the file, has its first pages ready, gives it its name. NULL: nothing is left of it. */
static struct otel_spool_header *make(const struct otel_spool_folder *folder)
{
    char hidden[OTEL_SPOOL_NAME_MAX + 1] = ".";
    uint64_t first = otel_spool_overflows_at(first_records());
    struct otel_spool_header *h;

    otel_spool_name(own_name, (uint32_t)otel_generation_pid(), (uint32_t)otel_ids_random());
    strcpy(hidden + 1, own_name);
    h = otel_spool_make(folder, hidden, size(), place);
    if (!h)
        return NULL;
    if (otel_sys.madvise(h, first, MADV_POPULATE_WRITE) == 0) {
        fill(h);
        atomic_store(&h->records_there, first_records());
        if (otel_sys_file.renameat(folder->fd, hidden, own_name) == 0)
            return h;
    }
    otel_sys_file.unlinkat(folder->fd, hidden);
    otel_sys.munmap(h, size());
    place = NULL;
    return NULL;
}

static void *map_records(const struct otel_pool *pool, uint32_t *there)
{
    struct otel_spool_folder folder;
    struct otel_spool_header *h;
    uint32_t crashes;

    if (pool->count != record_count || record_count > OTEL_SPOOL_RECORDS_MAX ||
        !otel_spool_wanted() || otel_spool_folder_open(&folder, true) < 0)
        return NULL;
    h = make(&folder);
    crashes = h ? otel_obituary_crashes(&folder, h) : 0;
    otel_sys.close(folder.fd);
    if (!h) {
        if (otel_log_once(&said_refused))
            otel_log(OTEL_LOG_INFO, "no spool, what a crash leaves is lost: no file in %s",
                     folder.path);
        return NULL;
    }
    memcpy(own_path, folder.path, sizeof own_path);
    place = NULL;
    atomic_store(&h->crashes, crashes);
    atomic_store(&named, true);
    atomic_store_explicit(&own, h, memory_order_release);
    *there = atomic_load(&h->records_there);
    if (crashes >= OTEL_OBITUARY_CRASHES)
        otel_tracer_pass_through("this program crashed at its start twice in a row");
    return (char *)h + otel_spool_records_at();
}

static void *map_overflows(const struct otel_pool *pool, uint32_t *there)
{
    struct otel_spool_header *h = otel_spool_own();

    *there = 0;
    return h && pool->count == h->overflows ? (char *)h + otel_spool_overflows_at(h->records)
                                            : NULL;
}

/* Has count blocks behind the first `there` ready. Where the tmpfs is full the rest becomes plain
 * memory, in which no block lies yet: such spans do not outlive the process, but there they are. */
static uint32_t grow(const struct otel_pool *pool, uint32_t there, _Atomic uint32_t *told)
{
    size_t have = (size_t)there * pool->block_size;
    size_t all = (size_t)pool->count * pool->block_size;
    size_t step = have < STEP_MIN ? STEP_MIN : have > STEP_MAX ? STEP_MAX : have;
    char *from = atomic_load_explicit(&pool->base, memory_order_acquire) + have;

    if (step > all - have)
        step = all - have;
    if (otel_sys.madvise(from, step, MADV_POPULATE_WRITE) == 0) {
        there += (uint32_t)(step / pool->block_size);
        atomic_store_explicit(told, there, memory_order_release);
        return there;
    }
    if (otel_log_once(&said_full))
        otel_log(OTEL_LOG_WARN, "the spool has no more room: what a crash leaves is lost in part");
    return otel_sys_file.map_plain(from, all - have) == 0 ? pool->count : there;
}

static uint32_t grow_records(const struct otel_pool *pool, uint32_t there)
{
    return grow(pool, there, &otel_spool_own()->records_there);
}

static uint32_t grow_overflows(const struct otel_pool *pool, uint32_t there)
{
    return grow(pool, there, &otel_spool_own()->overflows_there);
}

const struct otel_pool_memory otel_spool_records = {map_records, grow_records};
const struct otel_pool_memory otel_spool_overflows = {map_overflows, grow_overflows};

void otel_spool_set_resource(const uint8_t *resource, size_t len)
{
    struct otel_spool_header *h = otel_spool_own();

    if (!h || len > sizeof h->resource || atomic_load(&h->resource_len))
        return;
    memcpy(h->resource, resource, len);
    atomic_store_explicit(&h->resource_len, (uint32_t)len, memory_order_release);
}

void otel_spool_seen(void)
{
    struct otel_spool_header *h = otel_spool_own();

    if (h)
        atomic_store_explicit(&h->seen_mono_ns, otel_clock_mono_ns(), memory_order_relaxed);
}

static void set_leaving(uint32_t leaving)
{
    struct otel_spool_header *h = otel_spool_own();

    if (h)
        atomic_store_explicit(&h->leaving, leaving, memory_order_release);
}

void otel_spool_leave(void)
{
    set_leaving(OTEL_SPOOL_LEFT);
}

void otel_spool_stay(void)
{
    set_leaving(OTEL_SPOOL_RUNNING);
}

/* The folder may be out of reach by now (chroot, another user): then the file says by itself that
 * there is nothing in it, and goes with the next that looks. */
void otel_spool_remove(void)
{
    int fd;

    otel_spool_leave();
    if (!otel_spool_own() || !atomic_exchange(&named, false))
        return;
    fd = otel_sys.open(own_path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
    if (fd < 0)
        return;
    otel_sys_file.unlinkat(fd, own_name);
    otel_sys.close(fd);
    otel_spool_folder_leave(own_path);
}

/* The address stays mapped: a signal handler that forked may have interrupted who writes there. */
void otel_spool_reset(void)
{
    struct otel_spool_header *h = atomic_exchange(&own, NULL);

    atomic_store(&named, false);
    if (!h)
        return;
    place = otel_sys_file.map_plain(h, size()) == 0 ? h : NULL;
    if (!place)
        otel_sys.munmap(h, size());
}
