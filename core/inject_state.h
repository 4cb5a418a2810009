/* SPDX-License-Identifier: Apache-2.0
 *
 * What inject.h remembers of a request head between two calls of the program: which of our headers
 * the program sends itself, and where in a traceparent of its own it stands. A function of the
 * bytes the kernel took, nothing else: it is worked out again when it took fewer than were offered.
 *
 * Zeroed: at the beginning of a head.
 * Threads: whoever holds the connection's out direction.
 */
#ifndef OTEL_CORE_INJECT_STATE_H
#define OTEL_CORE_INJECT_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/traceparent.h"

/* Bits of seen: headers of this head that the program sends itself. */
enum otel_inject_seen {
    OTEL_SEEN_TRACEPARENT = 1,
    OTEL_SEEN_TRACESTATE = 2,
    OTEL_SEEN_BAGGAGE = 4,
    OTEL_SEEN_B3 = 8,         /* any of the B3 family: half of it ours would be a mixture */
    OTEL_SEEN_UNTOUCHED = 16, /* its traceparent goes out as it is: nothing of ours beside it */
};

/* Where the next byte of the program's stands. */
enum otel_inject_place {
    OTEL_PLACE_ELSEWHERE, /* not in its traceparent's value */
    OTEL_PLACE_BLANK,     /* in the white space before the value */
    OTEL_PLACE_VALUE,     /* at byte `at` of the value */
    OTEL_PLACE_BEHIND,    /* right behind OTEL_TRACEPARENT_LEN bytes of it */
    OTEL_PLACE_TAIL,      /* in what a higher version has more: dropped up to the line's end */
};

struct otel_inject_state {
    uint8_t seen;                     /* enum otel_inject_seen */
    uint8_t place;                    /* enum otel_inject_place */
    uint8_t at;                       /* bytes of value that are known */
    bool closed;                      /* our lines are in, or need not be */
    char value[OTEL_TRACEPARENT_LEN]; /* of the program's traceparent, as it came */
};

#endif
