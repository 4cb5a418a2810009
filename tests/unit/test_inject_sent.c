/* SPDX-License-Identifier: Apache-2.0
 *
 * Whatever way the program cuts its calls and whatever the kernel takes of them: the peer gets the
 * program's bytes with ours at their places, each once, and the program is told of its own alone.
 */
#include "core/inject.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/carry.h"
#include "core/context.h"
#include "core/traceparent.h"
#include "tests/support/guardpage.h"
#include "tests/unit/inject_peer.h"

#define IDS "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"
#define STREAM_MAX 65536
#define CASES 4000

/* One thread: the generator's state, and how the kernel behaves. */
static uint64_t random_state;
static unsigned mood;

TestSuite(inject_sent, .init = (void (*)(void))peer_open, .fini = peer_close);

static uint32_t dice(uint32_t sides)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 33) % sides;
}

static long moody_kernel(size_t n)
{
    switch (mood == 4 ? dice(4) : mood) {
    case 0:
        return (long)n;
    case 1: /* a byte at a time, when it is in the mood */
        return dice(3) ? (long)(n > 0) : -EAGAIN;
    case 2:
        return dice(4) ? (long)dice((uint32_t)n + 1) : -EAGAIN;
    default:
        return dice(2) ? (long)(n - dice((uint32_t)(n < 4 ? n + 1 : 4))) : -EINTR;
    }
}

/* --- what is sent, and what shall arrive ------------------------------------------------------ */

/* Expected bytes have the mark where the context of request n stands. */
#define MARK '\x01'

struct stream {
    char sent[STREAM_MAX], expected[STREAM_MAX];
    size_t sent_len, expected_len;
};

static void both(struct stream *s, const char *text)
{
    size_t len = strlen(text);

    memcpy(s->sent + s->sent_len, text, len);
    memcpy(s->expected + s->expected_len, text, len);
    s->sent_len += len;
    s->expected_len += len;
}

static void only_sent(struct stream *s, const char *text)
{
    memcpy(s->sent + s->sent_len, text, strlen(text));
    s->sent_len += strlen(text);
}

static void only_expected(struct stream *s, const char *text)
{
    memcpy(s->expected + s->expected_len, text, strlen(text));
    s->expected_len += strlen(text);
}

static void add_request(struct stream *s, bool lists)
{
    static const char *const own[] = {"00-" IDS "-01", "00-" IDS "-00", "42-" IDS "-ff",
                                      "07-" IDS "-00-and-more", "00-" IDS "-02"};
    static const char *const start[] = {"GET / HTTP/1.1\r\n", "POST /a?b=c HTTP/1.1\r\n",
                                        "DELETE http://h/ HTTP/1.1\r\n"};
    static const char *const fill[] = {"Host: example.org\r\n", "X: y\r\n", "Trace: no\r\n",
                                       "Cookie: a=0123456789012345678901234567890123456789\r\n"};
    bool traceparent = dice(2), state = dice(4) == 0;
    unsigned body = dice(4), value = dice(5);

    both(s, start[dice(3)]);
    for (uint32_t n = dice(4); n; n--)
        both(s, fill[dice(4)]);
    if (state)
        both(s, "TraceState: theirs=1\r\n");
    if (traceparent) {
        both(s, dice(2) ? "traceparent: " : "TRACEPARENT:");
        only_sent(s, own[value]);
        only_expected(s, (char[]){MARK, '\0'});
        both(s, dice(2) || value == 3 ? "\r\n" : " \r\n");
    }
    both(s, dice(2) ? "Accept: */*\r\n" : "");
    if (body == 1)
        both(s, "Content-Length: 11\r\n");
    if (body == 2)
        both(s, "Transfer-Encoding: chunked\r\n");
    if (!traceparent)
        only_expected(s, (char[]){'t', 'r', 'a', 'c', 'e', 'p', 'a', 'r', 'e', 'n', 't', ':', ' ',
                                  MARK, '\r', '\n', '\0'});
    if (lists && !state && !traceparent)
        only_expected(s, "tracestate: ours=1\r\n");
    if (lists) /* goes on where the program starts another trace, too */
        only_expected(s, "baggage: k=v\r\n");
    both(s, "\r\n");
    if (body == 1)
        both(s, "hello world");
    if (body == 2)
        both(s, "5;x=y\r\nhello\r\n0\r\nTrailer: t\r\n\r\n");
}

/* The expected bytes with the contexts that were given. */
static size_t resolve(const struct stream *s, char *out)
{
    size_t len = 0, n = 0;

    for (size_t i = 0; i < s->expected_len; i++) {
        if (s->expected[i] != MARK) {
            out[len++] = s->expected[i];
            continue;
        }
        cr_assert_lt(n, peer_contexts, "a request without a context in\n%.*s", (int)peer_len,
                     peer_bytes);
        otel_traceparent_format(out + len, &peer_context[n++]);
        len += OTEL_TRACEPARENT_LEN;
    }
    cr_assert_eq(n, peer_contexts, "%zu contexts for %zu requests", peer_contexts, n);
    return len;
}

/* --- how it is sent --------------------------------------------------------------------------- */

/* At most n bytes in one call, cut into pieces. */
static long send_some(const struct guardpage *page, const char *data, size_t n)
{
    struct iovec iov[128];
    char *copy = guardpage_put(page, data, n);
    size_t count = 0, at = 0;
    uint32_t longest = dice(3) ? 1 + dice(40) : (uint32_t)n;

    while (at < n && count < 127) {
        size_t len = 1 + dice(longest);

        len = len < n - at ? len : n - at;
        iov[count++] = (struct iovec){copy + at, len};
        at += len;
        if (dice(8) == 0 && count < 127)
            iov[count++] = (struct iovec){NULL, 0};
    }
    return peer_send(iov, count);
}

static void send_stream(const struct guardpage *page, const struct stream *s)
{
    uint32_t longest = dice(2) ? 1 + dice(100) : (uint32_t)s->sent_len;
    size_t done = 0;

    while (done < s->sent_len) {
        size_t n = 1 + dice(longest);
        long told;

        n = n < s->sent_len - done ? n : s->sent_len - done;
        told = send_some(page, s->sent + done, n);
        cr_assert_leq(told, (long)n);
        cr_assert(told >= 0 || told == -EAGAIN || told == -EINTR);
        done += told > 0 ? (size_t)told : 0;
    }
}

static void one_case(const struct guardpage *page, uint64_t seed, bool lists)
{
    static struct stream s;
    static char expected[2 * STREAM_MAX];
    size_t len;

    random_state = seed * 0x9e3779b97f4a7c15u + 1;
    s.sent_len = s.expected_len = 0;
    for (uint32_t n = 1 + dice(3); n; n--)
        add_request(&s, lists);
    mood = dice(5);
    peer_again();
    peer_kernel = moody_kernel;
    send_stream(page, &s);
    len = resolve(&s, expected);
    cr_assert(len == peer_len && !memcmp(expected, peer_bytes, len),
              "seed %lu: the program sent\n%.*s\nthe peer got\n%.*s\nnot\n%.*s", seed,
              (int)s.sent_len, s.sent, (int)peer_len, peer_bytes, (int)len, expected);
}

Test(inject_sent, no_byte_is_lost_doubled_or_moved)
{
    struct guardpage page;

    guardpage_open(&page, STREAM_MAX);
    for (uint64_t seed = 0; seed < CASES; seed++)
        one_case(&page, seed, false);
    guardpage_close(&page);
}

Test(inject_sent, nor_with_lists_in_a_block)
{
    struct otel_span_context ctx = {.flags = 1, .trace_id = {7}, .span_id = {8}};
    struct guardpage page;
    uint32_t token;

    ctx.carry = otel_carry_new("ours=1", 6, "k=v", 3);
    token = otel_context_attach(&ctx);
    guardpage_open(&page, STREAM_MAX);
    for (uint64_t seed = CASES; seed < CASES + CASES / 2; seed++)
        one_case(&page, seed, true);
    guardpage_close(&page);
    otel_context_detach(token);
}

/* --- one thing at a time ---------------------------------------------------------------------- */

/* One thread: what the kernel takes of the next calls. */
static const long *takes;

static long told_kernel(size_t n)
{
    long take = *takes++;

    return take > (long)n ? (long)n : take;
}

#define HEAD "GET / HTTP/1.1\r\nHost: a\r\n"

Test(inject_sent, a_full_socket_in_the_middle_of_our_line)
{
    const char *text = HEAD "\r\n";
    size_t head = strlen(HEAD);

    takes = (const long[]){(long)head + 10, -EAGAIN, 5, -EAGAIN, 1000};
    peer_kernel = told_kernel;
    cr_expect_eq(peer_send_bytes(text, head + 2), (long)head, "of its own bytes");
    cr_expect_eq(peer_len, head + 10);
    cr_expect_eq(peer_send_bytes(text + head, 2), -EAGAIN, "the socket is full");
    cr_expect_eq(peer_send_bytes(text + head, 2), -EAGAIN, "none of its bytes went");
    cr_expect_eq(peer_len, head + 15);
    cr_expect_eq(peer_send_bytes(text + head, 2), 2);
    cr_expect_eq(peer_len, head + 70 + 2);
}

Test(inject_sent, an_error_in_the_middle_is_the_programs)
{
    const char *text = HEAD "\r\n";
    size_t head = strlen(HEAD);

    takes = (const long[]){(long)head + 10, -EPIPE};
    peer_kernel = told_kernel;
    cr_expect_eq(peer_send_bytes(text, head + 2), (long)head);
    cr_expect_eq(peer_send_bytes(text + head, 2), -EPIPE);
}

Test(inject_sent, the_kernel_stops_right_before_and_right_behind_our_line)
{
    const char *text = HEAD "\r\n";
    size_t head = strlen(HEAD);

    takes = (const long[]){(long)head, 70, -EAGAIN, 1, 1};
    peer_kernel = told_kernel;
    cr_expect_eq(peer_send_bytes(text, head + 2), (long)head);
    cr_expect_eq(peer_send_bytes(text + head, 2), -EAGAIN, "our line and nothing else went");
    cr_expect_eq(peer_len, head + 70);
    cr_expect_eq(peer_send_bytes(text + head, 2), 1);
    cr_expect_eq(peer_send_bytes(text + head + 1, 1), 1);
    cr_expect_eq(peer_len, head + 72);
}

Test(inject_sent, more_pieces_than_one_call_has)
{
    struct iovec iov[400];
    const char *text = "GET /0123456789012345678901234567890123456789012345678901234567890 "
                       "HTTP/1.1\r\nHost: a\r\n\r\n";
    size_t len = strlen(text);

    for (size_t i = 0; i < len; i++)
        iov[i] = (struct iovec){(void *)(uintptr_t)(text + i), 1};
    cr_expect_eq(peer_send(iov, len), (long)len);
    cr_expect_eq(peer_len, len + 70);
    cr_expect_eq(peer_contexts, 1);
}

Test(inject_sent, a_connection_that_ends_owes_nothing)
{
    struct otel_connection *c = peer_again();

    takes = (const long[]){(long)strlen(HEAD) + 10};
    peer_kernel = told_kernel;
    peer_send_bytes(HEAD "\r\n", strlen(HEAD) + 2);
    cr_expect(c->owed.pending);
    otel_inject_forget(c);
    cr_expect(!c->owed.pending);
}
