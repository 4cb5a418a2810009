/* SPDX-License-Identifier: Apache-2.0 */
#include "core/export/http_private.h"

#include <criterion/criterion.h>
#include <string.h>

#include "core/export/grpc.h"
#include "tests/support/fakehost.h"

static struct otel_config config; /* each test is a process of its own */
static struct otel_http *http;

static void clean_up(void)
{
    otel_http_free(http);
}

TestSuite(http_setup, .fini = clean_up);

static void set_up(enum otel_otlp_protocol protocol, const char *endpoint)
{
    otel_http_free(http);
    config.otlp_protocol = protocol;
    config.otlp_endpoint = endpoint;
    http = otel_http_new(&config, &fakehost_table);
    cr_assert_not_null(http);
}

static void expect(const char *url, const char *unix_path, const char *shown)
{
    cr_assert_str_eq(http->url, url);
    if (unix_path)
        cr_assert_str_eq(http->unix_path, unix_path);
    else
        cr_assert_null(http->unix_path);
    cr_assert_str_eq(otel_http_shown(http), shown);
}

Test(http_setup, http_urls)
{
    set_up(OTEL_OTLP_HTTP_PROTOBUF, "http://h:4318/base/v1/traces?q=1");
    expect("http://h:4318/base/v1/traces?q=1", NULL, "http://h:4318/base/v1/traces?q=1");
    set_up(OTEL_OTLP_HTTP_JSON, "https://me:secret@h/v1/traces");
    expect("https://me:secret@h/v1/traces", NULL, "https://REDACTED:REDACTED@h/v1/traces");
}

Test(http_setup, grpc_urls)
{
    static const char *const endpoints[] = {"http://h:4317", "http://h:4317/",
                                            "http://h:4317/a/b?c", "http://h:4317?c",
                                            "http://h:4317#c"};

    for (size_t i = 0; i < sizeof endpoints / sizeof *endpoints; i++) {
        set_up(OTEL_OTLP_GRPC, endpoints[i]);
        expect("http://h:4317" OTEL_GRPC_PATH, NULL, "http://h:4317" OTEL_GRPC_PATH);
    }
    set_up(OTEL_OTLP_GRPC, "https://[::1]:4317");
    expect("https://[::1]:4317" OTEL_GRPC_PATH, NULL, "https://[::1]:4317" OTEL_GRPC_PATH);
}

Test(http_setup, unix_endpoints)
{
    set_up(OTEL_OTLP_HTTP_PROTOBUF, "unix:/run/s");
    expect("http://localhost/v1/traces", "/run/s", "unix:/run/s");
    set_up(OTEL_OTLP_HTTP_PROTOBUF, "unix:///run/s");
    expect("http://localhost/v1/traces", "/run/s", "unix:///run/s");
    set_up(OTEL_OTLP_GRPC, "UNIX:///run/s");
    expect("http://localhost" OTEL_GRPC_PATH, "/run/s", "UNIX:///run/s");
}

static const char *line_of(const char *prefix)
{
    for (struct curl_slist *at = http->headers; at; at = at->next) {
        if (strncmp(at->data, prefix, strlen(prefix)) == 0)
            return at->data;
    }
    return NULL;
}

Test(http_setup, own_headers)
{
    set_up(OTEL_OTLP_HTTP_JSON, "http://h");
    cr_assert_not_null(line_of("Content-Type: application/json"));
    cr_assert_not_null(line_of("Expect:"));
    cr_assert_null(line_of("Content-Encoding"));
    config.otlp_gzip = true;
    set_up(OTEL_OTLP_HTTP_PROTOBUF, "http://h");
    cr_assert_not_null(line_of("Content-Type: application/x-protobuf"));
    cr_assert_not_null(line_of("Content-Encoding: gzip"));
    set_up(OTEL_OTLP_GRPC, "http://h");
    cr_assert_not_null(line_of("TE: trailers"));
    cr_assert_not_null(line_of("grpc-encoding: gzip"));
    cr_assert_null(line_of("Content-Encoding"));
}

Test(http_setup, given_headers)
{
    config.otlp_headers = "a=1,B=general,empty=";
    config.otlp_traces_headers = "b=traces,c=%20x";
    set_up(OTEL_OTLP_HTTP_PROTOBUF, "http://h");
    cr_assert_str_eq(line_of("a:"), "a: 1");
    cr_assert_str_eq(line_of("b:"), "b: traces");
    cr_assert_null(line_of("B:"));
    cr_assert_str_eq(line_of("c:"), "c:  x");
    cr_assert_str_eq(line_of("empty"), "empty;");
    cr_assert_eq(fakehost.logs, 0);
}

Test(http_setup, a_secret_is_never_logged)
{
    config.otlp_headers = "api-key=s3cret%0a,Content-Type=s3cret,s3cret";
    set_up(OTEL_OTLP_HTTP_PROTOBUF, "http://h");
    cr_assert_eq(fakehost.logs, 3);
    cr_assert_null(strstr(fakehost.log, "s3cret"));
    cr_assert_null(line_of("api-key"));
}
