/* SPDX-License-Identifier: Apache-2.0
 *
 * The first byte says what stream the rest is (request, response, response to HEAD, to CONNECT),
 * the second how it is cut. The events are the same whole, cut and byte by byte, and http_parser
 * agrees.
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

static void run(struct http1_log *log, unsigned kind, const char *data, size_t size, size_t piece)
{
    bool goes_on = true;

    http1_log_init(log, kind & 1);
    log->places = true;
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
    run(&whole, kind, bytes, size, size);
    run(&cut, kind, bytes, size, 1);
    if (strcmp(whole.text, cut.text))
        abort();
    run(&cut, kind, bytes, size, 1 + data[1]);
    if (strcmp(whole.text, cut.text))
        abort();
    difference = http1_peer_compare(kind, bytes, size);
    if (difference) {
        fprintf(stderr, "http_parser differs: %s\n", difference);
        abort();
    }
    return 0;
}
