/* SPDX-License-Identifier: Apache-2.0 */
#include "core/http_span.h"

#include <string.h>

#include "core/config.h"
#include "core/url.h"

/* Bytes of a URL that are kept. The redacted copy lies on the host's stack, which may be as small
 * as 16 KiB. */
#define URL_MAX 1536

/* Of a span's name. */
#define METHOD_MAX 32
#define HOST_MAX 255

static bool known_method(struct otel_text method)
{
    for (size_t i = 0; i < OTEL_KNOWN_METHODS_MAX && otel_config.known_methods[i]; i++) {
        const char *known = otel_config.known_methods[i];

        if (strlen(known) == method.len && memcmp(known, method.data, method.len) == 0)
            return true;
    }
    return false;
}

struct otel_text otel_http_method(struct otel_text method)
{
    return known_method(method) ? method : OTEL_TEXT("_OTHER");
}

struct otel_text otel_http_client_name(struct otel_text method)
{
    return known_method(method) ? method : OTEL_TEXT("HTTP");
}

void otel_http_name_client(const struct otel_span *span, struct otel_text method,
                           struct otel_text host)
{
    struct otel_text name = method.len ? otel_http_client_name(method) : OTEL_TEXT("HTTP");
    char both[METHOD_MAX + 1 + HOST_MAX];

    if (otel_config.http_client_host && host.len && host.len <= HOST_MAX &&
        name.len <= METHOD_MAX) {
        memcpy(both, name.data, name.len);
        both[name.len] = ' ';
        memcpy(both + name.len + 1, host.data, host.len);
        name = (struct otel_text){both, name.len + 1 + host.len};
    }
    otel_span_set_name(span, name);
}

static void set(const struct otel_span *span, struct otel_text key, struct otel_text value)
{
    otel_span_set_text(span, key, value.data, value.len);
}

static void set_method(const struct otel_span *span, struct otel_text method)
{
    if (!method.len)
        return;
    set(span, OTEL_TEXT("http.request.method"), otel_http_method(method));
    if (!known_method(method))
        set(span, OTEL_TEXT("http.request.method_original"), method);
    if (otel_config.http_dup)
        set(span, OTEL_TEXT("http.method"), method);
}

/* Not inlined: its buffer shall not lie below the frames of the others. */
static __attribute__((noinline)) void set_url(const struct otel_span *span, struct otel_text text)
{
    char redacted[URL_MAX];
    size_t len = otel_url_redact(redacted, sizeof redacted, text.data, text.len);

    if (!len)
        return;
    otel_span_set_text(span, OTEL_TEXT("url.full"), redacted, len);
    if (otel_config.http_dup)
        otel_span_set_text(span, OTEL_TEXT("http.url"), redacted, len);
}

static void set_server(const struct otel_span *span, struct otel_text text, struct otel_text method)
{
    struct otel_url url = {0};
    bool malformed = otel_url_parse(&url, text.data, text.len) != 0;
    bool http = method.len > 0;

    if (http)
        otel_http_name_client(span, method, url.host);
    if (malformed)
        return;
    if (url.host.len)
        set(span, OTEL_TEXT("server.address"), url.host);
    if (url.port)
        otel_span_set_int(span, OTEL_TEXT("server.port"), url.port);
    if (!otel_config.http_dup)
        return;
    if (http)
        set(span, OTEL_TEXT("http.scheme"), url.scheme);
    if (url.host.len)
        set(span, OTEL_TEXT("net.peer.name"), url.host);
    if (url.port)
        otel_span_set_int(span, OTEL_TEXT("net.peer.port"), url.port);
}

void otel_http_client_request(const struct otel_span *span, const struct otel_http_client *http)
{
    if (!otel_span_recording(span))
        return;
    set_method(span, http->method);
    set_url(span, http->url);
    set_server(span, http->url, http->method);
}

static void set_peer(const struct otel_span *span, const struct otel_http_client *http)
{
    if (http->peer_address.len)
        set(span, OTEL_TEXT("network.peer.address"), http->peer_address);
    if (http->peer_address.len && http->peer_port)
        otel_span_set_int(span, OTEL_TEXT("network.peer.port"), http->peer_port);
    if (http->protocol_version.len)
        set(span, OTEL_TEXT("network.protocol.version"), http->protocol_version);
}

/* code as decimal digits; returns where they begin in out. */
static struct otel_text digits(char out[static 12], unsigned code)
{
    size_t at = 12;

    do
        out[--at] = (char)('0' + code % 10);
    while (code /= 10);
    return (struct otel_text){out + at, 12 - at};
}

static void set_outcome(const struct otel_span *span, const struct otel_http_client *http)
{
    struct otel_text error = http->error_type;
    char text[12];

    if (http->status_code > 0) {
        otel_span_set_int(span, OTEL_TEXT("http.response.status_code"), http->status_code);
        if (otel_config.http_dup)
            otel_span_set_int(span, OTEL_TEXT("http.status_code"), http->status_code);
    }
    /* a client's 4xx is an error too; the status code says more than what the transfer made of it
     */
    if (http->status_code >= 400)
        error = digits(text, (unsigned)http->status_code);
    if (!error.len)
        return;
    set(span, OTEL_TEXT("error.type"), error);
    otel_span_set_status(span, OTEL_STATUS_ERROR, OTEL_TEXT(""));
}

void otel_http_client_response(const struct otel_span *span, const struct otel_http_client *http)
{
    if (!otel_span_recording(span))
        return;
    set_outcome(span, http);
    set_peer(span, http);
    if (http->resend_count)
        otel_span_set_int(span, OTEL_TEXT("http.request.resend_count"), http->resend_count);
}
