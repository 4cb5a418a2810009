/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the observer share: observe.c follows bytes, observe_events.c makes exchanges
 * of what the parser finds in them, observe_end.c ends what they were part of. Nobody else includes
 * this.
 */
#ifndef OTEL_CORE_OBSERVE_PARTS_H
#define OTEL_CORE_OBSERVE_PARTS_H

#include <stdatomic.h>

#include "core/connection.h"
#include "core/exchange.h"

static inline uint8_t otel_observe_protocol(const struct otel_connection *c)
{
    return atomic_load_explicit(&c->protocol, memory_order_relaxed);
}

static inline void otel_observe_set_protocol(struct otel_connection *c, enum otel_protocol protocol)
{
    atomic_store_explicit(&c->protocol, (uint8_t)protocol, memory_order_release);
}

/* A request was seen. False: the connection became OTHER meanwhile (another thread found it in
 * use), and stays so. */
static inline bool otel_observe_is_http(struct otel_connection *c)
{
    uint8_t was = otel_observe_protocol(c);

    if (__builtin_expect(was == OTEL_PROTOCOL_HTTP1, 1))
        return true;
    was = OTEL_PROTOCOL_NEW;
    return atomic_compare_exchange_strong_explicit(&c->protocol, &was, OTEL_PROTOCOL_HTTP1,
                                                   memory_order_acq_rel, memory_order_acquire) ||
           was == OTEL_PROTOCOL_HTTP1;
}

/* One chunk of bytes on its way through a parser. */
struct otel_observe_chunk {
    struct otel_connection *c;
    struct otel_direction *d;
    int fd;
    bool request;      /* this direction carries requests */
    uint64_t now_ns;   /* read when first needed */
    uint64_t answered; /* cell of the exchange these bytes answer, 0: none */
    bool mixed;        /* they answer several */
};

uint64_t otel_observe_now(struct otel_observe_chunk *k);

/* An event of the parser, or all those of a head that it read in one go, in a direction that
 * carries requests, or responses. Holding the direction, and keeping the exchange of a request
 * (otel_exchange_keep). False: the connection cannot be followed. */
bool otel_observe_request_event(struct otel_observe_chunk *k, enum otel_http1_event event,
                                const struct otel_http1_text *text);
bool otel_observe_request_whole(struct otel_observe_chunk *k, const struct otel_http1_whole *head);
bool otel_observe_response_event(struct otel_observe_chunk *k, enum otel_http1_event event,
                                 const struct otel_http1_text *text);
bool otel_observe_response_whole(struct otel_observe_chunk *k, const struct otel_http1_whole *head);

/* What the parser has to know of the request that is answered. */
void otel_observe_tell_parser(struct otel_http1 *http, struct otel_exchange *x);

/* The thread serves the request that these bytes belong to, or nobody, when none is open. */
void otel_observe_enter(struct otel_connection *c);

/* Waiting for a thread that is at work on the other direction; zeroed at first. Gives way; false:
 * it has taken longer than any work here does, so it is blocked, or was cancelled there. */
struct otel_patience {
    uint32_t turns;
    uint64_t until_ns;
};
bool otel_observe_patience(struct otel_patience *patience);

/* Gives the direction's spill block back, unless the parser has bytes in it. */
void otel_observe_take_spill(struct otel_direction *d);

/* Ends what is under way without an error: the connection cannot be followed. held: the direction
 * the caller holds; when another thread is at work on the other one, the connection's end does it.
 */
void otel_observe_give_up(struct otel_connection *c, struct otel_direction *held);

#endif
