/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP spans by the stable semantic conventions (http-spans 1.x): which attributes, names and
 * statuses; where the facts come from is the business of hooks (libcurl) and of the observer of
 * sockets. With OTEL_SEMCONV_STABILITY_OPT_IN=http/dup the old names are set too. User and password
 * of a URL, and what the conventions call sensitive in a query, are redacted here.
 *
 * Nothing is done for a span that is not recorded. No call allocates, blocks or keeps what it is
 * given. Threads: any, one at a time on one span.
 */
#ifndef OTEL_CORE_HTTP_SPAN_H
#define OTEL_CORE_HTTP_SPAN_H

#include "core/http_head.h"
#include "core/span.h"
#include "core/wire.h"

/* "GET" stays, what is not a known method becomes "_OTHER"
 * (OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS, case-sensitive). */
struct otel_text otel_http_method(struct otel_text method);

/* The span name of a client request: the method, "HTTP" for an unknown one. */
struct otel_text otel_http_client_name(struct otel_text method);

/* Names the span of a client's request so; with OTEL_AUTO_HTTP_CLIENT_NAME=host the server's name
 * stands behind the method, where both are known. */
void otel_http_name_client(const struct otel_span *span, struct otel_text method,
                           struct otel_text host);

/* --- libcurl -----------------------------------------------------------------------------------
 */

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

/* --- requests and responses seen on the wire ---------------------------------------------------
 */

/* One end of a connection. */
struct otel_http_peer {
    struct otel_text address; /* "" unknown; of a Unix socket its path */
    uint16_t port;            /* 0: unknown, or none */
    bool unix_socket;
};

/* Starts a SERVER span, with what sampling rules (rules.h) want to know of the request, where there
 * are any; else as otel_span_start() does. start stays the caller's and is changed. */
bool otel_http_server_start(struct otel_span *span, struct otel_span_start *start,
                            const struct otel_http_head *head);

/* Name and attributes of a SERVER span, from the complete head of its request: method, path, query,
 * scheme, route, client.address (Forwarded, X-Forwarded-For, peer), server.address and port
 * (Forwarded, X-Forwarded-Host, an absolute target, Host, local), peer, protocol version, user
 * agent, captured headers. To be called once, before other attributes are set, and best on a span
 * that was started without a name. */
void otel_http_server_request(const struct otel_span *span, const struct otel_http_head *head,
                              const struct otel_http_peer *peer,
                              const struct otel_http_peer *local);

/* Status code, error.type (the code of a 5xx, else error_type) and status; captured headers.
 * response NULL: none was seen; error_type "": nothing failed. May come twice, for the head and for
 * what went wrong later: an error.type that is there stays. */
void otel_http_server_response(const struct otel_span *span, const struct otel_http_head *response,
                               struct otel_text error_type);

/* The same for a CLIENT span: url.full is made of Host (else peer) and target and cut to about 1
 * KB, server.address and port are those of the URL. */
void otel_http_wire_request(const struct otel_span *span, const struct otel_http_head *head,
                            const struct otel_http_peer *peer);

/* As of a server, but a 4xx is an error too. resend: how often it was sent before, 0: no attribute.
 */
void otel_http_wire_response(const struct otel_span *span, const struct otel_http_head *response,
                             struct otel_text error_type, unsigned resend);

#endif
