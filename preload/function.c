/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/function.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <string.h>
#include <sys/single_threaded.h>

#include "core/config.h"
#include "core/log.h"
#include "core/sys.h"
#include "preload/code.h"
#include "preload/dlsym.h"
#include "preload/elf.h"
#include "preload/functions/module.h"
#include "preload/got.h"
#include "preload/module.h"
#include "preload/real.h"
#include "preload/stub.h"
#include "preload/symbols.h"

#define FILE_MAX ((size_t)256 << 10)
#define MODULES 1024 /* remembered; what is loaded beyond them is looked at each time */
#define MOVED_AT 64  /* in a page: the stub's entry, the moved instructions, the linker's name */
#define NAME_AT 3072
#define NAME_ROOM (OTEL_CODE_PAGE - NAME_AT)
#define COLD ".cold" /* what gcc calls the rarely run part of a function */

/* Written at start-up, before any thread. */
const struct otel_function_events *otel_function_events;
static const struct otel_functions_module *module;
static void *(*real_dlopen)(const char *file, int mode);

/* Written at start-up; what a scan finds is written under the loader's lock. */
static struct otel_function_site *sites;
static size_t sites_count;

/* The modules that were looked at, under the loader's lock. */
static struct {
    const struct link_map *map;
    const void *dynamic;
} seen[MODULES];
static size_t seen_count;

/* How many modules were ever loaded, as of the last scan. Any thread; written under the loader's
 * lock, so that who finds it up to date finds what that scan did. */
static _Atomic uint64_t loaded;

/* --- one function -------------------------------------------------------------------------------
 */

static void log_left(const struct otel_function_site *site, const char *why)
{
    otel_log(OTEL_LOG_WARN, "function %.*s is left alone: %s", (int)site->spec.symbol.len,
             site->spec.symbol.data, why);
}

static void log_traced(const struct otel_function_site *site, const char *how, const char *why)
{
    otel_log(OTEL_LOG_INFO, "function %.*s is traced %s%s%s", (int)site->spec.symbol.len,
             site->spec.symbol.data, how, why ? ": " : "", why ? why : "");
}

/* The page's owner from here on is the site, whose generated code runs until the process ends. */
static bool seal(struct otel_function_site *site, void *page, const char **why)
{
    *why = "the system allows no generated code";
    if (!otel_code_seal(page))
        return false;
    site->page = page;
    return true;
}

static bool patch(struct otel_function_site *site, const struct otel_functions_move *what,
                  const char **why)
{
    struct otel_functions_move move = *what;
    char *page = otel_code_page(site->address);

    *why = "no memory near it";
    if (!page)
        return false;
    *why = "other threads may be in its first bytes";
    if (move.at_once && !otel_code_jump_is_atomic(site->address)) {
        otel_code_free(page);
        return false;
    }
    move.to = (uint8_t *)page + MOVED_AT;
    move.room = NAME_AT - MOVED_AT;
    otel_stub_places(site);
    otel_stub_write(page, site);
    if (!module->move(&move, OTEL_CODE_JUMP, why)) {
        otel_code_free(page);
        return false;
    }
    site->real = page + MOVED_AT;
    site->entry = page;
    if (!seal(site, page, why))
        return false;
    otel_function_events->prepare(site);
    *why = "its code cannot be made writable";
    if (otel_code_jump((void *)(uintptr_t)site->address, page))
        return true;
    otel_code_free(page);
    return false;
}

static bool by_slots(struct otel_function_site *site, struct otel_text linker_name,
                     const char **why)
{
    char *page = otel_code_page(NULL);

    *why = "no memory";
    if (!page)
        return false;
    site->real = (void *)(uintptr_t)site->address;
    site->entry = page;
    otel_stub_places(site);
    if (site->spec.variadic)
        otel_stub_write(page, site);
    else
        site->entry = module->closure(site, page, NAME_AT, why);
    if (!site->entry) {
        otel_code_free(page);
        return false;
    }
    if (linker_name.len < NAME_ROOM)
        memcpy(page + NAME_AT, linker_name.data, linker_name.len);
    otel_function_events->prepare(site);
    return seal(site, page, why);
}

/* The C library's functions are hooks of ours, or run below them. */
static bool is_libc(const void *address)
{
    struct otel_elf_module of;

    return otel_elf_module_of(address, &of) &&
           (otel_symbols_is_module(of.map, OTEL_TEXT("libc")) ||
            otel_symbols_is_module(of.map, OTEL_TEXT("ld-linux-x86-64")));
}

static bool may_patch(const struct otel_function_site *site, const char **why)
{
    *why = "OTEL_AUTO_FUNCTIONS_PATCH is off";
    if (!otel_config.functions_patch)
        return false;
    *why = "it is the C library's";
    return !is_libc(site->address);
}

static void settle(struct otel_function_site *site, const struct otel_functions_move *move,
                   struct otel_text linker_name)
{
    const char *why, *slots;

    if (may_patch(site, &why) && patch(site, move, &why)) {
        site->way = OTEL_FUNCTION_PATCHED;
        log_traced(site, "at each call", NULL);
    } else if (site->exported && by_slots(site, linker_name, &slots)) {
        site->way = OTEL_FUNCTION_SLOTS;
        log_traced(site, "where another module calls it", why);
    } else {
        site->way = OTEL_FUNCTION_LEFT;
        log_left(site, site->exported ? slots : why);
    }
}

/* --- modules ------------------------------------------------------------------------------------
 */

/* One pass over what is loaded. */
struct scan {
    bool first;                     /* at start-up */
    const struct link_map *modules; /* in the loader's order */
    uint64_t now;                   /* modules ever loaded */
    otel_demangle *demangle;
    const struct link_map *pinned[16]; /* to be kept loaded: they were changed */
    size_t pinned_count;
};

/* Will a slot for name that is not bound yet lead to that function? The first module that exports
 * it decides; where that is one of a local scope, the answer is no for nothing worse than a gap. */
static bool binds_to(const struct link_map *modules, const char *name, const void *address)
{
    const void *found = NULL;

    for (; modules && !found; modules = modules->l_next)
        found = otel_elf_function(modules, name, NULL);
    return found == address;
}

/* name.cold, if there is one. */
static void find_cold(const struct otel_symbols *symbols, struct otel_text name,
                      struct otel_functions_move *move)
{
    char cold[1024];
    struct otel_symbol found;

    if (name.len + sizeof COLD > sizeof cold)
        return;
    memcpy(cold, name.data, name.len);
    memcpy(cold + name.len, COLD, sizeof COLD);
    if (!otel_symbols_find(symbols, (struct otel_text){cold, name.len + sizeof COLD - 1}, NULL,
                           &found))
        return;
    move->cold = (const uint8_t *)found.address;
    move->cold_size = found.size;
}

static void look_for(struct scan *scan, struct otel_function_site *site,
                     const struct otel_symbols *symbols)
{
    struct otel_functions_move move = {0};
    struct otel_symbol found;

    if (!otel_symbols_find(symbols, site->spec.symbol, scan->demangle, &found))
        return;
    site->address = (const void *)found.address;
    site->exported = found.exported;
    if (found.distinct > 1) {
        site->way = OTEL_FUNCTION_LEFT;
        log_left(site, "several functions have that name");
        return;
    }
    move.code = site->address;
    move.size = found.size;
    /* A module may have been in use for long when it is found. */
    move.at_once = !__libc_single_threaded;
    find_cold(symbols, found.linker_name, &move);
    if (!binds_to(scan->modules, found.linker_name.data, site->address))
        found.linker_name.len = 0;
    settle(site, &move, found.linker_name);
    if (!scan->first && scan->pinned_count < sizeof scan->pinned / sizeof *scan->pinned)
        scan->pinned[scan->pinned_count++] = symbols->map;
}

static bool is_own(const struct link_map *map)
{
    return otel_elf_is_ours(map) ||
           otel_symbols_is_module(map, OTEL_TEXT("libotel_functions.so")) ||
           otel_symbols_is_module(map, OTEL_TEXT("libotel_export.so")) ||
           otel_symbols_is_module(map, OTEL_TEXT("libZydis.so")) ||
           otel_symbols_is_module(map, OTEL_TEXT("linux-vdso.so"));
}

static bool was_seen(const struct link_map *map)
{
    for (size_t i = 0; i < seen_count; i++) {
        if (seen[i].map == map && seen[i].dynamic == map->l_ld)
            return true;
    }
    if (seen_count < MODULES) {
        seen[seen_count].map = map;
        seen[seen_count++].dynamic = map->l_ld;
    }
    return false;
}

static bool wants(const struct otel_function_site *site, const struct link_map *map)
{
    return site->way == OTEL_FUNCTION_UNKNOWN &&
           (!site->spec.library.len || otel_symbols_is_module(map, site->spec.library));
}

static void look_into(struct scan *scan, const struct link_map *map)
{
    struct otel_symbols symbols = {0};
    bool tried = false;

    for (size_t i = 0; i < sites_count; i++) {
        if (!wants(&sites[i], map))
            continue;
        if (!tried && !otel_symbols_open(&symbols, map))
            return;
        tried = true;
        look_for(scan, &sites[i], &symbols);
    }
    otel_symbols_close(&symbols);
}

/* A slot that is not bound yet is known by its name, when that will lead to this very function. */
static void replace_slots(const struct link_map *map)
{
    for (size_t i = 0; i < sites_count; i++) {
        const struct otel_function_site *site = &sites[i];
        const char *name;

        if (site->way != OTEL_FUNCTION_SLOTS)
            continue;
        name = (const char *)site->page + NAME_AT;
        if (otel_got_replace(map, (struct otel_text){name, strlen(name)}, site->address,
                             site->entry) == -EACCES)
            otel_log(OTEL_LOG_WARN,
                     "function %.*s: calls from %s are not seen: a slot is read-only",
                     (int)site->spec.symbol.len, site->spec.symbol.data, map->l_name);
    }
}

static void find_demangler(struct scan *scan, const struct link_map *first)
{
    bool cpp = false;

    for (size_t i = 0; i < sites_count; i++)
        cpp |= memmem(sites[i].spec.symbol.data, sites[i].spec.symbol.len, "::", 2) != NULL ||
               memchr(sites[i].spec.symbol.data, '(', sites[i].spec.symbol.len) != NULL;
    for (; cpp && first && !scan->demangle; first = first->l_next)
        *(void **)&scan->demangle = otel_elf_function(first, "__cxa_demangle", NULL);
}

/* Called once, with the first of the modules; the loader's lock is held meanwhile, and whoever
 * else comes here waits for it. */
static bool scan_all(const struct link_map *first, void *arg)
{
    struct scan *scan = arg;
    bool lazy = binds_to(first, "dlsym", otel_dlsym_wanted());

    scan->modules = first;
    find_demangler(scan, first);
    for (const struct link_map *map = first; map; map = map->l_next) {
        if (!is_own(map) && !was_seen(map))
            look_into(scan, map);
    }
    for (const struct link_map *map = first; map; map = map->l_next) {
        if (is_own(map))
            continue;
        replace_slots(map);
        otel_dlsym_meet(map, lazy);
    }
    __atomic_store_n(&loaded, scan->now, __ATOMIC_RELEASE);
    return true;
}

static int count_loaded(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    *(uint64_t *)arg = info->dlpi_adds;
    return 1;
}

static uint64_t loaded_now(void)
{
    uint64_t now = 0;

    dl_iterate_phdr(count_loaded, &now);
    return now;
}

static void scan(bool first, uint64_t now)
{
    struct scan scan = {.first = first, .now = now};

    otel_elf_each(scan_all, &scan);
    for (size_t i = 0; i < scan.pinned_count; i++)
        real_dlopen(scan.pinned[i]->l_name, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
}

static void look_again(void)
{
    int saved = errno;
    uint64_t now = loaded_now();

    if (__atomic_load_n(&loaded, __ATOMIC_ACQUIRE) != now)
        scan(false, now);
    errno = saved;
}

static void *entry_of(const void *address)
{
    for (size_t i = 0; i < sites_count; i++) {
        if (sites[i].way == OTEL_FUNCTION_SLOTS && sites[i].address == address)
            return sites[i].entry;
    }
    return NULL;
}

/* --- settings -----------------------------------------------------------------------------------
 */

static size_t count_entries(struct otel_text list)
{
    const char *at = list.data;
    struct otel_text entry;
    size_t n = 0;

    while (list.len && otel_function_spec_next(&at, list.data + list.len, &entry))
        n++;
    return n;
}

static void add_entries(struct otel_text list, const char *setting)
{
    const char *at = list.data, *why;
    struct otel_text entry;
    size_t where;

    while (list.len && otel_function_spec_next(&at, list.data + list.len, &entry)) {
        if (otel_function_spec_parse(entry, &sites[sites_count].spec, &why, &where) == 0)
            sites_count++;
        else
            otel_log(OTEL_LOG_WARN, "%s: ignored '%.*s': %s, at character %zu", setting,
                     (int)entry.len, entry.data, why, where + 1);
    }
}

static struct otel_text read_file(const char *path)
{
    char *text = otel_sys.mmap(FILE_MAX);
    ssize_t n = text ? otel_sys_read_file(path, text, FILE_MAX) : -ENOMEM;

    if (n >= 0)
        return (struct otel_text){text, (size_t)n};
    otel_log(OTEL_LOG_WARN, "OTEL_AUTO_FUNCTIONS_FILE: %s: %s", path, otel_sys_errno_name((int)-n));
    return (struct otel_text){0};
}

/* False: no function is named, or none that was understood. */
static bool read_settings(void)
{
    struct otel_text list = {0}, file = {0};
    size_t count;

    if (otel_config.functions)
        list = (struct otel_text){otel_config.functions, strlen(otel_config.functions)};
    if (otel_config.functions_file)
        file = read_file(otel_config.functions_file);
    count = count_entries(list) + count_entries(file);
    sites = count ? otel_sys.mmap(count * sizeof *sites) : NULL;
    if (!sites)
        return false;
    add_entries(list, "OTEL_AUTO_FUNCTIONS");
    add_entries(file, "OTEL_AUTO_FUNCTIONS_FILE");
    return sites_count > 0;
}

static void log_unknown(void)
{
    for (size_t i = 0; i < sites_count; i++) {
        const struct otel_function_spec *spec = &sites[i].spec;

        if (sites[i].way == OTEL_FUNCTION_UNKNOWN)
            otel_log(OTEL_LOG_WARN, "function %.*s is not in %.*s; what is loaded later is seen",
                     (int)spec->symbol.len, spec->symbol.data,
                     spec->library.len ? (int)spec->library.len : 11,
                     spec->library.len ? spec->library.data : "the program");
    }
}

void otel_function_start(const struct otel_function_events *events)
{
    const char *why = NULL;

    if ((!otel_config.functions && !otel_config.functions_file) || !read_settings())
        return;
    module = otel_module_functions(&why);
    if (!module) {
        otel_log(OTEL_LOG_ERROR, "functions are not traced: %s", why);
        return;
    }
    otel_function_events = events;
    *(void **)&real_dlopen = otel_real_libc("dlopen");
    module->start(events, real_dlopen);
    otel_dlsym_start(look_again, entry_of);
    scan(true, loaded_now());
    log_unknown();
}
