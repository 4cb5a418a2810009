/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cfi.h"

#include <stddef.h>
#include <string.h>

/* Pointer encodings that compilers and linkers of x86-64 use; others are left alone. */
#define PCREL_SDATA4 0x1b
#define UDATA4 0x03
#define DATAREL_SDATA4 0x3b
#define INDIRECT 0x80

#define STATES 8 /* nested DW_CFA_remember_state */

/* A range of the image being read. bad: something lay outside, or was not understood. */
struct reader {
    const uint8_t *at, *end;
    bool bad;
};

static uint8_t byte(struct reader *r)
{
    if (r->at >= r->end) {
        r->bad = true;
        return 0;
    }
    return *r->at++;
}

static uint64_t fixed(struct reader *r, size_t n)
{
    uint64_t v = 0;

    if ((size_t)(r->end - r->at) < n) {
        r->bad = true;
        r->at = r->end;
        return 0;
    }
    memcpy(&v, r->at, n);
    r->at += n;
    return v;
}

static void skip(struct reader *r, uint64_t n)
{
    if ((uint64_t)(r->end - r->at) < n) {
        r->bad = true;
        n = (uint64_t)(r->end - r->at);
    }
    r->at += n;
}

static uint64_t uleb(struct reader *r)
{
    uint64_t v = 0;
    uint8_t b;

    for (unsigned shift = 0; shift < 63; shift += 7) {
        b = byte(r);
        v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80))
            return v;
    }
    r->bad = true;
    return 0;
}

static int64_t sleb(struct reader *r)
{
    uint64_t v = 0;
    unsigned shift = 0;
    uint8_t b;

    do {
        b = byte(r);
        v |= (uint64_t)(b & 0x7f) << shift;
        shift += 7;
    } while (b & 0x80 && shift < 63);
    if (b & 0x80)
        r->bad = true;
    if (b & 0x40 && shift < 64)
        v |= ~0ull << shift;
    return (int64_t)v;
}

/* The body of the CIE or FDE at `at`, behind its length. */
static struct reader entry(uintptr_t at, uintptr_t start, uintptr_t end)
{
    struct reader r = {NULL, NULL, true};
    uint32_t length;

    if (at < start || at > end || end - at < 4)
        return r;
    memcpy(&length, (const void *)at, sizeof length);
    if (length < 4 || length >= 0xfffffff0 || end - at - 4 < length)
        return r;
    r.at = (const uint8_t *)at + 4;
    r.end = r.at + length;
    r.bad = false;
    return r;
}

/* The last function of the linker's sorted table that begins at or before pc; 0: none. */
static uintptr_t search(const uint8_t *hdr, uintptr_t end, uintptr_t pc)
{
    uintptr_t base = (uintptr_t)hdr;
    uint32_t count, low = 0;
    int32_t pair[2];

    if (end - base < 12 || hdr[0] != 1 || hdr[1] != PCREL_SDATA4 || hdr[2] != UDATA4 ||
        hdr[3] != DATAREL_SDATA4)
        return 0;
    memcpy(&count, hdr + 8, sizeof count);
    if ((end - base - 12) / 8 < count)
        return 0;
    for (uint32_t high = count; low < high;) {
        uint32_t middle = low + (high - low) / 2;

        memcpy(pair, hdr + 12 + (size_t)middle * 8, sizeof pair);
        if (base + (uintptr_t)(intptr_t)pair[0] <= pc)
            low = middle + 1;
        else
            high = middle;
    }
    if (!low)
        return 0;
    memcpy(pair, hdr + 12 + (size_t)(low - 1) * 8, sizeof pair);
    return base + (uintptr_t)(intptr_t)pair[1];
}

struct machine {
    struct otel_cfi_row row, saved[STATES];
    unsigned depth;
    uint64_t code_align;
    int64_t data_align;
    uintptr_t loc, pc;
    bool known; /* the CFA is register + offset */
};

/* Opcodes whose operand is in the low six bits, and the plain ones below. Returns false when the
 * location has passed pc. */
static bool advance(struct machine *m, uint64_t delta)
{
    m->loc += delta * m->code_align;
    return m->loc <= m->pc;
}

static void define(struct machine *m, uint64_t reg, int64_t offset)
{
    m->known = (reg == OTEL_CFI_RBP || reg == OTEL_CFI_RSP) && offset >= 0 && offset < INT32_MAX;
    m->row.base = (uint8_t)reg;
    m->row.offset = (int32_t)offset;
}

/* Rules of other registers do not concern us: their operands are read over. */
static void pass_over(struct reader *r, uint8_t op)
{
    switch (op) {
    case 0x00: /* nop */
        break;
    case 0x06: /* restore_extended */
    case 0x07: /* undefined */
    case 0x08: /* same_value */
    case 0x2e: /* GNU_args_size */
        uleb(r);
        break;
    case 0x05: /* offset_extended */
    case 0x09: /* register */
    case 0x14: /* val_offset */
    case 0x2f: /* GNU_negative_offset_extended */
        uleb(r);
        uleb(r);
        break;
    case 0x11: /* offset_extended_sf */
    case 0x15: /* val_offset_sf */
        uleb(r);
        sleb(r);
        break;
    case 0x10: /* expression */
    case 0x16: /* val_expression */
        uleb(r);
        skip(r, uleb(r));
        break;
    default:
        r->bad = true;
    }
}

static void remember(struct machine *m, struct reader *r, bool restore)
{
    if (restore ? m->depth == 0 : m->depth == STATES)
        r->bad = true;
    else if (restore)
        m->row = m->saved[--m->depth];
    else
        m->saved[m->depth++] = m->row;
}

/* One instruction; false when the row for pc is complete. */
static bool step(struct machine *m, struct reader *r)
{
    uint8_t op = byte(r);
    uint64_t reg;

    if (op >> 6 == 1)
        return advance(m, op & 0x3f);
    if (op >> 6 == 2) /* offset */
        uleb(r);
    if (op >> 6)
        return true;
    switch (op) {
    case 0x02:
        return advance(m, fixed(r, 1));
    case 0x03:
        return advance(m, fixed(r, 2));
    case 0x04:
        return advance(m, fixed(r, 4));
    case 0x0a:
    case 0x0b:
        remember(m, r, op == 0x0b);
        return true;
    case 0x0c: /* def_cfa */
        reg = uleb(r);
        define(m, reg, (int64_t)uleb(r));
        return true;
    case 0x12: /* def_cfa_sf */
        reg = uleb(r);
        define(m, reg, sleb(r) * m->data_align);
        return true;
    case 0x0d: /* def_cfa_register */
        define(m, uleb(r), m->row.offset);
        return true;
    case 0x0e: /* def_cfa_offset */
        define(m, m->row.base, (int64_t)uleb(r));
        return true;
    case 0x13: /* def_cfa_offset_sf */
        define(m, m->row.base, sleb(r) * m->data_align);
        return true;
    case 0x0f: /* def_cfa_expression */
        m->known = false;
        skip(r, uleb(r));
        return true;
    default:
        pass_over(r, op);
        return true;
    }
}

static bool run(struct machine *m, struct reader *r)
{
    while (!r->bad && r->at < r->end)
        if (!step(m, r))
            return false;
    return true;
}

/* Reads a CIE up to its instructions; false for a kind we do not know. */
static bool read_cie(struct reader *r, struct machine *m, bool *sized)
{
    const char *augmentation;
    uint8_t version;
    bool relative = false;

    fixed(r, 4); /* id */
    version = byte(r);
    augmentation = (const char *)r->at;
    while (!r->bad && byte(r))
        ;
    if (r->bad || (version != 1 && version != 3))
        return false;
    m->code_align = uleb(r);
    m->data_align = sleb(r);
    if (version == 1)
        byte(r);
    else
        uleb(r);
    *sized = *augmentation == 'z';
    if (!*sized)
        return false;
    uleb(r);
    for (const char *a = augmentation + 1; *a && !r->bad; a++) {
        uint8_t encoding = *a == 'S' || *a == 'B' ? 0 : byte(r);

        if (*a == 'R')
            relative = encoding == PCREL_SDATA4;
        else if (*a == 'P')
            skip(r, (encoding & 0x0f) == 0 || (encoding & 0x07) == 4 ? 8 : 4);
        else if (*a != 'L' && *a != 'S')
            return false;
    }
    return relative && !r->bad;
}

bool otel_cfi_find(const void *hdr, uintptr_t start, uintptr_t end, uintptr_t pc,
                   struct otel_cfi_row *row)
{
    struct machine m = {.pc = pc};
    struct reader fde, cie;
    uintptr_t at, begin;
    bool sized;

    if (!hdr || (uintptr_t)hdr < start || (uintptr_t)hdr >= end)
        return false;
    at = search(hdr, end, pc);
    fde = entry(at, start, end);
    if (fde.bad)
        return false;
    at = (uintptr_t)fde.at;
    cie = entry(at - fixed(&fde, 4), start, end);
    if (cie.bad || !read_cie(&cie, &m, &sized))
        return false;
    begin = (uintptr_t)fde.at;
    begin += (uintptr_t)(intptr_t)(int32_t)fixed(&fde, 4);
    if (pc < begin || pc - begin >= fixed(&fde, 4))
        return false;
    skip(&fde, uleb(&fde));
    m.loc = begin;
    if (run(&m, &cie))
        run(&m, &fde);
    *row = m.row;
    return m.known && !fde.bad && !cie.bad;
}
