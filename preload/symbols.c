/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/symbols.h"

#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/sys.h"
#include "preload/elf.h"

#define SELF "/proc/self/exe"
#define NOTES_MAX 4096 /* bytes of notes that are compared */

static const ElfW(Ehdr) * header_of(const struct otel_symbols *s)
{
    return (const void *)s->file;
}

/* n bytes at offset of the file, NULL: it has not that many. */
static const void *piece(const struct otel_symbols *s, uint64_t offset, uint64_t n)
{
    return offset <= s->size && n <= s->size - offset ? s->file + offset : NULL;
}

/* Is what the file has at that place what is mapped? Both begin in the module's mapping. */
static bool same_bytes(const struct otel_symbols *s, const struct otel_elf_module *module,
                       uint64_t offset, uint64_t address, uint64_t n)
{
    const void *in_file = piece(s, offset, n);
    uintptr_t at = s->map->l_addr + address;

    return in_file && at >= module->start && at < module->end && n <= module->end - at &&
           memcmp(in_file, (const void *)at, n) == 0;
}

/* The program headers and the notes, the build's id among them. */
static bool is_what_was_loaded(const struct otel_symbols *s)
{
    const ElfW(Ehdr) *header = header_of(s);
    const ElfW(Phdr) *segments = piece(s, header->e_phoff, header->e_phnum * sizeof *segments);
    struct otel_elf_module module;
    bool compared = false;

    if (!segments || header->e_phentsize != sizeof *segments ||
        !otel_elf_module_of(s->map->l_ld, &module))
        return false;
    for (unsigned i = 0; i < header->e_phnum; i++) {
        const ElfW(Phdr) *p = &segments[i];

        if (p->p_type == PT_LOAD && p->p_offset == 0) {
            if (!same_bytes(s, &module, 0, p->p_vaddr, sizeof *header) ||
                !same_bytes(s, &module, header->e_phoff, p->p_vaddr + header->e_phoff,
                            header->e_phnum * sizeof *p))
                return false;
            compared = true;
        }
        if (p->p_type == PT_NOTE && p->p_filesz <= NOTES_MAX &&
            !same_bytes(s, &module, p->p_offset, p->p_vaddr, p->p_filesz))
            return false;
    }
    return compared;
}

static bool is_elf(const struct otel_symbols *s)
{
    const ElfW(Ehdr) *header = piece(s, 0, sizeof *header);

    return header && memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
           header->e_ident[EI_CLASS] == ELFCLASS64;
}

bool otel_symbols_open(struct otel_symbols *symbols, const struct link_map *map)
{
    const char *path = *map->l_name ? map->l_name : SELF;
    struct stat st;
    void *file = MAP_FAILED;
    int fd;

    memset(symbols, 0, sizeof *symbols);
    symbols->map = map;
    fd = otel_sys.open(path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return false;
    if (otel_sys.fstat(fd, &st) == 0 && st.st_size > 0)
        file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    otel_sys.close(fd);
    if (file == MAP_FAILED)
        return false;
    symbols->file = file;
    symbols->size = (size_t)st.st_size;
    if (is_elf(symbols) && is_what_was_loaded(symbols))
        return true;
    otel_symbols_close(symbols);
    return false;
}

void otel_symbols_close(struct otel_symbols *symbols)
{
    if (symbols->file)
        munmap((void *)(uintptr_t)symbols->file, symbols->size);
    memset(symbols, 0, sizeof *symbols);
}

/* --- names --------------------------------------------------------------------------------------
 */

/* The name as it is looked for, and what of it a mangled name must contain. */
struct wanted {
    struct otel_text name;
    bool arguments;       /* the name has them */
    struct otel_text key; /* len 0: nothing known */
    otel_demangle *demangle;
};

static bool same(struct otel_text a, const char *b, size_t len)
{
    return a.len == len && memcmp(a.data, b, len) == 0;
}

static void set_wanted(struct wanted *w, struct otel_text name, otel_demangle *demangle)
{
    const char *last = name.data, *end = name.data + name.len;

    memset(w, 0, sizeof *w);
    w->name = name;
    w->arguments = memchr(name.data, '(', name.len) != NULL;
    w->demangle = demangle;
    for (const char *p = name.data; p < end && *p != '(' && *p != '<'; p++) {
        if (*p == ':' || *p == '~')
            last = p + 1;
    }
    w->key.data = last;
    while (last + w->key.len < end && last[w->key.len] != '(' && last[w->key.len] != '<')
        w->key.len++;
    if (w->key.len >= 8 && memcmp(last, "operator", 8) == 0)
        w->key.len = 0;
}

/* Where a demangled name's arguments begin: the parenthesis outside template brackets that is not
 * that of operator(). */
static size_t before_arguments(const char *text)
{
    unsigned depth = 0;
    size_t i;

    for (i = 0; text[i]; i++) {
        if (strncmp(text + i, "operator()", 10) == 0)
            i += 9;
        else if (text[i] == '<')
            depth++;
        else if (text[i] == '>' && depth)
            depth--;
        else if (text[i] == '(' && !depth)
            break;
    }
    return i;
}

/* Of a template's function the demangler writes the result's type, too. */
static bool is_cpp(const struct wanted *w, const char *text)
{
    size_t len = w->arguments ? strlen(text) : before_arguments(text);
    const char *end = text + len;

    if (same(w->name, text, len))
        return true;
    return len > w->name.len && end[-(ptrdiff_t)w->name.len - 1] == ' ' &&
           same(w->name, end - w->name.len, w->name.len) && !strstr(text, "[clone");
}

static bool is_name(const struct wanted *w, const char *linker_name, size_t len)
{
    char *text;
    int status = 0;
    bool fits;

    if (same(w->name, linker_name, len))
        return true;
    if (!w->demangle || len < 3 || linker_name[0] != '_' || linker_name[1] != 'Z' ||
        memchr(linker_name, '.', len) ||
        (w->key.len && !memmem(linker_name, len, w->key.data, w->key.len)))
        return false;
    text = w->demangle(linker_name, NULL, NULL, &status);
    fits = text && is_cpp(w, text);
    free(text);
    return fits;
}

/* --- tables -------------------------------------------------------------------------------------
 */

static void take(const struct otel_symbols *s, const ElfW(Sym) * found, const char *name,
                 bool dynamic, struct otel_symbol *symbol)
{
    uintptr_t address = s->map->l_addr + found->st_value;
    bool exported = dynamic && ELF64_ST_BIND(found->st_info) != STB_LOCAL;

    if (!symbol->distinct) {
        symbol->address = address;
        symbol->size = found->st_size;
        symbol->linker_name = (struct otel_text){name, strlen(name)};
    }
    if (!symbol->distinct || symbol->address != address)
        symbol->distinct++;
    if (symbol->address == address)
        symbol->exported |= exported;
}

static void search_table(const struct otel_symbols *s, const ElfW(Shdr) * table,
                         const ElfW(Shdr) * texts, const struct wanted *w,
                         struct otel_symbol *symbol)
{
    const ElfW(Sym) *symbols = piece(s, table->sh_offset, table->sh_size);
    const char *names = piece(s, texts->sh_offset, texts->sh_size);
    size_t count = table->sh_size / sizeof *symbols;

    if (!symbols || !names || !texts->sh_size || names[texts->sh_size - 1] ||
        (uintptr_t)symbols % _Alignof(ElfW(Sym)))
        return;
    for (size_t i = 0; i < count; i++) {
        const char *name = names + symbols[i].st_name;

        if (symbols[i].st_shndx == SHN_UNDEF || ELF64_ST_TYPE(symbols[i].st_info) != STT_FUNC ||
            symbols[i].st_name >= texts->sh_size)
            continue;
        if (is_name(w, name, strlen(name)))
            take(s, &symbols[i], name, table->sh_type == SHT_DYNSYM, symbol);
    }
}

bool otel_symbols_find(const struct otel_symbols *symbols, struct otel_text name,
                       otel_demangle *demangle, struct otel_symbol *symbol)
{
    const ElfW(Ehdr) *header = symbols->file ? header_of(symbols) : NULL;
    const ElfW(Shdr) * sections;
    struct wanted wanted;

    memset(symbol, 0, sizeof *symbol);
    if (!header || header->e_shentsize != sizeof *sections)
        return false;
    sections = piece(symbols, header->e_shoff, header->e_shnum * sizeof *sections);
    if (!sections || (uintptr_t)sections % _Alignof(ElfW(Shdr)))
        return false;
    set_wanted(&wanted, name, demangle);
    for (unsigned i = 0; i < header->e_shnum; i++) {
        if ((sections[i].sh_type == SHT_SYMTAB || sections[i].sh_type == SHT_DYNSYM) &&
            sections[i].sh_link < header->e_shnum)
            search_table(symbols, &sections[i], &sections[sections[i].sh_link], &wanted, symbol);
    }
    return symbol->distinct > 0;
}

bool otel_symbols_is_module(const struct link_map *map, struct otel_text name)
{
    const char *path = map->l_name, *slash;
    char self[1024];
    size_t len;

    if (!*path) {
        long n = otel_sys.readlink(SELF, self, sizeof self - 1);

        self[n > 0 ? n : 0] = '\0';
        path = self;
    }
    slash = strrchr(path, '/');
    path = slash ? slash + 1 : path;
    len = strlen(path);
    return len >= name.len && memcmp(path, name.data, name.len) == 0 &&
           (len == name.len || path[name.len] == '.' || path[name.len] == '-');
}
