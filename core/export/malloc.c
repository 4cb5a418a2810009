/* SPDX-License-Identifier: Apache-2.0
 *
 * The malloc family, forwarded to the process's allocator.
 *
 * The module is loaded RTLD_DEEPBIND so that its libcurl finds its own OpenSSL and not the host's.
 * The same rule makes libcurl find libc's malloc although the process may run on another (jemalloc,
 * a shell's own), and then one allocator frees what the other gave: abort. These definitions stand
 * before libc in the module's scope, and hand on to what the program itself calls.
 *
 * That one is found through the program's own handle, dlopen(NULL): dlsym(RTLD_DEFAULT) would
 * search the caller's scope first and find this file.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))
#define WEAK __attribute__((weak))

/* glibc's allocator under the names nobody replaces. */
extern void *__libc_malloc(size_t size) WEAK;
extern void *__libc_calloc(size_t count, size_t size) WEAK;
extern void *__libc_realloc(void *old, size_t size) WEAK;
extern void __libc_free(void *old) WEAK;

EXPORTED void *malloc(size_t size);
EXPORTED void *calloc(size_t count, size_t size);
EXPORTED void *realloc(void *old, size_t size);
EXPORTED void free(void *old);
EXPORTED void *memalign(size_t alignment, size_t size);
EXPORTED void *aligned_alloc(size_t alignment, size_t size);
EXPORTED int posix_memalign(void **out, size_t alignment, size_t size);
EXPORTED void *valloc(size_t size);
EXPORTED void *pvalloc(size_t size);
EXPORTED size_t malloc_usable_size(void *block);
EXPORTED void *reallocarray(void *old, size_t count, size_t size);

struct allocator {
    void *(*malloc)(size_t size);
    void *(*calloc)(size_t count, size_t size);
    void *(*realloc)(void *old, size_t size);
    void (*free)(void *old);
    void *(*memalign)(size_t alignment, size_t size); /* NULL: it has none of its own */
    int (*posix_memalign)(void **out, size_t alignment, size_t size);
    size_t (*usable_size)(void *block);
};

/* Written by whoever comes first, before ready is set (release); two threads that come together
 * write the same. Read after ready was seen set (acquire). */
static struct allocator process;
static atomic_bool ready;

/* The thread that looks for the allocator, 0: none. Only to notice a call from inside the search.
 */
static _Atomic int searching;

static bool own(const void *function)
{
    return function == (void *)malloc || function == (void *)calloc ||
           function == (void *)realloc || function == (void *)free ||
           function == (void *)memalign || function == (void *)posix_memalign ||
           function == (void *)malloc_usable_size;
}

static void *found(void *program, const char *name)
{
    void *function = program ? dlsym(program, name) : NULL;

    return own(function) ? NULL : function;
}

/* An allocator need not replace the rarer functions; libc's would then work on libc's heap, and the
 * block could not be freed. */
static void *of_same_library(void *program, const char *name, void *like)
{
    void *function = found(program, name);
    Dl_info one;
    Dl_info other;

    if (!function || !dladdr(function, &one) || !dladdr(like, &other))
        return NULL;
    return one.dli_fbase == other.dli_fbase ? function : NULL;
}

static void search(void)
{
    void *program = dlopen(NULL, RTLD_LAZY);
    struct allocator a = {
        .malloc = found(program, "malloc"),
        .calloc = found(program, "calloc"),
        .realloc = found(program, "realloc"),
        .free = found(program, "free"),
    };

    if (a.malloc && a.calloc && a.realloc && a.free) {
        a.memalign = of_same_library(program, "memalign", (void *)a.malloc);
        a.posix_memalign = of_same_library(program, "posix_memalign", (void *)a.malloc);
        a.usable_size = of_same_library(program, "malloc_usable_size", (void *)a.malloc);
    } else {
        a = (struct allocator){
            .malloc = __libc_malloc,
            .calloc = __libc_calloc,
            .realloc = __libc_realloc,
            .free = __libc_free,
        };
    }
    process = a;
}

/* NULL: asked from inside the search, or there is no allocator to be found. */
static const struct allocator *allocator(void)
{
    int tid;

    if (atomic_load_explicit(&ready, memory_order_acquire))
        return &process;
    tid = (int)syscall(SYS_gettid);
    if (atomic_load_explicit(&searching, memory_order_relaxed) == tid)
        return NULL;
    atomic_store_explicit(&searching, tid, memory_order_relaxed);
    search();
    atomic_store_explicit(&searching, 0, memory_order_relaxed);
    if (!process.malloc)
        return NULL;
    atomic_store_explicit(&ready, true, memory_order_release);
    return &process;
}

static void *no_memory(void)
{
    errno = ENOMEM;
    return NULL;
}

void *malloc(size_t size)
{
    const struct allocator *a = allocator();

    return a ? a->malloc(size) : no_memory();
}

void *calloc(size_t count, size_t size)
{
    const struct allocator *a = allocator();

    return a ? a->calloc(count, size) : no_memory();
}

void *realloc(void *old, size_t size)
{
    const struct allocator *a = allocator();

    return a ? a->realloc(old, size) : no_memory();
}

void free(void *old)
{
    const struct allocator *a = allocator();

    if (a)
        a->free(old);
}

void *memalign(size_t alignment, size_t size)
{
    const struct allocator *a = allocator();

    if (a && a->memalign)
        return a->memalign(alignment, size);
    if (a && alignment <= _Alignof(max_align_t))
        return a->malloc(size);
    return no_memory();
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    const struct allocator *a = allocator();

    if (a && a->posix_memalign)
        return a->posix_memalign(out, alignment, size);
    if (!a || alignment > _Alignof(max_align_t))
        return ENOMEM;
    *out = a->malloc(size);
    return *out ? 0 : ENOMEM;
}

void *valloc(size_t size)
{
    return memalign((size_t)sysconf(_SC_PAGESIZE), size);
}

void *pvalloc(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    return size > SIZE_MAX - page ? no_memory() : memalign(page, (size + page - 1) / page * page);
}

size_t malloc_usable_size(void *block)
{
    const struct allocator *a = allocator();

    return a && a->usable_size ? a->usable_size(block) : 0;
}

void *reallocarray(void *old, size_t count, size_t size)
{
    size_t total;

    return __builtin_mul_overflow(count, size, &total) ? no_memory() : realloc(old, total);
}
