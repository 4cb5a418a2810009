/* SPDX-License-Identifier: Apache-2.0
 *
 * OTEL_EXPORTER_OTLP_HEADERS: "name=value,name=value", values percent-decoded (OpenTelemetry
 * protocol exporter, "Specifying headers via environment variables"; W3C baggage syntax without
 * properties). Values are secrets as a rule: nothing here or in a caller logs them.
 * Pure; no allocation; any thread.
 */
#ifndef OTEL_CORE_EXPORT_HEADERS_H
#define OTEL_CORE_EXPORT_HEADERS_H

#include <stdbool.h>
#include <stddef.h>

#define OTEL_HEADER_NAME_MAX 128
#define OTEL_HEADER_VALUE_MAX 8192

struct otel_header { /* both NUL-terminated */
    char name[OTEL_HEADER_NAME_MAX];
    char value[OTEL_HEADER_VALUE_MAX];
};

/* Reads the next member at *at and moves *at behind it. Returns
 *   1        header is filled; blanks round name and value are gone
 *   0        there is none left
 *   -EINVAL  the member is malformed (no '=', a name that is no token, a bad escape, a control
 *            character in the value) or too long; header->name is what can be said of it, "" when
 *            nothing. Go on with the next one. */
int otel_headers_next(const char **at, struct otel_header *header);

/* True for a header that the transport sets itself and that settings must not: one that says how
 * the body is to be read or framed. */
bool otel_headers_reserved(const char *name);

/* Decodes %XX in place of each escape; a '%' without two hex digits behind it stays when lenient,
 * else is an error. Writes at most cap bytes and a NUL (cap counts the NUL, at least 1). Returns
 * the length, cut at cap - 1 when lenient; -1 on an error or when it does not fit. */
long otel_percent_decode(char *out, size_t cap, const char *text, size_t len, bool lenient);

#endif
