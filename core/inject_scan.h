/* SPDX-License-Identifier: Apache-2.0
 *
 * Where in the bytes a program is about to send our lines go, and where its own traceparent stands:
 * the part of inject.h that only looks. It runs a copy of the connection's parser, begins no
 * exchange and changes nothing but its own state, so it can be run again over fewer bytes.
 *
 * Threads: none of its own; the caller holds the connection's out direction.
 */
#ifndef OTEL_CORE_INJECT_SCAN_H
#define OTEL_CORE_INJECT_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/http1.h"
#include "core/inject_state.h"
#include "core/span_context.h"
#include "core/wire.h"

/* Pool blocks of inject.h: the values otel_inject() gives in the first half, lines in the second.
 * One also serves as the parser's spill buffer. */
#define OTEL_INJECT_HALF 12800
uint64_t otel_inject_block_new(void);
char *otel_inject_block(uint64_t handle); /* NULL: stale */
void otel_inject_block_free(uint64_t handle);

/* Can n bytes at p, at least one and at most a few pages, be read without a fault? The caller's
 * stack and the heap are trusted, elsewhere the first and the last page are asked for (sys.h). */
bool otel_inject_readable(const void *p, size_t n);

/* The bit of enum otel_inject_seen for a name that otel_inject_owns(), in any case. */
unsigned otel_inject_header(struct otel_text name);

/* A place in an iovec. */
struct otel_inject_cursor {
    size_t index;  /* of the piece */
    size_t offset; /* in it */
    size_t at;     /* from the beginning */
};

/* What these bytes have of a traceparent's value. */
struct otel_inject_value {
    bool whole; /* all of it, up to the end of its line */
    size_t start;
    size_t len;               /* of a whole value, blanks round it not counted */
    uint8_t from, to;         /* else: bytes from … to of it stand at start */
    size_t tail_at, tail_len; /* what goes behind OTEL_TRACEPARENT_LEN bytes */
    bool known;               /* it is complete: valid says whether ctx is, */
    bool valid;
    struct otel_span_context ctx;
};

struct otel_inject_scan {
    const struct iovec *iov; /* the program's */
    size_t iovcnt;
    size_t len;                     /* of its bytes to look at */
    bool trusted;                   /* they were read by the kernel: no need to probe */
    const char *readable, *end;     /* what the last probe found */
    struct otel_http1 http;         /* the copy */
    struct otel_inject_state state; /* in: where these bytes begin; out: where they end */
    bool keep;                      /* the program's traceparent is not to be changed */
    uint64_t spill;

    struct otel_inject_cursor cursor;
    bool began;     /* a message begins at byte 0 */
    bool head_done; /* the head ended in these bytes */
    bool unfit;     /* malformed head, or memory that cannot be read: change nothing */
    bool closes;    /* our lines go before byte `closing` */
    size_t closing;
    struct otel_inject_value value;
};

/* iov, iovcnt, len, trusted, keep, state and http (the connection's, as it is) are set, the rest is
 * zero. skip: so many bytes at the beginning are behind what the state says (connection.h, owed).
 * Afterwards cursor.at is how far it looked: less than len where a message begins behind byte 0. */
void otel_inject_scan(struct otel_inject_scan *s, size_t skip);

#endif
