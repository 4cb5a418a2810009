/* SPDX-License-Identifier: Apache-2.0
 * What handles can have in common and how transfers can stop for a while: one case a run, named by
 * argv[1], against the server at argv[2]. */
// LIBS: -lcurl
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static const char *base;
static pthread_mutex_t locks[CURL_LOCK_DATA_LAST];
static int locked, pauses;
static size_t bytes;

static void lock(CURL *h, curl_lock_data what, curl_lock_access access, void *user)
{
    (void)h;
    (void)access;
    (void)user;
    pthread_mutex_lock(&locks[what]);
    locked = 1;
}

static void unlock(CURL *h, curl_lock_data what, void *user)
{
    (void)h;
    (void)user;
    pthread_mutex_unlock(&locks[what]);
}

static size_t count(char *p, size_t a, size_t b, void *user)
{
    (void)p;
    (void)user;
    __atomic_add_fetch(&bytes, a * b, __ATOMIC_RELAXED);
    return a * b;
}

/* Every second call is refused until the transfer is told to go on. */
static size_t count_with_pauses(char *p, size_t a, size_t b, void *user)
{
    int *turn = user;

    if (++*turn % 2) {
        pauses++;
        return CURL_WRITEFUNC_PAUSE;
    }
    return count(p, a, b, NULL);
}

static CURL *handle_for(const char *path)
{
    CURL *h = curl_easy_init();
    char url[512];

    snprintf(url, sizeof url, "%s%s", base, path);
    curl_easy_setopt(h, CURLOPT_URL, url);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, count);
    curl_easy_setopt(h, CURLOPT_NOPROXY, "*");
    return h;
}

static void *perform_four(void *h)
{
    for (int i = 0; i < 4; i++)
        if (curl_easy_perform(h) != CURLE_OK)
            puts("failed");
    return NULL;
}

/* Names, cookies and TLS sessions in common, by one handle alone and by threads at once. */
static void share(void)
{
    CURLSH *shared = curl_share_init();
    pthread_t t[3];
    CURL *h[3];

    for (int i = 0; i < CURL_LOCK_DATA_LAST; i++)
        pthread_mutex_init(&locks[i], NULL);
    curl_share_setopt(shared, CURLSHOPT_LOCKFUNC, lock);
    curl_share_setopt(shared, CURLSHOPT_UNLOCKFUNC, unlock);
    curl_share_setopt(shared, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
    curl_share_setopt(shared, CURLSHOPT_SHARE, CURL_LOCK_DATA_COOKIE);
    curl_share_setopt(shared, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    for (int i = 0; i < 3; i++) {
        h[i] = handle_for("/hello");
        curl_easy_setopt(h[i], CURLOPT_SHARE, shared);
        curl_easy_setopt(h[i], CURLOPT_COOKIEFILE, "");
    }
    perform_four(h[0]);
    for (int i = 0; i < 3; i++)
        pthread_create(&t[i], NULL, perform_four, h[i]);
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    printf("in use %d, locked %d, %zu bytes\n", curl_share_cleanup(shared), locked, bytes);
    for (int i = 0; i < 3; i++)
        curl_easy_cleanup(h[i]);
    printf("cleaned up %d\n", curl_share_cleanup(shared));
}

/* A download that stops at every other piece, and another beside it. */
static void pause_and_go_on(void)
{
    CURLM *m = curl_multi_init();
    CURL *slow = handle_for("/large/200000"), *other = handle_for("/hello");
    int running = 1, turn = 0, before = 0;

    curl_easy_setopt(slow, CURLOPT_WRITEFUNCTION, count_with_pauses);
    curl_easy_setopt(slow, CURLOPT_WRITEDATA, &turn);
    curl_multi_add_handle(m, slow);
    curl_multi_add_handle(m, other);
    while (running) {
        curl_multi_perform(m, &running);
        if (pauses > before) {
            before = pauses;
            curl_easy_pause(slow, CURLPAUSE_ALL);
            curl_easy_pause(slow, CURLPAUSE_CONT);
        } else if (running) {
            curl_multi_poll(m, NULL, 0, 1000, NULL);
        }
    }
    printf("paused %d, %zu bytes\n", pauses > 0, bytes);
    curl_multi_remove_handle(m, slow);
    curl_multi_remove_handle(m, other);
    curl_easy_cleanup(slow);
    curl_easy_cleanup(other);
    curl_multi_cleanup(m);
}

/* Stopped for good: the handle is freed in the middle. */
static void pause_and_leave(void)
{
    CURLM *m = curl_multi_init();
    CURL *h = handle_for("/large/200000"), *unused = handle_for("/hello");
    int running = 1, turn = 0;

    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, count_with_pauses);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, &turn);
    curl_multi_add_handle(m, h);
    while (!pauses) {
        curl_multi_perform(m, &running);
        if (!pauses)
            curl_multi_poll(m, NULL, 0, 1000, NULL);
    }
    curl_multi_remove_handle(m, h);
    curl_easy_cleanup(h);
    curl_easy_cleanup(unused); /* never performed */
    curl_multi_cleanup(m);
    puts("left");
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    base = argv[2];
    curl_global_init(CURL_GLOBAL_ALL);
    if (!strcmp(argv[1], "share"))
        share();
    if (!strcmp(argv[1], "pause"))
        pause_and_go_on();
    if (!strcmp(argv[1], "leave"))
        pause_and_leave();
    curl_global_cleanup();
    return 0;
}
