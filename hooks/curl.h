/* SPDX-License-Identifier: Apache-2.0
 *
 * What the libcurl hooks share: our state for each easy handle, with what the program set on it.
 *
 * A handle whose birth was not seen (curl_easy_init, curl_easy_duphandle) has no state and is
 * passed through untouched: its options are unknown, so setting a header list on it could clobber
 * one. The copy of libcurl that made a handle is remembered and beats that of the caller.
 *
 * Threads: libcurl allows one thread at a time on a handle, and so do its state and its exchange.
 */
#ifndef OTEL_HOOKS_CURL_H
#define OTEL_HOOKS_CURL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* The typecheck macros of curl.h would turn our definitions and calls into something else. */
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt

#include "preload/hook.h"

/* libcurl functions we call. All copies have the first two; curl_url_get came with 7.62. */
#define OTEL_CURL_WANTED(X) X(curl_easy_setopt) X(curl_easy_getinfo) X(curl_url_get) X(curl_free)
OTEL_WANTED_SLOTS(OTEL_CURL_WANTED)

extern struct otel_family otel_family_curl;

/* The real function for a handle's own copy of libcurl. */
#define otel_curl_setopt(H) OTEL_WANTED_IN((H)->library, curl_easy_setopt)
#define otel_curl_getinfo(H) OTEL_WANTED_IN((H)->library, curl_easy_getinfo)

/* What a scheme means to us. HTTP: CURLOPT_HTTPHEADER goes out with the request (http, https, ws,
 * wss). OTHER: it does not, or means something else (in SMTP it would land in the mail). */
enum otel_curl_scheme { OTEL_CURL_SCHEME_NONE, OTEL_CURL_SCHEME_HTTP, OTEL_CURL_SCHEME_OTHER };

/* The options as the program set them, which is what libcurl shall have when we are done. */
struct otel_curl_options {
    struct curl_slist *headers;     /* CURLOPT_HTTPHEADER: the program's own list, never written */
    curl_debug_callback debug;      /* CURLOPT_DEBUGFUNCTION */
    void *debug_data;               /* CURLOPT_DEBUGDATA */
    FILE *err;                      /* CURLOPT_STDERR, NULL: stderr */
    CURLU *url;                     /* CURLOPT_CURLU: beats CURLOPT_URL when set */
    enum otel_curl_scheme scheme;   /* of CURLOPT_URL; NONE: it names none */
    enum otel_curl_scheme fallback; /* CURLOPT_DEFAULT_PROTOCOL */
    bool verbose;                   /* CURLOPT_VERBOSE */
    bool connect_only;              /* CURLOPT_CONNECT_ONLY=1: libcurl sends no request */
};

struct otel_curl_exchange;

struct otel_curl_handle {
    struct otel_library *library; /* that made the handle */
    struct otel_curl_options set;
    struct otel_curl_exchange *exchange; /* the transfer under way (curl_exchange.h), NULL: none */
};

/* --- states (curl_handle.c) --- */

/* A fresh state for a handle just born in library. NULL: tracing of libcurl is switched off, we are
 * inside the guard, or there is no room; the handle is then passed through for its life. */
struct otel_curl_handle *otel_curl_handle_new(CURL *handle, struct otel_library *library);

/* The state, or NULL: unknown handle, or we are inside the guard. */
struct otel_curl_handle *otel_curl_handle_of(CURL *handle);

/* Before the handle is freed; ends a transfer still under way. */
void otel_curl_handle_drop(CURL *handle);

/* Notes an option the real curl_easy_setopt accepted; keeps ours in force during a transfer. */
void otel_curl_handle_set(struct otel_curl_handle *h, CURL *handle, CURLoption option, void *value);

/* After the real curl_easy_reset. */
void otel_curl_handle_reset(struct otel_curl_handle *h, CURL *handle);

/* After the real curl_easy_duphandle: copy is tracked too and has the program's options, not ours.
 */
void otel_curl_handle_copied(const struct otel_curl_handle *h, CURL *copy);

/* Will this handle's transfer speak HTTP, by its URL and without asking the network? */
bool otel_curl_handle_http(const struct otel_curl_handle *h);

/* True when the program asked for CURLOPT_VERBOSE on any handle of this process. */
bool otel_curl_verbose_anywhere(void);

#endif
