/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/curl_exchange.h"

#include <string.h>

#include "core/http_span.h"
#include "core/url.h"

static struct otel_text text_of(const char *s)
{
    return (struct otel_text){s ? s : "", s ? strlen(s) : 0};
}

/* An option or info of libcurl that is text; "" when there is none or this copy is too old for it.
 */
static struct otel_text info_text(const struct otel_curl_exchange *x, CURLINFO info)
{
    char *s = NULL;

    otel_curl_getinfo(x->owner)(x->handle, info, &s);
    return text_of(s);
}

void otel_curl_times_read(const struct otel_curl_exchange *x, struct otel_curl_times *times)
{
    __typeof__(&curl_easy_getinfo) getinfo = otel_curl_getinfo(x->owner);

    memset(times, 0, sizeof *times);
    getinfo(x->handle, CURLINFO_NAMELOOKUP_TIME, &times->name);
    getinfo(x->handle, CURLINFO_CONNECT_TIME, &times->connect);
    getinfo(x->handle, CURLINFO_APPCONNECT_TIME, &times->tls);
    getinfo(x->handle, CURLINFO_PRETRANSFER_TIME, &times->sent);
    getinfo(x->handle, CURLINFO_STARTTRANSFER_TIME, &times->first);
    getinfo(x->handle, CURLINFO_NUM_CONNECTS, &times->connects);
}

static struct otel_http_client facts(const struct otel_curl_exchange *x)
{
    struct otel_http_client http = {
        .method = text_of(x->hop.method),
        .peer_address = text_of(x->hop.peer),
        .peer_port = x->hop.peer_port,
        .protocol_version = text_of(x->hop.version),
        .resend_count = x->hop.number,
        .status_code = x->hop.status,
    };

    /* Never sent: what would have been (since libcurl 7.72). */
    if (!x->hop.sent)
        http.method = info_text(x, CURLINFO_EFFECTIVE_METHOD);
    http.url = info_text(x, CURLINFO_EFFECTIVE_URL);
    return http;
}

void otel_curl_span_request(struct otel_curl_exchange *x)
{
    struct otel_http_client http;

    if (!otel_span_recording(&x->span))
        return;
    http = facts(x);
    otel_http_client_request(&x->span, &http);
}

struct phase {
    struct otel_text name;
    double seconds; /* since base, 0: did not happen */
};

/* libcurl's timers count from the moment it took up the request, which in a multi handle may be
 * later than the span's start; the request head, whose time we know, was at `sent` on the same
 * scale. */
static void phases(struct otel_curl_exchange *x, uint64_t end_ns)
{
    const struct otel_curl_hop *hop = &x->hop;
    const struct otel_curl_times *before = &x->before;
    struct otel_curl_times now;
    struct otel_curl_times at;
    uint64_t base = hop->start_ns;
    uint64_t last = hop->start_ns;

    otel_curl_times_read(x, &now);
    at = hop->sent ? hop->at_sent : now;
    if (hop->sent && now.sent > at.sent &&
        hop->sent_ns > base + (uint64_t)((now.sent - at.sent) * 1e9))
        base = hop->sent_ns - (uint64_t)((now.sent - at.sent) * 1e9);

    /* What never got as far as sending was not on a connection of before. */
    const bool fresh = !hop->sent || at.connects > before->connects;
    const struct phase phase[] = {
        {OTEL_TEXT("dns.lookup.done"), fresh ? at.name - before->name : 0},
        {OTEL_TEXT("connect.done"), fresh ? at.connect - before->connect : 0},
        {OTEL_TEXT("tls.done"), fresh ? at.tls - before->tls : 0},
        {OTEL_TEXT("first_byte"), hop->status ? now.first - at.first : 0},
    };
    for (size_t i = 0; i < sizeof phase / sizeof *phase; i++) {
        uint64_t when = base + (uint64_t)(phase[i].seconds * 1e9);

        if (phase[i].seconds <= 0)
            continue;
        when = when < last ? last : when;
        last = when > end_ns ? end_ns : when;
        otel_span_event(&x->span, phase[i].name, last, NULL, 0);
    }
}

void otel_curl_span_response(struct otel_curl_exchange *x, struct otel_text error, uint64_t end_ns)
{
    struct otel_http_client http;

    if (!otel_span_recording(&x->span))
        return;
    http = facts(x);
    http.error_type = error;
    otel_http_client_response(&x->span, &http);
    if (!x->refused)
        phases(x, end_ns);
}

void otel_curl_span_other(struct otel_curl_exchange *x, struct otel_text error)
{
    struct otel_text url = info_text(x, CURLINFO_EFFECTIVE_URL);
    const char *colon = memchr(url.data, ':', url.len);
    struct otel_text scheme = {url.data, colon ? (size_t)(colon - url.data) : 0};
    struct otel_url parts;
    size_t len;

    otel_span_set_name(&x->span, scheme.len && scheme.len <= 16 ? scheme : OTEL_TEXT("curl"));
    if (url.len) {
        len = otel_url_redact(x->scratch, sizeof x->scratch, url.data, url.len);
        otel_span_set_text(&x->span, OTEL_TEXT("url.full"), x->scratch, len);
    }
    if (url.len && otel_url_parse(&parts, url.data, url.len) == 0 && parts.host.len) {
        otel_span_set_text(&x->span, OTEL_TEXT("server.address"), parts.host.data, parts.host.len);
        if (parts.port)
            otel_span_set_int(&x->span, OTEL_TEXT("server.port"), parts.port);
    }
    if (error.len) {
        otel_span_set_text(&x->span, OTEL_TEXT("error.type"), error.data, error.len);
        otel_span_set_status(&x->span, OTEL_STATUS_ERROR, OTEL_TEXT(""));
    }
}
