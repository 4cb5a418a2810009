/* SPDX-License-Identifier: Apache-2.0
 *
 * What the HTTP/1.x parser tells, as text: one word for each event, so that two ways of cutting the
 * same bytes can be compared, and a test can say what it expects in a line.
 *
 *     begin start:GET:/x name:Host header:Host:a closing head:none+keep end:0
 *
 * start has method and target, or the status; name and header are of wanted headers, here those
 * whose name has an even length; head has what body follows and whether the connection is kept; end
 * has the bytes of the body. With places on, each word is followed by @ and the offset in the
 * stream, but for malformed, which comes as early as the bytes at hand allow. Ends the process
 * (abort) when the parser breaks a promise about used, text or spill.
 */
#ifndef OTEL_TESTS_SUPPORT_HTTP1_LOG_H
#define OTEL_TESTS_SUPPORT_HTTP1_LOG_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/http1.h"
#include "tests/support/guardpage.h"

#define HTTP1_LOG_TEXT 262144
#define HTTP1_LOG_SHOWN 60 /* bytes of a text; of a longer one its length and sum follow */

struct http1_log {
    struct otel_http1 parser;
    bool places;
    bool refuse; /* give no spill buffer */
    bool brief;  /* leave name and closing out: what otel_http1_whole() does not tell */
    bool whole;  /* try that first, between messages; besides brief */
    int wholes;  /* how often it read a head */
    bool over;   /* MALFORMED was said */
    int spills;  /* how often SPILL was */
    size_t at;   /* bytes consumed of the stream */
    size_t len;
    char spill[OTEL_HTTP1_SPILL_SIZE];
    char text[HTTP1_LOG_TEXT];
};

static inline bool http1_log_wanted(const char *name, size_t len)
{
    return name && len % 2 == 0;
}

static inline void http1_log_init(struct http1_log *log, bool response)
{
    otel_http1_init(&log->parser, response, http1_log_wanted);
    log->places = log->refuse = log->over = log->brief = log->whole = false;
    log->spills = log->wholes = 0;
    log->at = log->len = 0;
    log->text[0] = '\0';
}

static inline void http1_log_put(struct http1_log *log, const char *data, size_t len)
{
    uint32_t sum = 2166136261U;
    size_t shown = len <= HTTP1_LOG_SHOWN ? len : HTTP1_LOG_SHOWN;

    if (log->len + shown + 100 > sizeof log->text)
        abort();
    if (shown)
        memcpy(log->text + log->len, data, shown);
    log->len += shown;
    for (size_t i = shown; i < len; i++)
        sum = (sum ^ (unsigned char)data[i]) * 16777619U;
    if (shown < len)
        log->len += (size_t)sprintf(log->text + log->len, "~%zu~%x", len, sum);
    log->text[log->len] = '\0';
}

static inline void http1_log_word(struct http1_log *log, const char *word, struct otel_text name,
                                  struct otel_text value)
{
    if (log->len)
        http1_log_put(log, " ", 1);
    http1_log_put(log, word, strlen(word));
    if (name.len) {
        http1_log_put(log, ":", 1);
        http1_log_put(log, name.data, name.len);
    }
    if (value.data) {
        http1_log_put(log, ":", 1);
        http1_log_put(log, value.data, value.len);
    }
    if (log->places && !log->over)
        log->len += (size_t)sprintf(log->text + log->len, "@%zu", log->at);
}

static inline void http1_log_event(struct http1_log *log, enum otel_http1_event event,
                                   const struct otel_http1_text *text)
{
    static const char *const bodies[] = {"none", "length", "chunked", "close", "tunnel"};
    static const char *const words[] = {"more",    "begin", "start", "name",  "header",
                                        "closing", "head",  "end",   "spill", "malformed"};
    struct otel_text none = {NULL, 0};
    char extra[40];

    if (event == OTEL_HTTP1_START && log->parser.response)
        snprintf(extra, sizeof extra, "start:%u", log->parser.status);
    else if (event == OTEL_HTTP1_HEAD_END)
        snprintf(extra, sizeof extra, "head:%s%s", bodies[log->parser.body],
                 log->parser.keep_alive ? "+keep" : "");
    else if (event == OTEL_HTTP1_END)
        snprintf(extra, sizeof extra, "end:%" PRIu64, log->parser.body_bytes);
    else
        snprintf(extra, sizeof extra, "%s", words[event]);
    log->over = event == OTEL_HTTP1_MALFORMED;
    if (event == OTEL_HTTP1_START || event == OTEL_HTTP1_NAME || event == OTEL_HTTP1_HEADER)
        http1_log_word(log, extra, text->name, text->value);
    else
        http1_log_word(log, extra, none, none);
}

/* A slice lies in these bytes or in the spill buffer. */
static inline void http1_log_slice(const struct http1_log *log, struct otel_text slice,
                                   const char *data, size_t len)
{
    if (slice.len && !(slice.data >= data && slice.data + slice.len <= data + len) &&
        !(slice.data >= log->spill && slice.data + slice.len <= log->spill + sizeof log->spill))
        abort();
}

/* A head in one go, told as the events it stands for. Returns its bytes, 0: not this way. */
static inline size_t http1_log_whole(struct http1_log *log, const char *data, size_t len)
{
    struct otel_http1_whole head;
    struct otel_http1 before = log->parser;
    size_t used;

    if (!log->whole || !otel_http1_idle(&log->parser))
        return 0;
    used = otel_http1_whole(&log->parser, data, len, &head);
    if (used > len || (!used && !otel_http1_idle(&log->parser)) ||
        before.head_request != log->parser.head_request || before.spill != log->parser.spill)
        abort();
    if (!used)
        return 0;
    log->wholes++;
    http1_log_event(log, OTEL_HTTP1_BEGIN, NULL);
    if (log->parser.response)
        memset(&head.start, 0, sizeof head.start);
    http1_log_slice(log, head.start.name, data, used);
    http1_log_slice(log, head.start.value, data, used);
    http1_log_event(log, OTEL_HTTP1_START, &head.start);
    for (size_t i = 0; i < head.count; i++) {
        http1_log_slice(log, head.field[i].name, data, used);
        http1_log_slice(log, head.field[i].value, data, used);
        http1_log_event(log, OTEL_HTTP1_HEADER, &head.field[i]);
    }
    log->at += used;
    http1_log_event(log, OTEL_HTTP1_HEAD_END, NULL);
    return used;
}

/* The next bytes of the stream. Returns false once the stream is malformed. */
static inline bool http1_log_feed(struct http1_log *log, const char *data, size_t len)
{
    size_t done = 0;

    for (;;) {
        struct otel_http1_text text;
        enum otel_http1_event event;
        size_t used;

        done += http1_log_whole(log, data + done, len - done);
        event = otel_http1_next(&log->parser, data + done, len - done, &used, &text);
        if (used > len - done || (event == OTEL_HTTP1_MORE && used != len - done))
            abort();
        done += used;
        log->at += used;
        http1_log_slice(log, text.name, data, len);
        http1_log_slice(log, text.value, data, len);
        if (event == OTEL_HTTP1_MORE)
            return true;
        if (event == OTEL_HTTP1_SPILL) {
            if (log->parser.spill)
                abort();
            log->spills++;
            log->parser.spill = log->refuse ? NULL : log->spill;
            continue;
        }
        if (!log->brief || (event != OTEL_HTTP1_NAME && event != OTEL_HTTP1_CLOSING))
            http1_log_event(log, event, &text);
        if (log->over)
            return false;
        if (log->parser.spilled == 0)
            log->parser.spill = NULL; /* its text is read: the buffer may be taken back */
    }
}

static inline void http1_log_eof(struct http1_log *log)
{
    struct otel_http1_text none = {{NULL, 0}, {NULL, 0}};
    enum otel_http1_event event = otel_http1_eof(&log->parser);

    if (event != OTEL_HTTP1_MORE)
        http1_log_event(log, event, &none);
}

/* The stream in pieces of `piece` bytes, the first one of `first`; each lies right before a page
 * that faults, and nothing of an earlier one is left. */
static inline void http1_log_pieces(struct http1_log *log, struct guardpage *page, const char *data,
                                    size_t len, size_t first, size_t piece)
{
    size_t n = first;
    size_t before = 0;

    for (size_t at = 0; at < len; at += n, n = piece) {
        n = n < len - at ? n : len - at;
        memset(guardpage_room(page, before), 0, before);
        before = n;
        if (!http1_log_feed(log, guardpage_put(page, data + at, n), n))
            return;
    }
}

#endif
