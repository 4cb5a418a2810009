/* SPDX-License-Identifier: Apache-2.0
 *
 * UTF-8 as OTLP's string fields demand it (RFC 3629: no surrogates, no overlong forms). Pure.
 */
#ifndef OTEL_CORE_UTF8_H
#define OTEL_CORE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

bool otel_utf8_valid(const char *text, size_t len);

/* Bytes that otel_utf8_repair() writes for text. */
size_t otel_utf8_repaired_len(const char *text, size_t len);

/* Copies text with U+FFFD for each byte that is part of no valid sequence; out must hold
 * otel_utf8_repaired_len() bytes. */
void otel_utf8_repair(char *out, const char *text, size_t len);

/* The length in bytes of the first max_chars code points. A byte that is part of no valid sequence
 * counts as one, like the U+FFFD that repair puts in its place. */
size_t otel_utf8_cut(const char *text, size_t len, size_t max_chars);

/* UTF-16 (host byte order) to UTF-8, at most cap bytes, unpaired surrogates as U+FFFD. Returns the
 * bytes written, always whole characters. units: number of 16-bit units, at any address. */
size_t otel_utf8_from_utf16(char *out, size_t cap, const void *utf16, size_t units);

#endif
