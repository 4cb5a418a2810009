/* SPDX-License-Identifier: Apache-2.0
 *
 * Called for each request a server takes: what comes with nearly every request is written into one
 * sheet on the stack; what is rare stands in functions of its own that are not inlined, so that
 * their buffers do not lie below it.
 */
#include "core/http_span.h"

#include <string.h>

#include "core/config.h"
#include "core/http_origin.h"
#include "core/http_sheet.h"
#include "core/route.h"
#include "core/url.h"

#define METHOD_MAX 32     /* bytes of a method before a route in a name */
#define REDACTED_MAX 1024 /* bytes of a query, or of a path that is delicate */

/* What was found out about a request. */
struct request {
    const struct otel_http_head *head;
    struct otel_http_target target;
    struct otel_http_host server;
    struct otel_text client;
    bool https;
};

static inline struct otel_text scheme_of(const struct request *r)
{
    return r->https ? OTEL_TEXT("https") : OTEL_TEXT("http");
}

/* --- who and where --------------------------------------------------------------------------- */

static bool is_https(struct otel_text proto)
{
    return proto.len == 5 && (proto.data[0] | 32) == 'h' && (proto.data[4] | 32) == 's';
}

/* What proxies say: Forwarded first, for each thing by itself. */
static __attribute__((noinline)) void ask_proxies(struct request *r)
{
    const struct otel_http_head *head = r->head;
    struct otel_text client = otel_http_node(otel_http_forwarded(head->forwarded, "for"));
    struct otel_text proto = otel_http_forwarded(head->forwarded, "proto");

    if (!client.len)
        client = otel_http_node(otel_http_first(head->forwarded_for));
    if (client.len)
        r->client = client;
    if (!proto.len)
        proto = otel_http_first(head->forwarded_proto);
    if (proto.len)
        r->https = is_https(proto);
    otel_http_host_read(&r->server, otel_http_forwarded(head->forwarded, "host"));
    if (!r->server.name.len)
        otel_http_host_read(&r->server, otel_http_first(head->forwarded_host));
}

static void look(struct request *r, const struct otel_http_head *head,
                 const struct otel_http_peer *peer, const struct otel_http_peer *local)
{
    r->head = head;
    otel_http_target_read(&r->target, head);
    r->https = r->target.https;
    r->client = peer->address;
    r->server.name.len = 0;
    if (head->forwarded.len | head->forwarded_for.len | head->forwarded_host.len |
        head->forwarded_proto.len)
        ask_proxies(r);
    if (!r->server.name.len)
        r->server = r->target.host;
    if (!r->server.name.len)
        otel_http_host_read(&r->server, head->host);
    if (!r->server.name.len) {
        r->server = (struct otel_http_host){local->address, local->port};
        if (local->unix_socket)
            return; /* a path has no port */
    }
    if (!r->server.port && r->server.name.len)
        r->server.port = r->https ? 443 : 80;
}

/* --- writing --------------------------------------------------------------------------------- */

#define NAME_MAX_LEN (METHOD_MAX + 1 + OTEL_ROUTE_MAX)

/* The span's name, made in out. *route: the route within, or the pattern it is. */
static struct otel_text name_of(const struct otel_http_head *head, char out[static NAME_MAX_LEN],
                                struct otel_text *route)
{
    struct otel_text method =
        head->method.len ? otel_http_client_name(head->method) : OTEL_TEXT("HTTP");

    if (method.len > METHOD_MAX)
        method.len = METHOD_MAX;
    memcpy(out, method.data, method.len);
    out[method.len] = ' ';
    *route = otel_route_match(head->target, out + method.len + 1);
    if (route->len && route->data != out + method.len + 1)
        memcpy(out + method.len + 1, route->data, route->len);
    return (struct otel_text){out, method.len + (route->len ? 1 + route->len : 0)};
}

static __attribute__((noinline)) bool start_ruled(struct otel_span *span,
                                                  struct otel_span_start *start,
                                                  const struct otel_http_head *head)
{
    struct otel_rule_facts facts = {.method = head->method, .headers = head->ruled};
    struct otel_http_target target;
    char name[NAME_MAX_LEN];
    struct otel_text route;

    if (otel_rules->ask_request) {
        otel_http_target_read(&target, head);
        facts.path = target.path;
    }
    if (otel_rules->ask_name)
        start->name = name_of(head, name, &route);
    start->facts = &facts;
    return otel_span_start(span, start);
}

bool otel_http_server_start(struct otel_span *span, struct otel_span_start *start,
                            const struct otel_http_head *head)
{
    if (__builtin_expect(otel_rules != NULL, 0))
        return start_ruled(span, start, head);
    return otel_span_start(span, start);
}

/* Straight to the span: a sheet does not lie beside this buffer. */
static __attribute__((noinline)) void set_redacted(const struct otel_span *span,
                                                   struct otel_text key, struct otel_text text)
{
    char redacted[REDACTED_MAX];
    size_t len = otel_url_redact_query(redacted, sizeof redacted, text.data, text.len);

    if (len)
        otel_span_set_text(span, key, redacted, len);
}

static void set(const struct otel_span *span, struct otel_text key, struct otel_text value)
{
    if (value.len)
        otel_span_set_text(span, key, value.data, value.len);
}

/* http/dup. */
static __attribute__((noinline)) void set_old_names(const struct otel_span *span,
                                                    const struct request *r)
{
    struct otel_text target = r->target.path;

    if (r->target.query.len)
        target.len = (size_t)(r->target.query.data + r->target.query.len - target.data);
    set(span, OTEL_TEXT("http.method"), r->head->method);
    if (target.len)
        set_redacted(span, OTEL_TEXT("http.target"), target);
    set(span, OTEL_TEXT("http.scheme"), scheme_of(r));
    set(span, OTEL_TEXT("http.user_agent"), r->head->user_agent);
    set(span, OTEL_TEXT("http.client_ip"), r->client);
    set(span, OTEL_TEXT("net.host.name"), r->server.name);
    if (r->server.port)
        otel_span_set_int(span, OTEL_TEXT("net.host.port"), r->server.port);
}

/* What is rare or has a buffer of its own; before the sheet, because a key is looked for among
 * those set one by one only. */
static void set_rare(const struct otel_span *span, const struct request *r)
{
    if (r->target.query.len)
        set_redacted(span, OTEL_TEXT("url.query"), r->target.query);
    if (r->target.delicate)
        set_redacted(span, OTEL_TEXT("url.path"), r->target.path);
    if (r->head->captured_count)
        otel_http_sheet_captured(span, true, r->head);
    if (otel_config.http_dup)
        set_old_names(span, r);
}

static __attribute__((noinline)) void set_common(const struct otel_span *span,
                                                 const struct request *r, struct otel_text route,
                                                 const struct otel_http_peer *peer)
{
    struct otel_http_sheet sheet;

    otel_http_sheet_init(&sheet, span);
    otel_http_sheet_method(&sheet, r->head->method);
    if (!r->target.delicate)
        otel_http_sheet_put(&sheet, OTEL_TEXT("url.path"), r->target.path);
    otel_http_sheet_put(&sheet, OTEL_TEXT("url.scheme"), scheme_of(r));
    otel_http_sheet_put(&sheet, OTEL_TEXT("http.route"), route);
    otel_http_sheet_put(&sheet, OTEL_TEXT("client.address"), r->client);
    otel_http_sheet_put(&sheet, OTEL_TEXT("user_agent.original"), r->head->user_agent);
    otel_http_sheet_server(&sheet, r->server.name, r->server.port);
    otel_http_sheet_connection(&sheet, peer, r->head->minor);
    otel_http_sheet_flush(&sheet);
}

void otel_http_server_request(const struct otel_span *span, const struct otel_http_head *head,
                              const struct otel_http_peer *peer, const struct otel_http_peer *local)
{
    char name[NAME_MAX_LEN];
    struct otel_text route;
    struct request r;

    if (!otel_span_recording(span))
        return;
    otel_span_set_name(span, name_of(head, name, &route));
    look(&r, head, peer, local);
    if (r.target.query.len || r.target.delicate || head->captured_count || otel_config.http_dup)
        set_rare(span, &r);
    set_common(span, &r, route, peer);
}
