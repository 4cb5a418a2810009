/* SPDX-License-Identifier: Apache-2.0
 *
 * One POST at a time over libcurl: HTTP/1.1 for OTLP/HTTP, HTTP/2 for gRPC (prior knowledge for
 * http, ALPN for https), on one connection that is kept. Knows headers, TLS, descriptors and time;
 * not what the bytes mean, and not when to try again (otlp_sink.c).
 *
 * Endpoints: http://, https://, unix:/socket and unix:///socket. Proxies are libcurl's rule:
 * http_proxy (lower case), HTTPS_PROXY and ALL_PROXY unless NO_PROXY names the host; none for a
 * Unix socket. They are read as the process started with them (environment.c). Redirects are not
 * followed: spans would go where nobody sent them. No cookies, no .netrc, no HTTP/0.9, no other
 * protocol.
 *
 * Threads: the batch thread. libcurl may start a short-lived thread of its own to look up a host
 * name (never for an address or localhost); it inherits the blocked signals and, where there is
 * one, the private descriptor table.
 */
#ifndef OTEL_CORE_EXPORT_HTTP_H
#define OTEL_CORE_EXPORT_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/export/buffer.h"
#include "core/export/module.h"

struct otel_http;

/* What came of a POST. Exactly one of these holds: no_time; error != 0; status is the answer's. */
struct otel_http_reply {
    bool no_time;            /* the time ran out, or the process ends: given up */
    bool too_large;          /* the answer was longer than OTEL_OTLP_RESPONSE_MAX: not read on */
    int error;               /* CURLcode, 0: a whole answer */
    int os_error;            /* errno of a failed connect, 0: none */
    long status;             /* HTTP status, also where the body then failed; 0: none came */
    int http_major;          /* 1 or 2, of the answer */
    int grpc_status;         /* grpc-status, from header or trailer; -1: none */
    int64_t wait_ns;         /* what Retry-After or RetryInfo asks for, or OTEL_RETRY_NONE */
    char grpc_message[128];  /* decoded, control characters made '?' */
    struct otel_buffer body; /* of the answer; the owner frees it */
};

/* Allocates and sets up everything but the connection. NULL after logging why. */
struct otel_http *otel_http_new(const struct otel_config *config,
                                const struct otel_export_host *host);

/* Sends len bytes (already compressed and framed as the configuration says) and waits for the
 * answer, at most until deadline_ns (CLOCK_MONOTONIC) or the host's own limit; reply is filled
 * anew. handover, unless NULL, is told what the kernel takes of the request. Nothing is logged. */
void otel_http_post(struct otel_http *http, const void *body, size_t len, uint64_t deadline_ns,
                    struct otel_handover *handover, struct otel_http_reply *reply);

/* The endpoint as it may be shown: without credentials. */
const char *otel_http_shown(const struct otel_http *http);

/* Ends the connection and frees all. In a fork child it must not be called: it would close numbers
 * that are not ours any more, or speak TLS into the parent's connection. */
void otel_http_free(struct otel_http *http);

#endif
