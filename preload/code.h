/* SPDX-License-Identifier: Apache-2.0
 *
 * Pages of generated code, one a traced function, and the few bytes of the program's code that lead
 * there. A page is written first and executable afterwards, never both; a text page of the program
 * is both for the moment of one store, for other threads may be running in it.
 *
 * Where the system allows no new code (SELinux execmem, a seccomp filter) each function says so and
 * nothing has happened. At start-up, or when a module was loaded; keeps errno.
 */
#ifndef OTEL_PRELOAD_CODE_H
#define OTEL_PRELOAD_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OTEL_CODE_PAGE 4096
#define OTEL_CODE_JUMP 5 /* bytes of a jump within 2 GiB */

/* A writable page of zeros; near: close enough to that address for such a jump to any place in it
 * and back, NULL: anywhere. NULL: there is none. */
void *otel_code_page(const void *near);

/* Makes it executable and read-only. False: that is not allowed, and the page is gone. */
bool otel_code_seal(void *page);

void otel_code_free(void *page);

/* Writes a jump to `to` over the first bytes at `from`. False: the text cannot be made writable. */
bool otel_code_jump(void *from, const void *to);

/* Is that store one that no other thread can see half of? */
static inline bool otel_code_jump_is_atomic(const void *from)
{
    return ((uintptr_t)from & 7) <= 8 - OTEL_CODE_JUMP;
}

#endif
