/* SPDX-License-Identifier: Apache-2.0
 *
 * A file of the spool with anything in it is drained and encoded. The input patches a sound file:
 * three bytes of offset, one of length, so many bytes; its first byte cuts the file. */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/config.h"
#include "core/export/json.h"
#include "core/export/otlp.h"
#include "core/exporter.h"
#include "core/spool_drain.h"
#include "core/spool_folder.h"
#include "core/spool_format.h"
#include "core/sys.h"
#include "core/sys_file.h"

#define RECORDS 8
#define OVERFLOWS 2
#define FOLDER 1000
#define FILE_FD 1001

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The file there is. One thread fuzzes. */
static uint8_t *file;
static size_t file_len;
static bool listed;

static int fake_open(const char *path, int flags, unsigned mode)
{
    (void)flags, (void)mode;
    return strstr(path, "fuzz-spool") ? FOLDER : -ENOENT;
}

static int fake_openat(int folder, const char *name, int flags, unsigned mode)
{
    (void)folder, (void)name, (void)flags, (void)mode;
    return FILE_FD;
}

static int fake_fstat(int fd, struct stat *st)
{
    memset(st, 0, sizeof *st);
    st->st_uid = geteuid();
    st->st_mode = fd == FILE_FD ? S_IFREG | 0600 : S_IFDIR | 0700;
    st->st_nlink = 1;
    st->st_size = (off_t)file_len;
    return 0;
}

static int one(int fd)
{
    (void)fd;
    return 1;
}

static int nothing(int fd)
{
    (void)fd;
    return 0;
}

static int fake_flock(int fd, int operation)
{
    (void)fd, (void)operation;
    return 0;
}

static int fake_unlinkat(int folder, const char *name)
{
    (void)folder, (void)name;
    return 0;
}

static long fake_getdents(int folder, void *buf, size_t n)
{
    char name[OTEL_SPOOL_NAME_MAX];
    uint8_t *out = buf;
    uint16_t len = 64;

    (void)folder, (void)n;
    if (listed)
        return 0;
    listed = true;
    otel_spool_name(name, 1, 1);
    memset(out, 0, len);
    memcpy(out + 16, &len, sizeof len);
    strcpy((char *)out + 19, name);
    return len;
}

static void *fake_map(int fd, void *at, size_t len)
{
    (void)fd, (void)at;
    return len == file_len ? file : NULL;
}

static int fake_munmap(void *p, size_t len)
{
    return p == file ? 0 : munmap(p, len);
}

static int fake_madvise(void *p, size_t len, int advice)
{
    (void)p, (void)len, (void)advice;
    return 0;
}

static void *fake_exporter(const struct otel_config *config, const struct otel_export_host *host)
{
    (void)config, (void)host;
    return &file;
}

static struct otel_export_result fake_export(void *self, const struct otel_batch *batch)
{
    struct otel_buffer out = {0};

    (void)self;
    otel_otlp_encode(&out, batch);
    otel_buffer_reset(&out);
    otel_json_encode(&out, batch);
    otel_buffer_free(&out);
    return (struct otel_export_result){.exported = (uint32_t)batch->count};
}

static void fake_end(void *self)
{
    (void)self;
}

static const struct otel_export_module *load(const char **why)
{
    static const struct otel_export_module module = {.abi = OTEL_EXPORT_ABI,
                                                     .open = fake_exporter,
                                                     .export = fake_export,
                                                     .flush = fake_end,
                                                     .close = fake_end,
                                                     .abandon = fake_end};

    (void)why;
    return &module;
}

static void begin(void)
{
    static const struct otel_platform platform = {.load_module = load};

    otel_config.exporters = OTEL_EXPORTER_OTLP;
    otel_config.spool = "/fuzz-spool";
    otel_sys.open = fake_open;
    otel_sys.close = nothing;
    otel_sys.fstat = fake_fstat;
    otel_sys.munmap = fake_munmap;
    otel_sys.madvise = fake_madvise;
    otel_sys_file.openat = fake_openat;
    otel_sys_file.on_tmpfs = one;
    otel_sys_file.touch = nothing;
    otel_sys_file.flock = fake_flock;
    otel_sys_file.unlinkat = fake_unlinkat;
    otel_sys_file.getdents = fake_getdents;
    otel_sys_file.map = fake_map;
    otel_spool_folder_init();
    otel_exporter_init(&platform);
}

/* A file with a span of each state in it, as it could have been left. */
static void write_file(void)
{
    struct otel_spool_header *h = (struct otel_spool_header *)file;

    h->magic = OTEL_SPOOL_MAGIC;
    h->header_size = (uint32_t)otel_spool_records_at();
    h->record_size = OTEL_RECORD_SIZE;
    h->overflow_size = OTEL_OVERFLOW_SIZE;
    h->records = RECORDS;
    h->overflows = OVERFLOWS;
    atomic_store(&h->records_there, RECORDS);
    atomic_store(&h->overflows_there, OVERFLOWS);
    h->destination = otel_spool_destination();
    h->made_unix_ns = UINT64_MAX;
    for (uint32_t i = 0; i < RECORDS; i++) {
        struct otel_record *r =
            (struct otel_record *)(file + otel_spool_records_at() + i * OTEL_RECORD_SIZE);

        atomic_store(&r->state, i % 5);
        r->overflow = i < 6 ? 0 : i - 5;
        memcpy(r->data, "\x2a\x01x\x4a\x07\x0a\x01k\x12\x02\x18\x05", 12);
        r->used = 12;
    }
}

static bool yes(void)
{
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool begun;
    struct otel_spool_sum sum = {0};
    size_t whole = otel_spool_size(RECORDS, OVERFLOWS);

    if (!begun)
        begin();
    begun = true;
    if (!size)
        return 0;
    file_len = whole - (data[0] & 1 ? data[0] * (whole / 256) : 0);
    file = calloc(1, whole);
    write_file();
    for (size_t at = 1; at + 4 < size;) {
        size_t to = (data[at] | data[at + 1] << 8 | data[at + 2] << 16) % whole;
        size_t n = data[at + 3];

        at += 4;
        n = n < size - at ? n : size - at;
        n = n < whole - to ? n : whole - to;
        memcpy(file + to, data + at, n);
        at += n;
    }
    listed = false;
    otel_spool_drain(&sum, 0, yes);
    if (sum.exported > RECORDS)
        abort();
    free(file);
    return 0;
}
