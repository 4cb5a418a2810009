/* SPDX-License-Identifier: Apache-2.0
 *
 * A head that lies whole in the caller's bytes, as nearly all do: one pass, no state kept from line
 * to line. What is unusual in any way is left to the other files, which say what it is; both ways
 * give the same, and the tests compare them.
 */
#include "core/http1.h"

#include <string.h>

#include "core/http1_parts.h"

/* Below the limits of names, values and request lines in pieces, so that none of them matters. */
#define LONGEST OTEL_HTTP1_SPILL_SIZE

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Behind the line end at p, NULL: there is none. */
static inline const char *line_end(const char *p, const char *end)
{
    if (p < end && *p == '\r')
        p++;
    return p < end && *p == '\n' ? p + 1 : NULL;
}

static inline const char *request_line(struct otel_http1 *p, const char *data, const char *end,
                                       struct otel_http1_text *start)
{
    size_t method = otel_http1_token_run(data, (size_t)(end - data));
    const char *target = data + method + 1;
    const char *version;
    size_t n;

    if (!method || method > OTEL_HTTP1_METHOD_MAX || target >= end || target[-1] != ' ')
        return NULL;
    n = otel_http1_run(target, (size_t)(end - target), '!');
    version = target + n + 1;
    if (!n || end - version <= (ptrdiff_t)OTEL_HTTP1_VERSION_LEN || version[-1] != ' ' ||
        !otel_http1_version(p, version))
        return NULL;
    start->name = (struct otel_text){data, method};
    start->value = (struct otel_text){target, n};
    if (otel_http1_is_connect(start->name))
        p->flags |= OTEL_HTTP1_IS_CONNECT;
    return line_end(version + OTEL_HTTP1_VERSION_LEN, end);
}

static inline const char *status_line(struct otel_http1 *p, const char *data, const char *end)
{
    size_t n = otel_http1_status_run(p, data, (size_t)(end - data));

    if (!n)
        return NULL;
    data += n;
    return line_end(data + otel_http1_text_run(data, (size_t)(end - data)), end);
}

static struct otel_text trimmed(const char *value, const char *end)
{
    while (value < end && blank(*value))
        value++;
    while (value < end && blank(end[-1]))
        end--;
    return (struct otel_text){value, (size_t)(end - value)};
}

/* One header line. Returns what is behind it, NULL: not to be read this way. */
static inline const char *field(struct otel_http1 *p, const char *line, const char *end,
                                struct otel_http1_whole *head)
{
    size_t n = otel_http1_token_run(line, (size_t)(end - line));
    const char *value = line + n + 1;
    enum otel_http1_known known;
    const char *stop, *next;
    bool wanted;

    if (!n || value >= end || value[-1] != ':')
        return NULL;
    stop = value + otel_http1_text_run(value, (size_t)(end - value));
    next = line_end(stop, end);
    if (!next)
        return NULL;
    known = otel_http1_known_name(line, n);
    wanted = p->wanted(line, n);
    if (__builtin_expect(!known && !wanted, 1))
        return next;
    while (value < stop && blank(*value))
        value++;
    if (known && !otel_http1_frame(p, known, value, (size_t)(stop - value)))
        return NULL;
    if (!wanted)
        return next;
    if (head->count == OTEL_HTTP1_FIELDS)
        return NULL;
    head->field[head->count].name = (struct otel_text){line, n};
    head->field[head->count++].value = trimmed(value, stop);
    return next;
}

/* Everything behind the start line. Returns what is behind the head, NULL as above. */
static inline const char *fields(struct otel_http1 *p, const char *at, const char *end,
                                 struct otel_http1_whole *head)
{
    while (at && at < end && *at != '\r' && *at != '\n')
        at = field(p, at, end, head);
    at = at ? line_end(at, end) : NULL;
    return at && otel_http1_decide(p) ? at : NULL;
}

size_t otel_http1_whole(struct otel_http1 *p, const char *data, size_t len,
                        struct otel_http1_whole *head)
{
    const char *end = data + (len < LONGEST ? len : LONGEST);
    const char *at;

    if (!len || p->state != OTEL_HTTP1_S_BETWEEN ||
        !(p->response ? *data == *OTEL_HTTP1_VERSION : otel_http1_is_token[(unsigned char)*data]))
        return 0;
    otel_http1_begin(p);
    head->count = 0;
    at = p->response ? status_line(p, data, end) : request_line(p, data, end, &head->start);
    at = fields(p, at, end, head);
    if (!at) {
        p->state = OTEL_HTTP1_S_BETWEEN;
        return 0;
    }
    otel_http1_body_begin(p);
    return (size_t)(at - data);
}
