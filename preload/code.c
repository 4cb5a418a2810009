/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/code.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define REACH ((uintptr_t)2000 << 20) /* a little less than 2 GiB */
#define STEP ((uintptr_t)256 << 10)   /* between places that are tried */
#define TRIES (REACH / STEP)

static void *map_at(uintptr_t address)
{
    void *page = mmap((void *)address, OTEL_CODE_PAGE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | (address ? MAP_FIXED_NOREPLACE : 0), -1, 0);

    if (page == MAP_FAILED)
        return NULL;
    if (address && (uintptr_t)page != address) { /* a kernel that does not know the flag */
        munmap(page, OTEL_CODE_PAGE);
        return NULL;
    }
    return page;
}

/* Below first: above a program is its heap, which wants to grow. */
static void *map_near(uintptr_t near)
{
    uintptr_t base = near & ~(STEP - 1);
    void *page = NULL;

    for (uintptr_t i = 1; i < TRIES && !page && i * STEP < base; i++)
        page = map_at(base - i * STEP);
    for (uintptr_t i = 1; i < TRIES && !page; i++)
        page = map_at(base + i * STEP);
    return page;
}

void *otel_code_page(const void *near)
{
    int saved = errno;
    void *page = near ? map_near((uintptr_t)near) : map_at(0);

    errno = saved;
    return page;
}

bool otel_code_seal(void *page)
{
    int saved = errno;
    bool sealed = mprotect(page, OTEL_CODE_PAGE, PROT_READ | PROT_EXEC) == 0;

    if (!sealed)
        munmap(page, OTEL_CODE_PAGE);
    errno = saved;
    return sealed;
}

void otel_code_free(void *page)
{
    int saved = errno;

    munmap(page, OTEL_CODE_PAGE);
    errno = saved;
}

/* In one store where that can be, for other threads may come by. */
static void store(uint8_t *from, const uint8_t *jump)
{
    uint8_t *word = (uint8_t *)((uintptr_t)from & ~(uintptr_t)7);
    uint64_t bytes;

    if (!otel_code_jump_is_atomic(from)) {
        memcpy(from, jump, OTEL_CODE_JUMP);
        return;
    }
    memcpy(&bytes, word, sizeof bytes);
    memcpy((uint8_t *)&bytes + (from - word), jump, OTEL_CODE_JUMP);
    __atomic_store_n((uint64_t *)(void *)word, bytes, __ATOMIC_SEQ_CST);
}

bool otel_code_jump(void *from, const void *to)
{
    int saved = errno;
    uintptr_t first = (uintptr_t)from & ~(uintptr_t)(OTEL_CODE_PAGE - 1);
    uintptr_t last = ((uintptr_t)from + OTEL_CODE_JUMP - 1) & ~(uintptr_t)(OTEL_CODE_PAGE - 1);
    size_t length = last - first + OTEL_CODE_PAGE;
    int32_t distance = (int32_t)((intptr_t)to - (intptr_t)from - OTEL_CODE_JUMP);
    uint8_t jump[OTEL_CODE_JUMP] = {0xe9};
    bool written;

    memcpy(jump + 1, &distance, sizeof distance);
    written = mprotect((void *)first, length, PROT_READ | PROT_WRITE | PROT_EXEC) == 0;
    if (written) {
        store(from, jump);
        mprotect((void *)first, length, PROT_READ | PROT_EXEC);
    }
    errno = saved;
    return written;
}
