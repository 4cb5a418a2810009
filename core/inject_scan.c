/* SPDX-License-Identifier: Apache-2.0 */
#include "core/inject_scan.h"

#include <string.h>

#include "core/pool.h"
#include "core/propagation.h"
#include "core/sys.h"

#define PAGE 4096
#define NEAR 65536 /* above our own frame: the stack, no need to probe */
#define BLOCKS 128

_Static_assert(2 * OTEL_INJECT_HALF >= OTEL_HTTP1_SPILL_SIZE, "a block serves as spill buffer");

/* Lock-free. Not reset in a fork child: what is owed there goes on being owed. */
static struct otel_pool blocks = OTEL_POOL(2 * OTEL_INJECT_HALF, BLOCKS);

uint64_t otel_inject_block_new(void)
{
    return otel_pool_alloc(&blocks);
}

char *otel_inject_block(uint64_t handle)
{
    return otel_pool_get(&blocks, handle);
}

void otel_inject_block_free(uint64_t handle)
{
    otel_pool_free(&blocks, handle);
}

/* --- the program's memory --------------------------------------------------------------------- */

/* Not inlined: its frame is below those of all its callers. */
__attribute__((noinline)) static bool on_stack(const void *p)
{
    return (uintptr_t)p - (uintptr_t)__builtin_frame_address(0) < NEAR;
}

bool otel_inject_readable(const void *p, size_t n)
{
    const char *last = (const char *)p + n - 1;

    return on_stack(p) || otel_sys_in_heap(p, n) ||
           (otel_sys.probe(p) == 0 &&
            (((uintptr_t)p ^ (uintptr_t)last) < PAGE || !otel_sys.probe(last)));
}

/* How many of n bytes at p can be read without a fault: at least up to the end of the next page, 0
 * when not even the first one. */
static size_t readable(struct otel_inject_scan *s, const char *p, size_t n)
{
    const char *end = (const char *)(((uintptr_t)p & ~(uintptr_t)(PAGE - 1)) + PAGE);

    if (s->trusted || on_stack(p) || otel_sys_in_heap(p, n))
        return n;
    if (p < s->readable || p >= s->end) {
        if (otel_sys.probe(p))
            return 0;
        if ((size_t)(end - p) < n && otel_sys.probe(end) == 0)
            end += PAGE;
        s->readable = p;
        s->end = end;
    }
    return n < (size_t)(s->end - p) ? n : (size_t)(s->end - p);
}

/* The bytes from the cursor to the end of its piece; 0 at the end of all. */
static size_t rest(const struct otel_inject_scan *s, struct otel_inject_cursor *at,
                   const char **data)
{
    size_t n;

    while (at->index < s->iovcnt && at->offset == s->iov[at->index].iov_len) {
        at->index++;
        at->offset = 0;
    }
    if (at->index == s->iovcnt || at->at >= s->len)
        return 0;
    *data = (const char *)s->iov[at->index].iov_base + at->offset;
    n = s->iov[at->index].iov_len - at->offset;
    return n < s->len - at->at ? n : s->len - at->at;
}

static size_t look(struct otel_inject_scan *s, struct otel_inject_cursor *at, const char **data)
{
    size_t n = rest(s, at, data);

    return n ? readable(s, *data, n) : 0;
}

static void go_on(struct otel_inject_cursor *at, size_t n)
{
    at->offset += n;
    at->at += n;
}

static void skip_to(const struct otel_inject_scan *s, struct otel_inject_cursor *at, size_t to)
{
    const char *data;
    size_t n;

    while (at->at < to && (n = rest(s, at, &data)))
        go_on(at, n < to - at->at ? n : to - at->at);
}

/* --- the program's traceparent ---------------------------------------------------------------- */

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Its line ends in these bytes. */
static bool line_ends(struct otel_inject_scan *s, struct otel_inject_cursor at)
{
    const char *data;
    size_t n;

    while ((n = look(s, &at, &data))) {
        if (memchr(data, '\n', n))
            return true;
        go_on(&at, n);
    }
    return false;
}

/* Behind the fields a higher version has a dash, version 00 nothing (W3C trace-context 3.2.4). */
static bool parse_whole(struct otel_span_context *ctx, const char *text, size_t len)
{
    if (len > OTEL_TRACEPARENT_LEN) {
        if (text[OTEL_TRACEPARENT_LEN] != '-')
            return false;
        len = OTEL_TRACEPARENT_LEN + 1;
    }
    return otel_traceparent_parse(ctx, text, len) == 0;
}

static void read_whole(struct otel_inject_scan *s, struct otel_inject_cursor at)
{
    struct otel_inject_value *v = &s->value;
    char text[OTEL_TRACEPARENT_LEN + 1];
    const char *data;
    bool started = false;
    char c = 0;

    while (c != '\n' && look(s, &at, &data)) {
        c = *data;
        if (!started && !blank(c)) {
            started = true;
            v->start = at.at;
        }
        if (started && at.at - v->start < sizeof text)
            text[at.at - v->start] = c;
        if (!blank(c) && c != '\r' && c != '\n')
            v->len = at.at + 1 - v->start;
        go_on(&at, 1);
    }
    v->whole = v->known = true;
    v->valid = parse_whole(&v->ctx, text, v->len);
    s->state.place = OTEL_PLACE_ELSEWHERE;
}

/* May c stand at that byte of a value? Version ff is none; of f alone that is not known yet, and a
 * version so high will not come. */
static bool fits(uint8_t at, char c)
{
    if (at == OTEL_TRACEPARENT_TRACE_ID_AT - 1 || at == OTEL_TRACEPARENT_SPAN_ID_AT - 1 ||
        at == OTEL_TRACEPARENT_FLAGS_AT - 1)
        return c == '-';
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= (at ? 'f' : 'e'));
}

static void give_up(struct otel_inject_scan *s)
{
    s->state.seen |= OTEL_SEEN_UNTOUCHED;
    s->state.place = OTEL_PLACE_ELSEWHERE;
    s->value.valid = false;
}

static void take_byte(struct otel_inject_scan *s, size_t at, char c)
{
    struct otel_inject_state *state = &s->state;
    struct otel_inject_value *v = &s->value;

    if (!fits(state->at, c)) {
        give_up(s);
        return;
    }
    if (v->from == v->to) {
        v->start = at;
        v->from = state->at;
    }
    state->value[state->at++] = c;
    v->to = state->at;
    state->place = OTEL_PLACE_VALUE;
    if (state->at < OTEL_TRACEPARENT_LEN)
        return;
    state->place = OTEL_PLACE_BEHIND;
    v->known = true;
    v->valid = otel_traceparent_parse(&v->ctx, state->value, OTEL_TRACEPARENT_LEN) == 0;
    if (!v->valid)
        give_up(s);
}

static void take_behind(struct otel_inject_scan *s, size_t at, char c)
{
    bool end = c == '\r' || c == '\n';

    if (s->state.place == OTEL_PLACE_BEHIND && c == '-' && memcmp(s->state.value, "00", 2) != 0) {
        s->state.place = OTEL_PLACE_TAIL;
        s->value.tail_at = at;
    } else if (s->state.place == OTEL_PLACE_BEHIND) {
        if (end || blank(c))
            s->state.place = OTEL_PLACE_ELSEWHERE;
        else
            give_up(s);
        return;
    } else if (end) {
        s->state.place = OTEL_PLACE_ELSEWHERE;
        return;
    } else if (!s->value.tail_len) {
        s->value.tail_at = at;
    }
    s->value.tail_len++;
}

static void read_pieces(struct otel_inject_scan *s, struct otel_inject_cursor at)
{
    const char *data;

    while (s->state.place != OTEL_PLACE_ELSEWHERE && look(s, &at, &data)) {
        if (s->state.place >= OTEL_PLACE_BEHIND)
            take_behind(s, at.at, *data);
        else if (s->state.place == OTEL_PLACE_VALUE || !blank(*data))
            take_byte(s, at.at, *data);
        go_on(&at, 1);
    }
}

/* Looks ahead from a place in the value. */
static void read_value(struct otel_inject_scan *s, struct otel_inject_cursor at)
{
    if (s->state.place == OTEL_PLACE_BLANK && line_ends(s, at))
        read_whole(s, at);
    else
        read_pieces(s, at);
}

/* --- the head --------------------------------------------------------------------------------- */

/* Their lengths tell the names apart. */
unsigned otel_inject_header(struct otel_text name)
{
    switch (name.len) {
    case sizeof "traceparent" - 1: /* and x-b3-spanid */
        return (name.data[0] | 0x20) == 't' ? OTEL_SEEN_TRACEPARENT : OTEL_SEEN_B3;
    case sizeof "tracestate" - 1:
        return OTEL_SEEN_TRACESTATE;
    case sizeof "baggage" - 1:
        return OTEL_SEEN_BAGGAGE;
    default:
        return OTEL_SEEN_B3;
    }
}

static void name_event(struct otel_inject_scan *s, struct otel_text name)
{
    unsigned header = otel_inject_header(name);
    bool again = s->state.seen & header;

    s->state.seen |= (uint8_t)header;
    if (header != OTEL_SEEN_TRACEPARENT || again) /* a second one makes the receiver start anew */
        return;
    if (s->keep)
        s->state.seen |= OTEL_SEEN_UNTOUCHED;
    s->state.place = OTEL_PLACE_BLANK;
    s->state.at = 0;
    read_value(s, s->cursor);
}

static char *spill(struct otel_inject_scan *s)
{
    if (!s->spill)
        s->spill = otel_inject_block_new();
    return otel_inject_block(s->spill);
}

/* A line in pieces goes on in a buffer of our own: the copy will be at the next one before the
 * connection's parser has read this. False: no room. */
static bool take_line_along(struct otel_inject_scan *s)
{
    const char *theirs = s->http.spill;

    s->http.spill = NULL;
    if (!s->http.spilled || !theirs)
        return true;
    s->http.spill = spill(s);
    if (s->http.spill)
        memcpy(s->http.spill, theirs, s->http.spilled);
    return s->http.spill != NULL;
}

/* False: look no further. */
static bool take_event(struct otel_inject_scan *s, enum otel_http1_event event,
                       const struct otel_http1_text *text)
{
    switch (event) {
    case OTEL_HTTP1_BEGIN:
        if (s->cursor.at)
            return false;
        memset(&s->state, 0, sizeof s->state);
        s->began = true;
        return true;
    case OTEL_HTTP1_NAME:
        name_event(s, text->name);
        return true;
    case OTEL_HTTP1_CLOSING:
        s->closes = !s->state.closed;
        s->closing = s->cursor.at;
        s->state.closed = true;
        return true;
    case OTEL_HTTP1_HEAD_END:
        s->head_done = true;
        return true;
    case OTEL_HTTP1_SPILL:
        s->http.spill = spill(s);
        return true;
    case OTEL_HTTP1_MALFORMED:
        s->unfit |= !s->head_done;
        s->cursor.at = s->len;
        return false;
    default:
        return true;
    }
}

/* The next event. Bodies are not looked at: they may be long, and nobody has probed them. */
static enum otel_http1_event next_event(struct otel_inject_scan *s, struct otel_http1_text *text)
{
    enum otel_http1_event event;
    const char *data = "";
    size_t n = rest(s, &s->cursor, &data);
    uint64_t skipped;
    size_t used;

    if (otel_http1_skips(&s->http, 1)) {
        while (!otel_http1_skips(&s->http, n))
            n /= 2;
        event = otel_http1_skip(&s->http, n, &skipped);
        go_on(&s->cursor, skipped);
        return event;
    }
    n = readable(s, data, n);
    s->unfit |= n == 0;
    event = n ? otel_http1_next(&s->http, data, n, &used, text) : OTEL_HTTP1_MALFORMED;
    if (n)
        go_on(&s->cursor, used);
    return event;
}

void otel_inject_scan(struct otel_inject_scan *s, size_t skip)
{
    struct otel_inject_cursor at = {0};
    struct otel_http1_text text;

    s->http.wanted = otel_inject_owns;
    if (!take_line_along(s)) {
        s->unfit = true;
        s->cursor.at = s->len;
    }
    if (s->state.place != OTEL_PLACE_ELSEWHERE) {
        skip_to(s, &at, skip);
        read_value(s, at);
    }
    while (s->cursor.at < s->len) {
        enum otel_http1_event event = next_event(s, &text);

        if (!take_event(s, event, &text))
            break;
    }
    otel_inject_block_free(s->spill);
}
