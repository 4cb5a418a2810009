/* SPDX-License-Identifier: Apache-2.0
 *
 * When the batch thread sees to what dead processes left (spool_drain.h): at its start, at each
 * schedule unless another process has just done it, and, in a process that ends before that, behind
 * its own last export for a moment.
 *
 * The batch thread alone, but for otel_spool_turn_reset().
 */
#ifndef OTEL_CORE_SPOOL_TURN_H
#define OTEL_CORE_SPOOL_TURN_H

#include <stdbool.h>

/* Looks for such files and sends what is in them, until busy() says that there is something else to
 * do; then it goes on at the next turn. Nothing while the collector is away (below), or without a
 * spool. */
void otel_spool_turn(bool (*busy)(void));

/* The same at the end, at most 200 ms, if no turn has been before. */
void otel_spool_turn_last(bool (*busy)(void));

/* How an export of the process's own went. A collector that could not be reached is told to other
 * processes too: those that end need not wait for it one after the other. */
void otel_spool_turn_heard(bool away);

/* Is it known that the collector could not be reached within the last schedule? */
bool otel_spool_turn_away(void);

/* Fork child. */
void otel_spool_turn_reset(void);

#endif
