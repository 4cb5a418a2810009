/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/curl_exchange.h"

#include <string.h>

#include "core/context.h"
#include "core/ids.h"
#include "core/tls.h"

void otel_curl_hop_start(struct otel_curl_exchange *x, uint64_t at_ns)
{
    uint8_t trace_id[OTEL_TRACE_ID_LEN];
    struct otel_span_start start = {
        .name = OTEL_TEXT("HTTP"),
        .kind = OTEL_KIND_CLIENT,
        .scope = OTEL_SCOPE_CURL,
        .start_mono_ns = at_ns,
    };

    x->hop.start_ns = at_ns;
    if (x->has_parent)
        start.parent = &x->parent;
    else
        start.root = true;
    if (x->hop.number) {
        memcpy(trace_id, x->span.ctx.trace_id, sizeof trace_id);
        start.trace_id = x->has_parent ? NULL : trace_id;
        start.span_id = x->next_id;
    }
    otel_span_start(&x->span, &start);
}

/* Ends the hop that stands and starts the next one at that time, with the id the header has had
 * since the last head was sent. A request that was answered by nothing at all is retried by libcurl
 * as if it had not been: that hop failed as CURLE_GOT_NOTHING says. */
static void hop_next(struct otel_curl_exchange *x, uint64_t at_ns)
{
    unsigned number = x->hop.number + 1;

    otel_curl_span_response(x, x->hop.status ? OTEL_TEXT("") : OTEL_TEXT("GOT_NOTHING"), at_ns);
    otel_span_end(&x->span, at_ns);
    x->before = x->hop.at_sent;
    memset(&x->hop, 0, sizeof x->hop);
    x->hop.number = number;
    otel_curl_hop_start(x, at_ns);
    if (x->attached && x->thread == &otel_tls)
        otel_context_replace(x->token, &x->span.ctx);
}

static double redirect_time(const struct otel_curl_exchange *x)
{
    double t = 0;

    otel_curl_getinfo(x->owner)(x->handle, CURLINFO_REDIRECT_TIME, &t);
    return t;
}

static void note_peer(struct otel_curl_exchange *x)
{
    char *ip = NULL;
    long port = 0;
    size_t len;

    otel_curl_getinfo(x->owner)(x->handle, CURLINFO_PRIMARY_IP, &ip);
    otel_curl_getinfo(x->owner)(x->handle, CURLINFO_PRIMARY_PORT, &port);
    len = ip ? strlen(ip) : 0;
    if (len && len < sizeof x->hop.peer) {
        memcpy(x->hop.peer, ip, len + 1);
        x->hop.peer_port = (uint16_t)port;
    }
}

void otel_curl_hop_sent(struct otel_curl_exchange *x, const char *p, size_t len, uint64_t now_ns)
{
    struct otel_curl_hop *hop = &x->hop;
    const char *space;

    if (hop->sent)
        hop_next(x, hop->last_in_ns ? hop->last_in_ns : now_ns);
    space = memchr(p, ' ', len);
    len = space ? (size_t)(space - p) : 0;
    if (len >= sizeof hop->method)
        len = sizeof hop->method - 1;
    memcpy(hop->method, p, len);
    hop->method[len] = '\0';
    hop->sent = true;
    hop->sent_ns = now_ns;
    hop->redirect = redirect_time(x);
    otel_curl_times_read(x, &hop->at_sent);
    note_peer(x);
    otel_curl_span_request(x);
    otel_ids_span(x->next_id);
    otel_curl_headers_renew(x, x->next_id);
}

/* "HTTP/1.1 200 OK", "HTTP/2 200". 1xx is not the answer yet, except 101. */
void otel_curl_hop_status(struct otel_curl_exchange *x, const char *p, size_t len)
{
    const size_t prefix = sizeof "HTTP/" - 1;
    const char *space = len > prefix ? memchr(p, ' ', len) : NULL;
    size_t version = space ? (size_t)(space - p) - prefix : 0;
    int status = 0;

    if (!space || version == 0 || version >= sizeof x->hop.version)
        return;
    for (p = space + 1, len -= prefix + version + 1; len && *p >= '0' && *p <= '9'; p++, len--)
        status = status < 1000 ? status * 10 + (*p - '0') : status;
    if (status < 200 && status != 101)
        return;
    x->hop.status = status;
    memcpy(x->hop.version, space - version, version);
    x->hop.version[version] = '\0';
}

static struct otel_text failure(const struct otel_curl_exchange *x, int code)
{
    if (x->http && x->hop.status >= 400) /* the status says it */
        return OTEL_TEXT("");
    if (code == OTEL_CURL_UNKNOWN)
        return x->hop.status ? OTEL_TEXT("") : OTEL_TEXT("_OTHER");
    return otel_curl_error_name(code);
}

void otel_curl_hop_finish(struct otel_curl_exchange *x, int code, uint64_t end_ns)
{
    if (!otel_span_recording(&x->span))
        return;
    if (x->hop.sent && code != CURLE_OK && redirect_time(x) > x->hop.redirect)
        hop_next(x, x->hop.last_in_ns ? x->hop.last_in_ns : end_ns);
    if (!x->http) {
        otel_curl_span_other(x, failure(x, code));
    } else {
        x->refused = x->hop.number == 0 && !x->hop.sent &&
                     (code == CURLE_FAILED_INIT || code == CURLE_URL_MALFORMAT ||
                      code == CURLE_RECURSIVE_API_CALL || code == CURLE_OUT_OF_MEMORY);
        if (!x->hop.sent)
            otel_curl_span_request(x);
        otel_curl_span_response(x, failure(x, code), end_ns);
    }
    otel_span_end(&x->span, end_ns > x->hop.start_ns ? end_ns : x->hop.start_ns);
}
