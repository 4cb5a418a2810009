/* SPDX-License-Identifier: Apache-2.0
 *
 * Who asks for what, from a request head: host and port of the server as the client named them, the
 * client behind proxies (Forwarded, RFC 7239, and the X-Forwarded-… headers), the parts of the
 * target (RFC 9112 3.2). What does not have the form it should have counts as absent: such values
 * come from anybody. Pure; texts point into the head, any thread.
 */
#ifndef OTEL_CORE_HTTP_ORIGIN_H
#define OTEL_CORE_HTTP_ORIGIN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/http_head.h"
#include "core/wire.h"

/* A host, without brackets, and the port that stood behind it. */
struct otel_http_host {
    struct otel_text name;
    uint16_t port; /* 0: none given */
};

/* Reads "host", "host:port" and "[v6]:port"; host->name is empty when it is something else, with a
 * user before it for one. At most 255 bytes of host. */
void otel_http_host_read(struct otel_http_host *host, struct otel_text text);

/* The parts of a request target. */
struct otel_http_target {
    struct otel_text path;      /* empty when it has none, as that of CONNECT */
    struct otel_text query;     /* as sent: not redacted */
    struct otel_http_host host; /* of absolute-form and authority-form */
    bool https;                 /* absolute-form says so */
    bool delicate;              /* the path may hold what must be redacted */
};
void otel_http_target_read(struct otel_http_target *target, const struct otel_http_head *head);

/* A parameter ("for", "host", "proto") of the first element of a Forwarded header, without quotes.
 * Empty: it is not there, or has escapes, which no address needs. */
struct otel_text otel_http_forwarded(struct otel_text header, const char *param);

/* The first element of a comma list, trimmed. */
struct otel_text otel_http_first(struct otel_text list);

/* A node of Forwarded or X-Forwarded-For without port, brackets and quotes; empty when it is
 * "unknown" or no address or name. */
struct otel_text otel_http_node(struct otel_text text);

#endif
