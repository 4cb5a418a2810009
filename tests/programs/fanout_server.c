// SPDX-License-Identifier: Apache-2.0
/*
 * An event loop that asks upstream twice for each request, for PATH/a and PATH/b, over four
 * connections at most, and hands connections out only when all events of a turn are dealt with.
 * While one half of a request is under way the other may wait in the queue, and is sent right
 * after some other request was read: nothing the program calls tells them apart.
 *
 *     fanout_server PORT
 *
 * Answers with the path. Prints its own port, and ends when standard input does.
 */
#include <sys/epoll.h>

#include "tests/programs/minihttp.h"

#define UPSTREAMS 4

enum kind { INPUT, LISTENER, CLIENT, UPSTREAM };

struct peer {
    enum kind kind;
    int fd;
    bool closing; /* the client asked for it */
    int missing;  /* client: halves without an answer */
    char path[MINI_PATH];
    struct call *call; /* upstream: what it is asked */
    struct mini_message in;
};

struct call {
    struct peer *client;
    char half;
    struct call *next;
};

static uint16_t upstream_port;
static int poller;
static struct peer *upstreams[UPSTREAMS];
static int connected;
static struct call *calls, **calls_end = &calls;

static struct peer *watch(enum kind kind, int fd)
{
    struct peer *p = calloc(1, sizeof *p);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = p};

    mini_need(p != NULL, "calloc");
    p->kind = kind;
    p->fd = fd;
    mini_need(epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e) == 0, "epoll_ctl");
    return p;
}

static void drop(struct peer *p)
{
    close(p->fd);
    free(p);
}

static void queue(struct peer *client, char half)
{
    struct call *call = calloc(1, sizeof *call);

    mini_need(call != NULL, "calloc");
    call->client = client;
    call->half = half;
    *calls_end = call;
    calls_end = &call->next;
    client->missing++;
}

static void on_client(struct peer *client)
{
    ssize_t n = mini_receive(client->fd, &client->in);

    if (n == 0 || (n < 0 && errno != EAGAIN)) {
        mini_need(!client->missing, "a client left before its answer");
        drop(client);
        return;
    }
    if (mini_complete(&client->in) < 0)
        return;
    mini_path(&client->in, client->path);
    client->closing = mini_wants_close(&client->in);
    client->in.len = 0;
    queue(client, 'a');
    queue(client, 'b');
}

static void on_answer(struct peer *up)
{
    struct peer *client = up->call ? up->call->client : NULL;

    mini_need(client && mini_receive(up->fd, &up->in) > 0, "upstream is gone");
    if (mini_complete(&up->in) < 0)
        return;
    up->in.len = 0;
    free(up->call);
    up->call = NULL;
    if (--client->missing)
        return;
    mini_answer(client->fd, client->path, strlen(client->path));
    if (client->closing)
        drop(client);
}

static void on_listener(struct peer *listener)
{
    int fd;

    while ((fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK)) >= 0)
        watch(CLIENT, fd);
}

/* A function of its own, as handlers are in servers of more than one file: that its call has
 * returned is how the end of the handling is seen. */
static __attribute__((noinline)) void on_event(struct peer *p)
{
    switch (p->kind) {
    case INPUT:
        exit(0);
    case LISTENER:
        on_listener(p);
        break;
    case CLIENT:
        on_client(p);
        break;
    case UPSTREAM:
        on_answer(p);
        break;
    }
}

static void ask(struct peer *up)
{
    char path[MINI_PATH + 2];

    up->call = calls;
    calls = calls->next;
    if (!calls)
        calls_end = &calls;
    snprintf(path, sizeof path, "%s/%c", up->call->client->path, up->call->half);
    mini_request(up->fd, path);
}

/* The first connections are made in time, so that they block nobody. */
static void hand_out(void)
{
    while (calls && connected < UPSTREAMS)
        upstreams[connected++] = watch(UPSTREAM, mini_connect(upstream_port, 0));
    for (int i = 0; i < connected && calls; i++)
        if (!upstreams[i]->call)
            ask(upstreams[i]);
}

int main(int argc, char **argv)
{
    struct epoll_event events[64];

    if (argc != 2)
        return 2;
    upstream_port = (uint16_t)atoi(argv[1]);
    poller = epoll_create1(EPOLL_CLOEXEC);
    mini_need(poller >= 0, "epoll_create1");
    watch(INPUT, 0);
    watch(LISTENER, mini_listen(SOCK_NONBLOCK));
    for (;;) {
        int n = epoll_wait(poller, events, 64, -1);

        mini_need(n >= 0, "epoll_wait");
        for (int i = 0; i < n; i++)
            on_event(events[i].data.ptr);
        hand_out();
    }
}
