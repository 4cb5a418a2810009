/* SPDX-License-Identifier: Apache-2.0 */
#include "core/inject.h"

#include <string.h>

#include "core/config.h"
#include "core/inject_scan.h"

/* --- what to send ----------------------------------------------------------------------------- */

struct pieces {
    struct iovec *out;
    size_t count;
    size_t total;
};

static bool add(struct pieces *to, const char *bytes, size_t len)
{
    if (!len)
        return true;
    if (to->count == OTEL_INJECT_IOV)
        return false;
    to->out[to->count].iov_base = (void *)(uintptr_t)bytes;
    to->out[to->count++].iov_len = len;
    to->total += len;
    return true;
}

/* A place in the program's iovec. */
struct place {
    const struct iovec *iov;
    size_t iovcnt;
    size_t offset;
};

/* Goes on by n bytes, adding them when to is given. */
static bool walk(struct place *at, size_t n, struct pieces *to)
{
    while (n && at->iovcnt) {
        size_t rest = at->iov->iov_len - at->offset;
        size_t part = rest < n ? rest : n;

        if (to && !add(to, (const char *)at->iov->iov_base + at->offset, part))
            return false;
        n -= part;
        at->offset += part;
        if (at->offset == at->iov->iov_len) {
            at->iov++;
            at->iovcnt--;
            at->offset = 0;
        }
    }
    return true;
}

size_t otel_inject_pieces(const struct otel_inject_plan *plan, const struct iovec *iov,
                          size_t iovcnt, struct iovec out[static OTEL_INJECT_IOV], size_t *total)
{
    struct pieces to = {.out = out};
    struct place from = {iov, iovcnt, 0};
    size_t at = 0;
    bool room = true;

    for (size_t i = 0; room && i < plan->count; i++) {
        const struct otel_edit *e = &plan->edit[i];

        room = walk(&from, e->at - at, &to) && add(&to, e->bytes, e->insert);
        walk(&from, e->drop, NULL);
        at = e->at + e->drop;
    }
    if (room)
        walk(&from, plan->length - at, &to);
    *total = to.total;
    return to.count;
}

/* --- what the kernel took --------------------------------------------------------------------- */

static void owe_nothing(struct otel_connection *c)
{
    if (c->owed.block)
        otel_inject_block_free(c->owed.block);
    c->owed.block = 0;
    c->owed.len = c->owed.sent = c->owed.drop = 0;
    c->owed.pending = false;
}

void otel_inject_forget(struct otel_connection *c)
{
    owe_nothing(c);
}

void otel_inject_done(struct otel_inject_plan *plan)
{
    if (plan->block)
        otel_inject_block_free(plan->block);
    plan->block = 0;
}

void otel_inject_skip(struct otel_connection *c)
{
    memset(&c->inject, 0, sizeof c->inject);
    c->inject.seen = OTEL_SEEN_UNTOUCHED;
    c->inject.closed = true;
}

/* The kernel stopped inside an edit's bytes, sent of them gone. */
static void owe(struct otel_connection *c, struct otel_inject_plan *plan, size_t index, size_t sent)
{
    const struct otel_edit *e = &plan->edit[index];
    struct otel_owed *owed = &c->owed;

    if (index == 0 && plan->owed) {
        owed->sent += (uint32_t)sent;
        return;
    }
    owed->pending = true;
    owed->drop = e->drop;
    owed->len = e->insert;
    owed->sent = (uint32_t)sent;
    if (plan->block && plan->closing == index + 1) {
        owed->block = plan->block;
        plan->block = 0;
        return;
    }
    memcpy(owed->bytes, e->bytes, e->insert);
}

_Static_assert(sizeof(((struct otel_owed *)0)->bytes) >=
                   sizeof "traceparent: \r\n" - 1 + OTEL_TRACEPARENT_LEN,
               "a plain line can be owed");

/* What was owed is sent, and so many of the program's bytes dropped for it. */
static void settle(struct otel_connection *c, uint32_t dropped)
{
    c->owed.sent = c->owed.len;
    c->owed.drop -= dropped;
    if (!c->owed.drop)
        owe_nothing(c);
}

/* How far the kernel came. */
struct progress {
    size_t told;   /* bytes of the program's that are done with */
    size_t state;  /* what the state shall have behind it */
    size_t passed; /* edits that are done or owed */
};

static struct progress progress_of(struct otel_connection *c, struct otel_inject_plan *plan,
                                   size_t sent)
{
    struct progress p = {0};

    for (; p.passed < plan->count; p.passed++) {
        const struct otel_edit *e = &plan->edit[p.passed];
        size_t before = e->at - p.told;

        if (sent < before || (sent == before && e->insert))
            break;
        sent -= before;
        p.told = e->at;
        if (sent < e->insert) {
            owe(c, plan, p.passed, sent);
            p.passed++;
            p.state = e->at + e->drop;
            return p;
        }
        sent -= e->insert;
        p.told += e->drop;
        if (p.passed == 0 && plan->owed)
            settle(c, e->drop);
    }
    p.told += sent;
    p.state = p.told;
    return p;
}

/* Works out what is known of the head when only the first n bytes are behind us; skip of them were
 * behind the state before. */
static void state_after(struct otel_connection *c, const struct otel_inject_plan *plan,
                        const struct iovec *iov, size_t iovcnt, size_t skip,
                        const struct progress *p)
{
    struct otel_inject_scan s = {
        .iov = iov,
        .iovcnt = iovcnt,
        .len = p->state,
        .trusted = true,
        .http = c->out.http,
        .state = c->inject,
        .keep = otel_config.existing_keep || otel_config.disabled,
    };

    if (p->state > skip) {
        otel_inject_scan(&s, skip);
        c->inject = s.state;
    }
    if (plan->replaced && p->passed >= plan->replaced) {
        c->inject.place = OTEL_PLACE_ELSEWHERE;
        c->inject.seen &= (uint8_t)~OTEL_SEEN_UNTOUCHED;
    }
    if (plan->closing && p->passed >= plan->closing)
        c->inject.closed = true;
}

size_t otel_inject_sent(struct otel_connection *c, struct otel_inject_plan *plan,
                        const struct iovec *iov, size_t iovcnt, size_t sent)
{
    size_t skip = c->owed.pending ? c->owed.drop : 0;
    struct progress p = progress_of(c, plan, sent);

    if (p.told == plan->length)
        c->inject = plan->after;
    else
        state_after(c, plan, iov, iovcnt, skip, &p);
    return p.told;
}
