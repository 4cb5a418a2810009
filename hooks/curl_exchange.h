/* SPDX-License-Identifier: Apache-2.0
 *
 * One transfer of an easy handle, from curl_easy_perform or curl_multi_add_handle to its end: the
 * requests it sends one after another (redirects, authentication, retries), each one a CLIENT span.
 *
 * How requests are seen: for the transfer, libcurl's CURLOPT_VERBOSE is on and the debug function
 * is ours (curl_debug.c). It tells each request head at the moment it is sent and each response
 * line. What the program asked for of these options is served from the same place, so that it sees
 * what it would see without us. Spans that are not recorded need no observer: only the header goes
 * out.
 *
 * How the context goes out: our own curl_slist nodes stand in front of the program's list
 * (curl_headers.c). The span id of the request to come stands in the header text from the start;
 * as soon as one head was sent the text gets the id of a possible next one.
 *
 * Exchanges live in a pool of our own, are named by their handle's state and never outlive it.
 */
#ifndef OTEL_HOOKS_CURL_EXCHANGE_H
#define OTEL_HOOKS_CURL_EXCHANGE_H

#include "core/carry.h"
#include "core/propagation.h"
#include "core/span.h"
#include "hooks/curl.h"

/* Ends of a transfer that have no CURLcode. */
#define OTEL_CURL_UNKNOWN (-1) /* taken away before its result was read */
#define OTEL_CURL_GONE (-2)    /* the easy handle was freed unseen: do not touch it */

/* The program's header nodes that can stand before one we replace; behind more, we leave it alone.
 */
#define OTEL_CURL_SPINE_MAX 64
/* Lines "name: value": the values of inject, their names, and the temporary lists of extract. */
#define OTEL_CURL_LINES_MAX (OTEL_INJECT_BUF + OTEL_INJECT_MAX * 24)

/* Timers of libcurl in seconds: sums over the requests of a transfer. */
struct otel_curl_times {
    double name, connect, tls; /* have the present request in them when its head is sent */
    double sent, first;        /* have it in them after that */
    long connects;             /* new connections made */
};

/* The request being made. */
struct otel_curl_hop {
    unsigned number;                        /* 0: the first of the transfer */
    bool sent;                              /* its head went out */
    uint64_t start_ns, sent_ns, last_in_ns; /* CLOCK_MONOTONIC; 0: not yet */
    double redirect;                        /* CURLINFO_REDIRECT_TIME when the head was sent */
    struct otel_curl_times at_sent;
    int status; /* 0: no response line yet */
    char version[8];
    char method[24];
    char peer[48];
    uint16_t peer_port;
};

struct otel_curl_exchange {
    uint64_t block; /* its own handle in the pool */
    struct otel_curl_handle *owner;
    CURL *handle;
    CURLM *multi;                           /* NULL: curl_easy_perform */
    struct otel_curl_exchange *next, *prev; /* of the same multi */

    struct otel_span span; /* of hop */
    struct otel_span_context parent;
    bool has_parent; /* else every hop is a root of one trace */
    uint64_t carry;  /* lists of a context the program injected itself; ours to free, 0: none */
    uint8_t next_id[OTEL_SPAN_ID_LEN]; /* stands in the header for a next hop */

    bool http;
    bool observed; /* VERBOSE and DEBUGFUNCTION are ours at present */
    bool chained;  /* HTTPHEADER is ours at present */
    bool adopted;  /* parent came from a header of the program, which ours replaces */
    bool refused;  /* libcurl did not take the transfer up: its timers are those of another */
    bool keep;     /* the program's own context header stays, ours does not go out */

    bool attached;      /* span.ctx is current on the performing thread */
    uint32_t token;     /* of that attach */
    const void *thread; /* which thread that is */
    const char *frame;  /* where on its stack the transfer began */

    bool head_open; /* a request head was sent in part */
    bool tunnel;    /* a CONNECT is under way: its answer is not ours */
    uint64_t last_ns;
    struct otel_curl_times before; /* at the previous hop's head */
    struct otel_curl_hop hop;

    size_t own_count, marks;
    struct curl_slist own[OTEL_INJECT_MAX];
    char *mark[OTEL_INJECT_MAX]; /* where a span id stands in lines */
    size_t own_baggage;          /* 1 + index in own of the baggage line, 0: none */
    struct curl_slist spine[OTEL_CURL_SPINE_MAX];
    char lines[OTEL_CURL_LINES_MAX];
    char scratch[OTEL_INJECT_BUF];
};

/* --- a transfer (curl_exchange.c) --- */

/* Begins the exchange of a transfer about to run: span, header, observer, and for a perform (multi
 * NULL) the thread's context. False, and nothing was changed: one is under way already (a recursive
 * call), or there is no room (counted). */
bool otel_curl_exchange_begin(struct otel_curl_handle *h, CURL *handle, CURLM *multi);

/* Ends it, code: a CURLcode or OTEL_CURL_…; gives the program's options back. No-op without one. */
void otel_curl_exchange_finish(struct otel_curl_handle *h, int code);

/* Ends those a multi handle still has, before it is freed. */
void otel_curl_exchange_finish_multi(CURLM *multi);

/* Put our options in force, again after the program changed them during the transfer. The header
 * list is looked at only when it was just set: a transfer may be over before we know, and its list
 * freed. */
void otel_curl_exchange_apply_headers(struct otel_curl_handle *h, CURL *handle);
void otel_curl_exchange_apply_observer(struct otel_curl_handle *h, CURL *handle);

/* --- a request of it (curl_hop.c) --- */

/* Starts the span of hop number x->hop.number at that time. */
void otel_curl_hop_start(struct otel_curl_exchange *x, uint64_t at_ns);

/* Its head is being sent: p starts with the request line. Ends a previous hop first. */
void otel_curl_hop_sent(struct otel_curl_exchange *x, const char *p, size_t len, uint64_t now_ns);

/* A response line came in. */
void otel_curl_hop_status(struct otel_curl_exchange *x, const char *p, size_t len);

/* Ends the last hop; a request that was to follow and never got as far as being sent gets its own
 * span, since the failure is its own. */
void otel_curl_hop_finish(struct otel_curl_exchange *x, int code, uint64_t end_ns);

/* --- what is said of it (curl_span.c) --- */

void otel_curl_times_read(const struct otel_curl_exchange *x, struct otel_curl_times *times);

/* Name and attributes known when the request goes out. Needs an HTTP exchange. */
void otel_curl_span_request(struct otel_curl_exchange *x);

/* The rest, and the phases as events: dns.lookup.done, connect.done, tls.done (none of them on a
 * reused connection) and first_byte. error: short name of the failure, "" none. */
void otel_curl_span_response(struct otel_curl_exchange *x, struct otel_text error, uint64_t end_ns);

/* All of a transfer that is not HTTP: named by its scheme, url.full, server.address, server.port.
 */
void otel_curl_span_other(struct otel_curl_exchange *x, struct otel_text error);

/* A CURLcode's name without CURLE_ ("COULDNT_CONNECT"), "" for CURLE_OK; curl_error.c. */
struct otel_text otel_curl_error_name(int code);

/* --- headers (curl_headers.c) --- */

/* Looks through the program's list for a context of its own and makes it the parent. */
void otel_curl_headers_read(struct otel_curl_exchange *x, struct curl_slist *list);

/* Writes our lines for x->span.ctx. */
void otel_curl_headers_write(struct otel_curl_exchange *x);

/* The list libcurl shall have: our nodes, then the program's less what ours replace. The program's
 * nodes are only read. list itself: there is nothing to add. Valid as long as list is. */
struct curl_slist *otel_curl_headers_chain(struct otel_curl_exchange *x, struct curl_slist *list);

/* Puts another span id into the lines. */
void otel_curl_headers_renew(struct otel_curl_exchange *x, const uint8_t id[OTEL_SPAN_ID_LEN]);

/* --- the observer (curl_debug.c) --- */

/* Our CURLOPT_DEBUGFUNCTION; user: the CURL * it was set for. */
int otel_curl_debug(CURL *handle, curl_infotype type, char *data, size_t size, void *user);

#endif
