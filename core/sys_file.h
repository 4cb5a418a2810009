/* SPDX-License-Identifier: Apache-2.0
 *
 * The system calls core makes on folders and on files that it maps, in a table like that of sys.h
 * and for its reasons. Results are the kernel's: >= 0, or -Exxx. errno is never touched.
 *
 * otel_sys_file is written by unit tests only; everywhere else it is read-only.
 */
#ifndef OTEL_CORE_SYS_FILE_H
#define OTEL_CORE_SYS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A name in a folder, as the kernel has it (struct linux_dirent64). */
struct otel_dirent {
    uint64_t inode;
    int64_t offset;
    uint16_t size; /* of the whole */
    uint8_t type;
    char name[];
};
#define OTEL_DIRENT_NAME offsetof(struct otel_dirent, name)

struct otel_sys_file {
    int (*mkdir)(const char *path, unsigned mode);
    int (*rmdir)(const char *path);
    int (*openat)(int folder, const char *name, int flags, unsigned mode);
    int (*unlinkat)(int folder, const char *name);
    int (*renameat)(int folder, const char *from, const char *to);
    /* Whole struct otel_dirent, as many as fit; 0: the end. */
    long (*getdents)(int folder, void *buf, size_t n);
    int64_t (*pread)(int fd, void *buf, size_t n, int64_t at);
    int64_t (*pwrite)(int fd, const void *buf, size_t n, int64_t at);
    int (*flock)(int fd, int operation);
    int (*ftruncate)(int fd, int64_t len);
    /* 1: fd lies on a tmpfs, whose pages are memory; 0: elsewhere. */
    int (*on_tmpfs)(int fd);
    /* Sets its times to now. */
    int (*touch)(int fd);
    /* Maps len bytes of fd from its beginning, shared, rw. at: over what is mapped there now, or
     * NULL: anywhere. NULL on failure. */
    void *(*map)(int fd, void *at, size_t len);
    /* Fresh private memory in the place of what is mapped at p. 0 or -Exxx. */
    int (*map_plain)(void *p, size_t len);
};

extern struct otel_sys_file otel_sys_file;

#endif
