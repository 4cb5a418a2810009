/* SPDX-License-Identifier: Apache-2.0
 *
 * libcurl's multi interface. A transfer begins when its handle is added and ends when the program
 * reads its result, takes the handle out, or frees either handle. curl_multi_perform,
 * socket_action, poll and wait are not hooked: what happens inside them reaches us through the
 * debug function, with its times, and a call on the way there would only cost.
 */
#include <errno.h>

#include "hooks/curl_exchange.h"

/* Begun after the handle was taken in, so that a refusal leaves nothing to undo: nothing is sent
 * before the program lets the multi handle run. */
OTEL_HOOK_LIB(curl, CURLMcode, curl_multi_add_handle, (CURLM * multi, CURL *handle))
{
    bool nested = false; /* curl_easy_perform does it by a multi handle of its own */
    struct otel_library *library = OTEL_LIBRARY_OF(curl_multi_add_handle, &nested);
    struct otel_curl_handle *h = nested ? NULL : otel_curl_handle_of(handle);
    CURLMcode code;
    int saved;

    library = h ? h->library : library;
    code = library ? OTEL_REAL_IN(library, curl_multi_add_handle)(multi, handle)
                   : CURLM_INTERNAL_ERROR;
    saved = errno;
    if (h && code == CURLM_OK)
        otel_curl_exchange_begin(h, handle, multi);
    errno = saved;
    return code;
}

OTEL_HOOK_LIB(curl, CURLMcode, curl_multi_remove_handle, (CURLM * multi, CURL *handle))
{
    struct otel_curl_handle *h = otel_curl_handle_of(handle);
    struct otel_library *library = h ? h->library : OTEL_LIBRARY_OF(curl_multi_remove_handle, NULL);
    CURLMcode code = library ? OTEL_REAL_IN(library, curl_multi_remove_handle)(multi, handle)
                             : CURLM_INTERNAL_ERROR;
    int saved = errno;

    if (h && code == CURLM_OK && h->exchange && h->exchange->multi == multi)
        otel_curl_exchange_finish(h, OTEL_CURL_UNKNOWN);
    errno = saved;
    return code;
}

OTEL_HOOK_LIB(curl, CURLMsg *, curl_multi_info_read, (CURLM * multi, int *left))
{
    struct otel_library *library = OTEL_LIBRARY_OF(curl_multi_info_read, NULL);
    CURLMsg *msg = library ? OTEL_REAL_IN(library, curl_multi_info_read)(multi, left) : NULL;
    int saved = errno;
    struct otel_curl_handle *h =
        msg && msg->msg == CURLMSG_DONE ? otel_curl_handle_of(msg->easy_handle) : NULL;

    if (h && h->exchange && h->exchange->multi == multi)
        otel_curl_exchange_finish(h, (int)msg->data.result);
    errno = saved;
    return msg;
}

OTEL_HOOK_LIB(curl, CURLMcode, curl_multi_cleanup, (CURLM * multi))
{
    struct otel_library *library = OTEL_LIBRARY_OF(curl_multi_cleanup, NULL);
    int saved = errno;

    otel_curl_exchange_finish_multi(multi);
    errno = saved;
    return library ? OTEL_REAL_IN(library, curl_multi_cleanup)(multi) : CURLM_INTERNAL_ERROR;
}
