/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies: counted ones are passed by, of chunked ones only what stands between the chunks is read,
 * byte by byte (RFC 9112 7.1). Chunk lines and trailers are strict: they end in CRLF, and their
 * bytes count against the limits of a head.
 */
#include "core/http1_parts.h"

#define CHUNK_LINE_MAX 16384 /* RFC 9112 7.1.1 asks for a limit on extensions */

/* Not to stand in trailers (RFC 9110 6.5.1): some readers take them for the head's. */
static const struct otel_text framing[] = {
    {"content-length", 14}, {"transfer-encoding", 17}, {"connection", 10}};

#define FRAMING (sizeof framing / sizeof framing[0])
#define FRAMING_ALL ((1U << FRAMING) - 1) /* in part: the name so far begins all of them */

void otel_http1_body_begin(struct otel_http1 *p)
{
    static const uint8_t state[] = {
        [OTEL_HTTP1_NO_BODY] = OTEL_HTTP1_S_DONE,       [OTEL_HTTP1_LENGTH] = OTEL_HTTP1_S_COUNTED,
        [OTEL_HTTP1_CHUNKED] = OTEL_HTTP1_S_CHUNK_SIZE, [OTEL_HTTP1_CLOSE] = OTEL_HTTP1_S_UNTIL_EOF,
        [OTEL_HTTP1_TUNNEL] = OTEL_HTTP1_S_DONE,
    };

    p->state = state[p->body];
    p->remaining = p->body == OTEL_HTTP1_LENGTH ? p->length : 0;
    p->head_bytes = 0;
    p->position = 0;
}

/* END: what follows is another message, or none that could be followed. */
static enum otel_http1_event done(struct otel_http1 *p)
{
    p->state = p->body == OTEL_HTTP1_TUNNEL ? OTEL_HTTP1_S_TUNNEL : OTEL_HTTP1_S_BETWEEN;
    return OTEL_HTTP1_END;
}

/* At most n bytes of a counted body or a chunk pass. Returns how many did. */
static uint64_t pass(struct otel_http1 *p, uint64_t n)
{
    if (n > p->remaining)
        n = p->remaining;
    p->remaining -= n;
    p->body_bytes += n;
    return n;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* position: whether there was a digit. */
static enum otel_http1_event chunk_size(struct otel_http1 *p, char c)
{
    int digit = hex(c);

    if (digit >= 0) {
        if (p->remaining > (uint64_t)INT64_MAX >> 4)
            return otel_http1_malformed(p);
        p->position = 1;
        p->remaining = p->remaining << 4 | (unsigned)digit;
        if (p->body_bytes > (uint64_t)INT64_MAX - p->remaining)
            return otel_http1_malformed(p);
    } else if (!p->position || (c != '\r' && c != ';')) {
        return otel_http1_malformed(p);
    } else {
        p->state = c == ';' ? OTEL_HTTP1_S_CHUNK_EXTENSION : OTEL_HTTP1_S_CHUNK_LF;
    }
    return OTEL_HTTP1_MORE;
}

/* A byte of what stands between chunks and behind the last one. It is consumed. */
static enum otel_http1_event chunk_byte(struct otel_http1 *p, char c)
{
    switch (p->state) {
    case OTEL_HTTP1_S_CHUNK_SIZE:
        return chunk_size(p, c);
    case OTEL_HTTP1_S_CHUNK_EXTENSION: /* behind a run of text */
        p->state = OTEL_HTTP1_S_CHUNK_LF;
        return c == '\r' ? OTEL_HTTP1_MORE : otel_http1_malformed(p);
    case OTEL_HTTP1_S_CHUNK_LF:
        p->state = p->remaining ? OTEL_HTTP1_S_CHUNK_DATA : OTEL_HTTP1_S_TRAILER;
        p->part = FRAMING_ALL;
        p->head_bytes = 0;
        return c == '\n' ? OTEL_HTTP1_MORE : otel_http1_malformed(p);
    case OTEL_HTTP1_S_CHUNK_DATA_CR:
        p->state = OTEL_HTTP1_S_CHUNK_DATA_LF;
        return c == '\r' ? OTEL_HTTP1_MORE : otel_http1_malformed(p);
    default: /* OTEL_HTTP1_S_CHUNK_DATA_LF */
        p->state = OTEL_HTTP1_S_CHUNK_SIZE;
        p->position = 0;
        return c == '\n' ? OTEL_HTTP1_MORE : otel_http1_malformed(p);
    }
}

static enum otel_http1_event chunk_step(struct otel_http1 *p, struct otel_http1_input *in)
{
    size_t room = otel_http1_room(p, in, CHUNK_LINE_MAX);

    if (p->state == OTEL_HTTP1_S_CHUNK_EXTENSION) {
        size_t n = otel_http1_text_run(in->at, room);

        otel_http1_consume(p, in, n);
        if (in->at == in->end)
            return OTEL_HTTP1_MORE;
        room -= n;
    }
    if (!room)
        return otel_http1_malformed(p);
    otel_http1_consume(p, in, 1);
    return chunk_byte(p, in->at[-1]);
}

/* The next n bytes of a trailer's name, of which nothing is kept but which names it may become. */
static void trailer_name(struct otel_http1 *p, const char *data, size_t n)
{
    for (size_t i = 0; i < n && p->part; i++)
        for (size_t k = 0; k < FRAMING; k++)
            if (p->name_len + i >= framing[k].len ||
                (data[i] | 0x20) != framing[k].data[p->name_len + i])
                p->part &= (uint8_t) ~(1U << k);
    p->name_len += (uint32_t)n;
}

static bool trailer_frames(const struct otel_http1 *p)
{
    for (size_t k = 0; k < FRAMING; k++)
        if ((p->part & 1U << k) && p->name_len == framing[k].len)
            return true;
    return false;
}

/* A byte of a trailer line that is neither its name's nor its value's. It is consumed. */
static enum otel_http1_event trailer_byte(struct otel_http1 *p, char c)
{
    switch (p->state) {
    case OTEL_HTTP1_S_TRAILER:
        if (trailer_frames(p))
            return otel_http1_malformed(p);
        p->state = p->name_len ? OTEL_HTTP1_S_TRAILER_VALUE : OTEL_HTTP1_S_TRAILER_END;
        return c == (p->name_len ? ':' : '\r') ? OTEL_HTTP1_MORE : otel_http1_malformed(p);
    case OTEL_HTTP1_S_TRAILER_VALUE:
        p->state = OTEL_HTTP1_S_TRAILER_LF;
        return c == '\r' ? OTEL_HTTP1_MORE : otel_http1_malformed(p);
    case OTEL_HTTP1_S_TRAILER_LF:
        p->state = OTEL_HTTP1_S_TRAILER;
        p->part = FRAMING_ALL;
        p->name_len = 0;
        return c == '\n' ? OTEL_HTTP1_MORE : otel_http1_malformed(p);
    default: /* OTEL_HTTP1_S_TRAILER_END */
        return c == '\n' ? done(p) : otel_http1_malformed(p);
    }
}

/* Trailers are not reported. */
static enum otel_http1_event trailer_step(struct otel_http1 *p, struct otel_http1_input *in)
{
    size_t room = otel_http1_room(p, in, OTEL_HTTP1_HEAD_MAX);
    size_t n = 0;

    if (p->state == OTEL_HTTP1_S_TRAILER) {
        n = otel_http1_token_run(in->at, room);
        trailer_name(p, in->at, n);
    } else if (p->state == OTEL_HTTP1_S_TRAILER_VALUE) {
        n = otel_http1_text_run(in->at, room);
    }
    otel_http1_consume(p, in, n);
    if (in->at == in->end)
        return OTEL_HTTP1_MORE;
    if (n == room)
        return otel_http1_malformed(p);
    otel_http1_consume(p, in, 1);
    return trailer_byte(p, in->at[-1]);
}

enum otel_http1_event otel_http1_body_step(struct otel_http1 *p, struct otel_http1_input *in)
{
    size_t here = (size_t)(in->end - in->at);

    switch (p->state) {
    case OTEL_HTTP1_S_DONE:
        return done(p);
    case OTEL_HTTP1_S_COUNTED:
        in->at += pass(p, here);
        return p->remaining ? OTEL_HTTP1_MORE : done(p);
    case OTEL_HTTP1_S_CHUNK_DATA:
        in->at += pass(p, here);
        if (!p->remaining)
            p->state = OTEL_HTTP1_S_CHUNK_DATA_CR;
        return OTEL_HTTP1_MORE;
    case OTEL_HTTP1_S_UNTIL_EOF:
        p->body_bytes += here;
        in->at = in->end;
        return OTEL_HTTP1_MORE;
    case OTEL_HTTP1_S_TUNNEL:
        in->at = in->end;
        return OTEL_HTTP1_MORE;
    case OTEL_HTTP1_S_TRAILER:
    case OTEL_HTTP1_S_TRAILER_VALUE:
    case OTEL_HTTP1_S_TRAILER_LF:
    case OTEL_HTTP1_S_TRAILER_END:
        return trailer_step(p, in);
    default:
        return chunk_step(p, in);
    }
}

enum otel_http1_event otel_http1_skip(struct otel_http1 *p, uint64_t n, uint64_t *used)
{
    *used = 0;
    if (p->state == OTEL_HTTP1_S_DONE)
        return done(p);
    if (p->state == OTEL_HTTP1_S_MALFORMED)
        return OTEL_HTTP1_MALFORMED;
    if (n == 0)
        return OTEL_HTTP1_MORE;
    if (p->state == OTEL_HTTP1_S_COUNTED) {
        *used = pass(p, n);
        return p->remaining ? OTEL_HTTP1_MORE : done(p);
    }
    if (!otel_http1_skips(p, n))
        return otel_http1_malformed(p);
    *used = n;
    if (p->state == OTEL_HTTP1_S_UNTIL_EOF) {
        p->body_bytes += n;
    } else if (p->state == OTEL_HTTP1_S_CHUNK_DATA) {
        pass(p, n);
        if (!p->remaining)
            p->state = OTEL_HTTP1_S_CHUNK_DATA_CR;
    }
    return OTEL_HTTP1_MORE;
}

enum otel_http1_event otel_http1_eof(struct otel_http1 *p)
{
    switch (p->state) {
    case OTEL_HTTP1_S_BETWEEN:
    case OTEL_HTTP1_S_TUNNEL:
        return OTEL_HTTP1_MORE;
    case OTEL_HTTP1_S_DONE:
    case OTEL_HTTP1_S_UNTIL_EOF:
        return done(p);
    default:
        return otel_http1_malformed(p);
    }
}

bool otel_http1_skips(const struct otel_http1 *p, uint64_t n)
{
    switch (p->state) {
    case OTEL_HTTP1_S_COUNTED:
    case OTEL_HTTP1_S_CHUNK_DATA:
        return n <= p->remaining;
    case OTEL_HTTP1_S_UNTIL_EOF:
    case OTEL_HTTP1_S_TUNNEL:
        return true;
    default:
        return false;
    }
}
