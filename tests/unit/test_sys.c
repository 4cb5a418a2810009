/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sys.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static char path[] = "/tmp/otel-sys-XXXXXX";

static int make_file(const char *text)
{
    int fd = mkstemp(path);

    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    return fd;
}

Test(sys, results_are_the_kernels_and_errno_is_kept)
{
    char c;

    errno = 4711;
    cr_assert_eq(otel_sys.open("/nonexistent/file", O_RDONLY, 0), -ENOENT);
    cr_assert_eq(otel_sys.read(-1, &c, 1), -EBADF);
    cr_assert_eq(otel_sys.write(-1, &c, 1), -EBADF);
    cr_assert_eq(otel_sys.close(-1), -EBADF);
    cr_assert_eq(otel_sys.readlink("/nonexistent", &c, 1), -ENOENT);
    cr_assert_null(otel_sys.mmap(0));
    cr_assert_eq(otel_sys.madvise((void *)1, 4096, MADV_DONTNEED), -EINVAL);
    cr_assert_eq(otel_sys.munmap((void *)1, 4096), -EINVAL);
    cr_assert_eq(otel_sys_read_file("/nonexistent", &c, 1), -ENOENT);
    cr_assert_eq(otel_sys_write_all(-1, "x", 1), -EBADF);
    cr_assert_eq(otel_sys_write_quiet(-1, "x", 1), -EBADF);
    cr_assert_eq(errno, 4711);
}

Test(sys, asks_of_descriptors_as_libc_does)
{
    struct sockaddr_storage addr;
    struct stat st, want;
    struct rlimit limit, libc;
    int pair[2], type = 0;
    unsigned len = sizeof type;

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    cr_assert_eq(otel_sys.getsockopt(pair[0], SOL_SOCKET, SO_TYPE, &type, &len), 0);
    cr_assert_eq(type, SOCK_STREAM);
    len = sizeof addr;
    cr_assert_eq(otel_sys.getsockname(pair[0], &addr, &len), 0);
    cr_assert_eq(addr.ss_family, AF_UNIX);
    len = sizeof addr;
    cr_assert_eq(otel_sys.getpeername(pair[0], &addr, &len), 0);
    cr_assert_eq(len, sizeof addr.ss_family);
    cr_assert_eq(otel_sys.fstat(pair[0], &st), 0);
    cr_assert_eq(fstat(pair[0], &want), 0);
    cr_assert_eq(memcmp(&st, &want, sizeof st), 0);
    cr_assert_eq(otel_sys.getrlimit(RLIMIT_NOFILE, &limit), 0);
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &libc), 0);
    cr_assert_eq(limit.rlim_max, libc.rlim_max);
    errno = 4711;
    cr_assert_eq(otel_sys.getsockopt(-1, SOL_SOCKET, SO_TYPE, &type, &len), -EBADF);
    cr_assert_eq(otel_sys.getpeername(STDIN_FILENO + 900, &addr, &len), -EBADF);
    cr_assert_eq(otel_sys.getsockname(-1, &addr, &len), -EBADF);
    cr_assert_eq(otel_sys.fstat(-1, &st), -EBADF);
    cr_assert_eq(otel_sys.getrlimit(-1, &limit), -EINVAL);
    cr_assert_eq(errno, 4711);
}

Test(sys, calls_do_what_they_say)
{
    char buf[64];
    uint64_t random[2] = {0, 0};
    char *p = otel_sys.mmap(10000);

    cr_assert_eq(otel_sys.getpid(), getpid());
    cr_assert_eq(otel_sys.gettid(), gettid());
    cr_assert_eq(otel_sys.getrandom(random, sizeof random), sizeof random);
    cr_assert(random[0] && random[1]);
    cr_assert_gt(otel_sys.readlink("/proc/self/exe", buf, sizeof buf), 1);
    cr_assert_not_null(p);
    p[9999] = 1;
    cr_assert_eq(otel_sys.madvise(p, 10000, MADV_DONTNEED), 0);
    cr_assert_eq(p[9999], 0);
    cr_assert_eq(otel_sys.munmap(p, 10000), 0);
}

Test(sys, read_file_stops_at_cap_and_at_the_end)
{
    char buf[16];

    close(make_file("0123456789"));
    cr_assert_eq(otel_sys_read_file(path, buf, sizeof buf), 10);
    cr_assert_arr_eq(buf, "0123456789", 10);
    memset(buf, 0, sizeof buf);
    cr_assert_eq(otel_sys_read_file(path, buf, 4), 4);
    cr_assert_eq(buf[4], 0);
    cr_assert_eq(otel_sys_read_file(path, buf, 0), 0);
    cr_assert_eq(otel_sys_read_file("/", buf, sizeof buf), -EISDIR);
    unlink(path);
}

static int closes;

static int counted_close(int fd)
{
    closes++;
    return close(fd);
}

static int reads;

static ssize_t interrupted_read(int fd, void *buf, size_t n)
{
    if (reads++ == 0)
        return -EINTR;
    return read(fd, buf, n > 3 ? 3 : n);
}

static ssize_t failing_read(int fd, void *buf, size_t n)
{
    return reads++ == 2 ? -EIO : read(fd, buf, n > 3 ? 3 : n);
}

Test(sys, read_file_survives_interruptions_and_closes_after_errors)
{
    char buf[16];

    close(make_file("0123456789"));
    otel_sys.close = counted_close;
    otel_sys.read = interrupted_read;
    cr_assert_eq(otel_sys_read_file(path, buf, sizeof buf), 10);
    cr_assert_arr_eq(buf, "0123456789", 10);
    cr_assert_eq(closes, 1);
    otel_sys.read = failing_read;
    reads = 0;
    cr_assert_eq(otel_sys_read_file(path, buf, sizeof buf), -EIO);
    cr_assert_eq(closes, 2);
    unlink(path);
}

static int writes;
static char written[32];
static size_t written_len;

static ssize_t short_write(int fd, const void *buf, size_t n)
{
    (void)fd;
    if (writes++ % 2 == 0)
        return -EINTR;
    n = n > 4 ? 4 : n;
    memcpy(written + written_len, buf, n);
    written_len += n;
    return (ssize_t)n;
}

static ssize_t failing_write(int fd, const void *buf, size_t n)
{
    (void)fd;
    (void)buf;
    return writes++ == 1 ? -ENOSPC : (ssize_t)(n > 1 ? 1 : n);
}

static ssize_t zero_write(int fd, const void *buf, size_t n)
{
    (void)fd;
    (void)buf;
    (void)n;
    return 0;
}

Test(sys, write_all_retries_short_writes)
{
    otel_sys.write = short_write;
    cr_assert_eq(otel_sys_write_all(1, "hello, world", 12), 0);
    cr_assert_eq(written_len, 12);
    cr_assert_arr_eq(written, "hello, world", 12);
    otel_sys.write = failing_write;
    writes = 0;
    cr_assert_eq(otel_sys_write_all(1, "abc", 3), -ENOSPC);
    otel_sys.write = zero_write;
    cr_assert_eq(otel_sys_write_all(1, "abc", 3), -EIO);
    cr_assert_eq(otel_sys_write_all(1, "abc", 0), 0);
}

/* The default action of either signal would end the test. */
Test(sys, write_quiet_raises_no_sigpipe)
{
    int ends[2];
    sigset_t mask;

    cr_assert_eq(pipe(ends), 0);
    close(ends[0]);
    cr_assert_eq(otel_sys_write_quiet(ends[1], "x", 1), -EPIPE);
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    cr_assert_not(sigismember(&mask, SIGPIPE), "the mask must be as before");
    sigpending(&mask);
    cr_assert_not(sigismember(&mask, SIGPIPE));
}

Test(sys, write_quiet_raises_no_sigxfsz)
{
    struct rlimit limit = {10, 10};
    int fd = make_file("0123456789");

    unlink(path);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_assert_eq(otel_sys_write_quiet(fd, "x", 1), -EFBIG);
    close(fd);
}

Test(sys, write_quiet_leaves_the_hosts_pending_signal)
{
    int ends[2];
    sigset_t set;
    sigset_t pending;

    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    raise(SIGPIPE);
    cr_assert_eq(pipe(ends), 0);
    close(ends[0]);
    cr_assert_eq(otel_sys_write_quiet(ends[1], "x", 1), -EPIPE);
    sigpending(&pending);
    cr_assert(sigismember(&pending, SIGPIPE));
    pthread_sigmask(SIG_BLOCK, NULL, &pending);
    cr_assert(sigismember(&pending, SIGPIPE));
}

/* What malloc() gave since then lies there, as long as it comes from brk(); nothing else does. */
Test(sys, in_heap)
{
    static char elsewhere[8];
    char *before = sbrk(0);
    char *p;

    cr_assert_not(otel_sys_in_heap(elsewhere, 1), "not known where it begins");
    otel_sys_heap_init();
    p = sbrk(4096);
    cr_assert_neq(p, (char *)-1);
    cr_assert(otel_sys_in_heap(p, 1));
    cr_assert(otel_sys_in_heap(p, 4096));
    cr_assert(otel_sys_in_heap(p + 4095, 1));
    cr_assert_not(otel_sys_in_heap(p + 1, 4096), "beyond its end");
    cr_assert_not(otel_sys_in_heap(p, SIZE_MAX));
    cr_assert_not(otel_sys_in_heap(before - 1, 1), "before start-up");
    cr_assert_not(otel_sys_in_heap(elsewhere, 1));
    cr_assert_neq(sbrk(-4096), (char *)-1);
    cr_assert_not(otel_sys_in_heap(p, 1), "given back");
}

static _Atomic uint32_t word;
static _Atomic int woken;

static void *waiter(void *arg)
{
    (void)arg;
    while (atomic_load(&word) == 0)
        otel_sys.futex_wait(&word, 0, -1);
    atomic_store(&woken, 1);
    return NULL;
}

Test(sys, futex)
{
    pthread_t thread;

    atomic_store(&word, 1);
    cr_assert_eq(otel_sys.futex_wait(&word, 0, -1), -EAGAIN);
    cr_assert_eq(otel_sys.futex_wait(&word, 1, 1000), -ETIMEDOUT);
    atomic_store(&word, 0);
    pthread_create(&thread, NULL, waiter, NULL);
    while (otel_sys.futex_wake(&word, 1) == 0)
        sched_yield(); /* until the thread is asleep */
    atomic_store(&word, 1);
    otel_sys.futex_wake(&word, 1);
    pthread_join(thread, NULL);
    cr_assert_eq(atomic_load(&woken), 1);
}
