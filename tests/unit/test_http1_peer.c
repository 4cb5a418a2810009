/* SPDX-License-Identifier: Apache-2.0
 *
 * The samples and mutations of them, from a fixed seed, against http_parser: what the fuzz target
 * looks for at length.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http1_peer.h"
#include "tests/support/http1_samples.h"

#define MUTANTS 20000
#define MUTANT_MAX 1024

TestSuite(http1_peer, .timeout = 100);

static unsigned kind_of(const struct http1_sample *s)
{
    return s->response | s->head_request << 1 | s->connect_request << 2;
}

Test(http1_peer, agrees_on_the_samples)
{
    for (size_t i = 0; i < HTTP1_SAMPLES; i++) {
        const struct http1_sample *s = &http1_samples[i];
        const char *difference = http1_peer_compare(kind_of(s), s->bytes, strlen(s->bytes));

        cr_expect_null(difference, "sample %zu: %s", i, difference);
    }
}

/* The comparison sees a difference where there is one, and takes what is listed. */
Test(http1_peer, compares)
{
    struct http1_peer_message a = {.headed = true, .ended = true, .method = "GET", .end = 9};
    struct http1_peer_message b = a;

    cr_assert_null(http1_peer_differ(&a, &b, true));
    b.keep = true;
    cr_assert_str_eq(http1_peer_differ(&a, &b, true), "keep-alive");
    cr_assert_null(http1_peer_differ(&a, &b, false));
    b.body = 1;
    cr_assert_str_eq(http1_peer_differ(&a, &b, true), "bytes of the body");
    b.end = 8;
    cr_assert_str_eq(http1_peer_differ(&a, &b, true), "end");
    b.method[0] = 'P';
    cr_assert_str_eq(http1_peer_differ(&a, &b, true), "method or status");
    b.begin = 1;
    cr_assert_str_eq(http1_peer_differ(&a, &b, true), "begin");
}

/* xorshift64: the same mutants everywhere. */
static size_t random_below(uint64_t *state, size_t limit)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (size_t)(*state % limit);
}

/* Puts piece at at, or takes piece_len bytes away when piece is NULL. Returns the new length. */
static size_t edit(char *bytes, size_t len, size_t at, const char *piece, size_t piece_len)
{
    if (!piece) {
        piece_len = piece_len < len - at ? piece_len : len - at;
        memmove(bytes + at, bytes + at + piece_len, len - at - piece_len);
        return len - piece_len;
    }
    if (len + piece_len > MUTANT_MAX)
        return len;
    memmove(bytes + at + piece_len, bytes + at, len - at);
    memcpy(bytes + at, piece, piece_len);
    return len + piece_len;
}

static size_t mutate(uint64_t *state, char *bytes, size_t len)
{
    static const char *const pieces[] = {
        "\r\n",
        "\n",
        "\r",
        " ",
        "\t",
        ",",
        ":",
        ";",
        "0",
        "9",
        "Content-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Connection: close\r\n",
        "Connection: keep-alive\r\n",
        "chunked",
        "gzip, ",
        "0\r\n\r\n",
        "\r\n\r\n",
        "1\r\nx\r\n",
        "HTTP/1.0",
        "x",
    };
    static const char bytes_of_interest[] = "\0\r\n\t :,;/09aAfFzZ\x7f\x80\xff+-";
    size_t at = random_below(state, len);
    const char *piece = pieces[random_below(state, sizeof pieces / sizeof pieces[0])];
    const struct http1_sample *other = &http1_samples[random_below(state, HTTP1_SAMPLES)];
    size_t from;

    switch (random_below(state, 5)) {
    case 0:
        bytes[at] ^= (char)(1 << random_below(state, 8));
        return len;
    case 1:
        bytes[at] = bytes_of_interest[random_below(state, sizeof bytes_of_interest - 1)];
        return len;
    case 2:
        len = edit(bytes, len, at, NULL, 1 + random_below(state, 12));
        return len ? len : 1;
    case 3:
        return edit(bytes, len, at, piece, strlen(piece));
    default:
        from = random_below(state, strlen(other->bytes));
        return edit(bytes, len, at, other->bytes + from,
                    1 + random_below(state, strlen(other->bytes) - from));
    }
}

Test(http1_peer, agrees_on_mutants)
{
    uint64_t state = 0x9e3779b97f4a7c15;
    char bytes[MUTANT_MAX];
    size_t taken = 0;

    for (int i = 0; i < MUTANTS; i++) {
        const struct http1_sample *s = &http1_samples[(size_t)i % HTTP1_SAMPLES];
        struct http1_peer_stream ours = {.response = s->response};
        size_t len = strlen(s->bytes);
        const char *difference;

        memcpy(bytes, s->bytes, len);
        for (size_t k = 1 + random_below(&state, 4); k; k--)
            len = mutate(&state, bytes, len);
        difference = http1_peer_compare(kind_of(s), bytes, len);
        cr_assert_null(difference, "mutant %d: %s in %.*s", i, difference, (int)len, bytes);
        http1_peer_ours(&ours, bytes, len);
        taken += !ours.rejected;
    }
    /* Neither all nor none are taken: the comparison has something to compare. */
    cr_assert_gt(taken, MUTANTS / 10);
    cr_assert_lt(taken, MUTANTS * 9 / 10);
}
