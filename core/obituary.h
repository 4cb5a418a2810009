/* SPDX-License-Identifier: Apache-2.0
 *
 * How a traced process came to its end, where its parent is traced, too: wait() tells the parent
 * what signal ended its child, and the parent notes it in the file that the child has left in the
 * spool (spool_format.h). Who sends what is in there can then say so (`process.signal`), and the
 * next process of the same program learns that the last ones crashed at their start.
 *
 * That is the breaker: a program that crashes at its start twice in a row, as far as we can see,
 * may do so because of us. Its next process is passed through (otel_tracer_pass_through). Seen are
 * processes that had begun a span, of one user, with one collector, whose parent runs under this
 * library; a crash is one of the signals that a fault raises, or abort(); a start lasts ten seconds
 * from the first span; after ten minutes a crash is forgotten.
 *
 * Files of other processes are not trusted: what is read is bounded, and a wrong number costs a
 * trace at worst. Signal handlers may wait(): system calls only, a few, and only where a child was
 * killed or a file of the spool is made.
 */
#ifndef OTEL_CORE_OBITUARY_H
#define OTEL_CORE_OBITUARY_H

#include <stdint.h>

#include "core/spool_folder.h"
#include "core/spool_format.h"

/* Crashes at a start, in a row, that trip the breaker. */
#define OTEL_OBITUARY_CRASHES 2

/* Notes that signal ended the child pid. No-op when it has left no file. Any thread. */
void otel_obituary_write(int pid, int signal);

/* How many processes of own's program have crashed at their start, one after the other, up to now.
 * At most OTEL_OBITUARY_CRASHES is told from more. */
uint32_t otel_obituary_crashes(const struct otel_spool_folder *folder,
                               const struct otel_spool_header *own);

#endif
