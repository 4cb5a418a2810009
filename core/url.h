/* SPDX-License-Identifier: Apache-2.0
 *
 * Just enough of RFC 3986 to describe a request: parts of an absolute URL, and its redaction.
 */
#ifndef OTEL_CORE_URL_H
#define OTEL_CORE_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/wire.h"

/* Parts as they stand in the text (nothing decoded); len 0 when absent. host without brackets. */
struct otel_url {
    struct otel_text scheme, userinfo, host, path, query, fragment;
    uint16_t port; /* given, else the scheme's default (http 80, https 443, ftp 21 …), else 0 */
    bool port_given;
};

/* Returns 0, or -EINVAL with *url zeroed when there is no host (file has none) or the port is no
 * number. A text without ":/" is read as curl does: scheme http, or what the host's first label
 * says ("ftp.example.com"). The parts point into text, a guessed scheme into static memory. Any
 * bytes, any length. */
int otel_url_parse(struct otel_url *url, const char *text, size_t len);

/* Copies text to out with what must not leave the process replaced (spec: HTTP semantic conventions
 * url.full): user and password become REDACTED:REDACTED@ (user alone: REDACTED@), the values of the
 * sensitive query keys become REDACTED, the fragment stays. Adds "http://" (or the guess) when
 * there was no scheme. Cut to cap bytes. Returns the length. Credentials are redacted in text of
 * any shape, also where otel_url_parse() fails: when in doubt too much is redacted, never too
 * little. */
size_t otel_url_redact(char *out, size_t cap, const char *text, size_t len);

/* The same for a query alone (url.query). */
size_t otel_url_redact_query(char *out, size_t cap, const char *query, size_t len);

#endif
