/* SPDX-License-Identifier: Apache-2.0
 *
 * The system calls core makes. Raw, because the libc functions of these names may be hooks of ours
 * (core calls nothing that hooks interpose), and in a table, because the tests make the n-th of
 * each fail. Results are the kernel's: >= 0, or -Exxx. errno is never touched.
 *
 * otel_sys is written by unit tests only; everywhere else it is read-only after start-up.
 */
#ifndef OTEL_CORE_SYS_H
#define OTEL_CORE_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

struct otel_sys {
    int (*open)(const char *path, int flags, unsigned mode);
    ssize_t (*read)(int fd, void *buf, size_t n);
    ssize_t (*write)(int fd, const void *buf, size_t n);
    int (*close)(int fd);
    long (*readlink)(const char *path, char *buf, size_t n);
    void *(*mmap)(size_t len); /* private, anonymous, NORESERVE, rw; NULL on failure */
    void *(*mmap_shared)(int fd, size_t len); /* rw; fd < 0: anonymous; NULL on failure */
    int (*munmap)(void *p, size_t len);
    int (*memfd)(const char *name, size_t len);                 /* close-on-exec, of that size */
    int (*name_mapping)(void *p, size_t len, const char *name); /* constant memory */
    int (*madvise)(void *p, size_t len, int advice);
    long (*getrandom)(void *buf, size_t n); /* never blocks: -EAGAIN before the pool is ready */
    int (*getpid)(void);
    int (*gettid)(void);
    /* FUTEX_WAIT_PRIVATE until *word != expected, a wake, or the time; timeout_ns < 0: for ever. */
    int (*futex_wait)(const _Atomic uint32_t *word, uint32_t expected, int64_t timeout_ns);
    int (*futex_wake)(_Atomic uint32_t *word, int count);
    int (*getsockopt)(int fd, int level, int name, void *value, unsigned *len);
    int (*getsockname)(int fd, void *addr, unsigned *len);
    int (*getpeername)(int fd, void *addr, unsigned *len);
    int (*fstat)(int fd, struct stat *st);
    int (*getrlimit)(int resource, struct rlimit *limit);
    int (*name_thread)(const char *name); /* the calling one, 15 bytes */
    /* Can a byte be read at p? -EFAULT when not; the page is looked at, nothing is changed. */
    int (*probe)(const void *p);
};

extern struct otel_sys otel_sys;

/* Reads a whole small file (at most cap bytes). Returns the bytes read or -Exxx. */
ssize_t otel_sys_read_file(const char *path, char *buf, size_t cap);

/* Writes all of it, retrying short writes and EINTR. Returns 0 or -Exxx. */
int otel_sys_write_all(int fd, const void *buf, size_t n);

/* The same on a thread of the host: a closed pipe or a file size limit gives -EPIPE or -EFBIG
 * without the SIGPIPE or SIGXFSZ that would kill the host for a line of ours. */
int otel_sys_write_quiet(int fd, const void *buf, size_t n);

/* The name of an errno ("ECONNREFUSED"), for error.type, which says "_OTHER" of what has none
 * (semantic conventions). Constant memory. */
const char *otel_sys_errno_name(int error);

/* Do n bytes at p, at least one, lie in what the heap of brk() has had since start-up? It is never
 * given back but from its end on, so they can be read without a probe. Any thread; two loads.
 * otel_sys_heap_init: where it begins, once, at start-up. */
void otel_sys_heap_init(void);
bool otel_sys_in_heap(const void *p, size_t n);

/* Gives way until *state is no longer busy, for 50 ms at the most; returns what it then is. For
 * regions mapped by whichever thread comes first. Still busy after that (a fork child whose mapping
 * thread stayed behind, or a signal handler that interrupted it): it becomes refused, so that
 * nobody waits again; a mapper that comes back overrules. */
uint32_t otel_sys_await_mapping(_Atomic uint32_t *state, uint32_t busy, uint32_t refused);

#endif
