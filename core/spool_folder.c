/* SPDX-License-Identifier: Apache-2.0 */
#include "core/spool_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/config.h"
#include "core/log.h"
#include "core/sys.h"
#include "core/sys_file.h"

#define SHARED_MEMORY "/dev/shm/otel-auto-"
#define BELOW_RUNTIME "/otel-auto"
#define HEX 8

/* Written at start-up, read-only afterwards. started: what has no start-up (a unit test, a bench)
 * leaves no files. */
static bool started;
static char runtime[OTEL_SPOOL_PATH_MAX - sizeof BELOW_RUNTIME];

/* Any thread: said once. */
static atomic_flag said_none = ATOMIC_FLAG_INIT;

void otel_spool_folder_init(void)
{
    const char *path = otel_env_lookup("XDG_RUNTIME_DIR");

    started = true;
    runtime[0] = '\0';
    if (path && *path == '/' && strlen(path) < sizeof runtime)
        strcpy(runtime, path);
}

bool otel_spool_wanted(void)
{
    return started && (otel_config.exporters & OTEL_EXPORTER_OTLP) && !otel_config.secure &&
           !otel_config.disabled && !(otel_config.spool && !strcmp(otel_config.spool, "off"));
}

static char *put_decimal(char *out, uint32_t v)
{
    char digits[10];
    size_t n = 0;

    do {
        digits[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    while (n)
        *out++ = digits[--n];
    return out;
}

/* The candidates in their order; false: no more. */
static bool candidate(char *out, unsigned i)
{
    const char *given = otel_config.spool;

    if (given) {
        if (i || strlen(given) >= OTEL_SPOOL_PATH_MAX)
            return false;
        strcpy(out, given);
        return true;
    }
    if (i == 0) {
        strcpy(out, SHARED_MEMORY);
        *put_decimal(out + sizeof SHARED_MEMORY - 1, geteuid()) = '\0';
        return true;
    }
    if (i > 1 || !*runtime)
        return false;
    strcpy(out, runtime);
    strcat(out, BELOW_RUNTIME);
    return true;
}

static const char *fault_of(int fd)
{
    struct stat st;

    if (otel_sys.fstat(fd, &st) < 0)
        return "cannot be looked at";
    if (st.st_uid != geteuid())
        return "belongs to somebody else";
    if (st.st_mode & 077)
        return "is open to others";
    return otel_sys_file.on_tmpfs(fd) == 1 ? NULL : "is not on a tmpfs";
}

static int open_one(const char *path, bool make, const char **fault)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = otel_sys.open(path, flags, 0);

    if (fd == -ENOENT && make) {
        otel_sys_file.mkdir(path, 0700);
        fd = otel_sys.open(path, flags, 0);
    }
    if (fd < 0) {
        *fault = fd == -ENOENT ? "cannot be made" : otel_sys_errno_name(-fd);
        return fd;
    }
    *fault = fault_of(fd);
    if (!*fault)
        return fd;
    otel_sys.close(fd);
    return -EPERM;
}

int otel_spool_folder_open(struct otel_spool_folder *folder, bool make)
{
    const char *fault = "has too long a name";
    int fd = -ENAMETOOLONG;

    folder->path[0] = '\0';
    for (unsigned i = 0; candidate(folder->path, i); i++) {
        fd = open_one(folder->path, make, &fault);
        if (fd >= 0) {
            folder->fd = fd;
            return 0;
        }
    }
    if ((make || fd != -ENOENT) && otel_log_once(&said_none))
        otel_log(otel_config.spool && fd != -EACCES ? OTEL_LOG_WARN : OTEL_LOG_INFO,
                 "no spool, what a crash leaves is lost: %s %s", folder->path, fault);
    return fd;
}

void otel_spool_folder_leave(const char *path)
{
    if (!otel_config.spool)
        otel_sys_file.rmdir(path);
}

static uint64_t hash(uint64_t h, const char *text)
{
    for (; text && *text; text++)
        h = (h ^ (uint8_t)*text) * UINT64_C(0x100000001b3); /* FNV-1a */
    return (h ^ 0xff) * UINT64_C(0x100000001b3);
}

uint64_t otel_spool_destination(void)
{
    uint64_t h = hash(UINT64_C(0xcbf29ce484222325), otel_config.otlp_endpoint);

    h = hash(h, otel_config.otlp_headers);
    h = hash(h, otel_config.otlp_traces_headers);
    return h ^ (uint64_t)otel_config.otlp_protocol;
}

static char *put_hex(char *out, uint32_t v)
{
    for (int shift = 28; shift >= 0; shift -= 4)
        *out++ = "0123456789abcdef"[v >> shift & 15];
    return out;
}

void otel_spool_name(char out[static OTEL_SPOOL_NAME_MAX], uint32_t pid, uint32_t random)
{
    char *at = put_hex(out, (uint32_t)otel_spool_destination());

    *at++ = '.';
    at = put_decimal(at, pid);
    *at++ = '.';
    *put_hex(at, random) = '\0';
}

static void name_mark(char out[static OTEL_SPOOL_NAME_MAX])
{
    strcpy(put_hex(out, (uint32_t)otel_spool_destination()), ".away");
}

void otel_spool_mark_away(bool away)
{
    char name[OTEL_SPOOL_NAME_MAX];
    struct otel_spool_folder folder;
    int fd;

    if (otel_spool_folder_open(&folder, false) < 0)
        return;
    name_mark(name);
    if (away) {
        fd = otel_sys_file.openat(folder.fd, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
                                  0600);
        if (fd >= 0) {
            otel_sys_file.touch(fd);
            otel_sys.close(fd);
        }
    } else {
        otel_sys_file.unlinkat(folder.fd, name);
    }
    otel_sys.close(folder.fd);
}

bool otel_spool_marked_away(uint32_t within_ms, bool *there)
{
    char name[OTEL_SPOOL_NAME_MAX];
    struct otel_spool_folder folder;
    uint64_t now = otel_clock_unix_ns();
    uint64_t marked = 0;
    struct stat st;
    int fd;

    *there = false;
    if (otel_spool_folder_open(&folder, false) < 0)
        return false;
    name_mark(name);
    fd = otel_sys_file.openat(folder.fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
    *there = fd >= 0;
    if (fd >= 0) {
        if (otel_sys.fstat(fd, &st) == 0)
            marked = (uint64_t)st.st_mtim.tv_sec * 1000000000 + (uint64_t)st.st_mtim.tv_nsec;
        otel_sys.close(fd);
    }
    otel_sys.close(folder.fd);
    return marked && marked <= now && now - marked < within_ms * UINT64_C(1000000);
}

static bool read_hex(const char **at, uint32_t *v)
{
    *v = 0;
    for (int i = 0; i < HEX; i++, (*at)++) {
        char c = **at;

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        *v = *v << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return true;
}

bool otel_spool_name_parse(const char *name, uint32_t *destination, uint32_t *pid)
{
    uint64_t n = 0;
    uint32_t unused;

    if (!read_hex(&name, destination) || *name++ != '.' || *name < '0' || *name > '9')
        return false;
    for (; *name >= '0' && *name <= '9'; name++) {
        n = n * 10 + (uint64_t)(*name - '0');
        if (n > INT32_MAX)
            return false;
    }
    *pid = (uint32_t)n;
    return *name++ == '.' && read_hex(&name, &unused) && !*name;
}

/* A file that grows over this limit would cost the host a SIGXFSZ. */
static bool allowed(uint64_t size)
{
    struct rlimit limit;

    return otel_sys.getrlimit(RLIMIT_FSIZE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY ||
           limit.rlim_cur >= size;
}

void *otel_spool_make(const struct otel_spool_folder *folder, const char *hidden, uint64_t size,
                      void *at)
{
    void *memory = NULL;
    int fd;

    if (!allowed(size))
        return NULL;
    fd = otel_sys_file.openat(folder->fd, hidden,
                              O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return NULL;
    if (otel_sys_file.flock(fd, LOCK_EX | LOCK_NB) == 0 &&
        otel_sys_file.ftruncate(fd, (int64_t)size) == 0)
        memory = otel_sys_file.map(fd, at, size);
    if (!memory)
        otel_sys_file.unlinkat(folder->fd, hidden);
    otel_sys.close(fd);
    return memory;
}
