// SPDX-License-Identifier: Apache-2.0
/*
 * An event loop as C programs write it: epoll, non-blocking sockets, one thread. Each request is
 * answered with what the upstream says for the same path.
 *
 *     epoll_server connect PORT   a new upstream connection for each request
 *     epoll_server pool PORT      idle upstream connections are used again, new ones made at need
 *     epoll_server queue PORT     four upstream connections at most; requests wait for a free one,
 *                                 which is sent the next request before its answer is passed on
 *     epoll_server timer PORT     as connect, three milliseconds later, through a timerfd
 *
 * Prints its own port, and ends when standard input does.
 */
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "tests/programs/minihttp.h"

#define UPSTREAMS 4

enum kind { INPUT, LISTENER, CLIENT, UPSTREAM, TIMER };

struct peer {
    enum kind kind;
    int fd;
    bool connected;
    bool closing; /* the client asked for it, or is gone while its answer is under way */
    char path[MINI_PATH];
    struct peer *other; /* client: its upstream or timer; those: their client */
    struct peer *next;  /* in a list */
    struct mini_message in;
};

static enum { CONNECT, POOL, QUEUE, DELAY } mode;
static uint16_t upstream_port;
static int poller;
static struct peer *idle, *waiting, **waiting_end = &waiting;
static int upstreams;

static struct peer *watch(enum kind kind, int fd, uint32_t events)
{
    struct peer *p = calloc(1, sizeof *p);
    struct epoll_event e = {.events = events, .data.ptr = p};

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

static void tie(struct peer *client, struct peer *other)
{
    client->other = other;
    other->other = client;
}

static void forward(struct peer *client)
{
    struct peer *up = idle;

    if (up) {
        idle = up->next;
        tie(client, up);
        mini_request(up->fd, client->path);
    } else if (mode == QUEUE && upstreams == UPSTREAMS) {
        client->next = NULL;
        *waiting_end = client;
        waiting_end = &client->next;
    } else {
        upstreams++;
        up = watch(UPSTREAM, mini_connect(upstream_port, SOCK_NONBLOCK), EPOLLIN | EPOLLOUT);
        tie(client, up);
    }
}

static void later(struct peer *client)
{
    struct itimerspec after = {.it_value.tv_nsec = 3000000};
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);

    mini_need(fd >= 0 && timerfd_settime(fd, 0, &after, NULL) == 0, "timerfd");
    tie(client, watch(TIMER, fd, EPOLLIN));
}

static void on_timer(struct peer *timer)
{
    struct peer *client = timer->other;
    uint64_t expired;

    mini_need(read(timer->fd, &expired, sizeof expired) == sizeof expired, "read");
    drop(timer);
    forward(client);
}

static void on_client(struct peer *client)
{
    ssize_t n = mini_receive(client->fd, &client->in);

    if (n == 0 || (n < 0 && errno != EAGAIN)) {
        mini_need(!client->other, "a client left before its answer");
        drop(client);
        return;
    }
    if (mini_complete(&client->in) < 0)
        return;
    mini_path(&client->in, client->path);
    client->closing = mini_wants_close(&client->in);
    client->in.len = 0;
    if (mode == DELAY)
        later(client);
    else
        forward(client);
}

/* The connection has had its answer and is free for who waits, or idle. */
static void reuse(struct peer *up)
{
    struct peer *client = waiting;

    up->in.len = 0;
    up->other = NULL;
    if (!client) {
        up->next = idle;
        idle = up;
        return;
    }
    waiting = client->next;
    if (!waiting)
        waiting_end = &waiting;
    tie(client, up);
    mini_request(up->fd, client->path);
}

static void on_answer(struct peer *up)
{
    struct peer *client = up->other;
    struct mini_message answer;
    long length;

    mini_need(client && mini_receive(up->fd, &up->in) > 0, "upstream is gone");
    if ((length = mini_complete(&up->in)) < 0)
        return;
    answer = up->in;
    client->other = NULL;
    if (mode == POOL || mode == QUEUE) {
        reuse(up);
    } else {
        drop(up);
        upstreams--;
    }
    mini_answer(client->fd, mini_body(&answer), (size_t)length);
    if (client->closing)
        drop(client);
}

static void on_upstream(struct peer *up)
{
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = up};

    if (up->connected) {
        on_answer(up);
        return;
    }
    up->connected = true;
    mini_need(epoll_ctl(poller, EPOLL_CTL_MOD, up->fd, &e) == 0, "epoll_ctl");
    mini_request(up->fd, up->other->path);
}

static void on_listener(struct peer *listener)
{
    int fd, one = 1;

    while ((fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        watch(CLIENT, fd, EPOLLIN);
    }
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
        on_upstream(p);
        break;
    case TIMER:
        on_timer(p);
        break;
    }
}

int main(int argc, char **argv)
{
    static const char *const modes[] = {"connect", "pool", "queue", "timer"};
    struct epoll_event events[64];

    if (argc != 3)
        return 2;
    while (strcmp(modes[mode], argv[1]) != 0)
        mini_need(++mode <= DELAY, argv[1]);
    upstream_port = (uint16_t)atoi(argv[2]);
    poller = epoll_create1(EPOLL_CLOEXEC);
    mini_need(poller >= 0, "epoll_create1");
    watch(INPUT, 0, EPOLLIN);
    watch(LISTENER, mini_listen(SOCK_NONBLOCK), EPOLLIN);
    for (;;) {
        int n = epoll_wait(poller, events, 64, -1);

        mini_need(n >= 0, "epoll_wait");
        for (int i = 0; i < n; i++)
            on_event(events[i].data.ptr);
    }
}
