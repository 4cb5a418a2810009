/* SPDX-License-Identifier: Apache-2.0 */
#include "core/http_span.h"

#include "tests/unit/http_heads.h"

Test(http_wire_span, an_ordinary_request, .init = spans_begin)
{
    struct otel_http_head head = {.method = {"GET", 3},
                                  .target = heads_text("/a/42?sig=secret"),
                                  .minor = 1,
                                  .host = heads_text("example.com:8080"),
                                  .user_agent = heads_text("wget")};
    struct otel_record *r = heads_ask(&head, NULL);

    heads_assert_name(r, "GET");
    spans_assert_text(r, "http.request.method", "GET");
    spans_assert_text(r, "url.full", "http://example.com:8080/a/42?sig=REDACTED");
    spans_assert_text(r, "server.address", "example.com");
    spans_assert_int(r, "server.port", 8080);
    spans_assert_text(r, "network.peer.address", "192.0.2.9");
    spans_assert_int(r, "network.peer.port", 8080);
    spans_assert_text(r, "network.protocol.version", "1.1");
    cr_assert_eq(heads_count(r), 7, "no others");
}

Test(http_wire_span, not_recorded)
{
    struct otel_http_head head = {.method = {"GET", 3}};
    struct otel_http_peer nobody = {.port = 0};
    struct otel_span span = {.record = 0};

    otel_http_wire_request(&span, &head, &nobody);
}

Test(http_wire_span, urls, .init = spans_begin)
{
    static const struct {
        const char *method, *target, *host, *url, *server;
        int port;
    } cases[] = {
        {"GET", "/", "h", "http://h/", "h", 80},
        {"GET", "/", "h:80", "http://h/", "h", 80},
        {"GET", "/a=b", "h:8080", "http://h:8080/a=b", "h", 8080},
        {"GET", "/", "[::1]:81", "http://[::1]:81/", "::1", 81},
        {"GET", "/", "", "http://192.0.2.9:8080/", "192.0.2.9", 8080},
        {"GET", "/", "bob:secret@h", "http://192.0.2.9:8080/", "192.0.2.9", 8080},
        {"GET", "/x:secret@h", "bob", "http://REDACTED:REDACTED@h", "bob", 80},
        {"GET", "/?to=http://u:secret@h", "h", "http://h/?to=http://REDACTED:REDACTED@h", "h", 80},
        {"GET", "/a#b", "h", "http://h/a#b", "h", 80},
        {"GET", "http://other:81/a", "h", "http://other:81/a", "other", 81},
        {"GET", "http://bob:secret@other/a", "h", "http://REDACTED:REDACTED@other/a", "other", 80},
        {"GET", "https://other/?sig=secret", "h", "https://other/?sig=REDACTED", "other", 443},
        {"OPTIONS", "*", "h", "http://h", "h", 80},
        {"CONNECT", "other:443", "other:443", "http://other:443", "other", 443},
        {"CONNECT", "bob:secret@other:443", "h", "http://REDACTED:REDACTED@other:443", "h", 80},
        {"GET", "", "h", "http://h", "h", 80},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct otel_http_head head = {.method = heads_text(cases[i].method),
                                      .target = heads_text(cases[i].target),
                                      .host = heads_text(cases[i].host)};
        struct otel_record *r = heads_ask(&head, NULL);

        heads_assert_name(r, cases[i].method);
        spans_assert_text(r, "url.full", cases[i].url);
        spans_assert_text(r, "server.address", cases[i].server);
        spans_assert_int(r, "server.port", cases[i].port);
        spans_assert_text(r, "network.protocol.version", "1.0");
    }
}

Test(http_wire_span, without_host, .init = spans_begin)
{
    const struct otel_http_peer v6 = {{"2001:db8::1", 11}, 80, false}, nobody = {.port = 0};
    struct otel_http_head head = {.method = {"PURGE", 5}, .target = {"/", 1}};
    struct otel_record *r = heads_ask(&head, &v6);

    heads_assert_name(r, "HTTP");
    spans_assert_text(r, "http.request.method", "_OTHER");
    spans_assert_text(r, "http.request.method_original", "PURGE");
    spans_assert_text(r, "url.full", "http://[2001:db8::1]/");
    spans_assert_text(r, "server.address", "2001:db8::1");
    r = heads_ask(&head, &nobody);
    heads_assert_absent(r, "url.full");
    heads_assert_absent(r, "server.address");
    heads_assert_absent(r, "server.port");
    heads_assert_absent(r, "network.peer.port");
}

Test(http_wire_span, unix_sockets, .init = spans_begin)
{
    const struct otel_http_peer peer = {{"/run/docker.sock", 16}, 0, true};
    struct otel_http_head head = {
        .method = {"GET", 3}, .target = {"/info", 5}, .host = {"docker", 6}, .minor = 1};
    struct otel_record *r = heads_ask(&head, &peer);

    spans_assert_text(r, "url.full", "http://docker/info");
    spans_assert_text(r, "server.address", "docker");
    heads_assert_absent(r, "server.port");
    spans_assert_text(r, "network.peer.address", "/run/docker.sock");
    heads_assert_absent(r, "network.peer.port");
    head.host.len = 0;
    r = heads_ask(&head, &peer);
    spans_assert_text(r, "url.full", "http://localhost/info");
    spans_assert_text(r, "server.address", "/run/docker.sock");
}

Test(http_wire_span, old_names_and_captured_headers, .init = spans_begin)
{
    struct otel_http_head head = {.method = {"GET", 3},
                                  .target = {"/?sig=1", 7},
                                  .host = {"h:81", 4},
                                  .user_agent = {"ua", 2},
                                  .captured_count = 1,
                                  .captured = {{{"x-a", 3}, {"v", 1}}}};
    struct otel_record *r;
    struct otel_value value;

    otel_config.http_dup = true;
    r = heads_ask(&head, NULL);
    spans_assert_text(r, "http.method", "GET");
    spans_assert_text(r, "http.url", "http://h:81/?sig=REDACTED");
    spans_assert_text(r, "http.scheme", "http");
    spans_assert_text(r, "http.user_agent", "ua");
    spans_assert_text(r, "net.peer.name", "h");
    spans_assert_int(r, "net.peer.port", 81);
    cr_assert(spans_attribute(r, "http.request.header.x-a", &value));
    cr_assert_eq(value.type, OTEL_VALUE_STRINGS);
    cr_assert_eq(heads_count(r), 7 + 6 + 1);
}

Test(http_wire_span, hostile_values, .init = spans_begin)
{
    static char path[8192];
    struct otel_http_head head = {
        .method = {"GET", 3}, .target = {path, sizeof path}, .host = {"h", 1}};
    struct otel_value value;

    for (size_t i = 1; i + 1 < sizeof path; i += 2)
        memcpy(path + i, "\xc3\xa9", 2);
    path[0] = '/';
    for (int shift = 0; shift < 2; shift++) {
        head.host = heads_text(shift ? "hh" : "h");
        cr_assert(spans_attribute(heads_ask(&head, NULL), "url.full", &value));
        cr_assert_gt(value.text.len, 900);
        cr_assert_eq(memcmp(value.text.data + value.text.len - 2, "\xc3\xa9", 2), 0);
    }
    memset(path, 0xff, sizeof path);
    path[0] = '/';
    cr_assert(spans_attribute(heads_ask(&head, NULL), "url.full", &value));
    cr_assert_eq(memcmp(value.text.data, "http://hh/\xef\xbf\xbd", 13), 0);
    memset(path, '@', sizeof path);
    path[0] = '/';
    cr_assert(spans_attribute(heads_ask(&head, NULL), "url.full", &value));
}
