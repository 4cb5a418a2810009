/* SPDX-License-Identifier: Apache-2.0
 *
 * The first byte is the room for the result, the rest a URL, a query, and a password in a URL.
 */
#include "core/url.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)    \
    do {                      \
        if (!(condition))     \
            __builtin_trap(); \
    } while (0)

/* The parts lie in the text, one behind the other. */
static void check_parse(const char *text, size_t len)
{
    struct otel_url url;
    const struct otel_text *parts[] = {&url.userinfo, &url.host, &url.path, &url.query,
                                       &url.fragment};
    const char *at = text;

    if (otel_url_parse(&url, text, len)) {
        REQUIRE(!url.host.len);
        return;
    }
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (parts[i]->len) {
            REQUIRE(parts[i]->data >= at && parts[i]->data + parts[i]->len <= text + len);
            at = parts[i]->data + parts[i]->len;
        }
    REQUIRE(!url.host.len || !memchr(url.host.data, '@', url.host.len));
}

/* A shorter result is the beginning of a longer one. */
static void check_redact(const char *text, size_t len, size_t cap)
{
    size_t all = 4 * len + 4096, n, whole;
    char *out = malloc(cap ? cap : 1), *full = malloc(all);

    REQUIRE(out && full);
    whole = otel_url_redact(full, all, text, len);
    REQUIRE(whole <= all);
    n = otel_url_redact(out, cap, text, len);
    REQUIRE(n == (whole < cap ? whole : cap) && (!n || !memcmp(out, full, n)));
    whole = otel_url_redact_query(full, all, text, len);
    n = otel_url_redact_query(out, cap, text, len);
    REQUIRE(n == (whole < cap ? whole : cap) && (!n || !memcmp(out, full, n)));
    free(out);
    free(full);
}

/* http://u:<data>@h: nothing of data may be seen. A password that begins with digits may be a port
 * that is followed by something else, so those are left out. */
static void check_password(const char *data, size_t len)
{
    static const char head[] = "http://u:", mark[] = "=SECRET=", tail[] = "@h/";
    char text[4096 + 64], out[8192];
    size_t n = sizeof head - 1, half = len / 2;

    if (len > 4096 || (len && *data >= '0' && *data <= '9'))
        return;
    memcpy(text, head, n);
    memcpy(text + n, data, half);
    n += half;
    memcpy(text + n, mark, sizeof mark - 1);
    n += sizeof mark - 1;
    memcpy(text + n, data + half, len - half);
    n += len - half;
    memcpy(text + n, tail, sizeof tail - 1);
    n += sizeof tail - 1;
    n = otel_url_redact(out, sizeof out, text, n);
    REQUIRE(!memmem(out, n, mark, sizeof mark - 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data + 1;

    if (!size)
        return 0;
    check_parse(text, size - 1);
    check_redact(text, size - 1, *data);
    check_password(text, size - 1);
    return 0;
}
