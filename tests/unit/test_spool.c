/* SPDX-License-Identifier: Apache-2.0 */
#include "core/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "core/generation.h"
#include "core/sys.h"
#include "core/sys_file.h"
#include "tests/unit/spool_folder.h"

TestSuite(spool, .init = spool_begin, .fini = spool_end);

static struct otel_span some;

static int open_file(void)
{
    char path[sizeof spool_path + 260], name[256];

    cr_assert_eq(spool_files(name), 1);
    snprintf(path, sizeof path, "%s/%s", spool_path, name);
    return open(path, O_RDWR);
}

Test(spool, the_first_span_makes_the_file_and_nothing_before)
{
    uint32_t destination, pid;
    char name[256];
    struct stat st;
    int fd;

    cr_assert_eq(spool_files(NULL), 0);
    cr_assert(spool_span(&some, "x"));
    cr_assert_eq(spool_files(name), 1);
    cr_assert(otel_spool_name_parse(name, &destination, &pid), "%s", name);
    cr_assert_eq(destination, (uint32_t)otel_spool_destination());
    fd = open_file();
    cr_assert_eq(fstat(fd, &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0600);
    cr_assert_eq(flock(fd, LOCK_EX | LOCK_NB), -1, "the mapping holds the lock");
    close(fd);
}

Test(spool, the_record_stands_in_the_file)
{
    struct otel_spool_header h;
    struct otel_record *r;
    int fd;

    cr_assert(spool_span(&some, "x"));
    r = otel_store_get(some.record);
    cr_assert_eq(r->state, OTEL_RECORD_ACTIVE);
    fd = open_file();
    cr_assert_eq(read(fd, &h, sizeof h), sizeof h);
    cr_assert(otel_spool_sound(&h, (uint64_t)lseek(fd, 0, SEEK_END)));
    cr_assert_eq(lseek(fd, (char *)r - (char *)otel_spool_own(), SEEK_SET),
                 (char *)r - (char *)otel_spool_own());
    otel_span_end(&some, 0);
    cr_assert_eq(spans_take(), r);
    {
        union {
            struct otel_record record;
            char bytes[OTEL_RECORD_SIZE];
        } in_file;

        cr_assert_eq(read(fd, &in_file, sizeof in_file), sizeof in_file);
        cr_assert_eq(in_file.record.state, OTEL_RECORD_ENDED);
        cr_assert_arr_eq(in_file.record.span_id, some.ctx.span_id, OTEL_SPAN_ID_LEN);
    }
    close(fd);
}

Test(spool, what_goes_leaves_nothing_behind)
{
    cr_assert(spool_span(&some, "x"));
    cr_assert(otel_spool_kept());
    otel_spool_remove();
    cr_assert_eq(spool_files(NULL), 0);
    cr_assert_not(otel_spool_kept());
    otel_span_set_int(&some, OTEL_TEXT("n"), 1); /* the memory is still there */
    cr_assert_eq(access(spool_path, F_OK), 0, "the user named the folder");
}

Test(spool, off_is_off)
{
    otel_config.spool = "off";
    cr_assert(spool_span(&some, "x"));
    cr_assert_null(otel_spool_own());
}

Test(spool, nothing_is_kept_that_nobody_sends)
{
    otel_config.exporters = OTEL_EXPORTER_CONSOLE;
    cr_assert(spool_span(&some, "x"));
    cr_assert_null(otel_spool_own());
}

Test(spool, a_folder_others_can_look_into_is_not_used)
{
    cr_assert_eq(chmod(spool_path, 0750), 0);
    cr_assert(spool_span(&some, "x"), "there is a span all the same");
    cr_assert_null(otel_spool_own());
    cr_assert_eq(spool_files(NULL), 0);
}

Test(spool, a_link_is_not_followed)
{
    static char link[sizeof spool_path + 8];

    snprintf(link, sizeof link, "%s-link", spool_path);
    cr_assert_eq(symlink(spool_path, link), 0);
    otel_config.spool = link;
    cr_assert(spool_span(&some, "x"));
    cr_assert_null(otel_spool_own());
    unlink(link);
}

static int on_disk(int fd)
{
    (void)fd;
    return 0;
}

Test(spool, a_disk_could_make_the_host_wait)
{
    otel_sys_file.on_tmpfs = on_disk;
    cr_assert(spool_span(&some, "x"));
    cr_assert_null(otel_spool_own());
}

/* Fails the n-th call of all of the table's. */
static int calls_left;
static struct otel_sys_file real;

static bool fails(void)
{
    return calls_left-- == 0;
}

static int failing_openat(int folder, const char *name, int flags, unsigned mode)
{
    return fails() ? -EMFILE : real.openat(folder, name, flags, mode);
}

static int failing_flock(int fd, int operation)
{
    return fails() ? -EWOULDBLOCK : real.flock(fd, operation);
}

static int failing_ftruncate(int fd, int64_t len)
{
    return fails() ? -ENOSPC : real.ftruncate(fd, len);
}

static void *failing_map(int fd, void *at, size_t len)
{
    return fails() ? NULL : real.map(fd, at, len);
}

static int failing_renameat(int folder, const char *from, const char *to)
{
    return fails() ? -ENOSPC : real.renameat(folder, from, to);
}

Test(spool, whatever_fails_there_is_a_span_and_no_file)
{
    int status;

    real = otel_sys_file;
    otel_sys_file.openat = failing_openat;
    otel_sys_file.flock = failing_flock;
    otel_sys_file.ftruncate = failing_ftruncate;
    otel_sys_file.map = failing_map;
    otel_sys_file.renameat = failing_renameat;
    for (int n = 0; n < 5; n++) {
        pid_t child = fork();

        if (!child) {
            calls_left = n;
            _exit(spool_span(&some, "x") && !otel_spool_own() && spool_files(NULL) == 0 ? 0 : 1);
        }
        cr_assert_eq(waitpid(child, &status, 0), child);
        cr_assert_eq(status, 0, "call %d", n);
    }
    calls_left = 5;
    cr_assert(spool_span(&some, "x"));
    cr_assert_not_null(otel_spool_own(), "that were all");
}

static int grants;
static int (*real_madvise)(void *, size_t, int);

static int scarce_madvise(void *p, size_t len, int advice)
{
    if (advice == 23 && grants-- <= 0)
        return -EFAULT;
    return real_madvise(p, len, advice);
}

Test(spool, a_full_tmpfs_costs_no_span)
{
    uint64_t handle;
    int n = 0;

    real_madvise = otel_sys.madvise;
    otel_sys.madvise = scarce_madvise;
    grants = 3;
    while (otel_store_new(&handle)) {
        memset(otel_store_get(handle), 0xff, OTEL_RECORD_SIZE);
        n++;
    }
    cr_assert_eq(n, 4096 + 2048 + 512);
    cr_assert_eq(otel_spool_own()->records_there, 256, "%u", otel_spool_own()->records_there);
}

Test(spool, a_kernel_that_cannot_promise_pages_means_no_spool)
{
    real_madvise = otel_sys.madvise;
    otel_sys.madvise = scarce_madvise;
    cr_assert(spool_span(&some, "x"));
    cr_assert_null(otel_spool_own());
    cr_assert_eq(spool_files(NULL), 0);
}

Test(spool, all_blocks_are_those_of_the_file_and_apart)
{
    uint64_t handle;
    struct otel_record *r;
    uint32_t n = 0;

    while ((r = otel_store_new(&handle))) {
        cr_assert_eq((char *)r, (char *)otel_spool_own() + otel_spool_records_at() +
                                    ((uint32_t)handle - 1) * (size_t)OTEL_RECORD_SIZE);
        if (n < 256)
            cr_assert_eq(otel_store_grow(r), 0);
        n++;
    }
    cr_assert_eq(otel_spool_own()->records_there, n);
    cr_assert_eq(otel_spool_own()->overflows_there, 256);
}

static int child_looks(struct otel_record *parents)
{
    otel_span_set_int(&some, OTEL_TEXT("child"), 1); /* the child's first look, perhaps */
    if (parents->used > 3)                           /* now memory of the child's own, and empty */
        return 1;
    if (otel_spool_own())
        return 2;
    if (!spool_span(&some, "of the child"))
        return 3;
    if (spool_files(NULL) != 2)
        return 4;
    otel_spool_remove();
    return spool_files(NULL) == 1 ? 0 : 5;
}

Test(spool, a_fork_child_leaves_its_parents_file_alone)
{
    struct otel_record *r;
    uint32_t used;
    int status;
    pid_t child;

    cr_assert_eq(otel_generation_init(), 0);
    otel_generation_on_fork(otel_store_reset);
    cr_assert(spool_span(&some, "x"));
    r = otel_store_get(some.record);
    used = r->used;
    child = fork();
    if (!child)
        _exit(child_looks(r));
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0, "%d", status >> 8);
    cr_assert_eq(r->used, used, "nothing was written into it");
    cr_assert(otel_spool_kept());
}
