/* SPDX-License-Identifier: Apache-2.0
 *
 * Traces that are decided at their end: a rule keeps them when something failed, or took long
 * (rules.h). Their spans are recorded and, ended, held in the store until the local root ends: the
 * first span of the trace in this process. Then all are handed to the queue, or all dropped and
 * counted. "Trace" means here: that root and what is below it in this process.
 *
 * What goes out meanwhile says "sampled", which means that the caller may have recorded (W3C
 * trace-context 3.2.2.5): others keep their part, and ours may be missing. Child processes keep
 * theirs, too.
 *
 * Bounds: OTEL_TAIL_TRACES traces are undecided at once, with OTEL_TAIL_SPANS ended spans. What
 * finds no more room is kept as far as it has come, and counted: rather too much than what went
 * wrong. A span that ends when its trace has been decided goes the same way, as long as the verdict
 * is remembered (for OTEL_TAIL_TRACES traces more); after that it is dropped and counted. Traces
 * whose root has not ended when the process does, or replaces itself, are decided as they stand.
 *
 * A trace is named by a number that its spans' contexts carry; 0 is none.
 * Threads: any, lock-free, signal handlers too. After fork nothing is held: the records are the
 * parent's.
 */
#ifndef OTEL_CORE_TAIL_H
#define OTEL_CORE_TAIL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/rules.h"

#define OTEL_TAIL_TRACES 1024
#define OTEL_TAIL_SPANS 2048

enum otel_tail_verdict {
    OTEL_TAIL_OPEN,      /* not decided yet */
    OTEL_TAIL_KEPT,      /* its spans are as any others */
    OTEL_TAIL_DROPPED,   /* they are not wanted */
    OTEL_TAIL_FORGOTTEN, /* it was decided long ago */
};

/* Begins to hold a trace whose root starts at start_ns. Returns its number, 0: no room, keep it. */
uint32_t otel_tail_open(const struct otel_rule *rule, uint64_t start_ns);

enum otel_tail_verdict otel_tail_verdict(uint32_t trace);

/* A span of the trace has ended (record: its handle, in state ENDED): holds it or does with it what
 * was decided; the end of the root decides. */
void otel_tail_end(uint32_t trace, uint64_t record);

/* Keeps it from now on: its root could not be recorded. */
void otel_tail_keep(uint32_t trace);

/* Decides all as they stand now. */
void otel_tail_decide_all(void);

/* Ended spans that are held. */
uint32_t otel_tail_held(void);

/* Fork child. */
void otel_tail_reset(void);

#endif
