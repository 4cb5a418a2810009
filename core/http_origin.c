/* SPDX-License-Identifier: Apache-2.0 */
#include "core/http_origin.h"

#include <string.h>

#include "core/members.h"
#include "core/url.h"

#define HOST_MAX 255

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool is_alpha(char c)
{
    return lower(c) >= 'a' && lower(c) <= 'z';
}

/* Does p spell word, in any case? */
static bool is_word(const char *p, size_t len, const char *word)
{
    size_t i = 0;

    while (i < len && word[i] && lower(p[i]) == word[i])
        i++;
    return i == len && !word[i];
}

/* --- hosts ----------------------------------------------------------------------------------- */

/* RFC 3986 3.2.2 reg-name, and names that were not encoded. */
static inline bool host_byte(char c)
{
    return is_alpha(c) || is_digit(c) || c == '.' || c == '-' || c == '_' || c == '%' || c == '~' ||
           (unsigned char)c >= 0x80;
}

/* Digits; false when it is no port. None at all is 0. */
static bool read_port(const char *p, size_t len, uint16_t *port)
{
    unsigned value = 0;

    for (size_t i = 0; i < len; i++) {
        if (!is_digit(p[i]) || (value = value * 10 + (unsigned)(p[i] - '0')) > UINT16_MAX)
            return false;
    }
    *port = (uint16_t)value;
    return true;
}

void otel_http_host_read(struct otel_http_host *host, struct otel_text text)
{
    const char *p = text.data;
    size_t n = 0, name = 0;

    *host = (struct otel_http_host){.port = 0};
    if (text.len && p[0] == '[') {
        for (n = 1; n < text.len && (host_byte(p[n]) || p[n] == ':'); n++)
            ;
        if (n == text.len || p[n] != ']')
            return;
        name = n++ - 1;
        p++;
    } else {
        while (n < text.len && host_byte(p[n]))
            n++;
        name = n;
    }
    if (!name || name > HOST_MAX)
        return;
    if (n < text.len &&
        (text.data[n] != ':' || !read_port(text.data + n + 1, text.len - n - 1, &host->port)))
        return;
    host->name = (struct otel_text){p, name};
}

/* --- targets --------------------------------------------------------------------------------- */

/* From a '/' on. One pass: paths are read for each request. */
static void read_path(struct otel_http_target *target, struct otel_text text)
{
    size_t n = 0, end;

    for (; n < text.len && text.data[n] != '?' && text.data[n] != '#'; n++)
        target->delicate |= text.data[n] == '@' || text.data[n] == '=';
    target->path = (struct otel_text){text.data, n};
    if (n == text.len || text.data[n] == '#')
        return;
    for (end = ++n; end < text.len && text.data[end] != '#'; end++)
        ;
    target->query = (struct otel_text){text.data + n, end - n};
}

void otel_http_target_read(struct otel_http_target *target, const struct otel_http_head *head)
{
    struct otel_text text = head->target;
    struct otel_url url;

    memset(target, 0, sizeof *target);
    if (!text.len)
        return;
    if (text.data[0] == '/') {
        read_path(target, text);
    } else if (text.len == 1 && text.data[0] == '*') {
        target->path = text;
    } else if (is_word(head->method.data, head->method.len, "connect")) {
        otel_http_host_read(&target->host, text);
    } else if (otel_url_parse(&url, text.data, text.len) == 0 && url.scheme.data == text.data) {
        target->https = is_word(url.scheme.data, url.scheme.len, "https");
        target->host = (struct otel_http_host){url.host, url.port_given ? url.port : 0};
        target->query = url.query;
        target->path = url.path.len ? url.path : OTEL_TEXT("/");
        target->delicate = true;
    }
}

/* --- proxies --------------------------------------------------------------------------------- */

/* A value in quotes or as a token, from *at on, which moves behind it. */
static struct otel_text forwarded_value(struct otel_text header, size_t *at)
{
    size_t start = *at, end;
    bool escaped = false;

    if (start == header.len || header.data[start] != '"') {
        while (*at < header.len && header.data[*at] != ';' && header.data[*at] != ',')
            ++*at;
        return otel_text_trim(header.data + start, *at - start);
    }
    for (end = ++start; end < header.len && header.data[end] != '"'; end++) {
        if (header.data[end] == '\\') {
            escaped = true;
            end += end + 1 < header.len;
        }
    }
    *at = end + (end < header.len);
    return (struct otel_text){header.data + start, escaped || end == header.len ? 0 : end - start};
}

struct otel_text otel_http_forwarded(struct otel_text header, const char *param)
{
    size_t at = 0;

    while (at < header.len && header.data[at] != ',') {
        size_t start = at;
        struct otel_text name, value;

        while (at < header.len && header.data[at] != '=' && header.data[at] != ';' &&
               header.data[at] != ',')
            at++;
        name = otel_text_trim(header.data + start, at - start);
        value = (struct otel_text){NULL, 0};
        if (at < header.len && header.data[at] == '=') {
            at++;
            value = forwarded_value(header, &at);
        }
        if (is_word(name.data, name.len, param))
            return value;
        at += at < header.len && header.data[at] == ';';
    }
    return (struct otel_text){NULL, 0};
}

struct otel_text otel_http_first(struct otel_text list)
{
    const char *comma = list.len ? memchr(list.data, ',', list.len) : NULL;

    return otel_text_trim(list.data, comma ? (size_t)(comma - list.data) : list.len);
}

struct otel_text otel_http_node(struct otel_text text)
{
    const struct otel_text none = {NULL, 0};
    size_t colons = 0, n;

    if (text.len > 1 && text.data[0] == '"' && text.data[text.len - 1] == '"')
        text = (struct otel_text){text.data + 1, text.len - 2};
    if (text.len && text.data[0] == '[') {
        for (n = 1; n < text.len && (host_byte(text.data[n]) || text.data[n] == ':'); n++)
            ;
        return n < text.len && text.data[n] == ']' && n <= HOST_MAX
                   ? (struct otel_text){text.data + 1, n - 1}
                   : none;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] != ':' && !host_byte(text.data[i]))
            return none;
        colons += text.data[i] == ':';
    }
    /* one colon is that of a port, more are those of an IPv6 address */
    n = colons == 1 ? (size_t)((const char *)memchr(text.data, ':', text.len) - text.data)
                    : text.len;
    return n > HOST_MAX || is_word(text.data, n, "unknown") ? none
                                                            : (struct otel_text){text.data, n};
}
