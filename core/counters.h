/* SPDX-License-Identifier: Apache-2.0
 *
 * A counter for every outcome of a span. At any quiet moment
 *     started == exported + dropped (all kinds) + spooled (both kinds) + not ended
 *                + ended and waiting, or held (tail.h)
 * and not_sampled and kept_no_room count apart. Sharded; adding is one relaxed add on the thread's
 * own line.
 */
#ifndef OTEL_CORE_COUNTERS_H
#define OTEL_CORE_COUNTERS_H

#include <stdint.h>

enum otel_counter {
    OTEL_COUNT_STARTED,            /* recording spans started, those dropped at start included */
    OTEL_COUNT_NOT_SAMPLED,        /* spans that only propagate */
    OTEL_COUNT_ENDED,              /* ended and offered to the queue */
    OTEL_COUNT_EXPORTED,           /* accepted by the exporters */
    OTEL_COUNT_DROPPED_STORE_FULL, /* no record free at start */
    OTEL_COUNT_DROPPED_QUEUE_FULL, /* no room at end */
    OTEL_COUNT_DROPPED_EXPORT,     /* export failed for good, or time ran out at exit */
    OTEL_COUNT_DROPPED_REJECTED,   /* refused by the collector (partial success) */
    OTEL_COUNT_SPOOLED,            /* left in a file, for whoever drains it (spool_drain.h) */
    OTEL_COUNT_DROPPED_BY_RULE,    /* held for a rule that then did not want it */
    OTEL_COUNT_KEPT,               /* spooled too: in a file of its own (spool_keep.h) */
    OTEL_COUNT_DROPPED_SPOOL,      /* of these, dropped since for want of room */
    OTEL_COUNT_KEPT_NO_ROOM,       /* times a trace was kept because it could not be held */
    OTEL_COUNTERS,
};

void otel_count(enum otel_counter counter, uint64_t n);
uint64_t otel_counter_sum(enum otel_counter counter);

/* Zeroes all (fork child, tests). */
void otel_counters_reset(void);

/* The calling thread's shard, 0 … OTEL_SHARDS-1. */
uint32_t otel_shard(void);

#endif
