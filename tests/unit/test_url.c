/* SPDX-License-Identifier: Apache-2.0 */
#include "core/url.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/guardpage.h"

struct parse_case {
    const char *text;
    int result;
    const char *scheme, *userinfo, *host, *path, *query, *fragment;
    unsigned port;
    bool port_given;
};

static const struct parse_case parse_cases[] = {
    {"http://h/p?q#f", 0, "http", "", "h", "/p", "q", "f", 80, false},
    {"HTTPS://u:p@Host.example:8443/a/b", 0, "HTTPS", "u:p", "Host.example", "/a/b", "", "", 8443,
     true},
    {"https://h", 0, "https", "", "h", "", "", "", 443, false},
    {"ftp://h/x", 0, "ftp", "", "h", "/x", "", "", 21, false},
    {"http://h:/x", 0, "http", "", "h", "/x", "", "", 80, false},
    {"http://[::1]:8080/", 0, "http", "", "::1", "/", "", "", 8080, true},
    {"http://[fe80::1%25eth0]/", 0, "http", "", "fe80::1%25eth0", "/", "", "", 80, false},
    {"h/x", 0, "http", "", "h", "/x", "", "", 80, false},
    {"localhost:80/x", 0, "http", "", "localhost", "/x", "", "", 80, true},
    {"u:p@h/x", 0, "http", "u:p", "h", "/x", "", "", 80, false},
    {"FTP.example.com/x", 0, "ftp", "", "FTP.example.com", "/x", "", "", 21, false},
    {"http:/h/x", 0, "http", "", "h", "/x", "", "", 80, false},
    {"http:///h/x", 0, "http", "", "h", "/x", "", "", 80, false},
    {"file:///etc/x", 0, "file", "", "", "/etc/x", "", "", 0, false},
    {"foo://h/x", 0, "foo", "", "h", "/x", "", "", 0, false},
    {"http://h?q/@x", 0, "http", "", "h", "", "q/@x", "", 80, false},
    {"http://h#f?x", 0, "http", "", "h", "", "", "f?x", 80, false},
    {"http://h/?", 0, "http", "", "h", "/", "", "", 80, false},
    {"http://@h/", 0, "http", "", "h", "/", "", "", 80, false},
    {"http://h:65535/", 0, "http", "", "h", "/", "", "", 65535, true},
    {.text = "", .result = -EINVAL},
    {.text = "/path", .result = -EINVAL},
    {.text = "http://", .result = -EINVAL},
    {.text = "http:////h", .result = -EINVAL},
    {.text = "http://u:p@", .result = -EINVAL},
    {.text = "http://h:65536/", .result = -EINVAL},
    {.text = "http://h:8x/", .result = -EINVAL},
    {.text = "http://[::1/", .result = -EINVAL},
    {.text = "http://[::1]x/", .result = -EINVAL},
    {.text = "http://a b/", .result = -EINVAL},
};

static void expect_text(const char *what, const char *url, struct otel_text got, const char *want)
{
    cr_expect(got.len == strlen(want) && memcmp(got.data ? got.data : "", want, got.len) == 0,
              "%s of %s: \"%.*s\", not \"%s\"", what, url, (int)got.len, got.data, want);
}

Test(url, parse)
{
    struct guardpage page;

    guardpage_open(&page, 256);
    for (size_t i = 0; i < sizeof parse_cases / sizeof *parse_cases; i++) {
        const struct parse_case *c = &parse_cases[i];
        const char *text = guardpage_put(&page, c->text, strlen(c->text));
        struct otel_url url;
        int result = otel_url_parse(&url, text, strlen(c->text));

        cr_expect(result == c->result, "%s gave %d", c->text, result);
        if (c->result)
            continue;
        expect_text("scheme", c->text, url.scheme, c->scheme);
        expect_text("userinfo", c->text, url.userinfo, c->userinfo);
        expect_text("host", c->text, url.host, c->host);
        expect_text("path", c->text, url.path, c->path);
        expect_text("query", c->text, url.query, c->query);
        expect_text("fragment", c->text, url.fragment, c->fragment);
        cr_expect(url.port == c->port && url.port_given == c->port_given, "port of %s: %u", c->text,
                  url.port);
    }
    guardpage_close(&page);
}

struct redact_case {
    const char *text, *want;
};

static const struct redact_case redact_cases[] = {
    /* nothing to hide */
    {"http://h/p?q=1#f", "http://h/p?q=1#f"},
    {"https://h.example:8443/a", "https://h.example:8443/a"},
    {"h.example/x", "http://h.example/x"},
    {"localhost:80/x", "http://localhost:80/x"},
    {"ftp.example.com/x", "ftp://ftp.example.com/x"},
    {"file:///home/a@b/c", "file:///home/a@b/c"},
    {"http://h.example/@user", "http://h.example/@user"},
    {"http://verdaccio:4873/@scope/pkg", "http://verdaccio:4873/@scope/pkg"},
    {"https://unpkg.example/react@18/x", "https://unpkg.example/react@18/x"},
    {"http://h.example:8080/users/bob@example.com", "http://h.example:8080/users/bob@example.com"},
    {"http://localhost:80/a@b", "http://localhost:80/a@b"},
    {"http://h/x?mail=a@b.c", "http://h/x?mail=a@b.c"},
    {"http://[::1]:80/a@b", "http://[::1]:80/a@b"},
    {"http://@h/", "http://@h/"},
    {"", ""},
    {"  ", ""},
    /* user and password */
    {"http://u:p@h", "http://REDACTED:REDACTED@h"},
    {"http://u:p@h/x?y", "http://REDACTED:REDACTED@h/x?y"},
    {"u:p@h/x", "http://REDACTED:REDACTED@h/x"},
    {"HTTP://U@h", "HTTP://REDACTED@h"},
    {"http://:p@h", "http://REDACTED:REDACTED@h"},
    {"http://u:@h", "http://REDACTED:REDACTED@h"},
    {" \thttp://u:p@h", "http://REDACTED:REDACTED@h"},
    {"http:/u:p@h", "http:/REDACTED:REDACTED@h"},
    {"http:///u:p@h", "http:///REDACTED:REDACTED@h"},
    {"http:////u:p@h", "http:////REDACTED:REDACTED@h"},
    {"http:\\\\u:p@h", "http://REDACTED:REDACTED@h"},
    {"//u:p@h/x", "http://REDACTED:REDACTED@h/x"},
    {"://u:p@h/x", "http://REDACTED:REDACTED@h/x"},
    {"h\ttp://u:p@h/x", "http://REDACTED:REDACTED@h/x"},
    {"mailto:bob@h", "http://REDACTED:REDACTED@h"},
    {"file://u:p@h/x", "file://REDACTED:REDACTED@h/x"},
    {"foo+bar://u:p@h", "foo+bar://REDACTED:REDACTED@h"},
    /* bytes a password should not hold, but does */
    {"http://u:p@ss@h/x", "http://REDACTED:REDACTED@h/x"},
    {"http://u:p/w@h/x", "http://REDACTED:REDACTED@h/x"},
    {"http://u:p@ss/word@h/x", "http://REDACTED:REDACTED@h/x"},
    {"http://u:p@ss#word@h/x", "http://REDACTED:REDACTED@h/x"},
    {"http://u:p?w@h/x", "http://REDACTED:REDACTED@h/x"},
    {"http://u:p#w@h/x", "http://REDACTED:REDACTED@h/x"},
    {"http://u:12/34@h/x", "http://REDACTED:REDACTED@h/x"},
    {"http://dom/u:secret@h/x", "http://REDACTED:REDACTED@h/x"},
    {"bob:/secret@h", "http://REDACTED:REDACTED@h"},
    {"http://u:p w@h/x", "http://REDACTED:REDACTED@h/x"},
    /* the '@' is missing, encoded or elsewhere */
    {"http://u:secret/x", "http://u:REDACTED"},
    {"http://u:p%40h/x", "http://u:REDACTED"},
    {"http://h.example/?to=http://u:p@i/x&y",
     "http://h.example/?to=http://REDACTED:REDACTED@i/x&y"},
    {"http://h.example/http://u@i/x", "http://h.example/http://REDACTED@i/x"},
    /* query */
    {"http://h/?sig=abc", "http://h/?sig=REDACTED"},
    {"http://h/?a=b&X-Amz-Signature=00ff&c=d#e", "http://h/?a=b&X-Amz-Signature=REDACTED&c=d#e"},
    {"http://h/?X-Amz-Credential=a&X-Amz-Security-Token=b&AWSAccessKeyId=c&Signature=d",
     "http://h/?X-Amz-Credential=REDACTED&X-Amz-Security-Token=REDACTED&AWSAccessKeyId=REDACTED&"
     "Signature=REDACTED"},
    {"http://h/?X-Goog-Signature=a#sig=f", "http://h/?X-Goog-Signature=REDACTED#sig=f"},
    {"http://h/?SIG=abc&signature=d&xsig=e&sigx=f", "http://h/?SIG=abc&signature=d&xsig=e&sigx=f"},
    {"http://h/?sig", "http://h/?sig"},
    {"http://h/?sig=", "http://h/?sig=REDACTED"},
    {"http://h/?a?sig=x;y&b", "http://h/?a?sig=REDACTED&b"},
    {"http://h/?a;sig=x&b", "http://h/?a;sig=REDACTED&b"},
    {"http://h/?%73i%67=x&b", "http://h/?%73i%67=REDACTED&b"},
    {"http://h/sig=x", "http://h/sig=x"},
    {"h?sig=x", "http://h?sig=REDACTED"},
    {"?sig=x", "http://?sig=REDACTED"},
    {"http://u:p@h/?sig=x@y", "http://REDACTED:REDACTED@y"},
};

Test(url, redact)
{
    struct guardpage in, out;

    guardpage_open(&in, 256);
    guardpage_open(&out, 1024);
    for (size_t i = 0; i < sizeof redact_cases / sizeof *redact_cases; i++) {
        const struct redact_case *c = &redact_cases[i];
        const char *text = guardpage_put(&in, c->text, strlen(c->text));
        size_t want = strlen(c->want);

        /* every capacity: what is written is the beginning of the whole */
        for (size_t cap = 0; cap <= want + 8; cap++) {
            char *p = guardpage_room(&out, cap);
            size_t n = otel_url_redact(p, cap, text, strlen(c->text));

            cr_assert(n == (cap < want ? cap : want) && memcmp(p, c->want, n) == 0,
                      "%s (%zu bytes) became \"%.*s\"", c->text, cap, (int)n, p);
        }
    }
    guardpage_close(&in);
    guardpage_close(&out);
}

Test(url, redact_query)
{
    static const struct redact_case cases[] = {
        {"sig=a&b=c", "sig=REDACTED&b=c"},
        {"b=c&Signature=x", "b=c&Signature=REDACTED"},
        {"b=sig=x", "b=sig=x"},
        {"to=http://u:p@h", "to=http://REDACTED:REDACTED@h"},
        {"", ""},
    };
    char out[128];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = otel_url_redact_query(out, sizeof out, cases[i].text, strlen(cases[i].text));

        cr_expect(n == strlen(cases[i].want) && memcmp(out, cases[i].want, n) == 0, "%s: %.*s",
                  cases[i].text, (int)n, out);
    }
}

/* Whatever bytes a password holds, none of it comes out: each of them a marker between two bytes
 * drawn from those that mean something in a URL. */
Test(url, no_password_survives)
{
    static const char bytes[] = "/?#@:&=;%[]\\ .-a1";
    static const char *const before[] = {
        "http://user:", "HTTPS://user:", "user:", "//user:", "foo://user:", " http:/user:"};
    static const char *const hosts[] = {"h", "example.com", "h:80", "[::1]:80", "h:x", ""};
    char text[128], out[512];

    for (size_t i = 0; i < 6 * 6 * 17 * 17; i++) {
        char a = bytes[i % 17], b = bytes[i / 17 % 17];
        int len = snprintf(text, sizeof text, "%s%cSECRET%cX@%s/path", before[i / 289 % 6], a, b,
                           hosts[i / 289 / 6]);
        size_t n = otel_url_redact(out, sizeof out, text, (size_t)len);

        cr_assert(!memmem(out, n, "SECRET", 6), "%s became %.*s", text, (int)n, out);
    }
}

Test(url, any_bytes)
{
    static const char alphabet[] = "htp:/@?#&=sig;.[]%1\\ \x80";
    struct guardpage in, out;
    unsigned seed = 1;

    guardpage_open(&in, 64);
    guardpage_open(&out, 256);
    for (int round = 0; round < 100000; round++) {
        size_t len = (size_t)(rand_r(&seed) % 40), cap = (size_t)(rand_r(&seed) % 256);
        char *text = guardpage_room(&in, len);
        char *p = guardpage_room(&out, cap);
        struct otel_url url;

        for (size_t i = 0; i < len; i++)
            text[i] = alphabet[(size_t)rand_r(&seed) % (sizeof alphabet - 1)];
        cr_assert(otel_url_redact(p, cap, text, len) <= cap);
        cr_assert(otel_url_redact_query(p, cap, text, len) <= cap);
        if (otel_url_parse(&url, text, len) == 0 && url.userinfo.len)
            cr_assert(memchr(text, '@', len) != NULL);
    }
    guardpage_close(&in);
    guardpage_close(&out);
}
