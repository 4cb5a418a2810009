/* SPDX-License-Identifier: Apache-2.0
 *
 * otel-auto drain: sends what dead programs of this user left in the spool, with the settings of
 * the environment.
 */
#ifndef OTEL_SCRIPTS_DRAIN_H
#define OTEL_SCRIPTS_DRAIN_H

/* Says what it did on standard output, what is wrong on standard error. Returns the exit status: 0
 * when nothing of dead programs is left, 1 when it could not be sent. */
int drain(void);

#endif
