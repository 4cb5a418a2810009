/* SPDX-License-Identifier: Apache-2.0 */
#include "core/http_span.h"

#include "core/route.h"
#include "tests/unit/env.h"
#include "tests/unit/http_heads.h"

static void setup(void)
{
    spans_begin();
    otel_route_init(NULL);
}

static struct otel_http_head get(const char *target)
{
    return (struct otel_http_head){
        .method = {"GET", 3}, .target = heads_text(target), .minor = 1, .host = {"h", 1}};
}

Test(http_server_span, an_ordinary_request, .init = setup)
{
    struct otel_http_head head = get("/documents/42?page=2");
    struct otel_record *r;

    head.host = heads_text("example.com:8080");
    head.user_agent = heads_text("wget/1.21");
    r = heads_serve(&head, NULL, NULL);
    heads_assert_name(r, "GET /documents/*");
    spans_assert_text(r, "http.request.method", "GET");
    spans_assert_text(r, "url.path", "/documents/42");
    spans_assert_text(r, "url.query", "page=2");
    spans_assert_text(r, "url.scheme", "http");
    spans_assert_text(r, "http.route", "/documents/*");
    spans_assert_text(r, "client.address", "192.0.2.7");
    spans_assert_text(r, "user_agent.original", "wget/1.21");
    spans_assert_text(r, "server.address", "example.com");
    spans_assert_int(r, "server.port", 8080);
    spans_assert_text(r, "network.peer.address", "192.0.2.7");
    spans_assert_int(r, "network.peer.port", 4711);
    spans_assert_text(r, "network.protocol.version", "1.1");
    cr_assert_eq(heads_count(r), 12, "no others, the old names least of all");
    cr_assert_eq(r->status, OTEL_STATUS_UNSET);
    cr_assert_eq(r->dropped_attributes, 0);
}

Test(http_server_span, not_recorded, .init = setup)
{
    struct otel_http_head head = get("/");
    struct otel_http_peer nobody = {.port = 0};
    struct otel_span span = {.record = 0};

    otel_http_server_request(&span, &head, &nobody, &nobody);
}

Test(http_server_span, methods, .init = setup)
{
    static const struct {
        const char *method, *name, *attribute, *original;
    } cases[] = {
        {"POST", "POST /", "POST", NULL},
        {"get", "HTTP /", "_OTHER", "get"},
        {"PROPFIND", "HTTP /", "_OTHER", "PROPFIND"},
        {"", "HTTP /", NULL, NULL},
        {"A-VERY-LONG-METHOD-THAT-NOBODY-KNOWS-BUT-THE-USER", "A-VERY-LONG-METHOD-THAT-NOBODY-K /",
         "A-VERY-LONG-METHOD-THAT-NOBODY-KNOWS-BUT-THE-USER", NULL},
    };

    env_load_one("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS",
                 "GET,POST,A-VERY-LONG-METHOD-THAT-NOBODY-KNOWS-BUT-THE-USER");
    otel_config.exporters = OTEL_EXPORTER_OTLP;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct otel_http_head head = get("/");
        struct otel_record *r;

        head.method = heads_text(cases[i].method);
        r = heads_serve(&head, NULL, NULL);
        heads_assert_name(r, cases[i].name);
        heads_assert_text(r, "http.request.method", cases[i].attribute);
        heads_assert_text(r, "http.request.method_original", cases[i].original);
    }
}

Test(http_server_span, targets, .init = setup)
{
    static const struct {
        const char *method, *target, *name, *path, *query, *server;
        int port;
    } cases[] = {
        {"GET", "/", "GET /", "/", NULL, "h", 80},
        {"GET", "/a?", "GET /a", "/a", NULL, "h", 80},
        {"GET", "/a?b?c#d?e", "GET /a", "/a", "b?c", "h", 80},
        {"GET", "/a#b?c", "GET /a", "/a", NULL, "h", 80},
        {"GET", "http://other:81/a?b", "GET /a", "/a", "b", "other", 81},
        {"GET", "HTTP://other", "GET /", "/", NULL, "other", 80},
        {"GET", "https://other/a", "GET /a", "/a", NULL, "other", 443},
        {"GET", "http://bob:secret@other/a", "GET /a", "/a", NULL, "other", 80},
        {"GET", "http://bo b:secret@/a", "GET /a", NULL, NULL, "h", 80},
        {"OPTIONS", "*", "OPTIONS", "*", NULL, "h", 80},
        {"CONNECT", "other:443", "CONNECT", NULL, NULL, "other", 443},
        {"CONNECT", "bob:secret@other:443", "CONNECT", NULL, NULL, "h", 80},
        {"GET", "bob:secret@other", "GET", NULL, NULL, "h", 80},
        {"GET", "", "GET", NULL, NULL, "h", 80},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct otel_http_head head = get(cases[i].target);
        struct otel_record *r;

        head.method = heads_text(cases[i].method);
        r = heads_serve(&head, NULL, NULL);
        heads_assert_name(r, cases[i].name);
        heads_assert_text(r, "url.path", cases[i].path);
        heads_assert_text(r, "url.query", cases[i].query);
        spans_assert_text(r, "server.address", cases[i].server);
        spans_assert_int(r, "server.port", cases[i].port);
        spans_assert_text(r, "url.scheme", cases[i].port == 443 && i == 6 ? "https" : "http");
    }
}

Test(http_server_span, redaction, .init = setup)
{
    static const struct {
        const char *target, *path, *query;
    } cases[] = {
        {"/a?sig=secret&x=1", "/a", "sig=REDACTED&x=1"},
        {"/a?x=1&X-Amz-Signature=secret", "/a", "x=1&X-Amz-Signature=REDACTED"},
        {"/a?to=http://u:secret@h/", "/a", "to=http://REDACTED:REDACTED@h/"},
        {"/a?Sig=public", "/a", "Sig=public"},
        {"/http://u:secret@h/x", "/http://REDACTED:REDACTED@h/x", NULL},
        {"/a;sig=secret/b", "/a;sig=REDACTED", NULL},
        {"/@scope/p=1", "/@scope/p=1", NULL},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct otel_http_head head = get(cases[i].target);
        struct otel_record *r = heads_serve(&head, NULL, NULL);
        struct otel_value route;

        heads_assert_text(r, "url.path", cases[i].path);
        heads_assert_text(r, "url.query", cases[i].query);
        if (spans_attribute(r, "http.route", &route))
            cr_assert_not(memmem(route.text.data, route.text.len, "secret", 6));
    }
}

Test(http_server_span, patterns, .init = setup)
{
    struct otel_http_head head = get("/documents/42");
    struct otel_record *r;

    otel_route_init("/documents/:id");
    r = heads_serve(&head, NULL, NULL);
    heads_assert_name(r, "GET /documents/:id");
    spans_assert_text(r, "http.route", "/documents/:id");
}

/* Who is the client, and what did it ask for, with proxies between. */
Test(http_server_span, proxies, .init = setup)
{
    static const struct {
        const char *forwarded, *forwarded_for, *host, *proto; /* what came */
        const char *client, *server, *scheme;
        int port;
    } cases[] = {
        {"", "", "", "", "192.0.2.7", "h", "http", 80},
        {"for=192.0.2.60;proto=https;host=a.example", "", "", "", "192.0.2.60", "a.example",
         "https", 443},
        {"For=\"[2001:db8::17]:4711\"", "", "", "", "2001:db8::17", "h", "http", 80},
        {"for=10.0.0.1:80, for=10.0.0.2", "10.0.0.3", "", "", "10.0.0.1", "h", "http", 80},
        {"by=1.2.3.4 ; for = 10.0.0.1", "", "", "", "10.0.0.1", "h", "http", 80},
        {"for=_hidden", "", "", "", "_hidden", "h", "http", 80},
        {"for=unknown", "10.0.0.3", "", "", "10.0.0.3", "h", "http", 80},
        {"for=unknown", "", "", "", "192.0.2.7", "h", "http", 80},
        {"for=\"a\\\"b\"", "", "", "", "192.0.2.7", "h", "http", 80},
        {"for=\"open", "", "", "", "192.0.2.7", "h", "http", 80},
        {"proto=HTTPS;host=\"b:8443\"", "10.0.0.3", "c", "http", "10.0.0.3", "b", "https", 8443},
        {"", "10.0.0.3, 10.0.0.4", "c:81, d", "https, http", "10.0.0.3", "c", "https", 81},
        {"", "10.0.0.3:1234", "", "", "10.0.0.3", "h", "http", 80},
        {"", "2001:db8::1", "[::1]:8080", "http", "2001:db8::1", "::1", "http", 8080},
        {"", "[2001:db8::1]:5", "", "wss", "2001:db8::1", "h", "http", 80},
        {"", "<script>", "bob:secret@h2", "", "192.0.2.7", "h", "http", 80},
        {"", ",", ",", ",", "192.0.2.7", "h", "http", 80},
        {";;=;,=", ":", ":", "", "192.0.2.7", "h", "http", 80},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct otel_http_head head = get("/");
        struct otel_record *r;

        head.forwarded = heads_text(cases[i].forwarded);
        head.forwarded_for = heads_text(cases[i].forwarded_for);
        head.forwarded_host = heads_text(cases[i].host);
        head.forwarded_proto = heads_text(cases[i].proto);
        r = heads_serve(&head, NULL, NULL);
        spans_assert_text(r, "client.address", cases[i].client);
        spans_assert_text(r, "server.address", cases[i].server);
        spans_assert_text(r, "url.scheme", cases[i].scheme);
        spans_assert_int(r, "server.port", cases[i].port);
        spans_assert_text(r, "network.peer.address", "192.0.2.7");
    }
}

Test(http_server_span, hosts, .init = setup)
{
    static const struct {
        const char *host, *server;
        int port;
    } cases[] = {
        {"example.com", "example.com", 80},
        {"example.com:", "example.com", 80},
        {"example.com:443", "example.com", 443},
        {"127.0.0.1:65535", "127.0.0.1", 65535},
        {"[::1]", "::1", 80},
        {"[fe80::1%25eth0]:81", "fe80::1%25eth0", 81},
        {"caf\xc3\xa9", "caf\xc3\xa9", 80},
        /* no hosts: where it is connected to stands in */
        {"", "198.51.100.1", 8000},
        {"example.com:65536", "198.51.100.1", 8000},
        {"example.com:x", "198.51.100.1", 8000},
        {"bob:secret@example.com", "198.51.100.1", 8000},
        {"a b", "198.51.100.1", 8000},
        {"[::1", "198.51.100.1", 8000},
        {"[]", "198.51.100.1", 8000},
        {"[::1]x", "198.51.100.1", 8000},
        {":80", "198.51.100.1", 8000},
    };
    const struct otel_http_peer local = {{"198.51.100.1", 12}, 8000, false};
    static char longest[257];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct otel_http_head head = get("/");
        struct otel_record *r;

        head.host = heads_text(cases[i].host);
        r = heads_serve(&head, NULL, &local);
        spans_assert_text(r, "server.address", cases[i].server);
        spans_assert_int(r, "server.port", cases[i].port);
    }
    memset(longest, 'a', 256);
    for (int over = 0; over < 2; over++) {
        struct otel_http_head head = get("/");

        head.host = (struct otel_text){longest, 255 + (size_t)over};
        longest[255] = over ? 'a' : '\0';
        spans_assert_text(heads_serve(&head, NULL, &local), "server.address",
                          over ? "198.51.100.1" : longest);
    }
}

Test(http_server_span, unix_sockets, .init = setup)
{
    const struct otel_http_peer peer = {{"", 0}, 0, true}, local = {{"/run/s", 6}, 0, true};
    struct otel_http_head head = get("/");
    struct otel_record *r;

    head.host.len = 0;
    head.minor = 0;
    r = heads_serve(&head, &peer, &local);
    spans_assert_text(r, "server.address", "/run/s");
    spans_assert_text(r, "network.protocol.version", "1.0");
    heads_assert_absent(r, "server.port");
    heads_assert_absent(r, "client.address");
    heads_assert_absent(r, "network.peer.address");
    heads_assert_absent(r, "network.peer.port");
    r = heads_serve(&head, &local, &peer);
    spans_assert_text(r, "network.peer.address", "/run/s");
    heads_assert_absent(r, "network.peer.port");
    heads_assert_absent(r, "server.address");
    heads_assert_absent(r, "server.port");
}

Test(http_server_span, captured_headers, .init = setup)
{
    static const char tenant[] = "x-tenant", cookie[] = "cookie";
    struct otel_http_head head = get("/");
    struct otel_record *r;
    struct otel_value value;

    head.captured_count = 3;
    head.captured[0].name = head.captured[2].name = heads_text(tenant);
    head.captured[0].value = heads_text("one");
    head.captured[1].name = heads_text(cookie);
    head.captured[1].value = heads_text("a=b");
    head.captured[2].value = heads_text("t\xff");
    r = heads_serve(&head, NULL, NULL);
    cr_assert(spans_attribute(r, "http.request.header.x-tenant", &value));
    cr_assert_eq(value.type, OTEL_VALUE_STRINGS);
    /* ArrayValue { values { string_value } … } */
    cr_assert_eq(value.text.len, 7 + 8);
    cr_assert_arr_eq(value.text.data, "\x0a\x05\x0a\x03one\x0a\x06\x0a\x04t\xef\xbf\xbd", 15);
    cr_assert(spans_attribute(r, "http.request.header.cookie", &value));
    cr_assert_arr_eq(value.text.data,
                     "\x0a\x05\x0a\x03"
                     "a=b",
                     7);
    cr_assert_eq(heads_count(r), 10 + 2);
}

Test(http_server_span, old_names, .init = setup)
{
    struct otel_http_head head = get("/a?sig=secret");
    struct otel_record *r;

    otel_config.http_dup = true;
    head.method = heads_text("PURGE");
    head.host = heads_text("h:81");
    head.user_agent = heads_text("ua");
    r = heads_serve(&head, NULL, NULL);
    spans_assert_text(r, "http.method", "PURGE");
    spans_assert_text(r, "http.target", "/a?sig=REDACTED");
    spans_assert_text(r, "http.scheme", "http");
    spans_assert_text(r, "http.user_agent", "ua");
    spans_assert_text(r, "http.client_ip", "192.0.2.7");
    spans_assert_text(r, "net.host.name", "h");
    spans_assert_int(r, "net.host.port", 81);
    spans_assert_text(r, "url.path", "/a");
    spans_assert_text(r, "http.request.method_original", "PURGE");
}

/* Long and broken values are cut and repaired; the other attributes are all there. */
Test(http_server_span, hostile_values, .init = setup)
{
    static char path[8193], agent[3000];
    struct otel_http_head head = get("");
    struct otel_record *r;
    struct otel_value value;

    memset(path, 'p', 8192);
    path[0] = '/';
    memset(agent, 0xff, sizeof agent);
    head.target = heads_text(path);
    head.user_agent = (struct otel_text){agent, sizeof agent};
    r = heads_serve(&head, NULL, NULL);
    cr_assert(spans_attribute(r, "url.path", &value));
    cr_assert_gt(value.text.len, 1000);
    cr_assert_lt(value.text.len, 8192);
    cr_assert_eq(strncmp(value.text.data, path, value.text.len), 0);
    cr_assert(spans_attribute(r, "user_agent.original", &value));
    cr_assert_gt(value.text.len, 1000);
    cr_assert_eq(value.text.len % 3, 0);
    for (size_t i = 0; i < value.text.len; i += 3)
        cr_assert_arr_eq(value.text.data + i, "\xef\xbf\xbd", 3);
    spans_assert_text(r, "http.route", "/*");
    spans_assert_text(r, "network.protocol.version", "1.1");
    cr_assert_eq(heads_count(r), 11);
    cr_assert_eq(r->dropped_attributes, 0);

    /* a character on the edge is not halved */
    for (size_t i = 1; i < 8191; i += 2)
        memcpy(path + i, "\xc3\xa9", 2);
    for (int shift = 0; shift < 2; shift++) {
        head.target = (struct otel_text){path, 8191};
        head.user_agent = (struct otel_text){path + 1 + 2 * shift, 4000};
        head.user_agent.data -= shift;
        r = heads_serve(&head, NULL, NULL);
        cr_assert(spans_attribute(r, "url.path", &value));
        cr_assert_eq(value.text.len % 2, 1);
        cr_assert_eq(memcmp(value.text.data, path, value.text.len), 0);
    }

    /* a query fills its own buffer */
    memcpy(path, "/?sig=1&", 8);
    head.target = (struct otel_text){path, 8191};
    r = heads_serve(&head, NULL, NULL);
    cr_assert(spans_attribute(r, "url.query", &value));
    cr_assert_gt(value.text.len, 1000);
    cr_assert_arr_eq(value.text.data, "sig=REDACTED&", 13);
}

Test(http_server_span, limits, .init = setup)
{
    struct otel_http_head head = get("/0123456789");
    struct otel_record *r;

    otel_config.attribute_value_length_limit = 4;
    r = heads_serve(&head, NULL, NULL);
    spans_assert_text(r, "url.path", "/012");
    spans_assert_text(r, "http.request.method", "GET");
    otel_config.attribute_value_length_limit = UINT32_MAX;
    otel_config.attribute_count_limit = 3;
    r = heads_serve(&head, NULL, NULL);
    cr_assert_eq(heads_count(r), 3);
    cr_assert_eq(r->dropped_attributes, 7);
    spans_assert_text(r, "http.request.method", "GET");
}
