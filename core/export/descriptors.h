/* SPDX-License-Identifier: Apache-2.0
 *
 * The descriptors libcurl opens without asking us: the socket pairs it wakes itself up with, one
 * for each multi handle and each name look-up. In a table shared with the host (privatefd.h) their
 * low numbers fall to a daemon that closes all it does not know, and when libcurl later closes
 * "its" pair it would close the daemon's new descriptors. The module is loaded RTLD_DEEPBIND, so
 * libcurl finds the module's socketpair() and close() before libc's: pairs are adopted like our
 * sockets, and only what is still ours is closed. Without RTLD_DEEPBIND (under a sanitizer) libc's
 * are called. Its send() comes here for the same reason: handed.h counts what the kernel takes.
 */
#ifndef OTEL_CORE_EXPORT_DESCRIPTORS_H
#define OTEL_CORE_EXPORT_DESCRIPTORS_H

#include "core/export/module.h"

/* Before libcurl is used; host stays valid. Until then both are libc's in effect. Called again in a
 * fork child, whose exporters start anew: what the parent had is forgotten. */
void otel_descriptors_init(const struct otel_export_host *host);

#endif
