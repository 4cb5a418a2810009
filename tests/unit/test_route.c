/* SPDX-License-Identifier: Apache-2.0 */
#include "core/route.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/guardpage.h"
#include "tests/unit/env.h"

/* One test, one thread. */
static struct guardpage page, room;

static void setup(void)
{
    guardpage_open(&page, 65536);
    guardpage_open(&room, OTEL_ROUTE_MAX);
}

static void expect_route(const char *target, size_t len, const char *route)
{
    char *out = guardpage_room(&room, OTEL_ROUTE_MAX);
    struct otel_text got =
        otel_route_match((struct otel_text){guardpage_put(&page, target, len), len}, out);

    cr_expect(got.len == strlen(route) && (!got.len || !memcmp(got.data, route, got.len)),
              "%.*s: '%.*s', not '%s'", (int)len, target, (int)got.len, got.data, route);
}

Test(route, guesses, .init = setup)
{
    static const struct {
        const char *target, *route;
    } cases[] = {
        {"/", "/"},
        {"/index.html", "/index.html"},
        {"/a/b?c=d/e", "/a/b"},
        {"/a#b", "/a"},
        {"/?", "/"},
        {"/documents/", "/documents/"},
        {"//a//", "//a//"},
        {"/documents/42", "/documents/*"},
        {"/documents/42/pages/7?x=1", "/documents/*/pages/*"},
        {"/day/2024-01-31", "/day/*"},
        {"/at/12:30:00.5", "/at/*"},
        {"/v1/users", "/v1/users"},
        {"/api/v2beta1/x86_64", "/api/v2beta1/x86_64"},
        {"/u/550e8400-e29b-41d4-a716-446655440000", "/u/*"},
        {"/u/550E8400-E29B-41D4-A716-446655440000/x", "/u/*/x"},
        {"/commit/deadbeef", "/commit/*"},
        {"/commit/deadbee", "/commit/deadbee"},
        {"/sha/da39a3ee5e6b4b0d3255bfef95601890afd80709", "/sha/*"},
        {"/bead-cafe-dead", "/bead-cafe-dead"},
        {"/watch/dQw4w9WgXcQ", "/watch/*"},
        {"/ulid/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/ulid/*"},
        {"/ksuid/0ujtsYcgvSTl8PAuAdqWYSMnLOv", "/ksuid/*"},
        {"/assets/main.8f3a2b1c.js", "/assets/*"},
        {"/assets/jquery-3.6.0.min.js", "/assets/jquery-3.6.0.min.js"},
        {"/getUserProfileInformation", "/getUserProfileInformation"},
        {"/order-12345", "/*"},
        {"/caf%C3%A9", "/*"},
        {"/mail/user@example.com", "/mail/*"},
        {"/npm/@scope/pkg", "/npm/@scope/pkg"},
        {"/http://@bob:secret@h/", "/http://*/"},
        {"/\xc3\xa9", "/*"},
        {"/a\"b<c>", "/*"},
        {"/list;jsessionid=0A1B/item", "/list/item"},
        {"/list;a=b;c=d?e", "/list"},
        {"/list;", "/list"},
        {"/.well-known/openid-configuration", "/.well-known/openid-configuration"},
        {"http://example.com/a/12?b", "/a/*"},
        {"http://example.com", "/"},
        {"http://example.com?a/b", "/"},
        {"HTTPS://[::1]:80/x", "/x"},
        {"*", ""},
        {"", ""},
        {"example.com:443", ""},
        {"a", ""},
        {"http:/", ""},
        {"http://", ""},
    };

    otel_route_init(NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_route(cases[i].target, strlen(cases[i].target), cases[i].route);
}

Test(route, long_ones, .init = setup)
{
    static char path[65536];

    otel_route_init("");
    memset(path, 'k', sizeof path);
    path[0] = '/';
    expect_route(path, 65536, "/*");
    expect_route(path, 66, "/*");
    path[65] = '\0';
    expect_route(path, 65, path);
    for (size_t i = 0; i < sizeof path; i += 2)
        memcpy(path + i, "/a", 2);
    expect_route(path, 65536, "");
    expect_route(path, 258, "");
    path[256] = '\0';
    expect_route(path, 256, path);
    memset(path, '/', sizeof path);
    expect_route(path, 65536, "");
}

Test(route, any_bytes, .init = setup)
{
    char path[64] = "/";
    unsigned seed = 1;

    otel_route_init("/:a/*");
    for (int i = 0; i < 20000; i++) {
        size_t len = 1 + (seed >> 8) % 63;
        struct otel_text got;

        for (size_t k = 1; k < len; k++)
            path[k] = (char)((seed = seed * 1103515245 + 12345) >> 16);
        got = otel_route_match((struct otel_text){guardpage_put(&page, path, len), len},
                               guardpage_room(&room, OTEL_ROUTE_MAX));
        for (size_t k = 0; k < got.len; k++)
            cr_assert(got.data[k] > ' ' && got.data[k] < 0x7f, "a byte no route may have");
    }
}

Test(route, patterns, .init = setup)
{
    static const struct {
        const char *target, *route;
    } cases[] = {
        {"/documents/42", "/documents/:id"},
        {"/documents/forty-two?x", "/documents/:id"},
        {"/documents/new", "/documents/:id"},
        {"/documents/", "/documents/"},
        {"/documents", "/documents"},
        {"/documents/1/2", "/documents/*/*"},
        {"/users/bob/posts", "/users/*/posts"},
        {"/users/bob/post", "/users/bob/post"},
        {"/users//posts", "/users//posts"},
        {"/static/a/b/c.css", "/static/*"},
        {"/static/", "/static/*"},
        {"/static", "/static/*"},
        {"/static?a", "/static/*"},
        {"/statics", "/statics"},
        {"/exact", "/exact"},
        {"/exact/", "/exact/"},
        {"/:x", "/:x"},
        {"http://h/documents/7", "/documents/:id"},
    };

    otel_route_init(" /documents/:id, /users/*/posts,,/static/* ,/exact");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_route(cases[i].target, strlen(cases[i].target), cases[i].route);
    otel_route_init("/first/:a,/first/b,/*");
    expect_route("/first/b", 8, "/first/:a");
    expect_route("/else/1", 7, "/*");
    expect_route("/", 1, "/*");
}

Test(route, bad_patterns, .init = setup)
{
    static char many[(OTEL_ROUTE_PATTERNS_MAX + 2) * 8], longest[OTEL_ROUTE_MAX + 2];

    env_load();
    otel_route_init("documents/:id,/ok/:x");
    expect_warning("OTEL_AUTO_HTTP_ROUTES: ignored 'documents/:id': does not begin with /");
    expect_route("/ok/1", 5, "/ok/:x");
    env_load();
    memset(longest, 'a', OTEL_ROUTE_MAX + 1);
    longest[0] = '/';
    otel_route_init(longest);
    expect_warning("too long");
    env_load();
    for (int i = 0; i <= OTEL_ROUTE_PATTERNS_MAX; i++)
        snprintf(many + 7 * i, 8, "/p%04d,", i);
    otel_route_init(many);
    expect_warning("'/p0128': too many patterns");
    expect_route("/p0127", 6, "/p0127");
}

static struct otel_text nth(int n, char out[static OTEL_ROUTE_MAX])
{
    char path[32];

    snprintf(path, sizeof path, "/page-%c%c/%d", 'g' + n / 20 % 20, 'g' + n % 20, n);
    return otel_route_match((struct otel_text){path, strlen(path)}, out);
}

Test(route, the_101st_is_none)
{
    char out[OTEL_ROUTE_MAX];

    otel_route_init(NULL);
    for (int i = 0; i < OTEL_ROUTES_MAX; i++)
        cr_assert_eq(nth(i, out).len, strlen("/page-gg/*"));
    cr_assert_eq(nth(OTEL_ROUTES_MAX, out).len, 0);
    cr_assert_eq(nth(OTEL_ROUTES_MAX + 1, out).len, 0);
    for (int i = 0; i < OTEL_ROUTES_MAX; i++)
        cr_assert_eq(nth(i, out).len, strlen("/page-gg/*"), "what is known stays");
    otel_route_init("/page-:x/*,/page-zz/:n");
    cr_assert_eq(otel_route_match(OTEL_TEXT("/page-zz/1"), out).len, strlen("/page-zz/:n"),
                 "patterns are not counted");
}

/* What one of the threads got. */
struct seen {
    pthread_t thread;
    int first;
    bool got[200];
};

static void *ask(void *arg)
{
    struct seen *seen = arg;
    char out[OTEL_ROUTE_MAX];

    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 200; i++) {
            int n = (i + seen->first) % 200;
            bool got = nth(n, out).len > 0;

            cr_assert(got || !seen->got[n], "what is known stays");
            seen->got[n] = got;
        }
    return NULL;
}

/* Threads that meet over the same routes: each route counts once. */
Test(route, threads)
{
    static struct seen seen[4];
    int total = 0;

    otel_route_init(NULL);
    for (int t = 0; t < 4; t++) {
        seen[t].first = t % 2 * 50;
        cr_assert_eq(pthread_create(&seen[t].thread, NULL, ask, &seen[t]), 0);
    }
    for (int t = 0; t < 4; t++)
        cr_assert_eq(pthread_join(seen[t].thread, NULL), 0);
    for (int n = 0; n < 200; n++) {
        for (int t = 1; t < 4; t++)
            cr_assert_eq(seen[t].got[n], seen[0].got[n], "%d", n);
        total += seen[0].got[n];
    }
    cr_assert_eq(total, OTEL_ROUTES_MAX);
}
