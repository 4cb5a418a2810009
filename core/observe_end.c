/* SPDX-License-Identifier: Apache-2.0
 *
 * How what is under way on a connection ends: by its stream, by an error, by its close. */
#include "core/observe.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "core/clock.h"
#include "core/exchange.h"
#include "core/observe_parts.h"
#include "core/serving.h"
#include "core/socket_span.h"
#include "core/sys.h"

/* How long is waited for a thread at work: it may have lost its processor for a time slice. */
#define PATIENCE_NS (UINT64_C(2) * 1000 * 1000)
#define TURNS 20

bool otel_observe_patience(struct otel_patience *patience)
{
    uint64_t now = otel_clock_mono_ns();

    if (!patience->until_ns)
        patience->until_ns = now + PATIENCE_NS;
    if (++patience->turns > TURNS && now >= patience->until_ns)
        return false;
    sched_yield();
    return true;
}

/* What is under way ends as it is, unless another thread is at work on the other direction: then
 * when the connection ends. */
void otel_observe_give_up(struct otel_connection *c, struct otel_direction *held)
{
    struct otel_direction *other = held == &c->in ? &c->out : &c->in;
    struct otel_exchange *x;

    otel_observe_lost(c);
    if (!otel_direction_enter(other))
        return;
    while ((x = otel_exchange_oldest(c)))
        otel_exchange_finish(x, c, OTEL_TEXT(""), otel_clock_mono_ns());
    otel_direction_leave(other);
}

static bool ends_connection(int error)
{
    switch (error) {
    case ECONNRESET:
    case ECONNABORTED:
    case ECONNREFUSED:
    case EPIPE:
    case ETIMEDOUT:
    case ENOTCONN:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
    case ESHUTDOWN:
        return true;
    default:
        return false;
    }
}

static struct otel_text error_name(int error)
{
    const char *name = otel_sys_errno_name(error);

    return (struct otel_text){name, strlen(name)};
}

/* The response that was coming ends with the stream, if it may. */
static void complete_at_eof(struct otel_connection *c, struct otel_direction *d, uint64_t at)
{
    struct otel_exchange *x = otel_exchange_oldest(c);

    if (x && x->response_begun && !otel_http1_idle(&d->http) &&
        otel_http1_eof(&d->http) == OTEL_HTTP1_END)
        otel_exchange_finish(x, c, OTEL_TEXT(""), at);
}

/* What an exchange suffered that is over before its time. */
static struct otel_text failure_of(const struct otel_exchange *x, int error, bool eof)
{
    if (x->response_begun && !error)
        return x->server || eof ? OTEL_TEXT("incomplete_response") : OTEL_TEXT("");
    if (x->send_error && !error)
        error = x->send_error;
    return error ? error_name(error) : OTEL_TEXT("no_response");
}

static void finish_all(struct otel_connection *c, int error, uint64_t at)
{
    struct otel_exchange *x;

    while (atomic_load_explicit(&c->queued, memory_order_acquire) !=
           atomic_load_explicit(&c->answered, memory_order_relaxed)) {
        x = otel_exchange_oldest(c);
        if (!x) /* a fork child: the parent's */
            atomic_fetch_add_explicit(&c->answered, 1, memory_order_release);
        else
            otel_exchange_finish(x, c, failure_of(x, error, c->in.ended), at);
    }
}

void otel_observe_receive_end(struct otel_connection *c, int error)
{
    int saved = errno;
    uint64_t at;

    if (c->in.ended || (error && !ends_connection(error)))
        return;
    c->in.ended = 1;
    if (otel_observe_protocol(c) == OTEL_PROTOCOL_HTTP1) {
        at = otel_clock_mono_ns();
        if (c->role != OTEL_ROLE_CLIENT || otel_exchange_oldest(c))
            otel_observe_enter(c);
        if (c->role == OTEL_ROLE_CLIENT) {
            complete_at_eof(c, &c->in, at);
            finish_all(c, error, at);
            otel_observe_set_protocol(c, OTEL_PROTOCOL_OTHER);
        } else if (error && otel_direction_enter(&c->out)) {
            finish_all(c, error, at);
            otel_observe_set_protocol(c, OTEL_PROTOCOL_OTHER);
            otel_direction_leave(&c->out);
        }
    }
    errno = saved;
}

void otel_observe_send_end(struct otel_connection *c, int error)
{
    struct otel_exchange *x;

    if (c->out.ended || (error && !ends_connection(error)))
        return;
    c->out.ended = 1;
    if (otel_observe_protocol(c) != OTEL_PROTOCOL_HTTP1)
        return;
    if (c->role != OTEL_ROLE_CLIENT) {
        uint64_t at = otel_clock_mono_ns();

        if (!error)
            complete_at_eof(c, &c->out, at);
        else
            finish_all(c, error, at);
        return;
    }
    /* A client's answer may still be there to be read. */
    otel_exchange_keep(c);
    x = otel_exchange_requesting(c);
    if (x)
        x->send_error = error;
    otel_exchange_leave(c);
}

/* Waits, within bounds, for a thread that is at work there. */
static bool enter_patiently(struct otel_direction *d)
{
    struct otel_patience patience = {0};

    do {
        if (otel_direction_enter(d))
            return true;
    } while (otel_observe_patience(&patience));
    return false;
}

void otel_observe_over(struct otel_connection *c)
{
    int saved = errno;
    uint64_t at;

    if (otel_exchange_oldest(c)) {
        at = otel_clock_mono_ns();
        if (c->role != OTEL_ROLE_CLIENT)
            complete_at_eof(c, &c->out, at);
        finish_all(c, 0, at);
    }
    c->in.http.spilled = c->out.http.spilled = 0;
    otel_observe_take_spill(&c->in);
    otel_observe_take_spill(&c->out);
    otel_observe_set_protocol(c, OTEL_PROTOCOL_OTHER);
    errno = saved;
}

/* What a thread is still at work on stays its own: its parser and its exchanges may not go. */
void otel_observe_closed(struct otel_connection *c)
{
    int saved = errno;
    bool in = enter_patiently(&c->in);
    bool out = enter_patiently(&c->out);

    if (in && out)
        otel_observe_over(c);
    else
        otel_observe_lost(c);
    if (in)
        otel_direction_leave(&c->in);
    if (out)
        otel_direction_leave(&c->out);
    errno = saved;
}

/* The spans end when the connection does, for another thread may be at work on them; whom the
 * thread serves is unknown from now on. */
void otel_observe_lost(struct otel_connection *c)
{
    uint32_t end = atomic_load_explicit(&c->queued, memory_order_acquire);

    otel_observe_set_protocol(c, OTEL_PROTOCOL_OTHER);
    otel_socket_used(c);
    for (uint32_t i = atomic_load_explicit(&c->answered, memory_order_acquire); i != end; i++) {
        struct otel_exchange_facts x;

        if (otel_exchange_look(
                atomic_load_explicit(&c->queue[i % OTEL_PIPELINE_MAX], memory_order_relaxed), &x) &&
            x.server)
            otel_serving_end(x.cell);
    }
}

void otel_observe_forked(struct otel_connection *c)
{
    bool between = c->in.http.wanted && otel_http1_idle(&c->in.http) &&
                   otel_http1_idle(&c->out.http) && !c->owed.pending &&
                   atomic_load(&c->queued) == atomic_load(&c->answered);

    if (c->in.http.wanted && !between)
        otel_observe_set_protocol(c, OTEL_PROTOCOL_OTHER);
    atomic_store(&c->answered, atomic_load(&c->queued));
    c->requesting = 0;
    c->bound_cell = 0;
    c->in.http.spilled = c->out.http.spilled = 0;
    otel_observe_take_spill(&c->in);
    otel_observe_take_spill(&c->out);
    otel_direction_leave(&c->in);
    otel_direction_leave(&c->out);
}
