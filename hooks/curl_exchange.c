/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/curl_exchange.h"

#include <string.h>

#include "core/clock.h"
#include "core/context.h"
#include "core/counters.h"
#include "core/handlemap.h"
#include "core/ids.h"
#include "core/log.h"
#include "core/pool.h"
#include "core/tls.h"

/* Exchanges of one multi handle. */
struct multi_state {
    struct otel_curl_exchange *first;
};

/* Both lock-free by themselves. An exchange belongs to the thread that drives its handle, a list of
 * them to the thread that drives the multi handle: libcurl allows one at a time for either. */
static struct otel_pool exchanges = OTEL_POOL(sizeof(struct otel_curl_exchange), 4096);
static struct otel_handlemap multis = OTEL_HANDLEMAP(sizeof(struct multi_state), 512);

static void link_multi(struct otel_curl_exchange *x)
{
    struct multi_state *m = otel_handlemap_find(&multis, x->multi);

    if (!m)
        m = otel_handlemap_insert(&multis, x->multi);
    if (!m) /* no room: the exchange then ends with its handle at the latest */
        return;
    x->next = m->first;
    if (x->next)
        x->next->prev = x;
    m->first = x;
}

static void unlink_multi(struct otel_curl_exchange *x)
{
    struct multi_state *m = otel_handlemap_find(&multis, x->multi);

    if (x->next)
        x->next->prev = x->prev;
    if (x->prev)
        x->prev->next = x->next;
    else if (m && m->first == x)
        m->first = x->next;
}

/* Is the transfer really under way? A perform that a longjmp or an exception left never ended for
 * us: then this call comes from a frame no deeper than that one was. */
static bool running(const struct otel_curl_exchange *x, const char *frame)
{
    return x->multi || x->thread != &otel_tls || frame < x->frame;
}

static struct otel_curl_exchange *new_exchange(struct otel_curl_handle *h, CURL *handle,
                                               CURLM *multi)
{
    static atomic_flag said = ATOMIC_FLAG_INIT; /* once a process, any thread */
    uint64_t block = otel_pool_alloc(&exchanges);
    struct otel_curl_exchange *x = block ? otel_pool_get(&exchanges, block) : NULL;

    if (!x) {
        otel_count(OTEL_COUNT_STARTED, 1);
        otel_count(OTEL_COUNT_DROPPED_STORE_FULL, 1);
        if (otel_log_once(&said))
            otel_log(OTEL_LOG_WARN, "curl: more transfers at once than can be tracked");
        return NULL;
    }
    memset(x, 0, offsetof(struct otel_curl_exchange, spine)); /* the rest is text, written first */
    x->block = block;
    x->owner = h;
    x->handle = handle;
    x->multi = multi;
    x->thread = &otel_tls;
    return x;
}

void otel_curl_exchange_apply_headers(struct otel_curl_handle *h, CURL *handle)
{
    struct otel_curl_exchange *x = h->exchange;
    struct curl_slist *list;

    if (!x || !x->http)
        return;
    list = otel_curl_headers_chain(x, h->set.headers);
    if (x->chained || list != h->set.headers)
        otel_curl_setopt(h)(handle, CURLOPT_HTTPHEADER, list);
    x->chained = list != h->set.headers;
}

void otel_curl_exchange_apply_observer(struct otel_curl_handle *h, CURL *handle)
{
    if (!h->exchange || !h->exchange->observed)
        return;
    otel_curl_setopt(h)(handle, CURLOPT_DEBUGFUNCTION, otel_curl_debug);
    otel_curl_setopt(h)(handle, CURLOPT_DEBUGDATA, handle);
    otel_curl_setopt(h)(handle, CURLOPT_VERBOSE, 1L);
}

static void give_back(struct otel_curl_handle *h, struct otel_curl_exchange *x)
{
    if (x->chained)
        otel_curl_setopt(h)(x->handle, CURLOPT_HTTPHEADER, h->set.headers);
    if (x->observed) {
        otel_curl_setopt(h)(x->handle, CURLOPT_VERBOSE, (long)h->set.verbose);
        otel_curl_setopt(h)(x->handle, CURLOPT_DEBUGFUNCTION, h->set.debug);
        otel_curl_setopt(h)(x->handle, CURLOPT_DEBUGDATA, h->set.debug_data);
    }
}

bool otel_curl_exchange_begin(struct otel_curl_handle *h, CURL *handle, CURLM *multi)
{
    const char *frame = __builtin_frame_address(0);
    const struct otel_span_context *current;
    struct otel_curl_exchange *x = h->exchange;

    if ((x && running(x, frame)) || h->set.connect_only)
        return false;
    otel_curl_exchange_finish(h, OTEL_CURL_UNKNOWN);
    x = new_exchange(h, handle, multi);
    if (!x)
        return false;
    x->frame = frame;
    current = otel_context_current();
    x->has_parent = current != NULL;
    if (current)
        x->parent = *current;
    x->http = otel_curl_handle_http(h);
    if (x->http)
        otel_curl_headers_read(x, h->set.headers);
    otel_curl_hop_start(x, otel_clock_mono_ns());
    x->observed = x->http && otel_span_recording(&x->span);
    if (x->http && !x->keep)
        otel_curl_headers_write(x);
    if (!multi && otel_span_context_valid(&x->span.ctx)) {
        x->token = otel_context_attach(&x->span.ctx);
        x->attached = true;
    }
    if (multi)
        link_multi(x);
    h->exchange = x;
    otel_curl_exchange_apply_headers(h, handle);
    otel_curl_exchange_apply_observer(h, handle);
    return true;
}

/* A perform ends now. What a multi handle drives ended when libcurl last spoke of it: the program
 * may ask for the result much later. */
static uint64_t end_time(const struct otel_curl_exchange *x)
{
    uint64_t now = otel_clock_mono_ns();
    uint64_t end;
    double total = 0;

    if (!x->multi)
        return now;
    if (x->observed)
        return x->last_ns ? x->last_ns : now;
    otel_curl_getinfo(x->owner)(x->handle, CURLINFO_TOTAL_TIME, &total);
    end = x->hop.start_ns + (uint64_t)(total * 1e9);
    return total > 0 && end < now ? end : now;
}

void otel_curl_exchange_finish(struct otel_curl_handle *h, int code)
{
    struct otel_curl_exchange *x = h->exchange;

    if (!x)
        return;
    h->exchange = NULL;
    if (code == OTEL_CURL_GONE) {
        otel_span_end(&x->span, x->last_ns);
    } else {
        give_back(h, x);
        otel_curl_hop_finish(x, code, end_time(x));
    }
    if (x->attached && x->thread == &otel_tls)
        otel_context_detach(x->token);
    if (x->multi)
        unlink_multi(x);
    otel_carry_free(x->carry);
    otel_pool_free(&exchanges, x->block);
}

void otel_curl_exchange_finish_multi(CURLM *multi)
{
    struct multi_state *m = otel_guard_inside() ? NULL : otel_handlemap_find(&multis, multi);

    while (m && m->first) {
        struct otel_curl_exchange *x = m->first;

        m->first = x->next; /* taken off here, so that the loop ends whatever finish() finds */
        otel_curl_exchange_finish(x->owner, OTEL_CURL_UNKNOWN);
    }
    otel_handlemap_remove(&multis, multi);
}
