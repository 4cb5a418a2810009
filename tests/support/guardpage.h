/* SPDX-License-Identifier: Apache-2.0
 *
 * Input whose next byte faults: a parser that reads one byte too far dies of SIGSEGV instead of
 * passing by luck, also where no sanitizer is built in. For unit tests and fuzz targets.
 *
 *     struct guardpage page;
 *     guardpage_open(&page, 300);
 *     const char *p = guardpage_put(&page, text, len);   // p[len] faults
 *     guardpage_close(&page);
 *
 * One user at a time; each put overwrites the one before.
 */
#ifndef OTEL_TESTS_SUPPORT_GUARDPAGE_H
#define OTEL_TESTS_SUPPORT_GUARDPAGE_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct guardpage {
    char *base;
    char *guard; /* the first byte that faults */
    size_t size; /* of the mapping */
};

/* Room for inputs and outputs of at most max_len bytes. Ends the process when there is no memory.
 */
static inline void guardpage_open(struct guardpage *page, size_t max_len)
{
    size_t unit = (size_t)sysconf(_SC_PAGESIZE);
    size_t room = (max_len + unit - 1) / unit * unit;

    room = room ? room : unit;
    page->size = room + unit;
    page->base = mmap(NULL, page->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page->base == MAP_FAILED)
        abort();
    page->guard = page->base + room;
    if (mprotect(page->guard, unit, PROT_NONE))
        abort();
}

/* len writable bytes right before the guard, with what they last held: also for outputs, whose
 * writer must not go past its room. len: at most max_len. */
static inline void *guardpage_room(const struct guardpage *page, size_t len)
{
    if (len > (size_t)(page->guard - page->base))
        abort();
    return page->guard - len;
}

/* A copy of data right before the guard: the byte behind its last one faults. data may be NULL when
 * len is 0. */
static inline void *guardpage_put(const struct guardpage *page, const void *data, size_t len)
{
    void *at = guardpage_room(page, len);

    if (len)
        memcpy(at, data, len);
    return at;
}

/* Inputs and outputs are gone afterwards. */
static inline void guardpage_close(struct guardpage *page)
{
    munmap(page->base, page->size);
}

#endif
