/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/curl.h"

#include <stdatomic.h>
#include <string.h>
#include <strings.h>

#include "core/handlemap.h"
#include "core/log.h"
#include "core/tls.h"
#include "hooks/curl_exchange.h"

OTEL_FAMILY(curl, OTEL_CURL_WANTED);

/* Lock-free by itself; a state belongs to the thread that uses the handle. */
static struct otel_handlemap handles = OTEL_HANDLEMAP(sizeof(struct otel_curl_handle), 4096);

/* Handles on which the program asked for CURLOPT_VERBOSE. Relaxed: a hint, see curl_easy_setopt. */
static _Atomic uint32_t verbose_handles;

struct otel_curl_handle *otel_curl_handle_new(CURL *handle, struct otel_library *library)
{
    static atomic_flag said = ATOMIC_FLAG_INIT; /* once a process, any thread */
    struct otel_curl_handle *h;

    if (otel_guard_inside() || !otel_family_active(&otel_family_curl))
        return NULL;
    if (!OTEL_WANTED_IN(library, curl_easy_setopt) || !OTEL_WANTED_IN(library, curl_easy_getinfo))
        return NULL;
    h = otel_handlemap_find(&handles, handle);
    if (h) /* died unseen, and its address is born again */
        otel_curl_exchange_finish(h, OTEL_CURL_GONE);
    h = otel_handlemap_insert(&handles, handle);
    if (h)
        h->library = library;
    else if (otel_log_once(&said))
        otel_log(OTEL_LOG_WARN, "curl: more handles than can be tracked, some go untraced");
    return h;
}

struct otel_curl_handle *otel_curl_handle_of(CURL *handle)
{
    if (otel_guard_inside())
        return NULL;
    return otel_handlemap_find(&handles, handle);
}

static void set_verbose(struct otel_curl_options *set, bool on)
{
    if (on && !set->verbose)
        atomic_fetch_add_explicit(&verbose_handles, 1, memory_order_relaxed);
    if (!on && set->verbose)
        atomic_fetch_sub_explicit(&verbose_handles, 1, memory_order_relaxed);
    set->verbose = on;
}

bool otel_curl_verbose_anywhere(void)
{
    return atomic_load_explicit(&verbose_handles, memory_order_relaxed) != 0;
}

void otel_curl_handle_drop(CURL *handle)
{
    struct otel_curl_handle *h = otel_curl_handle_of(handle);

    if (!h)
        return;
    otel_curl_exchange_finish(h, OTEL_CURL_UNKNOWN);
    set_verbose(&h->set, false);
    otel_handlemap_remove(&handles, handle);
}

/* The class of a scheme name. */
static enum otel_curl_scheme scheme_class(const char *name, size_t len)
{
    static const char *const http[] = {"http", "https", "ws", "wss"};

    for (size_t i = 0; i < sizeof http / sizeof *http; i++)
        if (strlen(http[i]) == len && !strncasecmp(name, http[i], len))
            return OTEL_CURL_SCHEME_HTTP;
    return OTEL_CURL_SCHEME_OTHER;
}

/* The class of a URL. Without a scheme libcurl guesses from the host's first label, HTTP otherwise,
 * unless CURLOPT_DEFAULT_PROTOCOL names one (CURLOPT_URL). */
static enum otel_curl_scheme url_class(const char *url)
{
    static const char *const guessed[] = {"ftp.", "dict.", "ldap.", "imap.", "smtp.", "pop3."};
    const char *end = url ? strstr(url, "://") : NULL;
    size_t name = url ? strcspn(url, ":/?#@") : 0;

    if (end && end == url + name)
        return scheme_class(url, name);
    if (url && !strncasecmp(url, "file:", 5))
        return OTEL_CURL_SCHEME_OTHER;
    for (size_t i = 0; url && i < sizeof guessed / sizeof *guessed; i++)
        if (!strncasecmp(url, guessed[i], strlen(guessed[i])))
            return OTEL_CURL_SCHEME_OTHER;
    return OTEL_CURL_SCHEME_NONE;
}

bool otel_curl_handle_http(const struct otel_curl_handle *h)
{
    __typeof__(&curl_url_get) url_get = OTEL_WANTED_IN(h->library, curl_url_get);
    __typeof__(&curl_free) release = OTEL_WANTED_IN(h->library, curl_free);
    enum otel_curl_scheme scheme = h->set.scheme;
    char *name = NULL;

    if (h->set.url && url_get && release) {
        scheme = OTEL_CURL_SCHEME_NONE;
        if (url_get(h->set.url, CURLUPART_SCHEME, &name, 0) == CURLUE_OK && name)
            scheme = scheme_class(name, strlen(name));
        release(name);
    }
    if (scheme == OTEL_CURL_SCHEME_NONE)
        scheme = h->set.fallback;
    return scheme != OTEL_CURL_SCHEME_OTHER;
}

void otel_curl_handle_set(struct otel_curl_handle *h, CURL *handle, CURLoption option, void *value)
{
    struct otel_curl_options *set = &h->set;

    switch (option) {
    case CURLOPT_HTTPHEADER:
        set->headers = value;
        otel_curl_exchange_apply_headers(h, handle);
        return;
    case CURLOPT_VERBOSE:
        set_verbose(set, (long)value != 0);
        break;
    case CURLOPT_DEBUGFUNCTION:
        memcpy(&set->debug, &value, sizeof value);
        break;
    case CURLOPT_DEBUGDATA:
        set->debug_data = value;
        break;
    case CURLOPT_STDERR:
        set->err = value;
        return;
    case CURLOPT_URL:
        set->scheme = url_class(value);
        return;
    case CURLOPT_CURLU:
        set->url = value;
        return;
    case CURLOPT_DEFAULT_PROTOCOL:
        set->fallback = value ? scheme_class(value, strlen(value)) : OTEL_CURL_SCHEME_NONE;
        return;
    case CURLOPT_CONNECT_ONLY:
        set->connect_only = (long)value == 1;
        return;
    default:
        return;
    }
    otel_curl_exchange_apply_observer(h, handle);
}

void otel_curl_handle_reset(struct otel_curl_handle *h, CURL *handle)
{
    set_verbose(&h->set, false);
    memset(&h->set, 0, sizeof h->set);
    otel_curl_exchange_apply_headers(h, handle);
    otel_curl_exchange_apply_observer(h, handle);
}

void otel_curl_handle_copied(const struct otel_curl_handle *h, CURL *copy)
{
    struct otel_curl_handle *n = otel_curl_handle_new(copy, h->library);
    const struct otel_curl_exchange *x = h->exchange;

    if (n) {
        n->set = h->set;
        n->set.verbose = false;
        set_verbose(&n->set, h->set.verbose);
    }
    if (x && x->chained)
        otel_curl_setopt(h)(copy, CURLOPT_HTTPHEADER, h->set.headers);
    if (x && x->observed) {
        otel_curl_setopt(h)(copy, CURLOPT_VERBOSE, (long)h->set.verbose);
        otel_curl_setopt(h)(copy, CURLOPT_DEBUGFUNCTION, h->set.debug);
        otel_curl_setopt(h)(copy, CURLOPT_DEBUGDATA, h->set.debug_data);
    }
}
