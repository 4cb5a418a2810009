/* SPDX-License-Identifier: Apache-2.0
 * What a program can do with a multi handle: one case a run, named by argv[1], against the server
 * at argv[2]. */
// LIBS: -lcurl
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *base;

static size_t drop(char *p, size_t a, size_t b, void *user)
{
    (void)p;
    (void)user;
    return a * b;
}

static CURL *handle_for(const char *path)
{
    CURL *h = curl_easy_init();
    char url[512];

    snprintf(url, sizeof url, "%s%s", base, path);
    curl_easy_setopt(h, CURLOPT_URL, url);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, drop);
    curl_easy_setopt(h, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(h, CURLOPT_PRIVATE, strdup(path));
    return h;
}

static void run(CURLM *m)
{
    int running = 1;

    while (running) {
        curl_multi_perform(m, &running);
        if (running)
            curl_multi_poll(m, NULL, 0, 1000, NULL);
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void read_results(CURLM *m, int remove)
{
    char lines[16][128];
    int count = 0;
    int left;
    CURLMsg *msg;

    while ((msg = curl_multi_info_read(m, &left)) != NULL) {
        CURL *h = msg->easy_handle;
        int code = (int)msg->data.result;
        char *path = NULL;
        long status = 0;

        curl_easy_getinfo(h, CURLINFO_PRIVATE, &path);
        curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
        snprintf(lines[count++], sizeof lines[0], "%s %d %ld", path, code, status);
        if (remove)
            curl_multi_remove_handle(m, h);
    }
    qsort(lines, (size_t)count, sizeof lines[0], by_text);
    for (int i = 0; i < count; i++)
        puts(lines[i]);
}

static void end(CURL *h)
{
    char *path = NULL;

    curl_easy_getinfo(h, CURLINFO_PRIVATE, &path);
    curl_easy_cleanup(h);
    free(path);
}

static void together(void)
{
    static const char *const paths[] = {"/hello", "/redirect/2", "/status/404", "/nothing",
                                        "/large/300000"};
    CURL *h[5];
    CURLM *m = curl_multi_init();

    for (int i = 0; i < 5; i++)
        curl_multi_add_handle(m, h[i] = handle_for(paths[i]));
    printf("again %d\n", (int)curl_multi_add_handle(m, h[0]));
    printf("perform %d\n", (int)curl_easy_perform(h[1]));
    run(m);
    read_results(m, 1);
    for (int i = 0; i < 5; i++)
        end(h[i]);
    curl_multi_cleanup(m);
}

/* As PHP programs do it: nobody reads the results. */
static void unread(void)
{
    CURLM *m = curl_multi_init();
    CURL *a = handle_for("/redirect/1");
    CURL *b = handle_for("/nothing");

    curl_multi_add_handle(m, a);
    curl_multi_add_handle(m, b);
    run(m);
    curl_multi_remove_handle(m, a);
    curl_multi_remove_handle(m, b);
    end(a);
    end(b);
    curl_multi_cleanup(m);
}

static void on_alarm(CURLM *m, CURL *h, int sent)
{
    long size = 0;
    int running;

    while (sent && size == 0) {
        curl_multi_perform(m, &running);
        curl_easy_getinfo(h, CURLINFO_REQUEST_SIZE, &size);
        if (!size)
            curl_multi_poll(m, NULL, 0, 1000, NULL);
    }
}

/* Handles taken out or freed in the middle, in every order. */
static void abandoned(void)
{
    CURLM *m = curl_multi_init();
    CURL *never = handle_for("/hello?never");
    CURL *removed = handle_for("/hang?removed");
    CURL *freed = handle_for("/hang?freed");
    CURL *left = handle_for("/hang?left");

    curl_multi_add_handle(m, never);
    curl_multi_remove_handle(m, never);
    end(never);
    curl_multi_add_handle(m, removed);
    on_alarm(m, removed, 1);
    curl_multi_remove_handle(m, removed);
    end(removed);
    curl_multi_add_handle(m, freed);
    on_alarm(m, freed, 1);
    end(freed);
    curl_multi_add_handle(m, left);
    on_alarm(m, left, 1);
    curl_multi_cleanup(m);
    curl_easy_setopt(left, CURLOPT_URL, base);
    printf("%d\n", (int)curl_easy_perform(left));
    end(left);
}

/* A handle goes from one multi to another, to an easy perform and back; its list changes under way.
 */
static void reused(void)
{
    CURLM *m[2] = {curl_multi_init(), curl_multi_init()};
    struct curl_slist *one = curl_slist_append(NULL, "X-One: 1");
    struct curl_slist *two = curl_slist_append(NULL, "X-Two: 2");
    CURL *h = handle_for("/redirect/1");

    for (int i = 0; i < 4; i++) {
        curl_easy_setopt(h, CURLOPT_HTTPHEADER, one);
        curl_multi_add_handle(m[i % 2], h);
        curl_easy_setopt(h, CURLOPT_HTTPHEADER, two);
        run(m[i % 2]);
        read_results(m[i % 2], i & 1);
        curl_multi_remove_handle(m[i % 2], h);
        printf("%d\n", (int)curl_easy_perform(h));
        printf("%s %d\n", two->data, two->next != NULL);
    }
    end(h);
    curl_slist_free_all(one);
    curl_slist_free_all(two);
    curl_multi_cleanup(m[0]);
    curl_multi_cleanup(m[1]);
}

static void reset(void)
{
    CURLM *m = curl_multi_init();
    CURL *h = handle_for("/hello");
    char url[512];

    curl_multi_add_handle(m, h);
    curl_easy_reset(h);
    snprintf(url, sizeof url, "%s/status/202", base);
    curl_easy_setopt(h, CURLOPT_URL, url);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, drop);
    run(m);
    curl_multi_remove_handle(m, h);
    curl_easy_cleanup(h);
    curl_multi_cleanup(m);
}

/* The event-driven interface with a poll(2) loop of its own. */
struct loop {
    struct pollfd fd[64];
    int count;
    long timeout_ms;
};

static int on_socket(CURL *h, curl_socket_t s, int what, void *user, void *mine)
{
    struct loop *l = user;
    int i = 0;

    (void)h;
    (void)mine;
    while (i < l->count && l->fd[i].fd != s)
        i++;
    if (what == CURL_POLL_REMOVE) {
        if (i < l->count)
            l->fd[i] = l->fd[--l->count];
        return 0;
    }
    if (i == l->count)
        l->count++;
    l->fd[i] = (struct pollfd){.fd = s,
                               .events = (short)((what & CURL_POLL_IN ? POLLIN : 0) |
                                                 (what & CURL_POLL_OUT ? POLLOUT : 0))};
    return 0;
}

static int on_timer(CURLM *m, long timeout_ms, void *user)
{
    (void)m;
    ((struct loop *)user)->timeout_ms = timeout_ms;
    return 0;
}

static void turn(CURLM *m, struct loop *l, int *running)
{
    struct pollfd ready[64];
    int count = l->count;
    int n = poll(l->fd, (nfds_t)count, l->timeout_ms < 0 ? 1000 : (int)l->timeout_ms);

    memcpy(ready, l->fd, sizeof ready);
    if (n == 0)
        curl_multi_socket_action(m, CURL_SOCKET_TIMEOUT, 0, running);
    for (int i = 0; n > 0 && i < count; i++)
        if (ready[i].revents)
            curl_multi_socket_action(m, ready[i].fd,
                                     (ready[i].revents & POLLOUT ? CURL_CSELECT_OUT : 0) |
                                         (ready[i].revents & ~POLLOUT ? CURL_CSELECT_IN : 0),
                                     running);
}

static void sockets(void)
{
    struct loop loop = {.timeout_ms = -1};
    CURLM *m = curl_multi_init();
    CURL *h[3] = {handle_for("/redirect/1"), handle_for("/status/500"), handle_for("/chunked")};
    int running = 3;

    curl_multi_setopt(m, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(m, CURLMOPT_SOCKETDATA, &loop);
    curl_multi_setopt(m, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(m, CURLMOPT_TIMERDATA, &loop);
    for (int i = 0; i < 3; i++)
        curl_multi_add_handle(m, h[i]);
    curl_multi_socket_action(m, CURL_SOCKET_TIMEOUT, 0, &running);
    while (running)
        turn(m, &loop, &running);
    read_results(m, 1);
    for (int i = 0; i < 3; i++)
        end(h[i]);
    curl_multi_cleanup(m);
}

/* The transfer is over before another begins, and only then the program asks for its result. */
static void late(void)
{
    CURLM *m = curl_multi_init();
    CURL *h = handle_for("/hello");
    CURL *second = handle_for("/status/201");

    curl_multi_add_handle(m, h);
    run(m);
    printf("%d\n", (int)curl_easy_perform(second));
    read_results(m, 1);
    end(h);
    end(second);
    curl_multi_cleanup(m);
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    {"together", together}, {"unread", unread},   {"abandoned", abandoned}, {"reused", reused},
    {"reset", reset},       {"sockets", sockets}, {"late", late},
};

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    base = argc > 2 ? argv[2] : "";
    curl_global_init(CURL_GLOBAL_ALL);
    for (size_t i = 0; argc > 1 && i < sizeof cases / sizeof *cases; i++) {
        if (!strcmp(cases[i].name, argv[1])) {
            cases[i].run();
            return 0;
        }
    }
    return 2;
}
