/* SPDX-License-Identifier: Apache-2.0
 *
 * What the headers say about the message's end (RFC 9112 6, 9.3).
 */
#include "core/http1_parts.h"

enum coding { CODING_NONE, CODING_OTHER, CODING_CHUNKED }; /* the last one named so far */

/* name: small letters and dashes. Of bytes above 0x1f no other gives one of these. Not
 * strncasecmp, which goes by the locale: a Turkish one has another small i. */
static inline bool is(const char *text, size_t len, const char *name, size_t name_len)
{
    uint64_t have, want;

    if (len != name_len)
        return false;
    if (name_len >= sizeof have) {
        for (size_t i = 0; i < name_len; i += sizeof have) {
            size_t at = name_len - i < sizeof have ? name_len - sizeof have : i;

            memcpy(&have, text + at, sizeof have);
            memcpy(&want, name + at, sizeof want);
            if ((have | UINT64_MAX / 255 * 0x20) != want)
                return false;
        }
        return true;
    }
    for (size_t i = 0; i < len; i++)
        if ((text[i] | 0x20) != name[i])
            return false;
    return true;
}

#define IS(text, len, literal) is(text, len, "" literal, sizeof(literal) - 1)

enum otel_http1_known otel_http1_known_name(const char *name, size_t len)
{
    char first = (char)(*name | 0x20);

    if (first == 'c') {
        if (len == 14 && IS(name, len, "content-length"))
            return OTEL_HTTP1_K_CONTENT_LENGTH;
        if (len == 10 && IS(name, len, "connection"))
            return OTEL_HTTP1_K_CONNECTION;
    } else if (first == 't' && len == 17 && IS(name, len, "transfer-encoding")) {
        return OTEL_HTTP1_K_TRANSFER_ENCODING;
    }
    return OTEL_HTTP1_K_NONE;
}

/* One number in digits; a list of equal ones (RFC 9110 8.6) is more than most readers take. */
static bool content_length(struct otel_http1 *p, const char *value, size_t len)
{
    uint64_t length = 0;

    for (size_t i = 0; i < len; i++) {
        unsigned digit = (unsigned)(unsigned char)value[i] - '0';

        if (digit > 9 || length > ((uint64_t)INT64_MAX - digit) / 10)
            return false;
        length = length * 10 + digit;
    }
    if (!len || ((p->flags & OTEL_HTTP1_HAS_LENGTH) && length != p->length))
        return false;
    p->flags |= OTEL_HTTP1_HAS_LENGTH;
    p->length = length;
    return true;
}

/* The next element of a comma-separated list, trimmed; moves *at behind it and its comma. False:
 * there is none. */
static bool element(const char **at, const char *end, const char **text, size_t *len)
{
    const char *comma;

    if (*at > end)
        return false;
    comma = memchr(*at, ',', (size_t)(end - *at));
    comma = comma ? comma : end;
    for (*text = *at; *text < comma && (**text == ' ' || **text == '\t'); (*text)++)
        ;
    for (*len = (size_t)(comma - *text);
         *len && ((*text)[*len - 1] == ' ' || (*text)[*len - 1] == '\t'); (*len)--)
        ;
    *at = comma + 1;
    return true;
}

/* The registered codings, without parameters: what one reader does not know, another may take for
 * chunked. */
static bool transfer_encoding(struct otel_http1 *p, const char *value, size_t len)
{
    const char *at = value;
    const char *coding;
    size_t n;

    while (element(&at, value + len, &coding, &n)) {
        if (p->coding == CODING_CHUNKED)
            return false;
        if (IS(coding, n, "chunked"))
            p->coding = CODING_CHUNKED;
        else if (IS(coding, n, "gzip") || IS(coding, n, "deflate") || IS(coding, n, "compress") ||
                 IS(coding, n, "x-gzip") || IS(coding, n, "x-compress") ||
                 IS(coding, n, "identity"))
            p->coding = CODING_OTHER;
        else
            return false;
    }
    return true;
}

static void connection(struct otel_http1 *p, const char *value, size_t len)
{
    const char *at = value;
    const char *option;
    size_t n;

    while (element(&at, value + len, &option, &n)) {
        if (IS(option, n, "close"))
            p->flags |= OTEL_HTTP1_SAID_CLOSE;
        else if (IS(option, n, "keep-alive"))
            p->flags |= OTEL_HTTP1_SAID_KEEP_ALIVE;
    }
}

bool otel_http1_frame(struct otel_http1 *p, enum otel_http1_known known, const char *value,
                      size_t len)
{
    if (known == OTEL_HTTP1_K_CONNECTION) {
        connection(p, value, len);
        return true;
    }
    /* Blanks, but HTAB is taken for a part of the value by some. */
    while (len && value[len - 1] == ' ')
        len--;
    if (memchr(value, '\t', len))
        return false;
    return known == OTEL_HTTP1_K_CONTENT_LENGTH ? content_length(p, value, len)
                                                : transfer_encoding(p, value, len);
}

static enum otel_http1_body counted(const struct otel_http1 *p)
{
    return p->length ? OTEL_HTTP1_LENGTH : OTEL_HTTP1_NO_BODY;
}

/* RFC 9112 6.3 of a request. A body makes CONNECT ambiguous (RFC 9110 9.3.6). */
static bool decide_request(struct otel_http1 *p)
{
    if (p->coding == CODING_OTHER)
        return false;
    p->body = p->coding ? OTEL_HTTP1_CHUNKED : counted(p);
    return !(p->flags & OTEL_HTTP1_IS_CONNECT) || p->body == OTEL_HTTP1_NO_BODY;
}

/* RFC 9112 6.3 of a response. A body announced with a status that has none is read by some. */
static bool decide_response(struct otel_http1 *p)
{
    bool bare = p->status < 200 || p->status == 204;

    if (p->connect_request && p->status >= 200 && p->status < 300) {
        p->body = OTEL_HTTP1_TUNNEL;
        return true;
    }
    if (bare && (p->coding || p->length))
        return false;
    if (p->status == 101)
        p->body = OTEL_HTTP1_TUNNEL;
    else if (bare || p->head_request || p->status == 304)
        p->body = OTEL_HTTP1_NO_BODY;
    else if (p->coding)
        p->body = p->coding == CODING_CHUNKED ? OTEL_HTTP1_CHUNKED : OTEL_HTTP1_CLOSE;
    else
        p->body = p->flags & OTEL_HTTP1_HAS_LENGTH ? counted(p) : OTEL_HTTP1_CLOSE;
    return true;
}

bool otel_http1_decide(struct otel_http1 *p)
{
    /* RFC 9112 6.1: a coding is faulty in HTTP/1.0, and beside a length. */
    if (p->coding && (p->minor == 0 || (p->flags & OTEL_HTTP1_HAS_LENGTH)))
        return false;
    if (!(p->response ? decide_response(p) : decide_request(p)))
        return false;
    p->keep_alive = p->body != OTEL_HTTP1_CLOSE && p->body != OTEL_HTTP1_TUNNEL &&
                    !(p->flags & OTEL_HTTP1_SAID_CLOSE) &&
                    (p->minor > 0 || (p->flags & OTEL_HTTP1_SAID_KEEP_ALIVE));
    return true;
}
