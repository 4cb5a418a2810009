/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/inject_peer.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/exchange.h"
#include "core/fdtable.h"
#include "core/generation.h"
#include "core/inject.h"
#include "core/observe.h"
#include "core/propagation.h"
#include "tests/unit/spans.h"

/* One thread; declared in the header. */
char peer_bytes[PEER_MAX];
size_t peer_len;
struct otel_span_context peer_context[PEER_MESSAGES];
size_t peer_contexts;
long (*peer_kernel)(size_t n);

/* One thread: the connection under test, its descriptors, and the exchange whose context was noted
 * last. */
static struct otel_connection *peer;
static int fds[2];
static uint64_t noted;

void peer_open(void)
{
    static bool started;

    if (!started) {
        spans_begin();
        otel_generation_init();
        otel_propagation_init(OTEL_PROPAGATOR_TRACECONTEXT | OTEL_PROPAGATOR_BAGGAGE);
        cr_assert_eq(otel_fdtable_init(), 0);
        started = true;
    }
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    peer = otel_connection_open(fds[0], AF_UNIX, SOCK_STREAM, OTEL_ROLE_CLIENT, NULL, 0);
    cr_assert_not_null(peer);
    noted = 0;
    peer_len = peer_contexts = 0;
    peer_kernel = NULL;
}

void peer_close(void)
{
    uint64_t handles[PEER_MESSAGES];

    otel_connection_close(fds[0]);
    close(fds[0]);
    close(fds[1]);
    for (size_t n = otel_queue_take(handles, PEER_MESSAGES); n; n--)
        otel_store_free(handles[n - 1]);
}

struct otel_connection *peer_again(void)
{
    peer_close();
    peer_open();
    return peer;
}

static long take(const struct iovec *iov, size_t iovcnt, size_t total)
{
    long n = peer_kernel ? peer_kernel(total) : (long)total;
    size_t left = n > 0 ? (size_t)n : 0;

    for (size_t i = 0; i < iovcnt && left; i++) {
        size_t part = iov[i].iov_len < left ? iov[i].iov_len : left;

        cr_assert_leq(peer_len + part, PEER_MAX);
        memcpy(peer_bytes + peer_len, iov[i].iov_base, part);
        peer_len += part;
        left -= part;
    }
    return n;
}

static size_t total_of(const struct iovec *iov, size_t iovcnt)
{
    size_t total = 0;

    for (size_t i = 0; i < iovcnt; i++)
        total += iov[i].iov_len;
    return total;
}

/* What is still to be sent of a call, copied, as a hook would cut it. */
static size_t rest_of(struct iovec *out, const struct iovec *iov, size_t iovcnt, size_t done)
{
    size_t count = 0;

    for (size_t i = 0; i < iovcnt; i++) {
        size_t skip = iov[i].iov_len < done ? iov[i].iov_len : done;

        done -= skip;
        if (iov[i].iov_len == skip)
            continue;
        out[count].iov_base = (char *)iov[i].iov_base + skip;
        out[count++].iov_len = iov[i].iov_len - skip;
    }
    return count;
}

static void note_context(void)
{
    struct otel_exchange *x = otel_exchange_requesting(peer);

    if (!x || !x->started || x->self == noted)
        return;
    noted = x->self;
    cr_assert_lt(peer_contexts, PEER_MESSAGES);
    peer_context[peer_contexts++] = *otel_exchange_context(x);
}

/* One real call. *stop: the kernel took less than it was offered. */
static long once(const struct iovec *iov, size_t iovcnt, size_t len, bool *stop)
{
    struct otel_inject_plan plan;
    struct iovec out[OTEL_INJECT_IOV];
    size_t total = len;
    size_t count;
    long taken;

    if (!otel_inject_wanted(peer, len)) {
        taken = take(iov, iovcnt, len);
        *stop = taken < (long)len;
        if (taken > 0)
            otel_observe_sent(peer, fds[0], iov, iovcnt, (size_t)taken);
        return taken;
    }
    if (otel_inject_prepare(peer, fds[0], iov, iovcnt, len, &plan)) {
        count = otel_inject_pieces(&plan, iov, iovcnt, out, &total);
        cr_assert_leq(count, OTEL_INJECT_IOV);
        cr_assert_eq(total_of(out, count), total);
        taken = take(out, count, total);
    } else {
        taken = take(iov, iovcnt, len);
    }
    if (plan.count)
        note_context();
    *stop = taken < (long)total;
    if (taken >= 0) {
        taken = (long)otel_inject_sent(peer, &plan, iov, iovcnt, (size_t)taken);
        cr_assert_leq((size_t)taken, len);
        if (taken)
            otel_observe_sent(peer, fds[0], iov, iovcnt, (size_t)taken);
    }
    otel_inject_done(&plan);
    return taken;
}

long peer_send(const struct iovec *iov, size_t iovcnt)
{
    struct iovec *rest = malloc((iovcnt + 1) * sizeof *rest);
    size_t len = total_of(iov, iovcnt);
    size_t done = 0;
    bool stop = false;
    long got = 0;

    while (done < len) {
        size_t count = rest_of(rest, iov, iovcnt, done);

        got = once(rest, count, len - done, &stop);
        if (got < 0)
            break;
        done += (size_t)got;
        if (stop && done)
            break;
    }
    free(rest);
    return done ? (long)done : got;
}

long peer_send_bytes(const void *data, size_t len)
{
    struct iovec iov = {(void *)(uintptr_t)data, len};

    return peer_send(&iov, 1);
}

void peer_send_all(const void *data, size_t len)
{
    size_t done = 0;

    while (done < len) {
        long got = peer_send_bytes((const char *)data + done, len - done);

        done += got > 0 ? (size_t)got : 0;
    }
}

void peer_send_by(const char *text, size_t n)
{
    size_t len = strlen(text);

    for (size_t at = 0; at < len; at += n)
        peer_send_all(text + at, len - at < n ? len - at : n);
}

bool peer_got(const char *expected)
{
    bool same = peer_len == strlen(expected) && !memcmp(peer_bytes, expected, peer_len);

    if (!same)
        cr_log_error("the peer got\n%.*s\nnot\n%s", (int)peer_len, peer_bytes, expected);
    peer_len = 0;
    return same;
}
