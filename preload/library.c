/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/real.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "core/tls.h"
#include "preload/elf.h"
#include "preload/hook.h"
#include "preload/report.h"

#define BINDINGS 256 /* power of two */
#define PROBES 16

/* Module M is bound to library for family. A link map's address may be used again after dlclose, so
 * its dynamic section and name identify the module too. Constant once published. */
struct binding {
    const struct otel_family *family;
    const struct link_map *map;
    const void *dynamic;
    uint32_t name_hash;
    struct otel_library *library;
};

/* Memory of copies; an entry belongs to who takes its number from memory_used until it is
 * published. Static, for a copy that cannot be kept would leave the hook with nothing to call. */
static struct otel_library memory[OTEL_LIBRARY_COPIES];
static _Atomic uint32_t memory_used;

/* Every copy found. Filled from the front, each entry once, by compare-and-swap; never freed. */
static _Atomic(struct otel_library *) libraries[OTEL_LIBRARY_COPIES];

/* Hash table of bindings, written by compare-and-swap, read by any thread. A published binding is
 * replaced only when its module has gone; its memory is not used again. */
static _Atomic(struct binding *) bindings[BINDINGS];

/* Memory of bindings; an entry belongs to who takes its number from bindings_used until it is
 * published. When all are used a module's copy is looked up at each call. */
static struct binding binding_memory[BINDINGS];
static _Atomic uint32_t bindings_used;

void otel_library_assign_slots(void)
{
    for (struct otel_hook *hook = __start_otel_hooks; hook < __stop_otel_hooks; hook++) {
        uint32_t slot = 0;

        if (!hook->family)
            continue;
        while (hook->family->wanted[slot])
            slot++;
        for (struct otel_hook *before = __start_otel_hooks; before < hook; before++)
            slot += before->family == hook->family;
        __atomic_store_n(&hook->slot, slot, __ATOMIC_RELAXED);
    }
}

static uint32_t name_hash(const char *name)
{
    uint32_t h = 2166136261u;

    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 16777619u;
    return h;
}

static uint32_t first_probe(const struct otel_family *family, const struct link_map *map)
{
    uint64_t key = ((uintptr_t)family >> 4) ^ ((uintptr_t)map >> 4);

    return (uint32_t)((key * 0x9e3779b97f4a7c15u) >> 40) % BINDINGS;
}

static bool same_key(const struct binding *b, const struct otel_family *family,
                     const struct link_map *map)
{
    return b->map == map && b->family == family;
}

static bool is_current(const struct binding *b)
{
    return b->dynamic == (const void *)b->map->l_ld && b->name_hash == name_hash(b->map->l_name);
}

static struct otel_library *bound(const struct otel_family *family, const struct link_map *map)
{
    uint32_t at = first_probe(family, map);

    for (uint32_t i = 0; i < PROBES; i++) {
        struct binding *b =
            atomic_load_explicit(&bindings[(at + i) % BINDINGS], memory_order_acquire);

        if (!b)
            return NULL;
        if (same_key(b, family, map))
            return is_current(b) ? b->library : NULL;
    }
    return NULL;
}

static void bind(const struct otel_family *family, const struct link_map *map,
                 struct otel_library *library)
{
    uint32_t number = atomic_fetch_add_explicit(&bindings_used, 1, memory_order_relaxed);
    uint32_t at = first_probe(family, map);
    struct binding *fresh;

    if (number >= BINDINGS) {
        atomic_store_explicit(&bindings_used, BINDINGS, memory_order_relaxed);
        return;
    }
    fresh = &binding_memory[number];
    *fresh = (struct binding){family, map, map->l_ld, name_hash(map->l_name), library};
    for (uint32_t i = 0; i < PROBES; i++) {
        _Atomic(struct binding *) *place = &bindings[(at + i) % BINDINGS];
        struct binding *there = atomic_load_explicit(place, memory_order_acquire);

        if (there && !same_key(there, family, map))
            continue;
        if (atomic_compare_exchange_strong_explicit(place, &there, fresh, memory_order_acq_rel,
                                                    memory_order_acquire) ||
            same_key(there, family, map))
            return;
    }
}

/* Never a hook of ours, nor of another copy of us in this process. */
static bool usable(void *function)
{
    struct otel_elf_module module;

    return function && otel_elf_module_of(function, &module) && !otel_elf_is_ours(module.map);
}

static void *symbol(void *handle, const char *name, const char *version)
{
    void *function = version ? dlvsym(handle, name, version) : dlsym(handle, name);

    return usable(function) ? function : NULL;
}

/* A handle of a module that is loaded, NULL: the loader does not know it by that name. The main
 * program's name is empty. */
static void *open_loaded(const struct link_map *map, int flags)
{
    void *(*real_dlopen)(const char *, int) =
        (void *(*)(const char *, int))otel_real_libc("dlopen");

    if (!real_dlopen)
        return NULL;
    return real_dlopen(*map->l_name ? map->l_name : NULL, RTLD_LAZY | RTLD_NOLOAD | flags);
}

static void *in_scope_of(const struct link_map *map, const char *name, const char *version)
{
    void *handle = open_loaded(map, 0);
    void *function;

    if (!handle)
        return NULL;
    function = symbol(handle, name, version);
    dlclose(handle);
    return function;
}

struct scan {
    const char *name, *version;
    void *function;
};

static bool scan_one(const struct link_map *map, void *arg)
{
    struct scan *scan = arg;

    if (!otel_elf_is_ours(map))
        scan->function = otel_elf_function(map, scan->name, scan->version);
    return scan->function != NULL;
}

/* What caller's reference to name would be bound to, were we not there. */
static void *search(const char *name, const struct link_map *caller)
{
    const char *version = caller ? otel_elf_version(caller, name) : NULL;
    struct scan scan = {name, version, NULL};
    void *function = symbol(RTLD_NEXT, name, version);

    if (!function && caller)
        function = in_scope_of(caller, name, version);
    if (function || otel_elf_each(scan_one, &scan))
        return function ? function : scan.function;
    scan.version = NULL;
    otel_elf_each(scan_one, &scan);
    return scan.function;
}

static void fill(struct otel_library *library, const struct otel_family *family,
                 const struct otel_elf_module *copy)
{
    uint32_t slot = 0;

    library->family = family;
    library->map = copy->map;
    library->start = copy->start;
    library->end = copy->end;
    for (; slot < OTEL_FAMILY_FUNCTIONS && family->wanted[slot]; slot++)
        library->real[slot] = otel_elf_function(copy->map, family->wanted[slot], NULL);
    for (struct otel_hook *hook = __start_otel_hooks; hook < __stop_otel_hooks; hook++) {
        if (hook->family == family && hook->slot < OTEL_FAMILY_FUNCTIONS)
            library->real[hook->slot] = otel_elf_function(copy->map, hook->name, NULL);
    }
}

/* Pins a copy for good. Where that fails the copy is used all the same: only a host that unloads it
 * and then calls it would notice. */
static struct otel_library *make(const struct otel_family *family,
                                 const struct otel_elf_module *copy)
{
    uint32_t number = atomic_fetch_add_explicit(&memory_used, 1, memory_order_relaxed);

    if (number >= OTEL_LIBRARY_COPIES) {
        atomic_store_explicit(&memory_used, OTEL_LIBRARY_COPIES, memory_order_relaxed);
        return NULL;
    }
    open_loaded(copy->map, RTLD_NODELETE);
    fill(&memory[number], family, copy);
    return &memory[number];
}

/* The entry of that copy; made and published when it is new. A race ends with one entry for all. */
static struct otel_library *library_at(const struct otel_family *family,
                                       const struct otel_elf_module *copy)
{
    struct otel_library *fresh = NULL;

    for (uint32_t i = 0; i < OTEL_LIBRARY_COPIES; i++) {
        struct otel_library *there = atomic_load_explicit(&libraries[i], memory_order_acquire);

        if (!there && !fresh)
            fresh = make(family, copy);
        if (!there && !fresh)
            return NULL;
        if (!there && atomic_compare_exchange_strong_explicit(
                          &libraries[i], &there, fresh, memory_order_acq_rel, memory_order_acquire))
            return fresh;
        if (there->family == family && there->map == copy->map)
            return there;
    }
    return NULL;
}

static struct otel_library *resolve(const struct otel_hook *hook, const struct link_map *caller)
{
    struct otel_library *library = NULL;
    struct otel_elf_module copy;
    bool entered = otel_guard_enter();
    int saved = errno;
    void *function;

    otel_library_assign_slots();
    function = search(hook->name, caller);
    if (function && otel_elf_module_of(function, &copy))
        library = library_at(hook->family, &copy);
    if (library && !library->real[hook->slot])
        library = NULL;
    if (library && caller && !bound(hook->family, caller)) {
        bind(hook->family, caller, library);
        otel_report_library(library, caller);
    } else if (!library) {
        otel_report_unbound(hook, caller);
    }
    dlerror(); /* what our look-ups left */
    errno = saved;
    if (entered)
        otel_guard_leave();
    return library;
}

struct otel_library *otel_library_of(const struct otel_hook *hook, const void *caller, bool *nested)
{
    struct otel_elf_module module;
    bool known = otel_elf_module_of(caller, &module);
    struct otel_library *library = known ? bound(hook->family, module.map) : NULL;

    if (!library || !library->real[hook->slot])
        library = resolve(hook, known ? module.map : NULL);
    if (nested)
        *nested = library && known && library->map == module.map;
    return library;
}

/* The main program's name is empty. */
bool otel_library_defines(const void *caller, const char *function)
{
    struct otel_elf_module module;

    return otel_elf_module_of(caller, &module) && *module.map->l_name &&
           otel_elf_function(module.map, function, NULL);
}
