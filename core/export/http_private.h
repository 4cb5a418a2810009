/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by http.c, http_setup.c and sockets.c alone: the state behind struct otel_http.
 */
#ifndef OTEL_CORE_EXPORT_HTTP_PRIVATE_H
#define OTEL_CORE_EXPORT_HTTP_PRIVATE_H

#include <curl/curl.h>

#include "core/export/http.h"

#define SOCKETS_MAX 8 /* a kept one, and those of one connect that tries several addresses */

/* The sockets libcurl has open. A number may fall into other hands while a connection rests, so
 * none is closed or used without asking the host first. */
struct otel_http_sockets {
    const struct otel_export_host *host;
    int fd[SOCKETS_MAX]; /* -1: free slot */
    uint32_t fresh;      /* a bit for each slot: opened for the request under way */
};

struct otel_http {
    const struct otel_config *config;
    const struct otel_export_host *host;
    struct otel_http_sockets sockets;
    CURLM *multi;
    CURL *easy;
    struct curl_slist *headers;
    char *url;             /* to post to */
    const char *unix_path; /* inside config's string; NULL: none */
    char *shown;
    struct otel_http_reply *reply; /* of the POST under way */
};

/* http_setup.c: url, unix_path, shown and headers from config. 0, -ENOMEM. */
int otel_http_configure(struct otel_http *http);

/* http_setup.c: all options of a fresh easy handle. 0 or a CURLcode: libcurl cannot do what the
 * settings ask for. */
int otel_http_set_options(struct otel_http *http);

/* http.c: libcurl's callbacks for the answer; userdata is the struct otel_http. */
size_t otel_http_on_header(char *data, size_t size, size_t count, void *userdata);
size_t otel_http_on_body(char *data, size_t size, size_t count, void *userdata);

/* sockets.c: makes the set empty. */
void otel_http_sockets_init(struct otel_http_sockets *sockets, const struct otel_export_host *host);

/* sockets.c: libcurl's callbacks; userdata is the set. */
curl_socket_t otel_http_open_socket(void *userdata, curlsocktype purpose,
                                    struct curl_sockaddr *address);
int otel_http_close_socket(void *userdata, curl_socket_t fd);

/* sockets.c: is every one still what it was? */
bool otel_http_sockets_intact(const struct otel_http_sockets *sockets);

/* sockets.c: closes those that are still ours, behind libcurl's back: for handles never used
 * again. */
void otel_http_sockets_drop(struct otel_http_sockets *sockets);

/* sockets.c: a request begins; and it was given up before a connection came about: what was opened
 * for it libcurl has closed, of a connect under way (before 8.0) without a word to
 * otel_http_close_socket(). To be called when the transfer is libcurl's no more. */
void otel_http_sockets_begin(struct otel_http_sockets *sockets);
void otel_http_sockets_unconnected(struct otel_http_sockets *sockets);

#endif
