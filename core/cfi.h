/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a function keeps its return address, read from the unwind tables that every compiled
 * function has (.eh_frame; System V ABI x86-64 3.7, LSB "Exception Frames", DWARF 5 6.4). Only the
 * rule of the canonical frame address is read: CFA = register + offset, and the return address lies
 * right below it.
 *
 * What is read is the program's own mapped image, but nothing in it is trusted: every access stays
 * within the bounds given. Pure, no allocation, any thread.
 */
#ifndef OTEL_CORE_CFI_H
#define OTEL_CORE_CFI_H

#include <stdbool.h>
#include <stdint.h>

enum otel_cfi_base { OTEL_CFI_RBP = 6, OTEL_CFI_RSP = 7 }; /* DWARF register numbers, x86-64 */

struct otel_cfi_row {
    uint8_t base; /* enum otel_cfi_base */
    int32_t offset;
};

/* The rule that holds at pc, an address inside an instruction (for a return address: one less).
 * hdr: the module's .eh_frame_hdr; start, end: the mapping it may be read in. False: no table, an
 * encoding or a rule of another kind. */
bool otel_cfi_find(const void *hdr, uintptr_t start, uintptr_t end, uintptr_t pc,
                   struct otel_cfi_row *row);

#endif
