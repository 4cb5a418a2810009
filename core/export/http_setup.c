/* SPDX-License-Identifier: Apache-2.0 */
#include "core/export/http_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/export/grpc.h"
#include "core/export/headers.h"
#include "core/export/otlp.h"
#include "core/url.h"
#include "core/version.h"

#define UNIX_SCHEME "unix:"
#define TRACES_PATH "/v1/traces"
#define SHOWN_MAX 256

/* The path of a Unix endpoint, NULL for another. Three slashes are the URL form, one the short. */
static const char *unix_path_of(const char *endpoint)
{
    if (strncasecmp(endpoint, UNIX_SCHEME, sizeof UNIX_SCHEME - 1) != 0)
        return NULL;
    endpoint += sizeof UNIX_SCHEME - 1;
    return strncmp(endpoint, "///", 3) == 0 ? endpoint + 2 : endpoint;
}

/* gRPC has the one path whatever the endpoint says; the port and credentials stay. */
static char *url_of(const struct otel_http *http)
{
    const char *endpoint = http->config->otlp_endpoint;
    bool grpc = http->config->otlp_protocol == OTEL_OTLP_GRPC;
    const char *tail = "";
    const char *authority;
    size_t keep;
    char *url;

    if (http->unix_path)
        endpoint = grpc ? "http://localhost" : "http://localhost" TRACES_PATH;
    keep = strlen(endpoint);
    authority = strstr(endpoint, "://");
    if (grpc) {
        authority = authority ? authority + 3 : endpoint;
        keep = (size_t)(authority - endpoint) + strcspn(authority, "/?#");
        tail = OTEL_GRPC_PATH;
    }
    if (asprintf(&url, "%.*s%s", (int)keep, endpoint, tail) < 0)
        return NULL;
    return url;
}

static char *shown_of(const struct otel_http *http)
{
    const char *endpoint = http->config->otlp_endpoint;
    char *shown = malloc(SHOWN_MAX + 1);

    if (!shown)
        return NULL;
    if (http->unix_path)
        snprintf(shown, SHOWN_MAX + 1, "%s", endpoint);
    else
        shown[otel_url_redact(shown, SHOWN_MAX, http->url, strlen(http->url))] = '\0';
    return shown;
}

static int add_line(struct otel_http *http, const char *line)
{
    struct curl_slist *list = curl_slist_append(http->headers, line);

    if (!list)
        return -ENOMEM;
    http->headers = list;
    return 0;
}

static int add_own(struct otel_http *http)
{
    bool grpc = http->config->otlp_protocol == OTEL_OTLP_GRPC;
    int rc = add_line(http, "Expect:"); /* no 100-continue: it costs a second where it is unknown */

    if (grpc) {
        rc |= add_line(http, "Content-Type: application/grpc");
        rc |= add_line(http, "TE: trailers");
        if (http->config->otlp_gzip)
            rc |= add_line(http, "grpc-encoding: gzip");
        return rc;
    }
    rc |= add_line(http, http->config->otlp_protocol == OTEL_OTLP_HTTP_JSON
                             ? "Content-Type: application/json"
                             : "Content-Type: application/x-protobuf");
    if (http->config->otlp_gzip)
        rc |= add_line(http, "Content-Encoding: gzip");
    return rc;
}

static void complain(const struct otel_http *http, const char *name)
{
    char text[OTEL_HEADER_NAME_MAX + 64];

    snprintf(text, sizeof text, "otlp: header %s cannot be sent, it is left out",
             *name ? name : "without a proper name");
    http->host->log(OTEL_LOG_WARN, text);
}

static bool named_in(const char *list, const char *name)
{
    struct otel_header header;
    int got;

    if (!list)
        return false;
    while ((got = otel_headers_next(&list, &header)) != 0) {
        if (got > 0 && strcasecmp(header.name, name) == 0)
            return true;
    }
    return false;
}

/* Adds the headers of a setting but those that override names too. */
static int add_given(struct otel_http *http, const char *list, const char *override)
{
    struct otel_header header;
    char line[OTEL_HEADER_NAME_MAX + OTEL_HEADER_VALUE_MAX + 2];
    int got;

    if (!list)
        return 0;
    while ((got = otel_headers_next(&list, &header)) != 0) {
        if (got < 0 || otel_headers_reserved(header.name)) {
            complain(http, header.name);
            continue;
        }
        if (named_in(override, header.name))
            continue;
        /* "Name;" is how libcurl wants a header without a value. */
        if (*header.value)
            snprintf(line, sizeof line, "%s: %s", header.name, header.value);
        else
            snprintf(line, sizeof line, "%s;", header.name);
        if (add_line(http, line) < 0)
            return -ENOMEM;
    }
    return 0;
}

int otel_http_configure(struct otel_http *http)
{
    const struct otel_config *config = http->config;

    http->unix_path = unix_path_of(config->otlp_endpoint);
    http->url = url_of(http);
    if (!http->url)
        return -ENOMEM;
    http->shown = shown_of(http);
    if (!http->shown || add_own(http) < 0 ||
        add_given(http, config->otlp_headers, config->otlp_traces_headers) < 0 ||
        add_given(http, config->otlp_traces_headers, NULL) < 0)
        return -ENOMEM;
    return 0;
}

static int set_tls(struct otel_http *http)
{
    const struct otel_config *config = http->config;
    int rc = 0;

    if (config->otlp_certificate)
        rc |= curl_easy_setopt(http->easy, CURLOPT_CAINFO, config->otlp_certificate);
    if (config->otlp_client_certificate)
        rc |= curl_easy_setopt(http->easy, CURLOPT_SSLCERT, config->otlp_client_certificate);
    if (config->otlp_client_key)
        rc |= curl_easy_setopt(http->easy, CURLOPT_SSLKEY, config->otlp_client_key);
    return rc;
}

/* What libcurl must not do in somebody else's process. */
static int set_limits(CURL *easy)
{
    int rc = 0;

#if LIBCURL_VERSION_NUM >= 0x075500
    rc |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    rc |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    rc |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    rc |= curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    rc |= curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    rc |= curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L);
    rc |= curl_easy_setopt(easy, CURLOPT_MAXCONNECTS, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
    /* A name look-up that hangs must not hold up the host's exit: do not join its thread. Not in
     * rc: an older library at run time does without. */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
    return rc;
}

static long http_version(const struct otel_http *http)
{
    if (http->config->otlp_protocol != OTEL_OTLP_GRPC)
        return CURL_HTTP_VERSION_1_1;
    return strncasecmp(http->url, "https:", 6) == 0 ? CURL_HTTP_VERSION_2TLS
                                                    : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;
}

/* libcurl 7.88 puts a second HTTP/2 layer on a kept connection of prior knowledge, so that every
 * request but the first fails (curl pull request 10643, in 8.0). 7.87 has part of that code. */
static bool cannot_reuse(long version)
{
    unsigned running = curl_version_info(CURLVERSION_NOW)->version_num;

    return version == CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE && running >= 0x075700 &&
           running < 0x080000;
}

int otel_http_set_options(struct otel_http *http)
{
    CURL *easy = http->easy;
    long version = http_version(http);
    int rc = set_limits(easy) | set_tls(http);

    rc |= curl_easy_setopt(easy, CURLOPT_URL, http->url);
    rc |= curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, version);
    rc |= curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, (long)cannot_reuse(version));
    rc |= curl_easy_setopt(easy, CURLOPT_USERAGENT, "OTel-OTLP-Exporter-C/" OTEL_AUTO_VERSION);
    rc |= curl_easy_setopt(easy, CURLOPT_HTTPHEADER, http->headers);
    rc |= curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, otel_http_on_header);
    rc |= curl_easy_setopt(easy, CURLOPT_HEADERDATA, http);
    rc |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, otel_http_on_body);
    rc |= curl_easy_setopt(easy, CURLOPT_WRITEDATA, http);
    rc |= curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, otel_http_open_socket);
    rc |= curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, &http->sockets);
    rc |= curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, otel_http_close_socket);
    rc |= curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, &http->sockets);
    if (http->unix_path) {
        rc |= curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, http->unix_path);
        rc |= curl_easy_setopt(easy, CURLOPT_PROXY, "");
    }
    return rc;
}
