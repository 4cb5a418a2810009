/* SPDX-License-Identifier: Apache-2.0 */
#include "core/members.h"

#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct otel_text otel_text_trim(const char *text, size_t len)
{
    while (len && is_blank(text[0])) {
        text++;
        len--;
    }
    while (len && is_blank(text[len - 1]))
        len--;
    return (struct otel_text){text, len};
}

bool otel_members_next(struct otel_members *m, struct otel_text *member)
{
    while (m->open || m->count) {
        const char *comma;
        size_t len;

        if (!m->open) {
            m->at = *m->values++;
            m->left = *m->lens++;
            m->count--;
        }
        comma = m->left ? memchr(m->at, ',', m->left) : NULL;
        len = comma ? (size_t)(comma - m->at) : m->left;
        *member = otel_text_trim(m->at, len);
        m->open = comma;
        if (comma) {
            m->at = comma + 1;
            m->left -= len + 1;
        }
        if (member->len)
            return true;
    }
    return false;
}
