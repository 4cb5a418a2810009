/* SPDX-License-Identifier: Apache-2.0
 *
 * Compares the HTTP/1.x parser with Debian's http_parser (node's former parser) on the same stream.
 * Where both take a message, they must agree where it begins, where its head and it itself end, on
 * method or status, bytes of the body, keep-alive, and whether HTTP ends there. What http_parser
 * rejects we must reject, but for what http1_peer_lenient() lists; we may reject more.
 *
 * http_parser gets the bytes one by one: that tells where its callbacks stand.
 */
#ifndef OTEL_TESTS_SUPPORT_HTTP1_PEER_H
#define OTEL_TESTS_SUPPORT_HTTP1_PEER_H

#include <http_parser.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/http1.h"

#define HTTP1_PEER_MESSAGES 64 /* of a stream; the rest is not compared */

struct http1_peer_message {
    size_t begin, head_end, end; /* offsets in the stream */
    bool headed, ended;          /* the head is complete, the message is */
    char method[40];
    unsigned status;
    uint64_t body;
    bool keep, tunnel;
};

struct http1_peer_stream {
    bool response, head_request, connect_request;
    struct http1_peer_message message[HTTP1_PEER_MESSAGES];
    size_t count;
    size_t at;
    bool rejected;
    enum http_errno why;
};

static inline struct http1_peer_message *http1_peer_last(struct http1_peer_stream *s)
{
    return &s->message[s->count - 1];
}

static inline int http1_peer_begin(http_parser *p)
{
    struct http1_peer_stream *s = p->data;

    if (s->count == HTTP1_PEER_MESSAGES)
        return 1;
    s->count++;
    *http1_peer_last(s) = (struct http1_peer_message){.begin = s->at};
    return 0;
}

/* A response's reader knows which have no body. A request that asks for another protocol goes on in
 * this one until the answer. */
static inline int http1_peer_head(http_parser *p)
{
    struct http1_peer_stream *s = p->data;
    struct http1_peer_message *m = http1_peer_last(s);

    m->headed = true;
    m->head_end = s->at + 1;
    m->tunnel = s->response && p->upgrade;
    if (!s->response) {
        snprintf(m->method, sizeof m->method, "%s", http_method_str(p->method));
        p->upgrade = 0;
        return 0;
    }
    m->status = p->status_code;
    if (m->status == 101 || (s->connect_request && m->status / 100 == 2)) {
        m->tunnel = true;
        return 2;
    }
    return s->head_request || m->status == 304;
}

static inline int http1_peer_body(http_parser *p, const char *data, size_t len)
{
    http1_peer_last(p->data)->body += data ? len : 0;
    return 0;
}

static inline int http1_peer_complete(http_parser *p)
{
    struct http1_peer_stream *s = p->data;
    struct http1_peer_message *m = http1_peer_last(s);

    m->ended = true;
    m->end = s->at + 1;
    m->keep = http_should_keep_alive(p);
    return 0;
}

static inline void http1_peer_theirs(struct http1_peer_stream *s, const char *data, size_t len)
{
    static const http_parser_settings settings = {.on_message_begin = http1_peer_begin,
                                                  .on_headers_complete = http1_peer_head,
                                                  .on_body = http1_peer_body,
                                                  .on_message_complete = http1_peer_complete};
    http_parser p;

    http_parser_init(&p, s->response ? HTTP_RESPONSE : HTTP_REQUEST);
    p.data = s;
    for (s->at = 0; s->at < len && !p.upgrade; s->at++)
        if (http_parser_execute(&p, &settings, data + s->at, 1) != 1 && !p.upgrade)
            break;
    s->at -= s->at == len; /* the last byte, for what the end of the stream completes */
    if (!p.upgrade && HTTP_PARSER_ERRNO(&p) == HPE_OK)
        http_parser_execute(&p, &settings, NULL, 0);
    s->why = HTTP_PARSER_ERRNO(&p);
    s->rejected = s->why != HPE_OK;
}

static inline bool http1_peer_wanted(const char *name, size_t len)
{
    return name && len % 2 == 0;
}

/* One event of ours. Returns false when there is no more room for messages. */
static inline bool http1_peer_event(struct http1_peer_stream *s, const struct otel_http1 *p,
                                    enum otel_http1_event event, const struct otel_http1_text *text)
{
    struct http1_peer_message *m = s->count ? http1_peer_last(s) : NULL;

    if (event == OTEL_HTTP1_BEGIN) {
        if (s->count == HTTP1_PEER_MESSAGES)
            return false;
        s->count++;
        *http1_peer_last(s) = (struct http1_peer_message){.begin = s->at};
    } else if (event == OTEL_HTTP1_START && !s->response) {
        snprintf(m->method, sizeof m->method, "%.*s", (int)text->name.len, text->name.data);
    } else if (event == OTEL_HTTP1_HEAD_END) {
        m->headed = true;
        m->head_end = s->at;
        m->status = p->status;
        m->keep = p->keep_alive;
        m->tunnel = p->body == OTEL_HTTP1_TUNNEL;
    } else if (event == OTEL_HTTP1_END) {
        m->ended = true;
        m->end = s->at;
        m->body = p->body_bytes;
    }
    return event != OTEL_HTTP1_MALFORMED;
}

static inline void http1_peer_ours(struct http1_peer_stream *s, const char *data, size_t len)
{
    struct otel_http1 p;
    struct otel_http1_text text = {{NULL, 0}, {NULL, 0}};
    enum otel_http1_event event;
    size_t used;

    otel_http1_init(&p, s->response, http1_peer_wanted);
    p.head_request = s->head_request;
    p.connect_request = s->connect_request;
    do {
        event = otel_http1_next(&p, data + s->at, len - s->at, &used, &text);
        s->at += used;
    } while (http1_peer_event(s, &p, event, &text) && event != OTEL_HTTP1_MORE &&
             event != OTEL_HTTP1_SPILL);
    if (event == OTEL_HTTP1_MORE) {
        event = otel_http1_eof(&p);
        http1_peer_event(s, &p, event, &text);
    }
    s->rejected = event == OTEL_HTTP1_MALFORMED || event == OTEL_HTTP1_SPILL;
}

/* word stands somewhere in the stream, in any case, and not before a colon when that is asked. */
static inline bool http1_peer_has(const char *data, size_t len, const char *word, bool longer)
{
    size_t n = strlen(word);

    for (size_t i = 0; i + n < len; i++)
        if (!strncasecmp(data + i, word, n) && (!longer || data[i + n] != ':'))
            return true;
    return false;
}

/* A list begins with an empty element, or has one: http_parser reads no further in it, which RFC
 * 9110 5.6.1.2 does not allow. */
static inline bool http1_peer_empty_element(const char *data, size_t len)
{
    bool behind = false; /* a colon or comma, and blanks */

    for (size_t i = 0; i < len; i++) {
        if (behind && data[i] == ',')
            return true;
        behind = data[i] == ':' || data[i] == ',' || (behind && data[i] == ' ');
    }
    return false;
}

/* What http_parser rejects and we take, each time because it does not touch where messages end. */
static inline bool http1_peer_lenient(enum http_errno why)
{
    switch (why) {
    case HPE_INVALID_METHOD: /* one it does not know: any token is a method (RFC 9110 9.1) */
    case HPE_INVALID_URL:    /* the target's form is the server's business */
    case HPE_UNEXPECTED_CONTENT_LENGTH: /* the same length again (RFC 9110 8.6) */
        return true;
    default:
        return false;
    }
}

static inline const char *http1_peer_differ(const struct http1_peer_message *a,
                                            const struct http1_peer_message *b, bool keep)
{
    if (a->begin != b->begin)
        return "begin";
    if (a->head_end != b->head_end)
        return "end of head";
    if (strcmp(a->method, b->method) || a->status != b->status)
        return "method or status";
    if (a->tunnel != b->tunnel)
        return "upgrade";
    if (a->ended != b->ended || (a->ended && a->end != b->end))
        return "end";
    if (a->ended && a->body != b->body)
        return "bytes of the body";
    if (keep && a->ended && !a->tunnel && a->keep != b->keep)
        return "keep-alive";
    return NULL;
}

/* Returns NULL, or in what they differ. kind: bit 0 a response, bit 1 to HEAD, bit 2 to CONNECT. */
static inline const char *http1_peer_compare(unsigned kind, const char *data, size_t len)
{
    struct http1_peer_stream ours = {kind & 1, kind & 2, kind & 4, .count = 0};
    struct http1_peer_stream theirs = {kind & 1, kind & 2, kind & 4, .count = 0};
    /* http_parser reads that one as it does Connection, and takes HTAB for a part of an option. */
    bool keep = !http1_peer_has(data, len, "proxy-connection", false) && !memchr(data, '\t', len) &&
                !http1_peer_empty_element(data, len);

    /* It takes a longer name for this one. */
    if (http1_peer_has(data, len, "transfer-encoding", true))
        return NULL;
    http1_peer_ours(&ours, data, len);
    http1_peer_theirs(&theirs, data, len);
    for (size_t i = 0; i < ours.count && ours.message[i].headed; i++) {
        const struct http1_peer_message *m = &ours.message[i];
        bool cut = ours.rejected && !m->ended; /* rejected in its body */
        bool refused = theirs.rejected && i + 1 >= theirs.count &&
                       (i >= theirs.count || !theirs.message[i].ended);
        const char *difference;

        if (cut && !refused && i < theirs.count && theirs.message[i].headed)
            return NULL;
        if (refused && http1_peer_lenient(theirs.why))
            return NULL;
        if (refused && (i >= theirs.count || !theirs.message[i].headed || m->ended))
            return http_errno_name(theirs.why);
        if (refused)
            return NULL;
        if (i >= theirs.count)
            return "a message of ours alone";
        difference = http1_peer_differ(m, &theirs.message[i], keep);
        if (difference)
            return difference;
        if (m->tunnel)
            return NULL;
    }
    if (!ours.rejected && ours.count < theirs.count)
        return "a message of theirs alone";
    return NULL;
}

#endif
