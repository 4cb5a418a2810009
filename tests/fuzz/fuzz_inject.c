/* SPDX-License-Identifier: Apache-2.0
 *
 * What a client sends, cut as the first bytes say into calls, pieces and what the kernel takes of
 * them. Each of the program's bytes outside of a traceparent's value arrives, once and in order,
 * and the program is told of as many as it sent. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/exchange.h"
#include "core/fdtable.h"
#include "core/generation.h"
#include "core/inject.h"
#include "core/observe.h"
#include "core/propagation.h"

#define ARRIVED_MAX (1 << 17)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One thread fuzzes: how calls are cut, and what the peer got. */
static const uint8_t *script;
static size_t script_len, script_at;
static char arrived[ARRIVED_MAX];
static size_t arrived_len;

static size_t next(size_t most)
{
    uint8_t b = script_len ? script[script_at++ % script_len] : 255;

    return b >= 200 ? most : b % (most + 1);
}

static size_t take(const struct iovec *iov, size_t count, size_t total)
{
    size_t n = next(total);
    size_t left = n;

    for (size_t i = 0; i < count && left; i++) {
        size_t part = iov[i].iov_len < left ? iov[i].iov_len : left;

        if (arrived_len + part > ARRIVED_MAX)
            abort();
        memcpy(arrived + arrived_len, iov[i].iov_base, part);
        arrived_len += part;
        left -= part;
    }
    return n;
}

/* One real call; returns the program's bytes that are gone. */
static size_t once(struct otel_connection *c, int fd, const struct iovec *iov, size_t count,
                   size_t len)
{
    struct otel_inject_plan plan;
    struct iovec pieces[OTEL_INJECT_IOV];
    size_t total = len, n;

    if (!otel_inject_wanted(c, len)) {
        n = take(iov, count, len);
    } else {
        if (otel_inject_prepare(c, fd, iov, count, len, &plan)) {
            size_t used = otel_inject_pieces(&plan, iov, count, pieces, &total);

            n = take(pieces, used, total);
        } else {
            n = take(iov, count, len);
        }
        if (n || !total)
            n = otel_inject_sent(c, &plan, iov, count, n);
        otel_inject_done(&plan);
    }
    if (n > len)
        abort();
    if (n)
        otel_observe_sent(c, fd, iov, count, n);
    return n;
}

/* Up to four pieces, each a copy that ends where the sanitizer looks. */
static size_t send_some(struct otel_connection *c, int fd, const char *text, size_t len)
{
    struct iovec iov[4];
    size_t count = 0, used = 0, done;

    while (count < 4 && used < len) {
        size_t n = count == 3 ? len - used : next(len - used);

        iov[count].iov_base = malloc(n ? n : 1);
        memcpy(iov[count].iov_base, text + used, n);
        iov[count++].iov_len = n;
        used += n;
    }
    done = used ? once(c, fd, iov, count, used) : 0;
    while (count)
        free(iov[--count].iov_base);
    return done;
}

static void begin(void)
{
    static int begun;

    if (begun++)
        return;
    otel_generation_init();
    otel_propagation_init(OTEL_PROPAGATOR_TRACECONTEXT | OTEL_PROPAGATOR_BAGGAGE);
    if (otel_fdtable_init() != 0)
        abort();
}

static int names_traceparent(const char *text, size_t len)
{
    for (size_t i = 0; i + 11 <= len; i++)
        if (strncasecmp(text + i, "traceparent", 11) == 0)
            return 1;
    return 0;
}

/* The program's bytes are a subsequence of those that arrived; of a text that names a traceparent
 * the value is ours. */
static void check(const char *text, size_t len)
{
    size_t at = 0;

    for (size_t i = 0; i < len; i++, at++) {
        while (at < arrived_len && arrived[at] != text[i])
            at++;
        if (at >= arrived_len)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text;
    size_t len, done = 0;
    struct otel_connection *c;
    int fds[2];

    if (size < 17)
        return 0;
    begin();
    script = data;
    script_len = 16;
    script_at = arrived_len = 0;
    text = (const char *)data + 16;
    len = size - 16;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0)
        return 0;
    c = otel_connection_open(fds[0], AF_UNIX, SOCK_STREAM, OTEL_ROLE_CLIENT, NULL, 0);
    for (int idle = 0; c && done < len && idle < 64;) {
        size_t n = send_some(c, fds[0], text + done, 1 + next(len - done - 1));

        idle = n ? 0 : idle + 1;
        done += n;
    }
    if (c && !names_traceparent(text, len))
        check(text, done);
    otel_connection_close(fds[0]);
    close(fds[0]);
    close(fds[1]);
    return 0;
}
