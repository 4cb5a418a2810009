/* SPDX-License-Identifier: Apache-2.0 */
#include "core/yaml_memory.h"

#include <stdint.h>
#include <string.h>

#include "core/sys.h"

/* Address space, not memory: only touched pages cost any. Blocks that grow by doubling leave their
 * former places behind, for a file of 256 KiB some MiB in all. */
#define MEMORY ((size_t)64 << 20)
#define ALIGNMENT 16

/* All of these: the one thread that reads settings. */
static char *memory;
static size_t used;
jmp_buf otel_yaml_broken;

/* Stands in front of each block. */
struct block {
    _Alignas(ALIGNMENT) size_t size;
};

bool otel_yaml_memory_begin(void)
{
    otel_yaml_memory_end();
    memory = otel_sys.mmap(MEMORY);
    return memory;
}

void otel_yaml_memory_end(void)
{
    if (memory)
        otel_sys.munmap(memory, MEMORY);
    memory = NULL;
    used = 0;
}

void *otel_yaml_malloc(size_t n)
{
    struct block *block = (struct block *)(memory + used);
    size_t rounded = (n + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);

    if (!memory || rounded < n || rounded > MEMORY - sizeof *block - used)
        return NULL;
    block->size = rounded;
    used += sizeof *block + rounded;
    return block + 1;
}

void *otel_yaml_realloc(void *p, size_t n)
{
    struct block *block = (struct block *)p - 1;
    void *larger;

    if (p && n <= block->size)
        return p;
    larger = otel_yaml_malloc(n);
    if (larger && p)
        memcpy(larger, p, block->size);
    return larger;
}

void otel_yaml_release(void *p)
{
    (void)p; /* all at once, in otel_yaml_memory_end() */
}

char *otel_yaml_strdup(const char *text)
{
    size_t len = strlen(text);
    char *copy = otel_yaml_malloc(len + 1);

    return copy ? memcpy(copy, text, len + 1) : NULL;
}

_Noreturn void otel_yaml_assert(const char *what, const char *file, unsigned line,
                                const char *function)
{
    (void)what, (void)file, (void)line, (void)function;
    longjmp(otel_yaml_broken, 1);
}
