/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP client spans by the stable semantic conventions (http-spans 1.x): which attributes, names
 * and statuses; where the facts come from is the hooks' business.
 */
#ifndef OTEL_CORE_HTTP_SPAN_H
#define OTEL_CORE_HTTP_SPAN_H

#include "core/span.h"
#include "core/wire.h"

/* "GET" stays, what is not a known method becomes "_OTHER"
 * (OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS, case-sensitive). */
struct otel_text otel_http_method(struct otel_text method);

/* The span name of a client request: the method, "HTTP" for an unknown one. */
struct otel_text otel_http_client_name(struct otel_text method);

struct otel_http_client {
    struct otel_text method;       /* as sent; "": not HTTP, then name and method are left alone */
    struct otel_text url;          /* as requested; redacted here */
    struct otel_text peer_address; /* "" unknown */
    uint16_t peer_port;
    struct otel_text protocol_version; /* "1.1", "2"; "" unknown */
    unsigned resend_count;             /* 0: first sending, no attribute */
    int status_code;                   /* 0: no response */
    struct otel_text error_type;       /* transport failure, "" none */
};

/* Sets name and attributes known when the request goes out: http.request.method (and _original),
 * url.full (cut at 1.5 KB), server.address, server.port; with http/dup the old names too. What the
 * URL does not tell is left out. Does nothing for a span that is not recorded. */
void otel_http_client_request(const struct otel_span *span, const struct otel_http_client *http);

/* Sets what is known when it is over: status code, error.type (the code for 4xx and 5xx, else
 * error_type), status, peer, protocol version, resend_count; with http/dup the old names too. The
 * status has no message. */
void otel_http_client_response(const struct otel_span *span, const struct otel_http_client *http);

#endif
