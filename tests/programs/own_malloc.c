/* SPDX-License-Identifier: Apache-2.0
 *
 * A program with an allocator of its own, that has the four functions glibc asks for and no more
 * (as bash has). Loads the exporter module (argv[1]) as the batch thread does and uses the module's
 * malloc family: each block must come from here and go back here; what this allocator cannot do
 * (alignment) fails, for libc's would be freed by the wrong one. Prints "ok".
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAGIC UINT64_C(0x6d796d616c6c6f63)
#define ARENA ((size_t)64 << 20)

struct head {
    uint64_t magic;
    size_t size;
};

static char arena[ARENA] __attribute__((aligned(16)));
static _Atomic size_t used;
static _Atomic unsigned foreign; /* blocks given back that were not ours */

static struct head *head_of(void *block)
{
    return (struct head *)block - 1;
}

void *malloc(size_t size)
{
    size_t at = atomic_fetch_add(&used, (size + sizeof(struct head) + 15) / 16 * 16);
    struct head *head = (struct head *)(arena + at);

    if (at + size + sizeof *head > ARENA)
        return NULL;
    *head = (struct head){MAGIC, size};
    return head + 1;
}

void free(void *block)
{
    if (block && head_of(block)->magic != MAGIC)
        foreign++;
}

void *calloc(size_t count, size_t size)
{
    return malloc(count * size); /* the arena is zero and never used twice */
}

void *realloc(void *old, size_t size)
{
    void *block = malloc(size);

    if (old && block)
        memcpy(block, old, head_of(old)->size < size ? head_of(old)->size : size);
    free(old);
    return block;
}

static int ours(void *block)
{
    return block && head_of(block)->magic == MAGIC;
}

static int check(void *module)
{
    void *(*m)(size_t) = dlsym(module, "malloc");
    void *(*c)(size_t, size_t) = dlsym(module, "calloc");
    void *(*r)(void *, size_t) = dlsym(module, "realloc");
    void *(*ra)(void *, size_t, size_t) = dlsym(module, "reallocarray");
    void (*f)(void *) = dlsym(module, "free");
    void *(*a)(size_t, size_t) = dlsym(module, "aligned_alloc");
    int (*p)(void **, size_t, size_t) = dlsym(module, "posix_memalign");
    void *block = m(10);
    void *aligned = NULL;

    if (!ours(block) || !ours(block = r(block, 100)) || !ours(block = ra(block, 10, 20)))
        return 1;
    if (ra(block, SIZE_MAX, 2) || errno != ENOMEM)
        return 2;
    f(block);
    f(NULL);
    if (!ours(block = c(10, 10)))
        return 3;
    f(block);
    if (!ours(a(16, 32)) || p(&aligned, 8, 32) || !ours(aligned))
        return 4;
    if (a(64, 64) || errno != ENOMEM || p(&aligned, 4096, 1) != ENOMEM)
        return 5;
    return 0;
}

int main(int argc, char **argv)
{
    void *module = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND) : NULL;
    int failed = module ? check(module) : 9;

    if (!module)
        printf("%s\n", dlerror());
    if (failed || foreign)
        printf("failed at %d, %u foreign blocks\n", failed, foreign);
    else
        printf("ok\n");
    return 0;
}
