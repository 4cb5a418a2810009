/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/curl_exchange.h"

#include <errno.h>
#include <string.h>

#include "core/clock.h"

/* A piece of a head begins a request when it has a whole request line (method, target, version: the
 * rest of one that was cut has no method), or when it is the first bytes of one: libcurl may send a
 * head in pieces. Commands of other protocols (FTP's) have no "HTTP/". */
static bool begins_request(const struct otel_curl_exchange *x, const char *p, size_t len)
{
    const char *line_end = memchr(p, '\n', len);
    const char *target = memchr(p, ' ', line_end ? (size_t)(line_end - p) : len);

    if (!line_end)
        return target && !x->head_open;
    return target && memmem(target + 1, (size_t)(line_end - target) - 1, " HTTP/", 6);
}

static void head_out(struct otel_curl_exchange *x, const char *p, size_t len, uint64_t now_ns)
{
    bool begins = len && begins_request(x, p, len);

    if (begins) {
        x->tunnel = len >= 8 && !memcmp(p, "CONNECT ", 8);
        if (!x->tunnel)
            otel_curl_hop_sent(x, p, len, now_ns);
    }
    if (len)
        x->head_open = !(len >= 4 && !memcmp(p + len - 4, "\r\n\r\n", 4));
}

static void observe(struct otel_curl_exchange *x, curl_infotype type, const char *p, size_t len)
{
    uint64_t now_ns = otel_clock_mono_ns();
    bool answer = x->hop.sent && !x->tunnel;

    x->last_ns = now_ns;
    if (type == CURLINFO_HEADER_OUT)
        head_out(x, p, len, now_ns);
    if ((type == CURLINFO_HEADER_IN || type == CURLINFO_DATA_IN) && answer)
        x->hop.last_in_ns = now_ns;
    if (type == CURLINFO_HEADER_IN && answer && len > 5 && !memcmp(p, "HTTP/", 5))
        otel_curl_hop_status(x, p, len);
}

/* What the program gets of it: its own function, or what libcurl prints by itself. */
static int forward(const struct otel_curl_handle *h, CURL *handle, curl_infotype type, char *data,
                   size_t size)
{
    static const char prefix[][2] = {
        [CURLINFO_TEXT] = "* ", [CURLINFO_HEADER_IN] = "< ", [CURLINFO_HEADER_OUT] = "> "};
    FILE *err = h->set.err ? h->set.err : stderr;

    if (h->set.debug)
        return h->set.debug(handle, type, data, size, h->set.debug_data);
    if (type <= CURLINFO_HEADER_OUT) {
        fwrite(prefix[type], 2, 1, err);
        fwrite(data, size, 1, err);
    }
    return 0;
}

/* handle may be one we do not know: a name look-up over HTTPS inherits the function of the transfer
 * it is done for, which user then names. */
int otel_curl_debug(CURL *handle, curl_infotype type, char *data, size_t size, void *user)
{
    struct otel_curl_handle *h = otel_curl_handle_of(handle);
    int saved = errno;

    if (h && h->exchange && h->exchange->observed)
        observe(h->exchange, type, data, size);
    if (!h)
        h = otel_curl_handle_of(user);
    errno = saved;
    return h && h->set.verbose ? forward(h, handle, type, data, size) : 0;
}
