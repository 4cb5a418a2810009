/* SPDX-License-Identifier: Apache-2.0
 *
 * exchange: ns of CPU that one HTTP request costs the thread of a server, beside its own calls:
 * what the receiving and the sending hook tell core of it, from the bytes to the ended span in the
 * queue. The bytes are those of a load generator and of a plain server; no hooks, no export.
 *
 *     exchange sampled|unsampled
 */
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/config.h"
#include "core/connection.h"
#include "core/generation.h"
#include "core/http_head.h"
#include "core/observe.h"
#include "core/propagation.h"
#include "core/queue.h"
#include "core/route.h"
#include "core/serving.h"
#include "core/store.h"
#include "tests/bench/bench.h"

#define QUEUE 2048
#define ROUND 512 /* the batch an exporter would take */
#define PEERS 32

static char request[] = "GET /documents/17 HTTP/1.1\r\nHost: 127.0.0.1:48080\r\n\r\n";
static char head[] =
    "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Mon, 23 Nov 2026 12:00:00 GMT"
    "\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nConnection: keep-alive"
    "\r\n\r\n";
static char body[] = "ok\n";

/* Of the one thread there is. */
static struct peer {
    int fd;
    struct otel_connection *c;
} peers[PEERS];
static unsigned turn;

static void serve(void *unused)
{
    struct peer *p = &peers[turn++ % PEERS];
    struct iovec in = {request, sizeof request - 1};
    struct iovec out[] = {{head, sizeof head - 1}, {body, sizeof body - 1}};
    struct otel_connection *c = otel_connection_find(p->fd);

    (void)unused;
    if (c != p->c)
        return;
    if (otel_direction_enter(&c->in)) {
        otel_observe_received(c, p->fd, &in, 1, in.iov_len);
        otel_direction_leave(&c->in);
    }
    if (otel_direction_enter(&c->out)) {
        otel_observe_sent(c, p->fd, out, 2, out[0].iov_len + out[1].iov_len);
        otel_direction_leave(&c->out);
    }
    if (turn % PEERS == 0)
        otel_serving_turn_next();
}

static int open_peers(void)
{
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    for (int i = 0; i < PEERS; i++) {
        from.sin_port = htons((uint16_t)(40000 + i));
        peers[i].fd = socket(AF_INET, SOCK_STREAM, 0);
        peers[i].c = otel_connection_open(peers[i].fd, AF_INET, SOCK_STREAM, OTEL_ROLE_SERVER,
                                          (struct sockaddr *)&from, sizeof from);
        if (!peers[i].c)
            return -1;
    }
    return 0;
}

static uint32_t empty_queue(void)
{
    static uint64_t records[QUEUE];
    uint32_t n = otel_queue_take(records, QUEUE);

    for (uint32_t i = 0; i < n; i++)
        otel_store_free(records[i]);
    return n;
}

int main(int argc, char **argv)
{
    bool sampled = argc > 1 && !strcmp(argv[1], "sampled");
    double least = 1e12;

    otel_generation_init();
    otel_propagation_init(OTEL_PROPAGATOR_TRACECONTEXT | OTEL_PROPAGATOR_BAGGAGE);
    otel_route_init(NULL);
    otel_http_head_init();
    otel_config.exporters = OTEL_EXPORTER_OTLP;
    otel_config.sampler.kind = sampled ? OTEL_SAMPLER_ALWAYS_ON : OTEL_SAMPLER_ALWAYS_OFF;
    otel_store_init(QUEUE, ROUND);
    if (otel_queue_init(QUEUE) || otel_fdtable_init() || open_peers())
        return 1;
    bench_pin();
    for (int i = 0; i < 400; i++) {
        double took = bench_best(serve, NULL, 1, ROUND, 0);

        least = took < least ? took : least;
        if (empty_queue() != (sampled ? ROUND + ROUND / 8 : 0))
            return 1;
    }
    printf("%.1f\n", least);
    return 0;
}
