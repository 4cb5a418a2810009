// SPDX-License-Identifier: Apache-2.0
/*
 * Coroutines over epoll, one for each connection, switched by swapcontext(): code that looks as if
 * it blocked, on one thread. Each request is answered with what the upstream says for the same
 * path.
 *
 *     coroutine_server wait PORT    a coroutine gives way only where its socket is not ready
 *     coroutine_server yield PORT   and besides once between a request and what it asks upstream,
 *                                   so that others run before it goes on
 *
 * Prints its own port, and ends when standard input does.
 */
#include <sys/epoll.h>
#include <ucontext.h>

#include "tests/programs/minihttp.h"

#define STACK (64 * 1024)

struct coroutine {
    ucontext_t context;
    struct coroutine *next; /* in the list of those that may run */
    int fd;
    bool over;
    char stack[STACK];
};

static ucontext_t scheduler;
static struct coroutine *current, *ready, **ready_end = &ready;
static uint16_t upstream_port;
static bool yields;
static int poller;

static void make_ready(struct coroutine *c)
{
    c->next = NULL;
    *ready_end = c;
    ready_end = &c->next;
}

static void give_way(void)
{
    mini_need(swapcontext(&current->context, &scheduler) == 0, "swapcontext");
}

static void wait_for(int fd, uint32_t events)
{
    struct epoll_event e = {.events = events | EPOLLONESHOT, .data.ptr = current};

    if (epoll_ctl(poller, EPOLL_CTL_MOD, fd, &e) != 0)
        mini_need(epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e) == 0, "epoll_ctl");
    give_way();
}

/* A whole message; false: the other side closed. */
static bool read_message(int fd, struct mini_message *m)
{
    m->len = 0;
    while (mini_complete(m) < 0) {
        ssize_t n = mini_receive(fd, m);

        if (n < 0 && errno == EAGAIN)
            wait_for(fd, EPOLLIN);
        else if (n <= 0)
            return false;
    }
    return true;
}

static void serve(void)
{
    struct coroutine *self = current;
    struct mini_message in;
    char path[MINI_PATH];
    bool last = false;

    while (!last && read_message(self->fd, &in)) {
        int up;

        mini_path(&in, path);
        last = mini_wants_close(&in);
        if (yields) {
            make_ready(self);
            give_way();
        }
        up = mini_connect(upstream_port, SOCK_NONBLOCK);
        wait_for(up, EPOLLOUT);
        mini_request(up, path);
        mini_need(read_message(up, &in), "upstream is gone");
        close(up);
        mini_answer(self->fd, mini_body(&in), (size_t)mini_complete(&in));
    }
    close(self->fd);
    self->over = true;
    give_way();
}

static void start(int fd)
{
    struct coroutine *c = calloc(1, sizeof *c);

    mini_need(c != NULL && getcontext(&c->context) == 0, "getcontext");
    c->fd = fd;
    c->context.uc_stack.ss_sp = c->stack;
    c->context.uc_stack.ss_size = sizeof c->stack;
    c->context.uc_link = NULL;
    makecontext(&c->context, serve, 0);
    make_ready(c);
}

static void run_ready(void)
{
    while (ready) {
        current = ready;
        ready = current->next;
        if (!ready)
            ready_end = &ready;
        mini_need(swapcontext(&scheduler, &current->context) == 0, "swapcontext");
        if (current->over)
            free(current);
    }
}

int main(int argc, char **argv)
{
    static struct coroutine input, listening; /* stand for two descriptors, and never run */
    struct epoll_event events[64], e = {.events = EPOLLIN, .data.ptr = &input};
    int listener, fd;

    if (argc != 3)
        return 2;
    yields = strcmp(argv[1], "yield") == 0;
    upstream_port = (uint16_t)atoi(argv[2]);
    poller = epoll_create1(EPOLL_CLOEXEC);
    listener = mini_listen(SOCK_NONBLOCK);
    mini_need(epoll_ctl(poller, EPOLL_CTL_ADD, 0, &e) == 0, "epoll_ctl");
    e.data.ptr = &listening;
    mini_need(epoll_ctl(poller, EPOLL_CTL_ADD, listener, &e) == 0, "epoll_ctl");
    for (;;) {
        int n = epoll_wait(poller, events, 64, -1);

        mini_need(n >= 0, "epoll_wait");
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == &input)
                return 0;
            if (events[i].data.ptr != &listening)
                make_ready(events[i].data.ptr);
            else
                while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0)
                    start(fd);
        }
        run_ready();
    }
}
