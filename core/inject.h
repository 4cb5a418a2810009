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
 * Use, for each call of the program's, until it is done:
 *
 *     changed = otel_inject_prepare(c, fd, iov, iovcnt, len, &plan);
 *     sent = changed ? real call with otel_inject_pieces(…) : real call as it came;
 *     told = otel_inject_sent(c, &plan, iov, iovcnt, sent);      when sent >= 0
 *     otel_inject_done(&plan);
 *     otel_observe_sent(c, fd, iov, iovcnt, told);               not before otel_inject_sent
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

#define OTEL_INJECT_EDITS 4 /* what is owed, version, ids with flags or tail, our lines */
#define OTEL_INJECT_IOV 48  /* pieces of one call; the hook sends the rest in another */
#define OTEL_INJECT_TEXT 112

/* At byte `at` of the program's: drop so many of its bytes, insert so many of ours. */
struct otel_edit {
    size_t at;
    uint32_t drop, insert;
    const char *bytes;
};

struct otel_inject_plan {
    size_t length; /* bytes of the program's the edits were sought in; the call sends no more */
    size_t count;
    struct otel_edit edit[OTEL_INJECT_EDITS]; /* in their order, none reaches into the next */
    char text[OTEL_INJECT_TEXT];              /* bytes of short edits */
    uint64_t block;                           /* pool block with longer ones, 0: none */
    bool owed;                                /* edit[0] is what was owed before */
    uint8_t replaced; /* 1 + index of the edit that stands for a whole traceparent value */
    uint8_t closing;  /* 1 + index of the edit with our lines */
    struct otel_inject_state after; /* when all `length` bytes are gone */
};

/* Must this call be looked at? False for anything but a client's connection that speaks HTTP or
 * nothing yet, at or in a request head, or that owes bytes. len: what the program sends. */
bool otel_inject_wanted(const struct otel_connection *c, size_t len);

/* Looks at what the program is about to send (len bytes in iov, more than none) and makes the plan.
 * False: nothing is to be changed, send it as it is. Verifies the socket's identity before it asks
 * for a change; when that fails c is not to be used any more unless otel_connection_get() says so.
 * Reads request heads and the framing of chunked bodies, no other byte of a body; memory the
 * program could not read itself is not touched (the kernel says EFAULT then, not a fault here).
 * A plan ends at the latest where another request begins. */
bool otel_inject_prepare(struct otel_connection *c, int fd, const struct iovec *iov, size_t iovcnt,
                         size_t len, struct otel_inject_plan *plan);

/* Writes the pieces to send into out. *total: their bytes. Returns their number, at most
 * OTEL_INJECT_IOV: they stand for all of the plan's length or the first part of it. */
size_t otel_inject_pieces(const struct otel_inject_plan *plan, const struct iovec *iov,
                          size_t iovcnt, struct iovec out[static OTEL_INJECT_IOV], size_t *total);

/* The kernel took sent bytes of those pieces (or of the program's own, when nothing was to be
 * changed). Records what is owed; returns how many bytes of the program's are done with. */
size_t otel_inject_sent(struct otel_connection *c, struct otel_inject_plan *plan,
                        const struct iovec *iov, size_t iovcnt, size_t sent);

/* Gives the plan's block back. Also when nothing was to be changed. */
void otel_inject_done(struct otel_inject_plan *plan);

/* Bytes go out that were not looked at: the head they belong to gets nothing of ours. */
void otel_inject_skip(struct otel_connection *c);

/* The connection ends: what is owed will not be sent. */
void otel_inject_forget(struct otel_connection *c);

#endif
