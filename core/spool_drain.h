/* SPDX-License-Identifier: Apache-2.0
 *
 * Exports what dead processes of this user left in the spool (spool_format.h), once however many
 * try: who gets the lock of a file empties it, marks in it what he sends as its process would have,
 * and takes it away; dies he, the next goes on. Only files of this destination: what was meant for
 * another collector is left alone, for a day.
 *
 * Ended spans go out as they are; those that were open end when their process was last heard of,
 * with status Error and process.died; half-written ones are counted. All with the resource of the
 * process they are from.
 */
#ifndef OTEL_CORE_SPOOL_DRAIN_H
#define OTEL_CORE_SPOOL_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

struct otel_spool_sum {
    uint32_t files;    /* emptied and gone */
    uint32_t exported; /* spans */
    uint32_t died;     /* of these, that were open */
    uint32_t torn;     /* spans half written: skipped */
    uint32_t lost;     /* spans refused for good, or older than a day */
    uint32_t alive;    /* files of processes that live, or that somebody else drains */
    bool away;         /* the collector could not be reached: what is left stays */
};

/* Goes through the folder once; adds to sum. go_on is asked between batches: false ends it early.
 * Nothing is done when somebody has gone through it within so many ms: many processes share a
 * folder, and one look is as good as a hundred. Returns 0, or -Exxx: there is no folder (-ENOENT:
 * and so nothing to do), or no memory. Blocks as exports do. The batch thread, or a process that
 * has none. */
int otel_spool_drain(struct otel_spool_sum *sum, uint32_t unless_within_ms, bool (*go_on)(void));

#endif
