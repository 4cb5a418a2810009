/* SPDX-License-Identifier: Apache-2.0
 *
 * The transport's side of handover.h: counts the bytes of one plain HTTP/1.1 POST as the kernel
 * takes them. libcurl's send() finds the module's (descriptors.c has it, and why it can), which
 * comes here. A kept connection that turns out to be dead makes libcurl begin anew on another: the
 * count begins anew with it.
 *
 * The batch thread alone.
 */
#ifndef OTEL_CORE_EXPORT_HANDED_H
#define OTEL_CORE_EXPORT_HANDED_H

#include <stddef.h>
#include <sys/types.h>

#include "core/handover.h"

/* From now to otel_handed_end() what is sent is a POST whose body has body_len bytes. */
void otel_handed_begin(struct otel_handover *handover, size_t body_len);
void otel_handed_end(void);

/* send(2), counted. Returns what it would, errno included. */
ssize_t otel_handed_send(int fd, const void *buf, size_t len, int flags);

#endif
