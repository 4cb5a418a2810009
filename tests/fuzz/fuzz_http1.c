/* SPDX-License-Identifier: Apache-2.0
 *
 * The first byte says what stream the rest is (request, response, response to HEAD, to CONNECT),
 * the second how it is cut. The events are the same whole, cut and byte by byte, with heads read in
 * one go where they can be, and http_parser agrees.
 */
// LIBS: -lhttp_parser
#include "core/http1.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http1_log.h"
#include "tests/support/http1_peer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct http1_log whole, cut; /* one input at a time */

enum how { EVERY, BRIEF, SHORT_WAY }; /* events: all with their places; as the short way has them */

static void run(struct http1_log *log, unsigned kind, const char *data, size_t size, size_t piece,
                enum how how)
{
    bool goes_on = true;

    http1_log_init(log, kind & 1);
    log->places = how == EVERY;
    log->brief = how != EVERY;
    log->whole = how == SHORT_WAY;
    log->parser.head_request = kind & 2;
    log->parser.connect_request = kind & 4;
    for (size_t at = 0, n; at < size && goes_on; at += n) {
        char *copy;

        n = piece < size - at ? piece : size - at;
        copy = malloc(n); /* exact, so that the sanitizer sees a byte too far */
        if (!copy)
            abort();
        memcpy(copy, data + at, n);
        goes_on = http1_log_feed(log, copy, n);
        free(copy);
    }
    if (goes_on)
        http1_log_eof(log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned kind;
    const char *bytes = (const char *)data + 2;
    const char *difference;

    if (size < 3)
        return 0;
    kind = data[0] & 1 ? data[0] & 7 : 0;
    size -= 2;
    run(&whole, kind, bytes, size, size, EVERY);
    run(&cut, kind, bytes, size, 1, EVERY);
    if (strcmp(whole.text, cut.text))
        abort();
    run(&cut, kind, bytes, size, 1 + data[1], EVERY);
    if (strcmp(whole.text, cut.text))
        abort();
    run(&whole, kind, bytes, size, 1 + data[1], BRIEF);
    run(&cut, kind, bytes, size, 1 + data[1], SHORT_WAY);
    if (strcmp(whole.text, cut.text))
        abort();
    run(&cut, kind, bytes, size, size, SHORT_WAY);
    if (strcmp(whole.text, cut.text))
        abort();
    difference = http1_peer_compare(kind, bytes, size);
    if (difference) {
        fprintf(stderr, "http_parser differs: %s\n", difference);
        abort();
    }
    return 0;
}
