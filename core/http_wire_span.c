/* SPDX-License-Identifier: Apache-2.0 */
#include "core/http_span.h"

#include <string.h>

#include "core/config.h"
#include "core/http_origin.h"
#include "core/http_sheet.h"
#include "core/url.h"

#define URL_MAX 1000 /* two of them lie on the stack at a time */

/* A text that is put together; what does not fit is cut. */
struct builder {
    size_t len;
    char text[URL_MAX];
};

static void add(struct builder *b, struct otel_text text)
{
    size_t n = text.len < sizeof b->text - b->len ? text.len : sizeof b->text - b->len;

    while (n && n < text.len && (text.data[n] & 0xc0) == 0x80)
        n--; /* between characters */
    if (n)
        memcpy(b->text + b->len, text.data, n);
    b->len += n;
}

static void add_port(struct builder *b, unsigned port)
{
    char digits[6];
    size_t at = sizeof digits;

    do
        digits[--at] = (char)('0' + port % 10);
    while (port /= 10);
    digits[--at] = ':';
    add(b, (struct otel_text){digits + at, sizeof digits - at});
}

/* The URL of a target that is only a part of one (RFC 9112 3.3). A Unix socket has no place in a
 * URL: without a Host header it is this host. */
static void build(struct builder *b, const struct otel_http_head *head,
                  const struct otel_http_host *server, const struct otel_http_peer *peer)
{
    struct otel_text name = server->name;
    bool v6;

    if (peer->unix_socket && name.data == peer->address.data)
        name = OTEL_TEXT("localhost");
    v6 = name.len && memchr(name.data, ':', name.len);
    add(b, OTEL_TEXT("http://"));
    add(b, v6 ? OTEL_TEXT("[") : OTEL_TEXT(""));
    add(b, name);
    add(b, v6 ? OTEL_TEXT("]") : OTEL_TEXT(""));
    if (server->port && server->port != 80)
        add_port(b, server->port);
    if (head->target.len != 1 || head->target.data[0] != '*')
        add(b, head->target);
}

/* Without these bytes there is nothing in a target that redaction would change. */
static bool harmless(struct otel_text target)
{
    return !target.len ||
           (!memchr(target.data, '=', target.len) && !memchr(target.data, '@', target.len));
}

/* Not inlined: its buffer does not lie below what comes later. */
static __attribute__((noinline)) void set_redacted(const struct otel_span *span,
                                                   struct otel_text url)
{
    char redacted[URL_MAX];

    url.len = otel_url_redact(redacted, sizeof redacted, url.data, url.len);
    if (!url.len)
        return;
    otel_span_set_text(span, OTEL_TEXT("url.full"), redacted, url.len);
    if (otel_config.http_dup)
        otel_span_set_text(span, OTEL_TEXT("http.url"), redacted, url.len);
}

/* Nor this one. The host was checked when it was read: no user stands before it. */
static __attribute__((noinline)) void set_built(const struct otel_span *span,
                                                const struct otel_http_head *head,
                                                const struct otel_http_host *server,
                                                const struct otel_http_peer *peer)
{
    struct builder b;

    b.len = 0;
    build(&b, head, server, peer);
    if (!harmless(head->target)) {
        set_redacted(span, (struct otel_text){b.text, b.len});
        return;
    }
    otel_span_set_text(span, OTEL_TEXT("url.full"), b.text, b.len);
    if (otel_config.http_dup)
        otel_span_set_text(span, OTEL_TEXT("http.url"), b.text, b.len);
}

static void set_url(const struct otel_span *span, const struct otel_http_head *head,
                    const struct otel_http_host *server, const struct otel_http_peer *peer)
{
    struct otel_text target = head->target;

    if (target.len && target.data[0] != '/' && (target.len > 1 || target.data[0] != '*'))
        set_redacted(span, target);
    else if (server->name.len)
        set_built(span, head, server, peer);
}

/* Whom the program asked: the target says so to a proxy, else Host, else where it is connected. */
static void find_server(struct otel_http_host *server, const struct otel_http_head *head,
                        const struct otel_http_peer *peer)
{
    struct otel_http_target target;

    otel_http_target_read(&target, head);
    *server = target.host;
    if (!server->name.len)
        otel_http_host_read(server, head->host);
    if (!server->name.len)
        *server = (struct otel_http_host){peer->address, peer->port};
    else if (!server->port && !peer->unix_socket)
        server->port = target.https ? 443 : 80;
}

static __attribute__((noinline)) void set_old_names(const struct otel_span *span,
                                                    const struct otel_http_head *head,
                                                    const struct otel_http_host *server)
{
    otel_span_set_text(span, OTEL_TEXT("http.method"), head->method.data, head->method.len);
    otel_span_set_text(span, OTEL_TEXT("http.scheme"), "http", 4);
    if (head->user_agent.len)
        otel_span_set_text(span, OTEL_TEXT("http.user_agent"), head->user_agent.data,
                           head->user_agent.len);
    if (server->name.len)
        otel_span_set_text(span, OTEL_TEXT("net.peer.name"), server->name.data, server->name.len);
    if (server->name.len && server->port)
        otel_span_set_int(span, OTEL_TEXT("net.peer.port"), server->port);
}

static __attribute__((noinline)) void set_common(const struct otel_span *span,
                                                 const struct otel_http_head *head,
                                                 const struct otel_http_host *server,
                                                 const struct otel_http_peer *peer)
{
    struct otel_http_sheet sheet;

    otel_http_sheet_init(&sheet, span);
    otel_http_sheet_method(&sheet, head->method);
    otel_http_sheet_server(&sheet, server->name, server->port);
    otel_http_sheet_connection(&sheet, peer, head->minor);
    otel_http_sheet_flush(&sheet);
}

void otel_http_wire_request(const struct otel_span *span, const struct otel_http_head *head,
                            const struct otel_http_peer *peer)
{
    struct otel_http_host server;

    if (!otel_span_recording(span))
        return;
    find_server(&server, head, peer);
    otel_http_name_client(span, head->method, server.name);
    set_url(span, head, &server, peer);
    if (head->captured_count)
        otel_http_sheet_captured(span, true, head);
    if (otel_config.http_dup)
        set_old_names(span, head, &server);
    set_common(span, head, &server, peer);
}
