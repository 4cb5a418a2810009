/* SPDX-License-Identifier: Apache-2.0 */
#include "core/baggage.h"

#include <string.h>

#include "core/members.h"

#define MEMBERS_MAX 64 /* W3C baggage 3.3.2 */

/* token of RFC 9110 5.6.2 */
static bool is_token_char(char c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
        return true;
    return c && strchr("!#$%&'*+-.^_`|~", c);
}

/* baggage-octet of W3C baggage 3.3.1 */
static bool is_value_char(char c)
{
    return c > ' ' && c <= '~' && c != '"' && c != ',' && c != ';' && c != '\\';
}

static bool is_key(struct otel_text key)
{
    for (size_t i = 0; i < key.len; i++) {
        if (!is_token_char(key.data[i]))
            return false;
    }
    return key.len;
}

/* "key = value" with blanks round both; a property may be a key alone. */
static bool is_pair(struct otel_text pair, bool property)
{
    const char *equals = pair.len ? memchr(pair.data, '=', pair.len) : NULL;
    size_t at = equals ? (size_t)(equals - pair.data) : pair.len;
    struct otel_text value;

    if (!is_key(otel_text_trim(pair.data, at)))
        return false;
    if (!equals)
        return property;
    value = otel_text_trim(equals + 1, pair.len - at - 1);
    for (size_t i = 0; i < value.len; i++) {
        if (!is_value_char(value.data[i]))
            return false;
    }
    return true;
}

/* list-member of W3C baggage 3.3.1: a pair, then properties behind ';'. */
static bool is_member(struct otel_text member)
{
    const char *at = member.data;
    const char *end = member.data + member.len;
    bool property = false;

    for (;;) {
        const char *semicolon = at < end ? memchr(at, ';', (size_t)(end - at)) : NULL;
        const char *stop = semicolon ? semicolon : end;

        if (!is_pair((struct otel_text){at, (size_t)(stop - at)}, property))
            return false;
        if (!semicolon)
            return true;
        at = semicolon + 1;
        property = true;
    }
}

int otel_baggage_join(char *out, size_t cap, const char *const *values, const size_t *lens,
                      size_t count)
{
    struct otel_members members = {.values = values, .lens = lens, .count = count};
    struct otel_text member;
    size_t kept = 0, used = 0;

    while (kept < MEMBERS_MAX && otel_members_next(&members, &member)) {
        size_t comma = kept ? 1 : 0;

        if (!is_member(member) || member.len + comma > cap - used)
            continue;
        if (comma)
            out[used++] = ',';
        memcpy(out + used, member.data, member.len);
        used += member.len;
        kept++;
    }
    return (int)used;
}
