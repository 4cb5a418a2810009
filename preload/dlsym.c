/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/dlsym.h"

#include <dlfcn.h>

#include "preload/got.h"
#include "preload/real.h"

/* Written at start-up. */
static void (*look_at_loaded)(void);
static void *(*entry_of)(const void *address);
static void *(*real_dlsym)(void *handle, const char *name);

__attribute__((used)) void *otel_dlsym_answer(void *handle, const char *name);
__attribute__((used)) void *otel_dlsym_real(void);
void otel_dlsym_entry(void);

/* The answer; (void *)-1: it is for the real one to give. */
void *otel_dlsym_answer(void *handle, const char *name)
{
    void *address, *entry;

    look_at_loaded();
    if (handle == RTLD_DEFAULT || handle == RTLD_NEXT)
        return (void *)-1;
    address = real_dlsym(handle, name);
    entry = address ? entry_of(address) : NULL;
    return entry ? entry : address;
}

void *otel_dlsym_real(void)
{
    return (void *)real_dlsym;
}

__attribute__((naked)) void otel_dlsym_entry(void)
{
    __asm__(
        "push %rdi\n\tpush %rsi\n\tsub $8, %rsp\n\t.cfi_adjust_cfa_offset 24\n\t"
        "call otel_dlsym_answer\n\t"
        "cmp $-1, %rax\n\tjne 1f\n\tcall otel_dlsym_real\n\tmov %rax, %r11\n\t"
        "add $8, %rsp\n\tpop %rsi\n\tpop %rdi\n\t.cfi_adjust_cfa_offset -24\n\t"
        "jmp *%r11\n"
        "1:\n\t.cfi_adjust_cfa_offset 24\n\tadd $24, %rsp\n\t.cfi_adjust_cfa_offset -24\n\tret");
}

void otel_dlsym_start(void (*look)(void), void *(*entry)(const void *address))
{
    look_at_loaded = look;
    entry_of = entry;
    *(void **)&real_dlsym = otel_real_libc("dlsym");
}

const void *otel_dlsym_wanted(void)
{
    return (const void *)real_dlsym;
}

void otel_dlsym_meet(const struct link_map *map, bool lazy)
{
    if (real_dlsym)
        otel_got_replace(map, lazy ? OTEL_TEXT("dlsym") : (struct otel_text){0},
                         (const void *)real_dlsym, (const void *)&otel_dlsym_entry);
}
