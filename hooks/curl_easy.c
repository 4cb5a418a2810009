/* SPDX-License-Identifier: Apache-2.0
 *
 * libcurl's easy interface. What carries state for us: a handle's birth, copy and death, the
 * options that ours stand in for during a transfer, and the transfer itself.
 */
#include <errno.h>
#include <stdarg.h>

#include "hooks/curl_exchange.h"

OTEL_HOOK_LIB(curl, CURL *, curl_easy_init, (void))
{
    bool nested = false;
    struct otel_library *library = OTEL_LIBRARY_OF(curl_easy_init, &nested);
    CURL *handle = library ? OTEL_REAL_IN(library, curl_easy_init)() : NULL;
    int saved = errno;

    if (handle && !nested) /* libcurl's handles for its own use stay its own */
        otel_curl_handle_new(handle, library);
    errno = saved;
    return handle;
}

/* A copy libcurl makes for itself (HTTP/2 push) reaches the program too, so nested calls count. */
OTEL_HOOK_LIB(curl, CURL *, curl_easy_duphandle, (CURL * handle))
{
    struct otel_curl_handle *h = otel_curl_handle_of(handle);
    struct otel_library *library = h ? h->library : OTEL_LIBRARY_OF(curl_easy_duphandle, NULL);
    CURL *copy = library ? OTEL_REAL_IN(library, curl_easy_duphandle)(handle) : NULL;
    int saved = errno;

    if (h && copy)
        otel_curl_handle_copied(h, copy);
    errno = saved;
    return copy;
}

OTEL_HOOK_LIB(curl, void, curl_easy_cleanup, (CURL * handle))
{
    struct otel_curl_handle *h = otel_curl_handle_of(handle);
    struct otel_library *library = h ? h->library : OTEL_LIBRARY_OF(curl_easy_cleanup, NULL);
    int saved = errno;

    if (h) /* before: once it is freed, another thread may be given its address */
        otel_curl_handle_drop(handle);
    errno = saved;
    if (library)
        OTEL_REAL_IN(library, curl_easy_cleanup)(handle);
}

OTEL_HOOK_LIB(curl, void, curl_easy_reset, (CURL * handle))
{
    struct otel_curl_handle *h = otel_curl_handle_of(handle);
    struct otel_library *library = h ? h->library : OTEL_LIBRARY_OF(curl_easy_reset, NULL);
    int saved;

    if (library)
        OTEL_REAL_IN(library, curl_easy_reset)(handle);
    saved = errno;
    if (h)
        otel_curl_handle_reset(h, handle);
    errno = saved;
}

static CURLcode setopt_unknown(CURL *handle, CURLoption option, void *value, const void *caller);

/* Variadic, but with exactly one argument, which on LP64 is always one 64-bit register: long,
 * pointer and curl_off_t alike pass through as a pointer. */
OTEL_HOOK_LIB(curl, CURLcode, curl_easy_setopt, (CURL * handle, CURLoption option, ...))
{
    struct otel_curl_handle *h = otel_curl_handle_of(handle);
    CURLcode code;
    void *value;
    va_list args;

    va_start(args, option);
    value = va_arg(args, void *);
    va_end(args);
    if (!h)
        return setopt_unknown(handle, option, value, OTEL_CALLER());
    code = OTEL_REAL_IN(h->library, curl_easy_setopt)(handle, option, value);
    if (code == CURLE_OK)
        otel_curl_handle_set(h, handle, option, value);
    return code;
}

/* libcurl's handles for name look-ups over HTTPS take VERBOSE over from their transfer, on which it
 * may be ours: they would write to stderr. Unless the program asked for it somewhere, it stays off.
 */
static CURLcode setopt_unknown(CURL *handle, CURLoption option, void *value, const void *caller)
{
    bool nested = false;
    struct otel_library *library = otel_library_of(&otel_hook_of_curl_easy_setopt, caller, &nested);

    if (!library)
        return CURLE_FAILED_INIT;
    if (nested && option == CURLOPT_VERBOSE && !otel_curl_verbose_anywhere())
        value = NULL;
    return OTEL_REAL_IN(library, curl_easy_setopt)(handle, option, value);
}

OTEL_HOOK_LIB(curl, CURLcode, curl_easy_perform, (CURL * handle))
{
    struct otel_curl_handle *h = otel_curl_handle_of(handle);
    struct otel_library *library = h ? h->library : OTEL_LIBRARY_OF(curl_easy_perform, NULL);
    CURLcode code;
    int saved;

    if (!library)
        return CURLE_FAILED_INIT;
    if (!h || !otel_curl_exchange_begin(h, handle, NULL))
        return OTEL_REAL_IN(library, curl_easy_perform)(handle);
    code = OTEL_REAL_IN(library, curl_easy_perform)(handle);
    saved = errno;
    otel_curl_exchange_finish(h, (int)code);
    errno = saved;
    return code;
}
