/* SPDX-License-Identifier: Apache-2.0
 *
 * Text for a terminal: whatever a traced program put into a name or a value must not command the
 * terminal that shows it. Pure functions over caller's memory, any thread.
 */
#ifndef OTEL_CORE_EXPORT_CONSOLE_TEXT_H
#define OTEL_CORE_EXPORT_CONSOLE_TEXT_H

#include <stddef.h>
#include <stdint.h>

#define OTEL_CONSOLE_DURATION_MAX 16

/* Copies text of at most max_chars code points (the last is then '…'), without terminating it.
 * White space, new lines included, becomes one space; control characters, bytes that are no UTF-8,
 * and what turns or hides text (bidirectional controls, zero-width characters) become '?'.
 * Returns the bytes written, at most cap. */
size_t otel_console_clean(char *out, size_t cap, const char *text, size_t len, size_t max_chars);

/* Code points of valid UTF-8: the columns it takes, wide characters aside. */
size_t otel_console_columns(const char *text, size_t len);

/* The length in bytes of the first columns code points. */
size_t otel_console_fit(const char *text, size_t len, size_t columns);

/* "850 ns", "12.4 ms", "1.25 s", "2m 03s": three digits, cut, never rounded up into another unit.
 * Terminated. Returns the columns (µ is two bytes). */
size_t otel_console_duration(char out[static OTEL_CONSOLE_DURATION_MAX], uint64_t ns);

#endif
