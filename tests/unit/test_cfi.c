/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cfi.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/guardpage.h"

static struct dl_find_object module_of(const void *address)
{
    struct dl_find_object found;

    cr_assert_eq(_dl_find_object((void *)(uintptr_t)address, &found), 0);
    return found;
}

/* What the caller of note() keeps, found from note()'s side. */
struct noted {
    uintptr_t *slot;
    uintptr_t value;
};

static __attribute__((noinline)) struct noted note(void)
{
    uintptr_t pc = (uintptr_t)__builtin_return_address(0);
    uintptr_t sp = (uintptr_t)__builtin_dwarf_cfa();
    uintptr_t bp = *(uintptr_t *)__builtin_frame_address(0);
    struct dl_find_object m = module_of((void *)pc);
    struct otel_cfi_row row;
    struct noted n;

    cr_assert(otel_cfi_find(m.dlfo_eh_frame, (uintptr_t)m.dlfo_map_start, (uintptr_t)m.dlfo_map_end,
                            pc - 1, &row));
    n.slot = (uintptr_t *)((row.base == OTEL_CFI_RSP ? sp : bp) + (uintptr_t)row.offset) - 1;
    n.value = *n.slot;
    return n;
}

static volatile int sink;

static __attribute__((noinline)) void small(uintptr_t expected)
{
    struct noted n = note();

    cr_assert_eq(n.value, (uintptr_t)__builtin_return_address(0));
    cr_assert_eq(n.value, expected ? expected : n.value);
    sink++;
}

static __attribute__((noinline)) void with_array(int x)
{
    volatile char big[12000];
    struct noted n;

    big[x] = 1;
    n = note();
    sink += big[x];
    cr_assert_eq(n.value, (uintptr_t)__builtin_return_address(0));
}

static __attribute__((noinline)) void with_alloca(size_t x)
{
    volatile char *p = __builtin_alloca(x);
    struct noted n;

    p[0] = 1;
    n = note();
    sink += p[0];
    cr_assert_eq(n.value, (uintptr_t)__builtin_return_address(0));
}

static __attribute__((noinline)) int many(int a, int b, int c, int d, int e, int f, int g, int h)
{
    struct noted n = note();

    cr_assert_eq(n.value, (uintptr_t)__builtin_return_address(0));
    return a + b * c - d + e * f + g - h;
}

Test(cfi, finds_the_return_address_of_a_caller)
{
    small(0);
    with_array(77);
    with_alloca(300);
    with_alloca(9000);
    sink += many(1, 2, 3, 4, 5, 6, 7, sink);
}

static int compare(const void *a, const void *b)
{
    note();
    return *(const int *)a - *(const int *)b;
}

Test(cfi, reads_the_tables_of_libc)
{
    int v[] = {3, 1, 2};

    qsort(v, 3, sizeof *v, compare);
    cr_assert_eq(v[0], 1);
}

Test(cfi, no_table_no_function)
{
    struct dl_find_object m = module_of((void *)(uintptr_t)&small);
    uintptr_t start = (uintptr_t)m.dlfo_map_start, end = (uintptr_t)m.dlfo_map_end;
    struct otel_cfi_row row;

    cr_assert_not(otel_cfi_find(NULL, start, end, (uintptr_t)&small, &row));
    cr_assert_not(otel_cfi_find(m.dlfo_eh_frame, start, start, (uintptr_t)&small, &row));
    cr_assert_not(otel_cfi_find(m.dlfo_eh_frame, start, end, start, &row));
    cr_assert_not(otel_cfi_find(m.dlfo_eh_frame, start, end, end, &row));
    cr_assert_not(otel_cfi_find(m.dlfo_eh_frame, start, (uintptr_t)m.dlfo_eh_frame + 40,
                                (uintptr_t)&small, &row));
}

/* A table of two functions, built by hand, then damaged byte by byte: whatever it says, nothing
 * outside is read. */
Test(cfi, damaged_tables_are_refused_within_bounds)
{
    static const uint8_t image[] = {
        /* header at 0: version, encodings, eh_frame pointer, count 1, {function, fde} */
        1, 0x1b, 0x03, 0x3b, 16, 0, 0, 0, 1, 0, 0, 0, 0x60, 0, 0, 0, 0x2c, 0, 0, 0,
        /* CIE at 20 */
        20, 0, 0, 0, 0, 0, 0, 0, 1, 'z', 'R', 0, 1, 0x78, 16, 1, 0x1b, 0x0c, 7, 8, 0x90, 1, 0, 0,
        /* FDE at 44: back to the CIE, function at 0x60 for 16 bytes; push, sub */
        24, 0, 0, 0, 28, 0, 0, 0, 0x2c, 0, 0, 0, 16, 0, 0, 0, 0, 0x41, 0x0e, 16, 0x44, 0x0e, 0x80,
        0x01, 0, 0, 0, 0};
    struct otel_cfi_row row;
    struct guardpage page;

    guardpage_open(&page, sizeof image);
    for (size_t at = 0; at < sizeof image; at++)
        for (unsigned v = 0; v < 256; v++) {
            uint8_t *p = guardpage_put(&page, image, sizeof image);

            p[at] = (uint8_t)v;
            otel_cfi_find(p, (uintptr_t)p, (uintptr_t)p + sizeof image, (uintptr_t)p + 0x66, &row);
            if (v == image[at]) {
                cr_assert(otel_cfi_find(p, (uintptr_t)p, (uintptr_t)p + sizeof image,
                                        (uintptr_t)p + 0x66, &row));
                cr_assert_eq(row.base, OTEL_CFI_RSP);
                cr_assert_eq(row.offset, 128);
                cr_assert(otel_cfi_find(p, (uintptr_t)p, (uintptr_t)p + sizeof image,
                                        (uintptr_t)p + 0x60, &row));
                cr_assert_eq(row.offset, 8);
            }
        }
    guardpage_close(&page);
}
