/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sys_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/vfs.h>

#include "core/sys_call.h"

static int sys_mkdir(const char *path, unsigned mode)
{
    return (int)SYS(SYS_mkdirat, AT_FDCWD, path, mode);
}

static int sys_rmdir(const char *path)
{
    return (int)SYS(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR);
}

static int sys_openat(int folder, const char *name, int flags, unsigned mode)
{
    return (int)SYS(SYS_openat, folder, name, flags, mode);
}

static int sys_unlinkat(int folder, const char *name)
{
    return (int)SYS(SYS_unlinkat, folder, name, 0);
}

static int sys_renameat(int folder, const char *from, const char *to)
{
    return (int)SYS(SYS_renameat2, folder, from, folder, to, 0);
}

static long sys_getdents(int folder, void *buf, size_t n)
{
    return SYS(SYS_getdents64, folder, buf, n);
}

static int64_t sys_pread(int fd, void *buf, size_t n, int64_t at)
{
    return SYS(SYS_pread64, fd, buf, n, at);
}

static int64_t sys_pwrite(int fd, const void *buf, size_t n, int64_t at)
{
    return SYS(SYS_pwrite64, fd, buf, n, at);
}

static int sys_flock(int fd, int operation)
{
    return (int)SYS(SYS_flock, fd, operation);
}

static int sys_ftruncate(int fd, int64_t len)
{
    return (int)SYS(SYS_ftruncate, fd, len);
}

static int sys_on_tmpfs(int fd)
{
    struct statfs fs;
    int err = (int)SYS(SYS_fstatfs, fd, &fs);

    return err < 0 ? err : fs.f_type == TMPFS_MAGIC;
}

static int sys_touch(int fd)
{
    return (int)SYS(SYS_utimensat, fd, NULL, NULL, 0);
}

static void *sys_map(int fd, void *at, size_t len)
{
    long p =
        SYS(SYS_mmap, at, len, PROT_READ | PROT_WRITE, MAP_SHARED | (at ? MAP_FIXED : 0), fd, 0L);

    return p < 0 && p > -4096 ? NULL : (void *)p;
}

static int sys_map_plain(void *p, size_t len)
{
    long at = SYS(SYS_mmap, p, len, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0L);

    return at < 0 && at > -4096 ? (int)at : 0;
}

/* Written by unit tests only, with one thread running. */
struct otel_sys_file otel_sys_file = {
    .mkdir = sys_mkdir,
    .rmdir = sys_rmdir,
    .openat = sys_openat,
    .unlinkat = sys_unlinkat,
    .renameat = sys_renameat,
    .getdents = sys_getdents,
    .pread = sys_pread,
    .pwrite = sys_pwrite,
    .flock = sys_flock,
    .ftruncate = sys_ftruncate,
    .on_tmpfs = sys_on_tmpfs,
    .touch = sys_touch,
    .map = sys_map,
    .map_plain = sys_map_plain,
};
