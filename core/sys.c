/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sys.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>

#include "core/sys_call.h"

/* The kernel's own set: one bit a signal, 64 of them. */
#define SIGNAL_BIT(n) (1ULL << ((n)-1))
#define WRITE_SIGNALS (SIGNAL_BIT(SIGPIPE) | SIGNAL_BIT(SIGXFSZ))

#define MAPPING_WAIT_NS (INT64_C(50) * 1000 * 1000)

static int sys_open(const char *path, int flags, unsigned mode)
{
    return (int)SYS(SYS_openat, AT_FDCWD, path, flags, mode);
}

static ssize_t sys_read(int fd, void *buf, size_t n)
{
    return SYS(SYS_read, fd, buf, n);
}

static ssize_t sys_write(int fd, const void *buf, size_t n)
{
    return SYS(SYS_write, fd, buf, n);
}

static int sys_close(int fd)
{
    return (int)SYS(SYS_close, fd);
}

static long sys_readlink(const char *path, char *buf, size_t n)
{
    return SYS(SYS_readlinkat, AT_FDCWD, path, buf, n);
}

static void *sys_mmap(size_t len)
{
    int saved_errno = errno;
    long p = syscall(SYS_mmap, NULL, len, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0L);

    errno = saved_errno;
    return p == -1 ? NULL : (void *)p;
}

static void *sys_mmap_shared(int fd, size_t len)
{
    int saved_errno = errno;
    long p = syscall(SYS_mmap, NULL, len, PROT_READ | PROT_WRITE,
                     MAP_SHARED | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0L);

    errno = saved_errno;
    return p == -1 ? NULL : (void *)p;
}

static int sys_memfd(const char *name, size_t len)
{
    int fd = (int)SYS(SYS_memfd_create, name, MFD_CLOEXEC);
    int err = fd < 0 ? fd : (int)SYS(SYS_ftruncate, fd, len);

    if (fd >= 0 && err)
        sys_close(fd);
    return err ? err : fd;
}

static int sys_name_mapping(void *p, size_t len, const char *name)
{
    return (int)SYS(SYS_prctl, PR_SET_VMA, PR_SET_VMA_ANON_NAME, p, len, name);
}

static int sys_munmap(void *p, size_t len)
{
    return (int)SYS(SYS_munmap, p, len);
}

static int sys_madvise(void *p, size_t len, int advice)
{
    return (int)SYS(SYS_madvise, p, len, advice);
}

/* Early at boot the pool may not be ready: a host must not wait for our ids. */
static long sys_getrandom(void *buf, size_t n)
{
    return SYS(SYS_getrandom, buf, n, GRND_NONBLOCK);
}

static int sys_getpid(void)
{
    return (int)SYS(SYS_getpid);
}

static int sys_gettid(void)
{
    return (int)SYS(SYS_gettid);
}

static int sys_futex_wait(const _Atomic uint32_t *word, uint32_t expected, int64_t timeout_ns)
{
    struct timespec timeout = {timeout_ns / 1000000000, timeout_ns % 1000000000};

    return (int)SYS(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, timeout_ns < 0 ? NULL : &timeout,
                    NULL, 0);
}

static int sys_futex_wake(_Atomic uint32_t *word, int count)
{
    return (int)SYS(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

static int sys_getsockopt(int fd, int level, int name, void *value, unsigned *len)
{
    return (int)SYS(SYS_getsockopt, fd, level, name, value, len);
}

static int sys_getsockname(int fd, void *addr, unsigned *len)
{
    return (int)SYS(SYS_getsockname, fd, addr, len);
}

static int sys_getpeername(int fd, void *addr, unsigned *len)
{
    return (int)SYS(SYS_getpeername, fd, addr, len);
}

/* As libc itself asks since 2.33: a filter of system calls that lets a program live lets this
 * through. */
static int sys_fstat(int fd, struct stat *st)
{
    return (int)SYS(SYS_newfstatat, fd, "", st, AT_EMPTY_PATH);
}

static int sys_getrlimit(int resource, struct rlimit *limit)
{
    return (int)SYS(SYS_prlimit64, 0, resource, NULL, limit);
}

static int sys_name_thread(const char *name)
{
    return (int)SYS(SYS_prctl, PR_SET_NAME, name, 0, 0, 0);
}

/* The kernel reads a signal set before it finds that it is not told what to do with it. Of the
 * calls that read memory and change nothing the cheapest (90 ns here; process_vm_readv 900), and
 * one that no sandbox forbids. The set lies in the aligned 8 bytes that hold p: on its page. */
static int sys_probe(const void *p)
{
    const void *set = (const void *)((uintptr_t)p & ~(uintptr_t)7);
    long ret = SYS(SYS_rt_sigprocmask, ~0, set, NULL, 8);

    return ret == -EFAULT ? -EFAULT : 0;
}

/* Written by unit tests only, with one thread running. */
struct otel_sys otel_sys = {
    .open = sys_open,
    .read = sys_read,
    .write = sys_write,
    .close = sys_close,
    .readlink = sys_readlink,
    .mmap = sys_mmap,
    .mmap_shared = sys_mmap_shared,
    .memfd = sys_memfd,
    .name_mapping = sys_name_mapping,
    .munmap = sys_munmap,
    .madvise = sys_madvise,
    .getrandom = sys_getrandom,
    .getpid = sys_getpid,
    .gettid = sys_gettid,
    .futex_wait = sys_futex_wait,
    .futex_wake = sys_futex_wake,
    .getsockopt = sys_getsockopt,
    .getsockname = sys_getsockname,
    .getpeername = sys_getpeername,
    .fstat = sys_fstat,
    .getrlimit = sys_getrlimit,
    .name_thread = sys_name_thread,
    .probe = sys_probe,
};

/* The end of the heap as libc keeps it; no header has it. libc writes it, on any thread. */
extern void *__curbrk __attribute__((weak));

/* Written at start-up, constant afterwards; NULL: not known. */
static const char *heap;

void otel_sys_heap_init(void)
{
    void *end = sbrk(0);

    heap = end == (void *)-1 ? NULL : end;
}

bool otel_sys_in_heap(const void *p, size_t n)
{
    const char *at = p;
    const char *end = &__curbrk ? __atomic_load_n((char **)&__curbrk, __ATOMIC_RELAXED) : NULL;

    return heap && at >= heap && at < end && n <= (size_t)(end - at);
}

ssize_t otel_sys_read_file(const char *path, char *buf, size_t cap)
{
    size_t used = 0;
    ssize_t got = 0;
    int fd = otel_sys.open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0);

    if (fd < 0)
        return fd;
    while (used < cap) {
        got = otel_sys.read(fd, buf + used, cap - used);
        if (got == -EINTR)
            continue;
        if (got <= 0)
            break;
        used += (size_t)got;
    }
    otel_sys.close(fd);
    return got < 0 ? got : (ssize_t)used;
}

int otel_sys_write_all(int fd, const void *buf, size_t n)
{
    const char *at = buf;

    while (n) {
        ssize_t put = otel_sys.write(fd, at, n);

        if (put == -EINTR)
            continue;
        if (put < 0)
            return (int)put;
        if (put == 0)
            return -EIO; /* never for n > 0 on a real descriptor: do not spin */
        at += put;
        n -= (size_t)put;
    }
    return 0;
}

/* Both signals go to the writing thread. One that was pending before stays so: it is the host's. */
int otel_sys_write_quiet(int fd, const void *buf, size_t n)
{
    const uint64_t block = WRITE_SIGNALS;
    const struct timespec now = {0, 0};
    uint64_t before = 0;
    uint64_t pending = 0;
    uint64_t ours;
    int err;

    if (SYS(SYS_rt_sigprocmask, SIG_BLOCK, &block, &before, sizeof block) < 0)
        return otel_sys_write_all(fd, buf, n);
    SYS(SYS_rt_sigpending, &pending, sizeof pending);
    err = otel_sys_write_all(fd, buf, n);
    ours = WRITE_SIGNALS & ~pending;
    if ((err == -EPIPE || err == -EFBIG) && ours)
        SYS(SYS_rt_sigtimedwait, &ours, NULL, &now, sizeof ours);
    SYS(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof before);
    return err;
}

const char *otel_sys_errno_name(int error)
{
    const char *name = strerrorname_np(error);

    return name ? name : "_OTHER";
}

static int64_t mono_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

uint32_t otel_sys_await_mapping(_Atomic uint32_t *state, uint32_t busy, uint32_t refused)
{
    uint32_t now = atomic_load_explicit(state, memory_order_acquire);

    /* On a busy machine the mapping thread may be out for some of the scheduler's turns. */
    for (int64_t end = mono_ns() + MAPPING_WAIT_NS; now == busy && mono_ns() < end;) {
        sched_yield();
        now = atomic_load_explicit(state, memory_order_acquire);
    }
    if (now == busy && atomic_compare_exchange_strong(state, &now, refused))
        now = refused;
    return now;
}
