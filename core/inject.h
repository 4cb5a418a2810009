/* SPDX-License-Identifier: Apache-2.0
 *
 * Puts our header lines into a request head while the program sends it, whatever way it cuts its
 * calls. Pure bookkeeping over the program's bytes: it says what to send instead, the hook sends
 * it, and it says what the program shall be told.
 *
 * Where: our lines stand at the end of the head, before its empty line, when every header of the
 * program's has been seen. A traceparent the program sends itself is overwritten where it stands,
 * byte by byte when it comes in pieces: version and trace id stay, span id and flags become ours
 * (design: Propagation). The program's memory is never written and never copied: what is sent is an
 * iovec of its pieces and ours.
 *
 * Partial sends: the kernel may stop in the middle of our bytes. They are then owed
 * (connection.h) and go out before the program's next byte; the program is told only of its own
 * bytes, and EAGAIN when none of them went.
 *
 * Threads: the caller holds the connection's out direction.
 */
#ifndef OTEL_CORE_INJECT_H
#define OTEL_CORE_INJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/connection.h"

#define OTEL_INJECT_EDITS 4
#define OTEL_INJECT_IOV 48 /* pieces of one call; the hook sends the rest in another */

/* At byte `at` of the program's: drop so many of its bytes, insert so many of ours. */
struct otel_edit {
    size_t at;
    uint32_t drop, insert;
    const char *bytes;
};

struct otel_inject_plan {
    size_t length; /* bytes of the program's the edits were sought in; the call sends no more */
    size_t count;
    struct otel_edit edit[OTEL_INJECT_EDITS];
    char text[112]; /* bytes of short edits */
    uint64_t block; /* pool block with longer ones, 0: none */
};

/* Must this call be looked at? False for anything but a client's connection that speaks HTTP or
 * nothing yet, at or in a request head, or that owes bytes. len: what the program sends. */
bool otel_inject_wanted(const struct otel_connection *c, size_t len);

/* Looks at what the program is about to send (len bytes in iov) and makes the plan. False: nothing
 * is to be changed, send it as it is. Verifies the socket's identity before it asks for a change.
 * Reads nothing behind the end of the head. */
bool otel_inject_prepare(struct otel_connection *c, int fd, const struct iovec *iov, size_t iovcnt,
                         size_t len, struct otel_inject_plan *plan);

/* Writes the pieces to send, beginning at byte `from` of the program's, into out. *program: bytes
 * of the program's they stand for. Returns their number, at most OTEL_INJECT_IOV; *total: their
 * bytes.
 */
size_t otel_inject_pieces(const struct otel_connection *c, const struct otel_inject_plan *plan,
                          const struct iovec *iov, size_t iovcnt, size_t from,
                          struct iovec out[static OTEL_INJECT_IOV], size_t *program, size_t *total);

/* The kernel took sent bytes of those pieces. Records what is owed; returns how many bytes of the
 * program's are done with. */
size_t otel_inject_sent(struct otel_connection *c, const struct otel_inject_plan *plan, size_t from,
                        size_t sent);

/* Gives the plan's block back. */
void otel_inject_done(struct otel_inject_plan *plan);

#endif
