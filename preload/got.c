/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/got.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "preload/elf.h"

#define PAGE ((uintptr_t)4096)

/* What of the dynamic section is needed. */
struct tables {
    const ElfW(Rela) * calls, *data; /* DT_JMPREL, DT_RELA */
    size_t calls_size, data_size;
    const ElfW(Sym) * symbols;
    const char *names;
};

struct change {
    const struct link_map *map;
    struct otel_elf_module module;
    uintptr_t relro, relro_end; /* what the loader made read-only, page by page */
    struct otel_text name;
    uintptr_t target, replacement;
    int changed;
    bool refused;
};

static const void *pointer(const struct link_map *map, const ElfW(Dyn) * d)
{
    uintptr_t value = d->d_un.d_ptr;

    return (const void *)(value < map->l_addr ? value + map->l_addr : value);
}

static void read_tables(const struct link_map *map, struct tables *t)
{
    memset(t, 0, sizeof *t);
    for (const ElfW(Dyn) *d = map->l_ld; d && d->d_tag != DT_NULL; d++) {
        if (d->d_tag == DT_JMPREL)
            t->calls = pointer(map, d);
        else if (d->d_tag == DT_PLTRELSZ)
            t->calls_size = d->d_un.d_val;
        else if (d->d_tag == DT_RELA)
            t->data = pointer(map, d);
        else if (d->d_tag == DT_RELASZ)
            t->data_size = d->d_un.d_val;
        else if (d->d_tag == DT_SYMTAB)
            t->symbols = pointer(map, d);
        else if (d->d_tag == DT_STRTAB)
            t->names = pointer(map, d);
    }
}

/* From the program headers in the module's first page, which glibc's own loader reads, too. */
static void find_relro(struct change *c)
{
    const ElfW(Ehdr) *header = (const void *)c->module.start;
    const ElfW(Phdr) * segment;

    c->relro = c->relro_end = 0;
    if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
        return;
    segment = (const void *)((const char *)header + header->e_phoff);
    for (unsigned i = 0; i < header->e_phnum; i++) {
        if (segment[i].p_type != PT_GNU_RELRO)
            continue;
        c->relro = (c->map->l_addr + segment[i].p_vaddr) & ~(PAGE - 1);
        c->relro_end = (c->map->l_addr + segment[i].p_vaddr + segment[i].p_memsz) & ~(PAGE - 1);
    }
}

static void write_slot(struct change *c, uintptr_t *slot)
{
    uintptr_t page = (uintptr_t)slot & ~(PAGE - 1);
    bool read_only = page >= c->relro && page < c->relro_end;

    if (read_only && mprotect((void *)page, PAGE, PROT_READ | PROT_WRITE) != 0) {
        c->refused = true;
        return;
    }
    __atomic_store_n(slot, c->replacement, __ATOMIC_RELEASE);
    if (read_only)
        mprotect((void *)page, PAGE, PROT_READ);
    c->changed++;
}

/* Not bound yet: it leads into the module's own PLT. */
static bool is_lazy(const struct change *c, uintptr_t value)
{
    return value >= c->module.start && value < c->module.end && value != c->target;
}

static void change_slot(struct change *c, const struct tables *t, const ElfW(Rela) * r, bool call)
{
    unsigned type = ELF64_R_TYPE(r->r_info);
    uintptr_t *slot = (uintptr_t *)(c->map->l_addr + r->r_offset);
    const char *name;
    uintptr_t value;

    if (type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT)
        return;
    value = __atomic_load_n(slot, __ATOMIC_RELAXED);
    if (value != c->target) {
        name = t->names + t->symbols[ELF64_R_SYM(r->r_info)].st_name;
        if (!call || !c->name.len || !is_lazy(c, value) ||
            strncmp(name, c->name.data, c->name.len) != 0 || name[c->name.len])
            return;
    }
    write_slot(c, slot);
}

int otel_got_replace(const struct link_map *map, struct otel_text name, const void *target,
                     const void *replacement)
{
    struct change change = {.map = map,
                            .name = name,
                            .target = (uintptr_t)target,
                            .replacement = (uintptr_t)replacement};
    struct tables t;
    int saved = errno;

    read_tables(map, &t);
    if (!t.symbols || !t.names || !otel_elf_module_of(map->l_ld, &change.module))
        return 0;
    find_relro(&change);
    for (size_t i = 0; t.calls && i < t.calls_size / sizeof *t.calls; i++)
        change_slot(&change, &t, &t.calls[i], true);
    for (size_t i = 0; t.data && i < t.data_size / sizeof *t.data; i++)
        change_slot(&change, &t, &t.data[i], false);
    errno = saved;
    return change.refused ? -EACCES : change.changed;
}
