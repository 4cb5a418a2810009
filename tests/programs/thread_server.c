// SPDX-License-Identifier: Apache-2.0
/*
 * Two ways in which C servers divide a request among threads. Each request is answered with what
 * the upstream says for the same path.
 *
 *     thread_server spawn PORT     a thread for each connection; it starts another one for each
 *                                  upstream request and waits for it
 *     thread_server handoff PORT   one thread polls and reads requests; four workers, started
 *                                  before, take them from a queue, each with an upstream
 *                                  connection of its own, and write the answers
 *
 * Prints its own port, and ends when standard input does.
 */
#include <poll.h>
#include <pthread.h>

#include "tests/programs/minihttp.h"

#define WORKERS 4
#define CLIENTS 512

struct job {
    int fd; /* the client */
    bool close;
    char path[MINI_PATH];
    struct mini_message answer;
    struct job *next;
};

static uint16_t upstream_port;

/* Jobs that wait for a worker; under lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;
static struct job *jobs, **jobs_end = &jobs;
/* Written by workers, read by the poller: connections to look at again. */
static int done[2];

static void ask(int fd, struct job *job)
{
    mini_request(fd, job->path);
    job->answer.len = 0;
    while (mini_complete(&job->answer) < 0)
        mini_need(mini_receive(fd, &job->answer) > 0, "upstream is gone");
}

static void answer(struct job *job)
{
    mini_answer(job->fd, mini_body(&job->answer), (size_t)mini_complete(&job->answer));
}

/* The next request of a connection; false: there is none. */
static bool read_request(struct job *job)
{
    struct mini_message in = {0};

    while (mini_complete(&in) < 0)
        if (mini_receive(job->fd, &in) <= 0)
            return false;
    mini_path(&in, job->path);
    job->close = mini_wants_close(&in);
    return true;
}

/* --- spawn --- */

static void *ask_once(void *arg)
{
    int fd = mini_connect(upstream_port, 0);

    ask(fd, arg);
    close(fd);
    return NULL;
}

static void *serve(void *arg)
{
    struct job *job = arg;
    pthread_t helper;

    while (read_request(job)) {
        mini_need(pthread_create(&helper, NULL, ask_once, job) == 0, "pthread_create");
        pthread_join(helper, NULL);
        answer(job);
        if (job->close)
            break;
    }
    close(job->fd);
    free(job);
    return NULL;
}

static void *spawn(void *arg)
{
    int listener = *(int *)arg;

    for (;;) {
        struct job *job = calloc(1, sizeof *job);
        pthread_t thread;

        mini_need(job != NULL, "calloc");
        job->fd = accept(listener, NULL, NULL);
        mini_need(job->fd >= 0, "accept");
        mini_need(pthread_create(&thread, NULL, serve, job) == 0, "pthread_create");
        pthread_detach(thread);
    }
    return NULL;
}

/* --- handoff --- */

static void *work(void *arg)
{
    int fd = mini_connect(upstream_port, 0);

    (void)arg;
    for (;;) {
        struct job *job;
        int back;

        pthread_mutex_lock(&lock);
        while (!jobs)
            pthread_cond_wait(&more, &lock);
        job = jobs;
        jobs = job->next;
        if (!jobs)
            jobs_end = &jobs;
        pthread_mutex_unlock(&lock);
        ask(fd, job);
        answer(job);
        back = job->close ? -1 : job->fd;
        if (job->close)
            close(job->fd);
        else
            mini_need(write(done[1], &back, sizeof back) == sizeof back, "write");
        free(job);
    }
    return NULL;
}

/* Hands the connection's request to a worker; the connection is not polled meanwhile. */
static void take(int fd)
{
    struct job *job = calloc(1, sizeof *job);

    mini_need(job != NULL, "calloc");
    job->fd = fd;
    if (!read_request(job)) {
        close(fd);
        free(job);
        return;
    }
    pthread_mutex_lock(&lock);
    *jobs_end = job;
    jobs_end = &job->next;
    pthread_cond_signal(&more);
    pthread_mutex_unlock(&lock);
}

static void *handoff(void *arg)
{
    struct pollfd polled[2 + CLIENTS] = {{.fd = *(int *)arg, .events = POLLIN}};
    nfds_t count = 2;
    pthread_t worker;

    mini_need(pipe(done) == 0, "pipe");
    polled[1] = (struct pollfd){.fd = done[0], .events = POLLIN};
    for (int i = 0; i < WORKERS; i++)
        mini_need(pthread_create(&worker, NULL, work, NULL) == 0, "pthread_create");
    for (;;) {
        nfds_t kept = 2;
        int fd = -1;

        mini_need(poll(polled, count, -1) > 0, "poll");
        for (nfds_t i = 2; i < count; i++) {
            if (polled[i].revents)
                take(polled[i].fd);
            else
                polled[kept++] = polled[i];
        }
        count = kept;
        if (polled[0].revents)
            fd = accept(polled[0].fd, NULL, NULL);
        else if (polled[1].revents)
            mini_need(read(done[0], &fd, sizeof fd) == sizeof fd, "read");
        if (fd >= 0) {
            mini_need(count < 2 + CLIENTS, "too many clients");
            polled[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    int listener;
    pthread_t thread;
    char byte;

    if (argc != 3)
        return 2;
    upstream_port = (uint16_t)atoi(argv[2]);
    listener = mini_listen(0);
    mini_need(
        pthread_create(&thread, NULL, strcmp(argv[1], "spawn") ? handoff : spawn, &listener) == 0,
        "pthread_create");
    while (read(0, &byte, 1) > 0)
        ;
    return 0;
}
