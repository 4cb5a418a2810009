/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tracestate.h"

#include <errno.h>
#include <string.h>

#include "core/members.h"

#define MEMBERS_MAX 32 /* W3C trace-context 3.3.1.1 */
#define KEY_MAX 256
#define VALUE_MAX 256

static bool is_key_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Level 2 has '@' as any other char of a key; the tenant@system form is a convention within it. */
static bool is_key_char(char c)
{
    return is_key_start(c) || c == '_' || c == '-' || c == '*' || c == '/' || c == '@';
}

static bool is_value_char(char c)
{
    return c >= ' ' && c <= '~' && c != ',' && c != '=';
}

/* The length of the member's key, 0 when the member is illegal (W3C trace-context 3.3.1.3). Its end
 * is trimmed, so the value does not end in a space; spaces at its start belong to it. */
static size_t check_member(struct otel_text m)
{
    const char *equals = memchr(m.data, '=', m.len);
    size_t key = equals ? (size_t)(equals - m.data) : 0;
    size_t value = m.len - key - 1;

    if (!key || key > KEY_MAX || !value || value > VALUE_MAX || !is_key_start(m.data[0]))
        return 0;
    for (size_t i = 1; i < key; i++) {
        if (!is_key_char(m.data[i]))
            return 0;
    }
    for (size_t i = key + 1; i < m.len; i++) {
        if (!is_value_char(m.data[i]))
            return 0;
    }
    return key;
}

static bool is_duplicate(const struct otel_text *keys, size_t count, struct otel_text key)
{
    for (size_t i = 0; i < count; i++) {
        if (keys[i].len == key.len && memcmp(keys[i].data, key.data, key.len) == 0)
            return true;
    }
    return false;
}

int otel_tracestate_join(char *out, size_t cap, const char *const *values, const size_t *lens,
                         size_t count)
{
    struct otel_members members = {.values = values, .lens = lens, .count = count};
    struct otel_text keys[MEMBERS_MAX];
    struct otel_text member;
    size_t seen = 0, used = 0;

    while (otel_members_next(&members, &member)) {
        size_t key = check_member(member);
        size_t comma = seen ? 1 : 0;

        if (!key || seen == MEMBERS_MAX)
            return -EINVAL;
        keys[seen] = (struct otel_text){member.data, key};
        if (is_duplicate(keys, seen, keys[seen]))
            return -EINVAL;
        if (member.len + comma > cap - used)
            return -E2BIG;
        if (comma)
            out[used++] = ',';
        memcpy(out + used, member.data, member.len);
        used += member.len;
        seen++;
    }
    return (int)used;
}
