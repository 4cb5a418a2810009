/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers are small and come from anyone, so this is a scanner that looks for two members and steps
 * over everything else; it allocates nothing and never goes deeper than the text does.
 */
#include "core/export/json.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

struct scan {
    const char *at;
    const char *end;
};

struct piece { /* of the text: a string between its quotes, still escaped, or a number */
    const char *data;
    size_t len;
};

static char peek(struct scan *s)
{
    while (s->at < s->end && strchr(" \t\r\n", *s->at) && *s->at)
        s->at++;
    return s->at < s->end ? *s->at : '\0';
}

static bool take(struct scan *s, char c)
{
    if (peek(s) != c)
        return false;
    s->at++;
    return true;
}

static bool string(struct scan *s, struct piece *piece)
{
    if (!take(s, '"'))
        return false;
    piece->data = s->at;
    while (s->at < s->end && *s->at != '"')
        s->at += *s->at == '\\' && s->end - s->at > 1 ? 2 : 1;
    piece->len = (size_t)(s->at - piece->data);
    return take(s, '"');
}

/* A number, true, false or null; empty when there is none. */
static struct piece scalar(struct scan *s)
{
    struct piece piece = {s->at, 0};

    while (s->at < s->end && *s->at && !strchr(" \t\r\n,:]}[{\"", *s->at))
        s->at++;
    piece.len = (size_t)(s->at - piece.data);
    return piece;
}

/* Steps over one value. Brackets are counted, not matched: this is no validator. */
static bool skip_value(struct scan *s)
{
    size_t depth = 0;
    struct piece piece;

    do {
        char c = peek(s);

        if (c == '"') {
            if (!string(s, &piece))
                return false;
        } else if (c == '{' || c == '[') {
            depth++;
            s->at++;
        } else if (depth && (c == '}' || c == ']')) {
            depth--;
            s->at++;
        } else if (depth && (c == ',' || c == ':')) {
            s->at++;
        } else if (scalar(s).len == 0) {
            return false;
        }
    } while (depth);
    return true;
}

/* The next key of an object whose '{' was taken: 1, 0 at its '}', -1 when it is malformed. */
static int next_key(struct scan *s, bool *first, struct piece *key)
{
    if (take(s, '}'))
        return 0;
    if (!*first && !take(s, ','))
        return -1;
    *first = false;
    return string(s, key) && take(s, ':') ? 1 : -1;
}

static bool is(struct piece piece, const char *name, const char *proto_name)
{
    return (piece.len == strlen(name) && memcmp(piece.data, name, piece.len) == 0) ||
           (piece.len == strlen(proto_name) && memcmp(piece.data, proto_name, piece.len) == 0);
}

static int64_t number(struct piece piece)
{
    int64_t v = 0;

    for (size_t i = 0; i < piece.len && piece.data[i] >= '0' && piece.data[i] <= '9'; i++)
        if (v <= UINT32_MAX) /* more is cut anyway */
            v = v * 10 + (piece.data[i] - '0');
    return v;
}

/* Good enough for a log line: what is not ASCII becomes '?'. */
static size_t unescape(char *out, size_t cap, struct piece piece)
{
    size_t n = 0;

    for (size_t i = 0; i < piece.len && n < cap; i++) {
        char c = piece.data[i];

        if (c == '\\' && i + 1 < piece.len) {
            c = piece.data[++i];
            if (c == 'u') {
                i += 4;
                c = '?';
            } else if (strchr("bfnrt", c)) {
                c = ' ';
            }
        }
        out[n++] = c;
    }
    return n;
}

static bool partial_success(struct scan *s, struct otel_otlp_partial *partial)
{
    char message[OTEL_OTLP_MESSAGE_MAX];
    size_t message_len = 0;
    int64_t rejected = 0;
    struct piece key, value;
    bool first = true;
    int more;

    while ((more = next_key(s, &first, &key)) > 0) {
        bool quoted = peek(s) == '"';

        if (is(key, "rejectedSpans", "rejected_spans")) {
            struct scan before = *s;

            if (!quoted)
                value = scalar(s);
            else if (!string(s, &value))
                return false;
            rejected = number(value);
            *s = before;
        } else if (quoted && is(key, "errorMessage", "error_message")) {
            struct scan before = *s;

            if (string(s, &value))
                message_len = unescape(message, sizeof message, value);
            *s = before;
        }
        if (!skip_value(s))
            return false;
    }
    otel_otlp_partial_set(partial, rejected, message, message_len);
    return more == 0;
}

int otel_json_response(const char *body, size_t len, struct otel_otlp_partial *partial)
{
    struct scan s = {body, body + len};
    struct piece key;
    bool first = true;
    int more;

    otel_otlp_partial_set(partial, 0, NULL, 0);
    if (len > OTEL_OTLP_RESPONSE_MAX)
        return -EMSGSIZE;
    if (!peek(&s) && s.at == s.end)
        return 0;
    if (!take(&s, '{'))
        return -EBADMSG;
    while ((more = next_key(&s, &first, &key)) > 0) {
        bool ok = is(key, "partialSuccess", "partial_success") && take(&s, '{')
                      ? partial_success(&s, partial)
                      : skip_value(&s);

        if (!ok)
            return -EBADMSG;
    }
    return more == 0 ? 0 : -EBADMSG;
}
