/* SPDX-License-Identifier: Apache-2.0
 * What a program can do to an easy handle: one case a run, named by argv[1], against the server at
 * argv[2]. Says what a program could see of our presence. */
// LIBS: -lcurl
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *base;
static const char *extra; /* another URL, argv[3] */

static void set_path(CURL *h, const char *path)
{
    char url[512];

    snprintf(url, sizeof url, "%s%s", base, path);
    curl_easy_setopt(h, CURLOPT_URL, url);
}

static size_t drop(char *p, size_t a, size_t b, void *user)
{
    (void)p;
    (void)user;
    return a * b;
}

static CURL *handle_for(const char *path)
{
    CURL *h = curl_easy_init();

    set_path(h, path);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, drop);
    curl_easy_setopt(h, CURLOPT_NOPROXY, "*");
    return h;
}

static void perform(CURL *h)
{
    long status = 0;
    CURLcode code = curl_easy_perform(h);

    curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
    printf("%d %ld\n", (int)code, status);
}

/* A list's bytes and the addresses of its parts, which nobody may change. */
struct snapshot {
    struct curl_slist node[8];
    const struct curl_slist *where[8];
    char text[8][256];
    int count;
};

static struct snapshot look(const struct curl_slist *list)
{
    struct snapshot s = {.count = 0};

    for (; list; list = list->next, s.count++) {
        s.node[s.count] = *list;
        s.where[s.count] = list;
        snprintf(s.text[s.count], sizeof s.text[0], "%s", list->data);
    }
    return s;
}

static void same(const struct snapshot *a, const struct snapshot *b)
{
    int equal = a->count == b->count;

    for (int i = 0; equal && i < a->count; i++)
        equal = a->where[i] == b->where[i] && a->node[i].data == b->node[i].data &&
                a->node[i].next == b->node[i].next && !strcmp(a->text[i], b->text[i]);
    printf("list %s\n", equal ? "unchanged" : "CHANGED");
}

static struct curl_slist *some_headers(void)
{
    struct curl_slist *list = curl_slist_append(NULL, "X-One: 1");

    list = curl_slist_append(list, "Accept:");
    return curl_slist_append(list, "X-Empty;");
}

static void lists(void)
{
    struct curl_slist *list = some_headers();
    struct snapshot before;
    struct snapshot after;
    CURL *h = handle_for("/hello");

    curl_easy_setopt(h, CURLOPT_HTTPHEADER, list);
    before = look(list);
    perform(h);
    after = look(list);
    same(&before, &after);
    list = curl_slist_append(list, "X-Two: 2"); /* shows only if the handle still has this list */
    perform(h);
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(list);
    perform(h);
    curl_easy_cleanup(h);
}

/* The program's own context stands in the middle of its list. */
static void own_traceparent(void)
{
    struct curl_slist *list = some_headers();
    struct snapshot before;
    struct snapshot after;
    CURL *h = handle_for("/redirect/1");

    list = curl_slist_append(
        list, "TraceParent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    list = curl_slist_append(list, "tracestate: v=1");
    list = curl_slist_append(list, "baggage: mine=1");
    list = curl_slist_append(list, "X-Last: 1");
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 1L);
    before = look(list);
    perform(h);
    after = look(list);
    same(&before, &after);
    curl_easy_cleanup(h);
    curl_slist_free_all(list);
}

static void *list_thread(void *arg)
{
    CURL *h = handle_for("/hello");

    curl_easy_setopt(h, CURLOPT_HTTPHEADER, arg);
    for (int i = 0; i < 50; i++)
        if (curl_easy_perform(h))
            puts("failed");
    curl_easy_cleanup(h);
    return NULL;
}

static void shared_list(void)
{
    struct curl_slist *list = curl_slist_append(
        some_headers(), "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    struct snapshot before;
    struct snapshot after;
    pthread_t t[4];

    list = curl_slist_append(list, "X-Last: 1");
    before = look(list);
    for (int i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, list_thread, list);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    after = look(list);
    same(&before, &after);
    curl_slist_free_all(list);
}

struct in_callback {
    CURL *h;
    int called;
    struct curl_slist *list;
    CURL *copy;
};

/* From a callback of the transfer: another handle's transfer, a copy, a reset of the copy, and this
 * handle's list replaced. */
static size_t busy(char *p, size_t a, size_t b, void *user)
{
    struct in_callback *in = user;
    CURL *copy;

    (void)p;
    if (in->called++)
        return a * b;
    copy = curl_easy_duphandle(in->h);
    curl_easy_setopt(copy, CURLOPT_WRITEFUNCTION, drop);
    set_path(copy, "/status/201");
    perform(copy);
    curl_easy_reset(copy);
    curl_easy_setopt(copy, CURLOPT_WRITEFUNCTION, drop);
    set_path(copy, "/status/202");
    perform(copy);
    curl_easy_cleanup(copy);
    printf("recursive %d\n", (int)curl_easy_perform(in->h));
    in->list = curl_slist_append(NULL, "X-New: 1");
    curl_easy_setopt(in->h, CURLOPT_HTTPHEADER, in->list);
    return a * b;
}

static void callbacks(void)
{
    CURL *h = handle_for("/to//digest");
    struct in_callback in = {.h = h};
    struct curl_slist *list = some_headers();

    curl_easy_setopt(h, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, busy);
    curl_easy_setopt(h, CURLOPT_HEADERDATA, &in);
    curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(h, CURLOPT_USERPWD, "u:p");
    curl_easy_setopt(h, CURLOPT_HTTPAUTH, CURLAUTH_DIGEST);
    perform(h);
    perform(h);
    curl_easy_cleanup(h);
    curl_slist_free_all(list);
    curl_slist_free_all(in.list);
}

static int on_debug(CURL *h, curl_infotype type, char *p, size_t n, void *user)
{
    if (type == CURLINFO_HEADER_OUT)
        printf("%s sees %c%c%c of %d\n", (char *)user, p[0], p[1], p[2], h != NULL && n > 3);
    return 0;
}

/* Every order in which verbosity can be asked for; the observer must not show. */
static void verbose(void)
{
    CURL *h = handle_for("/hello");

    curl_easy_setopt(h, CURLOPT_DEBUGFUNCTION, on_debug);
    curl_easy_setopt(h, CURLOPT_DEBUGDATA, "first");
    perform(h);
    curl_easy_setopt(h, CURLOPT_VERBOSE, 1L);
    perform(h);
    curl_easy_setopt(h, CURLOPT_DEBUGDATA, "second");
    perform(h);
    curl_easy_setopt(h, CURLOPT_DEBUGFUNCTION, NULL);
    curl_easy_setopt(h, CURLOPT_STDERR, stdout);
    fflush(stdout);
    perform(h);
    curl_easy_setopt(h, CURLOPT_VERBOSE, 0L);
    perform(h);
    curl_easy_setopt(h, CURLOPT_VERBOSE, 1L);
    curl_easy_reset(h);
    set_path(h, "/hello");
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, drop);
    perform(h);
    curl_easy_cleanup(h);
}

static jmp_buf out;

static size_t leave(char *p, size_t a, size_t b, void *user)
{
    (void)p;
    (void)a;
    (void)b;
    (void)user;
    longjmp(out, 1);
}

/* libcurl does not support it, programs do it: the handle is then only good for cleanup. */
static void jump(void)
{
    CURL *h = handle_for("/hello");

    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, leave);
    if (!setjmp(out))
        curl_easy_perform(h);
    curl_easy_cleanup(h);
    h = handle_for("/status/404");
    perform(h);
    curl_easy_cleanup(h);
}

static void *run_handle(void *h)
{
    perform(h);
    return NULL;
}

static void *free_handle(void *h)
{
    curl_easy_cleanup(h);
    return NULL;
}

static void moved(void)
{
    CURL *h = handle_for("/redirect/1");
    pthread_t t;

    curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 1L);
    for (int i = 0; i < 3; i++) {
        pthread_create(&t, NULL, run_handle, h);
        pthread_join(t, NULL);
        perform(h);
    }
    pthread_create(&t, NULL, free_handle, h);
    pthread_join(t, NULL);
}

static void connect_only(void)
{
    CURL *h = handle_for("/hello");

    curl_easy_setopt(h, CURLOPT_CONNECT_ONLY, 1L);
    perform(h);
    curl_easy_cleanup(h);
}

/* errno after a perform is what libcurl left. */
static void errnos(void)
{
    CURL *h = curl_easy_init();

    curl_easy_setopt(h, CURLOPT_URL, "file:///nonexistent/file");
    errno = 0;
    printf("%d", (int)curl_easy_perform(h));
    printf(" %d\n", errno);
    errno = 77;
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, NULL);
    curl_easy_cleanup(h);
    h = curl_easy_init();
    curl_easy_cleanup(h);
    printf("%d\n", errno);
}

static void url_api(void)
{
    CURLU *u = curl_url();
    CURL *h = curl_easy_init();

    curl_url_set(u, CURLUPART_URL, base, 0);
    curl_easy_setopt(h, CURLOPT_CURLU, u);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, drop);
    perform(h);
    curl_easy_cleanup(h);
    curl_url_cleanup(u);
}

static int count_heads(CURL *h, curl_infotype type, char *p, size_t n, void *user)
{
    (void)h;
    (void)p;
    *(int *)user += type == CURLINFO_HEADER_OUT && n > 0;
    return 0;
}

/* Heads that go out in pieces, which over TLS they do; the second is cut in its request line. */
static void big_head(void)
{
    static char header[100001] = "X-Big: ";
    static char url[90000];
    struct curl_slist *list;
    CURL *h = handle_for("/hello");
    int pieces = 0;

    memset(header + 7, 'y', sizeof header - 8);
    list = curl_slist_append(NULL, header);
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(h, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(h, CURLOPT_VERBOSE, 1L);
    curl_easy_setopt(h, CURLOPT_DEBUGFUNCTION, count_heads);
    curl_easy_setopt(h, CURLOPT_DEBUGDATA, &pieces);
    perform(h);
    snprintf(url, sizeof url, "%s/hello?", base);
    memset(url + strlen(url), 'z', sizeof url - 1 - strlen(url));
    curl_easy_setopt(h, CURLOPT_URL, url);
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, NULL);
    perform(h);
    printf("in pieces: %s\n", pieces > 3 ? "yes" : "no");
    curl_easy_cleanup(h);
    curl_slist_free_all(list);
}

static void mail(CURL *h)
{
    struct curl_slist *to = curl_slist_append(NULL, "c@d");
    curl_mime *mime = curl_mime_init(h);

    curl_mime_data(curl_mime_addpart(mime), "text", CURL_ZERO_TERMINATED);
    curl_easy_setopt(h, CURLOPT_URL, extra);
    curl_easy_setopt(h, CURLOPT_MAIL_FROM, "a@b");
    curl_easy_setopt(h, CURLOPT_MAIL_RCPT, to);
    curl_easy_setopt(h, CURLOPT_MIMEPOST, mime);
    printf("mail %d\n", (int)curl_easy_perform(h));
    curl_easy_setopt(h, CURLOPT_MIMEPOST, NULL);
    curl_easy_setopt(h, CURLOPT_MAIL_RCPT, NULL);
    curl_mime_free(mime);
    curl_slist_free_all(to);
}

static size_t copy_once(char *p, size_t a, size_t b, void *user)
{
    struct in_callback *in = user;

    (void)p;
    if (!in->copy)
        in->copy = curl_easy_duphandle(in->h);
    return a * b;
}

/* In a mail the header list would show: nothing of ours may be left on a handle, or on a copy made
 * in the middle of a transfer. */
static void mail_after_http(void)
{
    CURL *h = handle_for("/hello");
    struct in_callback in = {.h = h};

    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, copy_once);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, &in);
    perform(h);
    mail(h);
    mail(in.copy);
    curl_easy_cleanup(h);
    curl_easy_cleanup(in.copy);
}

static size_t fetch_another(char *p, size_t a, size_t b, void *user)
{
    CURL *h = handle_for("/status/201");

    (void)p;
    (void)user;
    perform(h);
    curl_easy_cleanup(h);
    return a * b;
}

static void callback_after_redirect(void)
{
    CURL *h = handle_for("/redirect/1");

    curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, fetch_another);
    perform(h);
    curl_easy_cleanup(h);
}

/* More transfers than can be under way at once, with lists of the program's own to be kept for
 * each. extra refuses connections. */
static void many_transfers(void)
{
    struct curl_slist *list = curl_slist_append(
        NULL, "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    CURL *h = curl_easy_init();

    list = curl_slist_append(list, "tracestate: v=1");
    curl_easy_setopt(h, CURLOPT_URL, extra);
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, list);
    for (int i = 0; i < 6000; i++)
        if (curl_easy_perform(h) != CURLE_COULDNT_CONNECT)
            puts("connected");
    set_path(h, "/hello");
    perform(h);
    curl_easy_cleanup(h);
    curl_slist_free_all(list);
}

/* A transfer libcurl refuses has the timers of the one before. */
static void no_url(void)
{
    CURL *h = handle_for("/hello");

    perform(h);
    curl_easy_setopt(h, CURLOPT_URL, NULL);
    printf("%d\n", (int)curl_easy_perform(h));
    curl_easy_cleanup(h);
}

/* A handle that was verbose is gone: the look-up's own handle has nothing to be verbose for. */
static void quiet_lookup(void)
{
    CURL *h = curl_easy_init();

    curl_easy_setopt(h, CURLOPT_VERBOSE, 1L);
    curl_easy_cleanup(h);
    h = curl_easy_init();
    curl_easy_setopt(h, CURLOPT_VERBOSE, 1L);
    curl_easy_reset(h);
    curl_easy_setopt(h, CURLOPT_URL, "http://name.invalid/");
    curl_easy_setopt(h, CURLOPT_DOH_URL, extra);
    curl_easy_setopt(h, CURLOPT_DOH_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(h, CURLOPT_DOH_SSL_VERIFYHOST, 0L);
    perform(h);
    curl_easy_cleanup(h);
}

/* More handles one after another than can be tracked at once, at ever new addresses. */
static void many(void)
{
    static void *kept[70000];
    CURL *h;

    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        h = curl_easy_init();
        curl_easy_cleanup(h);
        kept[i] = malloc(64);
    }
    h = handle_for("/hello");
    perform(h);
    curl_easy_cleanup(h);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        free(kept[i]);
}

static long resident_kib(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    if (!f || fscanf(f, "%*d %ld", &pages) != 1)
        exit(3);
    fclose(f);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* The growth of many short-lived handles after a first round of them, in KiB. */
static void million(void)
{
    long before = 0;

    for (int i = 0; i < 1000000; i++) {
        CURL *h = curl_easy_init();

        curl_easy_setopt(h, CURLOPT_VERBOSE, (long)(i & 1));
        if (i == 50000)
            before = resident_kib();
        curl_easy_cleanup(h);
    }
    printf("%ld\n", resident_kib() - before);
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    {"lists", lists},
    {"own_traceparent", own_traceparent},
    {"shared_list", shared_list},
    {"verbose", verbose},
    {"callbacks", callbacks},
    {"jump", jump},
    {"moved", moved},
    {"connect_only", connect_only},
    {"errnos", errnos},
    {"million", million},
    {"url_api", url_api},
    {"big_head", big_head},
    {"mail_after_http", mail_after_http},
    {"no_url", no_url},
    {"callback_after_redirect", callback_after_redirect},
    {"many_transfers", many_transfers},
    {"quiet_lookup", quiet_lookup},
    {"many", many},
};

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    base = argc > 2 ? argv[2] : "";
    extra = argc > 3 ? argv[3] : "";
    curl_global_init(CURL_GLOBAL_ALL);
    for (size_t i = 0; argc > 1 && i < sizeof cases / sizeof *cases; i++) {
        if (!strcmp(cases[i].name, argv[1])) {
            cases[i].run();
            return 0;
        }
    }
    return 2;
}
