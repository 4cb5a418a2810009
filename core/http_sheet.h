/* SPDX-License-Identifier: Apache-2.0
 *
 * The attributes of one request, written one behind the other in wire form and given to the span in
 * one piece. Not public: for the http_…_span.c files, which know that no key comes twice and that
 * none was set before. A value that is empty gives no attribute.
 * Threads: one at a time on each sheet, as on its span. No allocation; a sheet lies on the stack.
 */
#ifndef OTEL_CORE_HTTP_SHEET_H
#define OTEL_CORE_HTTP_SHEET_H

#include <stddef.h>
#include <stdint.h>

#include "core/http_head.h"
#include "core/http_span.h"
#include "core/span.h"
#include "core/wire.h"

#define OTEL_HTTP_SHEET_SIZE 1152

struct otel_http_sheet {
    const struct otel_span *span;
    uint8_t *at;
    size_t short_max; /* values up to this need no care: short, and within the limit of values */
    uint16_t count;   /* of attributes written */
    uint8_t bytes[OTEL_HTTP_SHEET_SIZE];
};

void otel_http_sheet_init(struct otel_http_sheet *sheet, const struct otel_span *span);

/* Writes an attribute. key: at most 40 bytes of ASCII. A value too long for an empty sheet is cut
 * between characters; a sheet that is full is given to the span and goes on empty. */
void otel_http_sheet_put(struct otel_http_sheet *sheet, struct otel_text key,
                         struct otel_text value);

/* http.request.method, and what it was when it is not a known one. */
void otel_http_sheet_method(struct otel_http_sheet *sheet, struct otel_text method);

/* server.address and server.port; port 0: none. */
void otel_http_sheet_server(struct otel_http_sheet *sheet, struct otel_text name, uint16_t port);

/* network.peer.address and port, and network.protocol.version 1.minor. */
void otel_http_sheet_connection(struct otel_http_sheet *sheet, const struct otel_http_peer *peer,
                                unsigned minor);

/* Gives the span what is written so far; the sheet is empty then. To be called at the end. */
void otel_http_sheet_flush(struct otel_http_sheet *sheet);

/* Sets http.request.header.NAME (request) or http.response.header.NAME of what was captured, an
 * array of the values of each name. Straight to the span. */
void otel_http_sheet_captured(const struct otel_span *span, bool request,
                              const struct otel_http_head *head);

#endif
