/* SPDX-License-Identifier: Apache-2.0
 *
 * Walking the members of a comma list that may be spread over several headers (RFC 9110 5.6.1), as
 * tracestate and baggage are: one member after the other, in order, without the blanks round it.
 * Reads nothing past the given lengths, writes nothing but itself.
 */
#ifndef OTEL_CORE_MEMBERS_H
#define OTEL_CORE_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "core/wire.h"

struct otel_members {
    const char *const *values;
    const size_t *lens;
    size_t count; /* of values not begun */
    const char *at;
    size_t left; /* bytes of the value that at points into */
    bool open;   /* a value has been begun and has another member, be it an empty one */
};

static inline struct otel_text otel_text_trim(const char *p, size_t len)
{
    while (len && (p[0] == ' ' || p[0] == '\t')) {
        p++;
        len--;
    }
    while (len && (p[len - 1] == ' ' || p[len - 1] == '\t'))
        len--;
    return (struct otel_text){p, len};
}

/* The next member that is not empty; false when there is none left. */
static inline bool otel_members_next(struct otel_members *m, struct otel_text *member)
{
    while (m->open || m->count) {
        const char *comma;
        size_t len;

        if (!m->open) {
            m->at = *m->values++;
            m->left = *m->lens++;
            m->count--;
            m->open = true;
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

#endif
