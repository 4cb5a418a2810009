/* SPDX-License-Identifier: Apache-2.0
 *
 * What is kept of an HTTP head while it is read: slices of the headers that matter to a span or to
 * propagation. As long as the whole head lies in one buffer nothing is copied; a head that comes in
 * pieces is kept in a block from a pool (otel_http_head_keep).
 *
 * Threads: one at a time for each head.
 */
#ifndef OTEL_CORE_HTTP_HEAD_H
#define OTEL_CORE_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/http1.h"
#include "core/propagation.h"

#define OTEL_HTTP_HEAD_BLOCK 16384 /* bytes of slices a head in pieces can keep */
#define OTEL_HTTP_CAPTURED_MAX 16  /* captured headers kept of one head */

/* What a response has stands first, and the arrays last: little of a head is touched as a rule. */
struct otel_http_head {
    uint8_t used; /* since it was cleared something was put into it: 1, of a request: 2 */
    uint8_t minor;
    uint16_t status; /* of a response */
    uint32_t block_used;
    uint32_t ruled; /* bits of headers that a sampling rule asks for (rules.h) */
    uint64_t block; /* handle of the block that holds the slices, 0: they are the caller's */
    size_t captured_count;
    struct otel_text method, target; /* of a request */
    struct otel_text host, user_agent, forwarded, forwarded_for, forwarded_host, forwarded_proto;
    struct otel_text upgrade;    /* of a request */
    struct otel_extract extract; /* traceparent and kin (propagation.h) */
    struct {
        struct otel_text name, value; /* name in lower case: constant memory */
    } captured[OTEL_HTTP_CAPTURED_MAX];
};

/* Reads OTEL_AUTO_HTTP_CAPTURE_REQUEST_HEADERS and _RESPONSE_HEADERS. Once, at start-up. */
void otel_http_head_init(void);

/* For otel_http1_init: headers of a request or response that add() would keep. */
bool otel_http_head_wants_request(const char *name, size_t len);
bool otel_http_head_wants_response(const char *name, size_t len);

/* Of a START or HEADER event. response: which list of captured headers applies. Slices are not
 * copied. A header that comes twice: the first one counts, but all values of tracestate, baggage
 * and captured headers are kept. */
void otel_http_head_start(struct otel_http_head *head, const struct otel_http1 *parser,
                          const struct otel_http1_text *text);
void otel_http_head_add(struct otel_http_head *head, bool response,
                        const struct otel_http1_text *text);

/* The bytes that slices point to are about to go: copies those not yet kept into the head's block.
 * What finds no room is forgotten; a traceparent without room makes the context invalid rather than
 * half right. */
void otel_http_head_keep(struct otel_http_head *head);

/* Forgets everything and gives the block back. A zeroed head is a cleared one (not the other way
 * round: arrays keep what they held behind their counts). */
void otel_http_head_clear(struct otel_http_head *head);

/* Fork child: the blocks are gone. */
void otel_http_head_reset(void);

#endif
