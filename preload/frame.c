/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/frame.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/cfi.h"

#define SITES 64               /* call sites remembered; two that fall together are read anew */
#define STACK_MAX (8ul << 20)  /* the main thread's stack below its end */
#define TABLES_MAX (1ul << 30) /* unwind tables reach each other by 32 bits */

extern __typeof__(_dl_find_object) _dl_find_object __attribute__((weak));
/* Where the main thread's stack ends, as the loader found it. */
extern void *__libc_stack_end __attribute__((weak));

/* A rule in one word, so that a reader never sees half of one: 1 known, 1 by rbp, then the offset.
 */
struct site {
    _Atomic uintptr_t ret;
    _Atomic uint64_t rule;
};

/* Any thread; ret is written last and cleared first. */
static struct site sites[SITES];

/* Of a program whose segments lie apart the loader tells the one with the code, while the tables
 * are in another, whose end nobody tells. They are then read as libgcc's unwinder reads them. */
static uint64_t read_rule(uintptr_t ret)
{
    struct dl_find_object m;
    struct otel_cfi_row row;
    uintptr_t hdr, start, end;

    if (!_dl_find_object || _dl_find_object((void *)(ret - 1), &m) || !m.dlfo_eh_frame)
        return 0;
    hdr = (uintptr_t)m.dlfo_eh_frame;
    start = (uintptr_t)m.dlfo_map_start;
    end = (uintptr_t)m.dlfo_map_end;
    if (hdr < start || hdr >= end) {
        start = hdr;
        end = hdr + TABLES_MAX;
    }
    if (!otel_cfi_find(m.dlfo_eh_frame, start, end, ret - 1, &row))
        return 0;
    return 1 | (row.base == OTEL_CFI_RBP ? 2 : 0) | (uint64_t)(uint32_t)row.offset << 2;
}

static uint64_t rule_of(uintptr_t ret)
{
    struct site *site = &sites[(ret >> 2) % SITES];
    uint64_t rule;

    if (atomic_load_explicit(&site->ret, memory_order_acquire) == ret) {
        rule = atomic_load_explicit(&site->rule, memory_order_acquire);
        if (atomic_load_explicit(&site->ret, memory_order_relaxed) == ret)
            return rule;
    }
    rule = read_rule(ret);
    atomic_store_explicit(&site->ret, 0, memory_order_release);
    atomic_store_explicit(&site->rule, rule, memory_order_release);
    atomic_store_explicit(&site->ret, ret, memory_order_release);
    return rule;
}

const uintptr_t *otel_frame_return_of(const void *ret, uintptr_t cfa, uintptr_t rbp)
{
    uintptr_t end = &__libc_stack_end ? (uintptr_t)__libc_stack_end : 0;
    uint64_t rule;
    uintptr_t at;

    if (end - cfa >= STACK_MAX)
        return NULL;
    rule = rule_of((uintptr_t)ret);
    if (!rule)
        return NULL;
    at = (rule & 2 ? rbp : cfa) + (uintptr_t)(rule >> 2) - sizeof at;
    return at > cfa - sizeof at && at < end && at % sizeof at == 0 ? (const uintptr_t *)at : NULL;
}
