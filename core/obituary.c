/* SPDX-License-Identifier: Apache-2.0 */
#include "core/obituary.h"

#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/sys.h"
#include "core/sys_file.h"

#define SECOND_NS UINT64_C(1000000000)
#define START_NS (10 * SECOND_NS)
#define REMEMBERED_NS (600 * SECOND_NS)
#define FILES_MAX 256 /* names that are looked at: each costs the first span of a process */

/* What is read of a file: up to the executable's name. */
#define READ_LEN offsetof(struct otel_spool_header, service_name)

/* Calls visit for each file of our destination, until it returns false. */
static void each(const struct otel_spool_folder *folder,
                 bool (*visit)(int folder, const char *name, uint32_t pid, void *arg), void *arg)
{
    char names[4096];
    long n;
    int left = FILES_MAX;

    while ((n = otel_sys_file.getdents(folder->fd, names, sizeof names)) > 0) {
        for (long at = 0; at + (long)OTEL_DIRENT_NAME < n;) {
            const struct otel_dirent *e = (const struct otel_dirent *)(names + at);
            uint32_t destination, pid;

            if (e->size <= OTEL_DIRENT_NAME || e->size > n - at || !left--)
                return;
            at += e->size;
            if (otel_spool_name_parse(e->name, &destination, &pid) &&
                destination == (uint32_t)otel_spool_destination() &&
                !visit(folder->fd, e->name, pid, arg))
                return;
        }
    }
}

static int open_file(int folder, const char *name)
{
    return otel_sys_file.openat(folder, name,
                                O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0);
}

/* --- writing ---------------------------------------------------------------------------------- */

struct death {
    uint32_t pid;
    uint32_t signal;
};

static bool note(int folder, const char *name, uint32_t pid, void *arg)
{
    const struct death *death = arg;
    uint64_t now = otel_clock_unix_ns();
    int fd;

    if (pid != death->pid)
        return true;
    fd = open_file(folder, name);
    if (fd < 0)
        return true;
    otel_sys_file.pwrite(fd, &now, sizeof now, offsetof(struct otel_spool_header, died_unix_ns));
    otel_sys_file.pwrite(fd, &death->signal, sizeof death->signal,
                         offsetof(struct otel_spool_header, signal));
    otel_sys.close(fd);
    return true;
}

void otel_obituary_write(int pid, int signal)
{
    struct otel_spool_folder folder;
    struct death death = {(uint32_t)pid, (uint32_t)signal};

    if (!otel_spool_wanted() || otel_spool_folder_open(&folder, false) < 0)
        return;
    each(&folder, note, &death);
    otel_sys.close(folder.fd);
}

/* --- reading ---------------------------------------------------------------------------------- */

struct search {
    const struct otel_spool_header *own;
    uint64_t now;
    uint64_t latest; /* when the last of those found died */
    uint32_t crashes;
};

static bool is_fault(uint32_t signal)
{
    return signal == SIGSEGV || signal == SIGBUS || signal == SIGILL || signal == SIGFPE ||
           signal == SIGABRT || signal == SIGTRAP || signal == SIGSYS;
}

/* What is wanted of a header, which is too large for a stack. */
struct facts {
    uint64_t magic, made_unix_ns, died_unix_ns;
    uint32_t pid, signal, crashes;
    char executable[sizeof((struct otel_spool_header *)0)->executable];
};

#define TAKE(field) \
    memcpy(&facts->field, bytes + offsetof(struct otel_spool_header, field), sizeof facts->field)

static bool read_facts(int folder, const char *name, struct facts *facts)
{
    char bytes[READ_LEN];
    int fd = open_file(folder, name);
    int64_t n;

    if (fd < 0)
        return false;
    n = otel_sys_file.pread(fd, bytes, sizeof bytes, 0);
    otel_sys.close(fd);
    if (n != (int64_t)sizeof bytes)
        return false;
    TAKE(magic);
    TAKE(made_unix_ns);
    TAKE(died_unix_ns);
    TAKE(pid);
    TAKE(signal);
    TAKE(crashes);
    TAKE(executable);
    return facts->magic == OTEL_SPOOL_MAGIC;
}

static bool crashed_at_start(const struct facts *f, uint64_t now)
{
    return is_fault(f->signal) && f->died_unix_ns >= f->made_unix_ns &&
           f->died_unix_ns - f->made_unix_ns < START_NS && now >= f->died_unix_ns &&
           now - f->died_unix_ns < REMEMBERED_NS;
}

static bool look(int folder, const char *name, uint32_t pid, void *arg)
{
    struct search *search = arg;
    const struct otel_spool_header *own = search->own;
    struct facts facts;

    if (pid == own->pid || !read_facts(folder, name, &facts) || facts.pid != pid ||
        !crashed_at_start(&facts, search->now) || !facts.executable[0] ||
        strncmp(facts.executable, own->executable, sizeof facts.executable) != 0 ||
        facts.died_unix_ns < search->latest)
        return true;
    search->latest = facts.died_unix_ns;
    search->crashes = facts.crashes ? OTEL_OBITUARY_CRASHES : 1;
    return true;
}

uint32_t otel_obituary_crashes(const struct otel_spool_folder *folder,
                               const struct otel_spool_header *own)
{
    struct search search = {.own = own, .now = otel_clock_unix_ns()};

    each(folder, look, &search);
    return search.crashes;
}
