/* SPDX-License-Identifier: Apache-2.0 */
#include "core/export/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/clock.h"
#include "core/export/grpc.h"
#include "core/export/handed.h"
#include "core/export/headers.h"
#include "core/export/http_private.h"
#include "core/export/otlp.h"
#include "core/export/retry.h"

#define SLICE_MS 20 /* how late a change of the time left may be noticed (export/module.h) */
#define IDLE_NS UINT64_C(2000000)

/* Only the batch thread reads and writes it; a fork child keeps it, and libcurl's state with it. */
static bool curl_ready;

static void complain(const struct otel_export_host *host, const char *text)
{
    host->log(OTEL_LOG_ERROR, text);
}

/* Drops the handles without libcurl's knowledge. It would write a TLS farewell to a number that may
 * be the host's by now; a few KiB are the smaller harm. */
static void leak_handles(struct otel_http *http)
{
    http->easy = NULL;
    http->multi = NULL;
}

static bool make_handles(struct otel_http *http)
{
    http->multi = curl_multi_init();
    http->easy = curl_easy_init();
    return http->multi && http->easy && otel_http_set_options(http) == 0;
}

static void free_handles(struct otel_http *http)
{
    if (http->easy)
        curl_easy_cleanup(http->easy);
    if (http->multi)
        curl_multi_cleanup(http->multi);
    leak_handles(http);
}

struct otel_http *otel_http_new(const struct otel_config *config,
                                const struct otel_export_host *host)
{
    struct otel_http *http = calloc(1, sizeof *http);

    if (!curl_ready && curl_global_init(CURL_GLOBAL_ALL) != CURLE_OK) {
        complain(host, "otlp: libcurl does not start");
        free(http);
        return NULL;
    }
    curl_ready = true;
    if (!http)
        goto no_memory;
    http->config = config;
    http->host = host;
    otel_http_sockets_init(&http->sockets, host);
    if (otel_http_configure(http) < 0)
        goto no_memory;
    if (!make_handles(http)) {
        complain(host, "otlp: libcurl cannot do what the settings ask for");
        otel_http_free(http);
        return NULL;
    }
    return http;

no_memory:
    complain(host, "otlp: no memory");
    otel_http_free(http);
    return NULL;
}

static bool is_header(const char *line, size_t len, const char *name, const char **value,
                      size_t *value_len)
{
    size_t name_len = strlen(name);

    if (len <= name_len || line[name_len] != ':' || strncasecmp(line, name, name_len) != 0)
        return false;
    line += name_len + 1;
    len -= name_len + 1;
    while (len && (*line == ' ' || *line == '\t')) {
        line++;
        len--;
    }
    while (len && strchr(" \t\r\n", line[len - 1]))
        len--;
    *value = line;
    *value_len = len;
    return true;
}

static void keep_message(struct otel_http_reply *reply, const char *value, size_t len)
{
    long n = otel_percent_decode(reply->grpc_message, sizeof reply->grpc_message, value, len, true);

    for (long i = 0; i < n; i++) {
        if ((unsigned char)reply->grpc_message[i] < ' ' || reply->grpc_message[i] == 0x7f)
            reply->grpc_message[i] = '?';
    }
}

/* Lines of header and trailer alike. A status line begins anew: 100 comes before 200. */
size_t otel_http_on_header(char *data, size_t size, size_t count, void *userdata)
{
    struct otel_http_reply *reply = ((struct otel_http *)userdata)->reply;
    size_t len = size * count;
    const char *value;
    size_t value_len;
    char text[64];

    if (len > 5 && memcmp(data, "HTTP/", 5) == 0) {
        reply->http_major = data[5] - '0';
        reply->grpc_status = -1;
        reply->wait_ns = OTEL_RETRY_NONE;
    } else if (is_header(data, len, "retry-after", &value, &value_len) && value_len < sizeof text) {
        memcpy(text, value, value_len);
        text[value_len] = '\0';
        reply->wait_ns = otel_retry_after_ns(text, time(NULL));
    } else if (is_header(data, len, "grpc-status", &value, &value_len)) {
        reply->grpc_status = otel_grpc_status(value, value_len);
    } else if (is_header(data, len, "grpc-message", &value, &value_len)) {
        keep_message(reply, value, value_len);
    } else if (is_header(data, len, "grpc-status-details-bin", &value, &value_len)) {
        reply->wait_ns = otel_grpc_retry_info_ns(value, value_len);
    }
    return len;
}

size_t otel_http_on_body(char *data, size_t size, size_t count, void *userdata)
{
    struct otel_http_reply *reply = ((struct otel_http *)userdata)->reply;
    size_t len = size * count;

    if (len > OTEL_OTLP_RESPONSE_MAX - reply->body.len) {
        reply->too_large = true;
        return 0;
    }
    otel_buffer_append(&reply->body, data, len);
    return reply->body.failed ? 0 : len;
}

static void reset_reply(struct otel_http_reply *reply)
{
    struct otel_buffer body = reply->body;

    otel_buffer_reset(&body);
    *reply = (struct otel_http_reply){.grpc_status = -1, .wait_ns = OTEL_RETRY_NONE, .body = body};
}

/* ns until the earlier of both limits, 0: none left. */
static uint64_t time_left(const struct otel_http *http, uint64_t deadline_ns)
{
    uint64_t now = otel_clock_mono_ns();
    uint64_t left = http->host->time_left_ns();

    if (now >= deadline_ns)
        return 0;
    return left < deadline_ns - now ? left : deadline_ns - now;
}

/* Waits for the sockets, a slice at most. curl_multi_wait, because curl_multi_poll also reads a
 * wake-up descriptor, which in a shared table may be somebody else's by now. */
static void wait_slice(struct otel_http *http, uint64_t left_ns)
{
    int timeout_ms =
        left_ns < SLICE_MS * UINT64_C(1000000) ? (int)(left_ns / 1000000) + 1 : SLICE_MS;
    uint64_t before = otel_clock_mono_ns();
    int ready = 0;

    curl_multi_wait(http->multi, NULL, 0, timeout_ms, &ready);
    /* It returns at once when libcurl has nothing to wait for yet. */
    if (!ready && otel_clock_mono_ns() - before < IDLE_NS / 2)
        http->host->sleep(IDLE_NS);
}

/* What cannot be counted while it is sent (TLS, HTTP/2, no send() of the module's) is told of
 * behind. */
static void note_upload(struct otel_http *http, size_t len, struct otel_handover *handover)
{
    curl_off_t sent = 0;

    if (handover && !otel_handover_complete(handover) &&
        curl_easy_getinfo(http->easy, CURLINFO_SIZE_UPLOAD_T, &sent) == CURLE_OK &&
        sent >= (curl_off_t)len)
        otel_handover_done(handover);
}

/* Runs the transfer of len bytes. Returns false when the time ran out first. */
static bool drive(struct otel_http *http, size_t len, uint64_t deadline_ns,
                  struct otel_handover *handover)
{
    int running = 1;

    for (;;) {
        uint64_t left;
        CURLMcode code = curl_multi_perform(http->multi, &running);

        note_upload(http, len, handover);
        if (code != CURLM_OK || !running)
            return true;
        left = time_left(http, deadline_ns);
        if (!left)
            return false;
        wait_slice(http, left);
    }
}

static void collect(struct otel_http *http, struct otel_http_reply *reply)
{
    CURLMsg *message;
    int queued;
    long os_error = 0;

    reply->error = CURLE_FAILED_INIT; /* should libcurl end without a word */
    while ((message = curl_multi_info_read(http->multi, &queued))) {
        if (message->msg == CURLMSG_DONE && message->easy_handle == http->easy)
            reply->error = (int)message->data.result;
    }
    curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &reply->status);
    curl_easy_getinfo(http->easy, CURLINFO_OS_ERRNO, &os_error);
    reply->os_error = (int)os_error;
}

/* Whether the transfer has had a connection, a kept one too. */
static bool connected(struct otel_http *http)
{
    curl_socket_t fd = CURL_SOCKET_BAD;
    curl_off_t took = 0;

    curl_easy_getinfo(http->easy, CURLINFO_CONNECT_TIME_T, &took);
    return took != 0 || (curl_easy_getinfo(http->easy, CURLINFO_ACTIVESOCKET, &fd) == CURLE_OK &&
                         fd != CURL_SOCKET_BAD);
}

/* Plain HTTP/1.1, which libcurl sends as it is. */
static bool is_counted(const struct otel_http *http)
{
    return http->config->otlp_protocol != OTEL_OTLP_GRPC && !strncmp(http->url, "http:", 5);
}

void otel_http_post(struct otel_http *http, const void *body, size_t len, uint64_t deadline_ns,
                    struct otel_handover *handover, struct otel_http_reply *reply)
{
    bool unconnected;

    reset_reply(reply);
    if (http->multi && !otel_http_sockets_intact(&http->sockets)) {
        otel_http_sockets_drop(&http->sockets);
        leak_handles(http);
    }
    if (!http->multi && !make_handles(http)) {
        free_handles(http);
        reply->error = CURLE_OUT_OF_MEMORY;
        return;
    }
    http->reply = reply;
    curl_easy_setopt(http->easy, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(http->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
    if (curl_multi_add_handle(http->multi, http->easy) != CURLM_OK) {
        reply->error = CURLE_FAILED_INIT;
        return;
    }
    otel_http_sockets_begin(&http->sockets);
    otel_handed_begin(is_counted(http) ? handover : NULL, len);
    if (drive(http, len, deadline_ns, handover))
        collect(http, reply);
    else
        reply->no_time = true;
    otel_handed_end();
    unconnected = reply->no_time && !connected(http);
    curl_multi_remove_handle(http->multi, http->easy);
    if (unconnected)
        otel_http_sockets_unconnected(&http->sockets);
    http->reply = NULL;
}

const char *otel_http_shown(const struct otel_http *http)
{
    return http->shown;
}

void otel_http_free(struct otel_http *http)
{
    if (!http)
        return;
    if (!otel_http_sockets_intact(&http->sockets)) {
        otel_http_sockets_drop(&http->sockets);
        leak_handles(http);
    }
    free_handles(http);
    curl_slist_free_all(http->headers);
    free(http->url);
    free(http->shown);
    free(http);
}
