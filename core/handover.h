/* SPDX-License-Identifier: Apache-2.0
 *
 * How much of a request the kernel has taken, kept where it outlives the process (spool_format.h):
 * whoever finds a batch that was being sent when its process was killed must know whether to send
 * it again. A mark set after send(2) has returned would come too late in a process that is killed
 * on its way out of the call; so the kernel itself writes the number: the request goes out by
 * sendmmsg(2), whose result lies in the message header of each message, here.
 *
 * The rule: a request that the kernel has taken whole is taken for delivered. A collector that dies
 * behind that loses it, as it would have lost it unseen by a process that lives on for a moment.
 * One that answers with "later" has it back (otel_handover_reset()).
 *
 * One thread writes; it is read when that thread is dead.
 */
#ifndef OTEL_CORE_HANDOVER_H
#define OTEL_CORE_HANDOVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct otel_handover {
    _Atomic uint64_t needed; /* bytes of the request as the wire has it; 0: not known */
    _Atomic uint64_t sent;   /* of these, before the call under way */
    struct mmsghdr call;     /* msg_len: what that call has sent. Its pointers are nobody's */
};

/* The kernel writes call.msg_len: the compiler must not think it knows it. */
static inline uint64_t otel_handover_last(const struct otel_handover *h)
{
    return *(const volatile unsigned *)&h->call.msg_len;
}

/* Nothing has been sent; before a batch's records are marked as being sent, and when it was sent
 * for nothing. */
static inline void otel_handover_reset(struct otel_handover *h)
{
    atomic_store_explicit(&h->needed, 0, memory_order_release);
    atomic_store_explicit(&h->sent, 0, memory_order_release);
    *(volatile unsigned *)&h->call.msg_len = 0;
}

/* A request of so many bytes begins. */
static inline void otel_handover_begin(struct otel_handover *h, uint64_t needed)
{
    otel_handover_reset(h);
    atomic_store_explicit(&h->needed, needed, memory_order_release);
}

/* The call under way is over: makes place for the next. Between the two stores the sum is too
 * small, never too large. */
static inline void otel_handover_next(struct otel_handover *h)
{
    uint64_t last = otel_handover_last(h);

    *(volatile unsigned *)&h->call.msg_len = 0;
    atomic_store_explicit(&h->sent, atomic_load_explicit(&h->sent, memory_order_relaxed) + last,
                          memory_order_release);
}

/* For transports that cannot count (TLS, HTTP/2): the request is with the kernel. */
static inline void otel_handover_done(struct otel_handover *h)
{
    uint64_t needed = atomic_load_explicit(&h->needed, memory_order_relaxed);

    atomic_store_explicit(&h->sent, needed ? needed : 1, memory_order_release);
    atomic_store_explicit(&h->needed, needed ? needed : 1, memory_order_release);
}

static inline bool otel_handover_complete(const struct otel_handover *h)
{
    uint64_t needed = atomic_load_explicit(&h->needed, memory_order_acquire);
    uint64_t sent = atomic_load_explicit(&h->sent, memory_order_acquire);

    return needed && (sent >= needed || needed - sent <= otel_handover_last(h));
}

#endif
