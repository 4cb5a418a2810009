/* SPDX-License-Identifier: Apache-2.0 */
#include "core/export/headers.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

long otel_percent_decode(char *out, size_t cap, const char *text, size_t len, bool lenient)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if (n + 1 >= cap) {
            if (!lenient)
                return -1;
            break;
        }
        if (c == '%') {
            int high = i + 2 < len ? hex_digit(text[i + 1]) : -1;
            int low = i + 2 < len ? hex_digit(text[i + 2]) : -1;

            if (high >= 0 && low >= 0) {
                c = (char)(high << 4 | low);
                i += 2;
            } else if (!lenient) {
                return -1;
            }
        }
        out[n++] = c;
    }
    out[n] = '\0';
    return (long)n;
}

/* RFC 9110 5.6.2. */
static bool is_token_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static void trim(const char **start, const char **end)
{
    while (*start < *end && (**start == ' ' || **start == '\t'))
        ++*start;
    while (*end > *start && ((*end)[-1] == ' ' || (*end)[-1] == '\t'))
        --*end;
}

static bool take_name(struct otel_header *header, const char *start, const char *end)
{
    size_t len;

    trim(&start, &end);
    len = (size_t)(end - start);
    if (!len || len >= sizeof header->name)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!is_token_char(start[i]))
            return false;
    }
    memcpy(header->name, start, len);
    header->name[len] = '\0';
    return true;
}

/* A control character, once decoded, would end the header and begin another. */
static bool take_value(struct otel_header *header, const char *start, const char *end)
{
    long len;

    trim(&start, &end);
    len = otel_percent_decode(header->value, sizeof header->value, start, (size_t)(end - start),
                              false);
    for (long i = 0; i < len; i++) {
        unsigned char c = (unsigned char)header->value[i];

        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return len >= 0;
}

int otel_headers_next(const char **at, struct otel_header *header)
{
    const char *start = *at;
    const char *end;
    const char *equals;

    header->name[0] = '\0';
    header->value[0] = '\0';
    while (*start == ',' || *start == ' ' || *start == '\t')
        start++;
    *at = start;
    if (!*start)
        return 0;
    end = start + strcspn(start, ",");
    *at = end;
    equals = memchr(start, '=', (size_t)(end - start));
    if (!equals || !take_name(header, start, equals))
        return -EINVAL;
    return take_value(header, equals + 1, end) ? 1 : -EINVAL;
}

bool otel_headers_reserved(const char *name)
{
    static const char *const own[] = {
        "content-type", "content-length", "content-encoding", "transfer-encoding", "te", "expect",
        "connection",   "trailer",        "upgrade"};

    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        if (strcasecmp(name, own[i]) == 0)
            return true;
    }
    return strncasecmp(name, "grpc-", 5) == 0;
}
