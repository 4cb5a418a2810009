/* SPDX-License-Identifier: Apache-2.0
 *
 * Walking the members of a comma list that may be spread over several headers (RFC 9110 5.6.1), as
 * tracestate and baggage are: one member after the other, in order, without the blanks round it.
 * Pure: reads nothing past the given lengths and writes nothing but its own place; any thread.
 */
#ifndef OTEL_CORE_MEMBERS_H
#define OTEL_CORE_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/wire.h"

/* Set the first three and zero the rest. The values must stay valid while walking. */
struct otel_members {
    const char *const *values;
    const size_t *lens;
    size_t count; /* of values not begun */
    const char *at;
    size_t left; /* bytes of the value that at points into */
    bool open;   /* that value has another member, be it an empty one */
};

/* The next member that is not empty; false when there is none left. */
bool otel_members_next(struct otel_members *m, struct otel_text *member);

/* text without the spaces and tabs at both ends (RFC 9110 5.5). */
struct otel_text otel_text_trim(const char *text, size_t len);

#endif
