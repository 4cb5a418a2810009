/* SPDX-License-Identifier: Apache-2.0
 *
 * The exporter "otlp": a batch becomes bytes, the bytes a POST, the answer an outcome, and the
 * outcome perhaps another try.
 */
#include "core/export/sink.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/export/grpc.h"
#include "core/export/gzip.h"
#include "core/export/http.h"
#include "core/export/json.h"
#include "core/export/otlp.h"
#include "core/export/retry.h"

#define CAUSE_MAX 480 /* a log line's worth */
#define MS_NS UINT64_C(1000000)

enum verdict { TAKEN, AGAIN, REFUSED };

struct otlp_sink {
    const struct otel_config *config;
    const struct otel_export_host *host;
    struct otel_http *http;
    struct otel_http_reply reply;
    struct otel_buffer body;   /* request, behind gRPC's prefix where there is one */
    struct otel_buffer packed; /* the same compressed */
    uint64_t random;
    uint64_t deadline_ns;           /* of the batch under way */
    struct otel_handover *handover; /* the same; NULL: nobody asks */
    char cause[CAUSE_MAX];          /* what is wrong now */
    char said[CAUSE_MAX];           /* what the log was told last, "": nothing is wrong */
    bool failing;                   /* the last batch was lost */
};

static bool is_grpc(const struct otlp_sink *self)
{
    return self->config->otlp_protocol == OTEL_OTLP_GRPC;
}

static void __attribute__((format(printf, 2, 3)))
set_cause(struct otlp_sink *self, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(self->cause, sizeof self->cause, format, args);
    va_end(args);
}

/* One line a cause: the same cause is told again only after something else was told. */
static void tell(struct otlp_sink *self)
{
    char line[CAUSE_MAX * 2];

    if (strcmp(self->said, self->cause) == 0)
        return;
    memcpy(self->said, self->cause, sizeof self->said);
    snprintf(line, sizeof line, "otlp: %s: %s", otel_http_shown(self->http), self->cause);
    self->host->log(OTEL_LOG_WARN, line);
}

static void tell_recovery(struct otlp_sink *self)
{
    char line[CAUSE_MAX];

    self->said[0] = '\0';
    if (!self->failing)
        return;
    self->failing = false;
    snprintf(line, sizeof line, "otlp: %s: works again", otel_http_shown(self->http));
    self->host->log(OTEL_LOG_INFO, line);
}

static uint64_t next_random(struct otlp_sink *self)
{
    uint64_t x = self->random += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */

    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* What the body of a good answer says. A body that cannot be read loses nothing but that: the
 * status alone decides (OTLP/HTTP, "Success"). */
static int read_partial(struct otlp_sink *self, struct otel_otlp_partial *partial)
{
    const uint8_t *body = self->reply.body.data;
    size_t len = self->reply.body.len;

    if (is_grpc(self)) {
        int rc = otel_grpc_message(body, len, &body, &len);

        if (rc < 0)
            return rc;
    }
    if (self->config->otlp_protocol == OTEL_OTLP_HTTP_JSON)
        return otel_json_response((const char *)body, len, partial);
    return otel_otlp_response(body, len, partial);
}

static bool worth_another_try(int error)
{
    switch (error) {
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        return true;
    default:
        return false;
    }
}

static enum verdict judge_error(struct otlp_sink *self)
{
    const struct otel_http_reply *reply = &self->reply;

    if (reply->error == CURLE_COULDNT_CONNECT && reply->os_error)
        set_cause(self, "cannot connect: %s", strerror(reply->os_error));
    else if (reply->error == CURLE_UNSUPPORTED_PROTOCOL) /* as libcurl calls HTTP/0.9 */
        set_cause(self, "what answers speaks no HTTP");
    else
        set_cause(self, "%s", curl_easy_strerror((CURLcode)reply->error));
    return worth_another_try(reply->error) ? AGAIN : REFUSED;
}

static enum verdict judge_http(struct otlp_sink *self)
{
    const struct otel_http_reply *reply = &self->reply;

    if (reply->status >= 200 && reply->status < 300)
        return TAKEN;
    if (reply->error)
        return judge_error(self);
    set_cause(self, "HTTP status %ld%s", reply->status,
              reply->status / 100 == 3 ? ", redirects are not followed" : "");
    return otel_retry_http_status(reply->status) ? AGAIN : REFUSED;
}

static enum verdict judge_grpc(struct otlp_sink *self)
{
    const struct otel_http_reply *reply = &self->reply;
    int code = reply->grpc_status;

    if (code == 0 && !reply->error)
        return TAKEN;
    if (code <= 0 && reply->error)
        return judge_error(self);
    if (code < 0 && reply->status == 200) {
        set_cause(self, "the answer has no grpc-status");
        return REFUSED;
    }
    if (code < 0) {
        code = otel_retry_grpc_of_http(reply->status);
        set_cause(self, "HTTP status %ld instead of a gRPC answer", reply->status);
    } else {
        set_cause(self, "gRPC status %d%s%s", code, *reply->grpc_message ? ": " : "",
                  reply->grpc_message);
    }
    return otel_retry_grpc_code(code, reply->wait_ns >= 0) ? AGAIN : REFUSED;
}

static enum verdict judge(struct otlp_sink *self)
{
    if (self->reply.no_time) {
        set_cause(self, "no answer in time");
        return REFUSED;
    }
    if (self->reply.too_large) {
        set_cause(self, "the answer is larger than 4 MiB");
        return REFUSED;
    }
    return is_grpc(self) ? judge_grpc(self) : judge_http(self);
}

static void take(struct otlp_sink *self, uint32_t count, struct otel_export_result *result)
{
    struct otel_otlp_partial partial = {0};

    if (self->reply.error || read_partial(self, &partial) < 0) {
        set_cause(self, "spans were taken, but the answer cannot be read");
        tell(self);
    } else if (partial.rejected) {
        set_cause(self, "spans were rejected: %s",
                  *partial.message ? partial.message : "no reason");
        tell(self);
    } else if (*partial.message) {
        set_cause(self, "a warning: %s", partial.message);
        tell(self);
    } else {
        tell_recovery(self);
    }
    self->failing = false;
    if (partial.rejected > count)
        partial.rejected = count;
    result->rejected += partial.rejected;
    result->exported += count - partial.rejected;
}

/* Waits before retry number attempt. False: there is no time for another try. */
static bool wait_for_retry(struct otlp_sink *self, unsigned attempt)
{
    uint64_t wait = otel_retry_backoff_ns(attempt, next_random(self));
    uint64_t now = otel_clock_mono_ns();
    uint64_t left = self->host->time_left_ns();

    if (self->reply.wait_ns >= 0)
        wait = (uint64_t)self->reply.wait_ns;
    if (now >= self->deadline_ns || wait >= self->deadline_ns - now || wait >= left)
        return false;
    if (self->host->exiting())
        return false;
    self->host->sleep(wait);
    return !self->host->exiting();
}

static void deliver(struct otlp_sink *self, const struct otel_buffer *request, uint32_t count,
                    struct otel_export_result *result)
{
    enum verdict verdict;

    for (unsigned attempt = 0;; attempt++) {
        otel_http_post(self->http, request->data, request->len, self->deadline_ns, self->handover,
                       &self->reply);
        verdict = judge(self);
        if (verdict == TAKEN) {
            take(self, count, result);
            return;
        }
        if (self->handover)
            otel_handover_reset(self->handover);
        if (verdict == REFUSED || !wait_for_retry(self, attempt))
            break;
    }
    tell(self);
    self->failing = true;
    result->failed += count;
    if (verdict == AGAIN || self->reply.no_time)
        result->later += count;
}

/* Puts gRPC's prefix in front of what lies behind its room in buffer. */
static void frame(const struct otlp_sink *self, struct otel_buffer *buffer, bool compressed)
{
    if (is_grpc(self))
        otel_grpc_prefix(buffer->data, compressed, (uint32_t)(buffer->len - OTEL_GRPC_PREFIX_LEN));
}

static size_t start(const struct otlp_sink *self, struct otel_buffer *buffer)
{
    static const uint8_t room[OTEL_GRPC_PREFIX_LEN];

    otel_buffer_reset(buffer);
    if (is_grpc(self))
        otel_buffer_append(buffer, room, sizeof room);
    return buffer->len;
}

/* The request for batch in *request. 0, -EFBIG, -ENOMEM. */
static int build(struct otlp_sink *self, const struct otel_batch *batch,
                 struct otel_buffer **request)
{
    size_t prefix = start(self, &self->body);
    int rc = self->config->otlp_protocol == OTEL_OTLP_HTTP_JSON
                 ? otel_json_encode(&self->body, batch)
                 : otel_otlp_encode(&self->body, batch);

    if (rc < 0)
        return rc;
    *request = &self->body;
    if (self->config->otlp_gzip) {
        start(self, &self->packed);
        rc = otel_gzip(&self->packed, self->body.data + prefix, self->body.len - prefix);
        *request = &self->packed;
    }
    if (rc == 0 && !(*request)->failed)
        frame(self, *request, self->config->otlp_gzip);
    return rc == 0 && (*request)->failed ? -ENOMEM : rc;
}

static void send_spans(struct otlp_sink *self, const struct otel_batch *batch,
                       struct otel_export_result *result)
{
    struct otel_buffer *request = NULL;
    struct otel_batch half = *batch;
    int rc = build(self, batch, &request);

    if (rc == 0) {
        deliver(self, request, (uint32_t)batch->count, result);
    } else if (rc == -EFBIG && batch->count > 1) {
        self->handover = NULL; /* half of it is not the batch */
        half.count = batch->count / 2;
        send_spans(self, &half, result);
        half.spans += half.count;
        half.count = batch->count - half.count;
        send_spans(self, &half, result);
    } else {
        set_cause(self, rc == -EFBIG ? "a span larger than a request may be" : "no memory");
        tell(self);
        result->failed += (uint32_t)batch->count;
    }
}

static void *sink_open(const struct otel_config *config, const struct otel_export_host *host)
{
    struct otlp_sink *self = calloc(1, sizeof *self);

    if (!self) {
        host->log(OTEL_LOG_ERROR, "otlp: no memory");
        return NULL;
    }
    self->config = config;
    self->host = host;
    self->random = otel_clock_mono_ns() ^ (uintptr_t)self;
    self->http = otel_http_new(config, host);
    if (!self->http) {
        free(self);
        return NULL;
    }
    return self;
}

static struct otel_export_result sink_export(void *state, const struct otel_batch *batch)
{
    struct otlp_sink *self = state;
    struct otel_export_result result = {0};

    self->handover = batch->handover;
    self->deadline_ns = otel_clock_mono_ns() + self->config->otlp_timeout_ms * MS_NS;
    send_spans(self, batch, &result);
    return result;
}

static void sink_flush(void *state)
{
    (void)state; /* nothing is held back */
}

static void sink_close(void *state)
{
    struct otlp_sink *self = state;

    otel_http_free(self->http);
    otel_buffer_free(&self->reply.body);
    otel_buffer_free(&self->body);
    otel_buffer_free(&self->packed);
    free(self);
}

/* All is left as it lies: libcurl's handles may not be cleaned up here (http.h), and freeing the
 * rest would only unshare the pages it lies on. */
static void sink_abandon(void *state)
{
    (void)state;
}

const struct otel_sink otel_sink_otlp = {
    .name = "otlp",
    .open = sink_open,
    .export = sink_export,
    .flush = sink_flush,
    .close = sink_close,
    .abandon = sink_abandon,
};
