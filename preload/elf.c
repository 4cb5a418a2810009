/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/elf.h"

#include <dlfcn.h>
#include <elf.h>
#include <string.h>

#define OWN_SONAME "libotel_auto.so"

/* What of a module's dynamic section a look-up needs. */
struct tables {
    const ElfW(Sym) * symbols;
    const char *strings;
    const ElfW(Half) * versions;
    const char *needed;  /* DT_VERNEED, needed_count entries */
    const char *defined; /* DT_VERDEF, defined_count entries */
    size_t needed_count, defined_count;
    const uint32_t *gnu_hash, *sysv_hash;
    const char *soname;
};

#ifdef DLFO_STRUCT_HAS_EH_DBASE
extern __typeof__(_dl_find_object) _dl_find_object __attribute__((weak));

static bool find_object(const void *address, struct otel_elf_module *module)
{
    struct dl_find_object found;

    if (_dl_find_object((void *)(uintptr_t)address, &found))
        return false;
    module->map = found.dlfo_link_map;
    module->start = (uintptr_t)found.dlfo_map_start;
    module->end = (uintptr_t)found.dlfo_map_end;
    return true;
}

static bool has_find_object(void)
{
    return _dl_find_object != NULL;
}
#else
static bool find_object(const void *address, struct otel_elf_module *module)
{
    (void)address;
    (void)module;
    return false;
}

static bool has_find_object(void)
{
    return false;
}
#endif

/* The older way: dladdr1, and the extent from the program headers in the module's first page. */
static bool find_by_dladdr(const void *address, struct otel_elf_module *module)
{
    Dl_info info;
    void *map = NULL;
    const ElfW(Ehdr) * header;
    const ElfW(Phdr) * segment;

    if (!dladdr1(address, &info, &map, RTLD_DL_LINKMAP) || !map || !info.dli_fbase)
        return false;
    module->map = map;
    module->start = module->end = (uintptr_t)info.dli_fbase;
    header = info.dli_fbase;
    segment = (const void *)((const char *)header + header->e_phoff);
    for (unsigned i = 0; i < header->e_phnum; i++) {
        uintptr_t end = module->map->l_addr + segment[i].p_vaddr + segment[i].p_memsz;

        if (segment[i].p_type == PT_LOAD && end > module->end)
            module->end = end;
    }
    return true;
}

bool otel_elf_module_of(const void *address, struct otel_elf_module *module)
{
    return has_find_object() ? find_object(address, module) : find_by_dladdr(address, module);
}

/* glibc relocates d_ptr in place, except in the vDSO and on machines with a read-only dynamic
 * section. */
static const void *pointer(const struct link_map *map, const ElfW(Dyn) * entry)
{
    ElfW(Addr) value = entry->d_un.d_ptr;

    return (const void *)(value < map->l_addr ? value + map->l_addr : value);
}

static void read_tables(const struct link_map *map, struct tables *t)
{
    size_t soname = 0;

    memset(t, 0, sizeof *t);
    for (const ElfW(Dyn) *d = map->l_ld; d && d->d_tag != DT_NULL; d++) {
        if (d->d_tag == DT_SYMTAB)
            t->symbols = pointer(map, d);
        else if (d->d_tag == DT_STRTAB)
            t->strings = pointer(map, d);
        else if (d->d_tag == DT_VERSYM)
            t->versions = pointer(map, d);
        else if (d->d_tag == DT_VERNEED)
            t->needed = pointer(map, d);
        else if (d->d_tag == DT_VERNEEDNUM)
            t->needed_count = d->d_un.d_val;
        else if (d->d_tag == DT_VERDEF)
            t->defined = pointer(map, d);
        else if (d->d_tag == DT_VERDEFNUM)
            t->defined_count = d->d_un.d_val;
        else if (d->d_tag == DT_GNU_HASH)
            t->gnu_hash = pointer(map, d);
        else if (d->d_tag == DT_HASH)
            t->sysv_hash = pointer(map, d);
        else if (d->d_tag == DT_SONAME)
            soname = d->d_un.d_val;
    }
    if (soname && t->strings)
        t->soname = t->strings + soname;
}

/* The name of version index among the versions a module needs of others. */
static const char *needed_version(const struct tables *t, unsigned index)
{
    const char *at = t->needed;

    for (size_t i = 0; at && i < t->needed_count; i++) {
        const ElfW(Verneed) *file = (const void *)at;
        const char *aux = at + file->vn_aux;

        for (unsigned k = 0; k < file->vn_cnt; k++) {
            const ElfW(Vernaux) *version = (const void *)aux;

            if ((version->vna_other & 0x7fff) == index)
                return t->strings + version->vna_name;
            aux += version->vna_next;
        }
        at += file->vn_next;
    }
    return NULL;
}

/* The name of version index among those the module defines itself. */
static const char *defined_version(const struct tables *t, unsigned index)
{
    const char *at = t->defined;

    for (size_t i = 0; at && i < t->defined_count; i++) {
        const ElfW(Verdef) *version = (const void *)at;

        if (version->vd_ndx == index) {
            const ElfW(Verdaux) *aux = (const void *)(at + version->vd_aux);

            return t->strings + aux->vda_name;
        }
        at += version->vd_next;
    }
    return NULL;
}

static const char *version_of(const struct tables *t, uint32_t symbol)
{
    unsigned index = t->versions ? t->versions[symbol] & 0x7fff : 0;
    const char *version = NULL;

    if (index > VER_NDX_GLOBAL) {
        version = needed_version(t, index);
        if (!version)
            version = defined_version(t, index);
    }
    return version;
}

/* Does symbol define function name, in that version (NULL: the default one, "": any)? */
static bool defines(const struct tables *t, uint32_t symbol, const char *name, const char *version)
{
    const ElfW(Sym) *s = &t->symbols[symbol];
    const char *own;

    if (s->st_shndx == SHN_UNDEF || (s->st_info & 0xf) != STT_FUNC ||
        s->st_info >> 4 == STB_LOCAL || strcmp(t->strings + s->st_name, name) != 0)
        return false;
    if (!version)
        return !t->versions || !(t->versions[symbol] & 0x8000);
    own = *version ? version_of(t, symbol) : NULL;
    return !own || strcmp(own, version) == 0;
}

static uint32_t gnu_hash_of(const char *name)
{
    uint32_t h = 5381;

    for (; *name; name++)
        h = h * 33 + (unsigned char)*name;
    return h;
}

/* Index of the symbol, 0: none. Table: buckets, first symbol, Bloom words, shift; then the three
 * arrays (the Bloom filter only saves time and is not asked). */
static uint32_t find_gnu(const struct tables *t, const char *name, const char *version)
{
    const uint32_t *table = t->gnu_hash;
    uint32_t count = table[0], first = table[1], hash = gnu_hash_of(name);
    const uint32_t *buckets = table + 4 + table[2] * (sizeof(ElfW(Addr)) / sizeof(uint32_t));
    const uint32_t *chain = buckets + count;
    uint32_t i = count ? buckets[hash % count] : 0;

    for (; i >= first && i; i++) {
        if ((chain[i - first] | 1) == (hash | 1) && defines(t, i, name, version))
            return i;
        if (chain[i - first] & 1)
            break;
    }
    return 0;
}

static uint32_t find_sysv(const struct tables *t, const char *name, const char *version)
{
    for (uint32_t i = 1; i < t->sysv_hash[1]; i++) {
        if (defines(t, i, name, version))
            return i;
    }
    return 0;
}

static uint32_t find(const struct tables *t, const char *name, const char *version)
{
    if (!t->symbols || !t->strings)
        return 0;
    if (t->gnu_hash)
        return find_gnu(t, name, version);
    return t->sysv_hash ? find_sysv(t, name, version) : 0;
}

void *otel_elf_function(const struct link_map *map, const char *name, const char *version)
{
    struct tables t;
    uint32_t symbol;

    read_tables(map, &t);
    symbol = find(&t, name, version);
    if (!symbol && !version)
        symbol = find(&t, name, "");
    return symbol ? (void *)(map->l_addr + t.symbols[symbol].st_value) : NULL;
}

const char *otel_elf_version(const struct link_map *map, const char *name)
{
    struct tables t;
    uint32_t references;

    read_tables(map, &t);
    if (!t.symbols || !t.strings || !t.versions)
        return NULL;
    /* A GNU hash table leaves out the references; they are the symbols before its first one. */
    references = t.gnu_hash ? t.gnu_hash[1] : t.sysv_hash ? t.sysv_hash[1] : 0;
    for (uint32_t i = 1; i < references; i++) {
        if (strcmp(t.strings + t.symbols[i].st_name, name) == 0)
            return version_of(&t, i);
    }
    references = find(&t, name, NULL);
    return references ? version_of(&t, references) : NULL;
}

bool otel_elf_is_ours(const struct link_map *map)
{
    struct tables t;

    read_tables(map, &t);
    return t.soname && strcmp(t.soname, OWN_SONAME) == 0;
}

struct walk {
    bool (*visit)(const struct link_map *map, void *arg);
    void *arg;
    bool found;
};

/* dl_iterate_phdr is called for its lock alone: under it the list of link maps stands still. */
static int walk_locked(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct walk *walk = arg;
    struct otel_elf_module own;
    const struct link_map *map;

    (void)info;
    (void)size;
    if (!otel_elf_module_of((const void *)&otel_elf_each, &own))
        return 1;
    for (map = own.map; map->l_prev;)
        map = map->l_prev;
    for (; map && !walk->found; map = map->l_next)
        walk->found = walk->visit(map, walk->arg);
    return 1;
}

bool otel_elf_each(bool (*visit)(const struct link_map *map, void *arg), void *arg)
{
    struct walk walk = {visit, arg, false};

    dl_iterate_phdr(walk_locked, &walk);
    return walk.found;
}
