/* SPDX-License-Identifier: Apache-2.0
 *
 * A descriptor table of the batch thread's own. A library that opens descriptors in its host's
 * table can be hurt by it (a daemon that closes 3..1023 and then gets our connection's number reads
 * our answers) and hurts it (numbers shift, EMFILE comes early, children inherit). Linux keeps the
 * table per thread: close_range(CLOSE_RANGE_UNSHARE) gives the calling thread an empty one.
 * The host's stderr and stdout stay reachable through pidfd_getfd.
 */
#ifndef OTEL_CORE_PRIVATEFD_H
#define OTEL_CORE_PRIVATEFD_H

#include <stdbool.h>
#include <stddef.h>

/* Gives the calling thread an empty descriptor table. needs_std: descriptors 1 or 2 of the host
 * must stay writable; without pidfd_getfd the table then stays shared. Returns 0, or -Exxx: the
 * table is shared still, and descriptors must be guarded (preload/ownfd.h). */
int otel_privatefd_enter(bool needs_std);

/* True on a thread after a successful otel_privatefd_enter(). */
bool otel_privatefd_active(void);

/* Remembers what descriptors 1 and 2 are. Once, at start-up, when something may be written there.
 */
void otel_privatefd_init(void);

/* Writes all to the host's descriptor fd (1 or 2) from such a thread, or directly elsewhere,
 * without the signals a write can raise. Only while the descriptor is what it was at start-up: a
 * host that closed it has perhaps a file of its own under that number. Returns 0 or -Exxx; -EBADF
 * then. */
int otel_privatefd_write(int fd, const void *buf, size_t len);
bool otel_privatefd_isatty(int fd);

#endif
