/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the HTTP/1.x parser share: http1.c goes from state to state and reads start
 * lines, http1_head.c reads header lines, http1_whole.c reads heads that need no state,
 * http1_framing.c says what header lines mean for the message's length, http1_body.c follows
 * bodies. For these files alone.
 *
 * A step reads from where the input stands and moves it. It returns OTEL_HTTP1_MORE when it has no
 * event to tell: then it has moved the input or changed the state, and is called again while there
 * are bytes. Steps are called with at least one byte, but for OTEL_HTTP1_S_DONE.
 */
#ifndef OTEL_CORE_HTTP1_PARTS_H
#define OTEL_CORE_HTTP1_PARTS_H

#include <endian.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "core/http1.h"

enum otel_http1_state {
    OTEL_HTTP1_S_BETWEEN,         /* messages; what init leaves, 0 */
    OTEL_HTTP1_S_BETWEEN_CR,      /* the CR of an empty line before a request is consumed */
    OTEL_HTTP1_S_START,           /* BEGIN was said: in the start line */
    OTEL_HTTP1_S_FIELD,           /* at a header line or in its name */
    OTEL_HTTP1_S_VALUE,           /* behind a header line's colon */
    OTEL_HTTP1_S_CLOSED,          /* CLOSING was said: at the empty line */
    OTEL_HTTP1_S_CLOSED_CR,       /* its CR is consumed */
    OTEL_HTTP1_S_DONE,            /* HEAD_END was said and there is no body: END is due */
    OTEL_HTTP1_S_COUNTED,         /* in a body of known length; remaining: of it, never 0 */
    OTEL_HTTP1_S_UNTIL_EOF,       /* in a body that ends with the connection */
    OTEL_HTTP1_S_TUNNEL,          /* for good */
    OTEL_HTTP1_S_CHUNK_SIZE,      /* at a chunk's line or in its digits; remaining: their value */
    OTEL_HTTP1_S_CHUNK_EXTENSION, /* behind the semicolon */
    OTEL_HTTP1_S_CHUNK_LF,        /* of the chunk's line */
    OTEL_HTTP1_S_CHUNK_DATA,      /* remaining: of the chunk, never 0 */
    OTEL_HTTP1_S_CHUNK_DATA_CR,   /* behind the data */
    OTEL_HTTP1_S_CHUNK_DATA_LF,   /* the same */
    OTEL_HTTP1_S_TRAILER,         /* at a trailer line or in its name */
    OTEL_HTTP1_S_TRAILER_VALUE,   /* behind its colon */
    OTEL_HTTP1_S_TRAILER_LF,      /* its end */
    OTEL_HTTP1_S_TRAILER_END,     /* the LF of the empty line behind the trailers */
    OTEL_HTTP1_S_MALFORMED,       /* for good */
};

#define OTEL_HTTP1_METHOD_MAX 32
#define OTEL_HTTP1_VERSION "HTTP/1."
#define OTEL_HTTP1_VERSION_LEN (sizeof OTEL_HTTP1_VERSION) /* with the minor digit */
#define OTEL_HTTP1_STATUS_AT (OTEL_HTTP1_VERSION_LEN + 1)  /* of the status code in its line */
#define OTEL_HTTP1_STATUS_END (OTEL_HTTP1_STATUS_AT + 3)   /* where SP, CR or LF stand */
#define OTEL_HTTP1_REASON UINT8_MAX                        /* value of position: in the reason */

/* Bits of flags. Of the head: */
#define OTEL_HTTP1_HAS_LENGTH 0x01      /* Content-Length was read */
#define OTEL_HTTP1_SAID_CLOSE 0x02      /* Connection did */
#define OTEL_HTTP1_SAID_KEEP_ALIVE 0x04 /* the same */
#define OTEL_HTTP1_IS_CONNECT 0x08      /* a request's method */
/* Of the line under way: */
#define OTEL_HTTP1_ASKED 0x10   /* SPILL was said */
#define OTEL_HTTP1_CR 0x20      /* its CR is consumed */
#define OTEL_HTTP1_WANTED 0x40  /* NAME was said */
#define OTEL_HTTP1_DROPPED 0x80 /* its value is not kept: nobody's, too long, or no spill */
#define OTEL_HTTP1_OF_LINE \
    (OTEL_HTTP1_ASKED | OTEL_HTTP1_CR | OTEL_HTTP1_WANTED | OTEL_HTTP1_DROPPED)

/* Values of known: the headers that frame the message. */
enum otel_http1_known {
    OTEL_HTTP1_K_NONE,
    OTEL_HTTP1_K_CONNECTION,
    OTEL_HTTP1_K_CONTENT_LENGTH,
    OTEL_HTTP1_K_TRANSFER_ENCODING,
};

/* Bytes the caller gave, of which those before at are consumed. */
struct otel_http1_input {
    const char *at, *end;
};

/* tchar of RFC 9110 5.6.2. Constant. */
extern const bool otel_http1_is_token[256];

/* For `return`: whoever finds a fault. */
static inline enum otel_http1_event otel_http1_malformed(struct otel_http1 *p)
{
    p->state = OTEL_HTTP1_S_MALFORMED;
    p->spilled = 0;
    return OTEL_HTTP1_MALFORMED;
}

/* How many of the input's bytes fit when limit are allowed in all and head_bytes were. When that is
 * fewer than there are and no step came to an end in them, the message is malformed. */
static inline size_t otel_http1_room(const struct otel_http1 *p, const struct otel_http1_input *in,
                                     size_t limit)
{
    size_t here = (size_t)(in->end - in->at);
    size_t room = limit - p->head_bytes;

    return here < room ? here : room;
}

/* Moves the input by n bytes of a head, a chunk line or the trailers. */
static inline void otel_http1_consume(struct otel_http1 *p, struct otel_http1_input *in, size_t n)
{
    in->at += n;
    p->head_bytes += (uint32_t)n;
}

/* Bytes at the beginning of data that are at least `least` (at most 0x80) and not DEL. Eight at a
 * time: what a word loses by subtracting, a borrow can only add behind the first hit. */
static inline size_t otel_http1_run_words(const char *data, size_t len, unsigned char least)
{
    const uint64_t ones = UINT64_MAX / 255;
    size_t i = 0;

    for (; len - i >= 8; i += 8) {
        uint64_t word, del, hit;

        memcpy(&word, data + i, 8);
        word = le64toh(word);
        del = word ^ (ones * 0x7f);
        hit = ((word - ones * least) & ~word) | ((del - ones) & ~del);
        hit &= ones * 0x80;
        if (hit)
            return i + (size_t)__builtin_ctzll(hit) / 8;
    }
    while (i < len && (unsigned char)data[i] >= least && data[i] != 0x7f)
        i++;
    return i;
}

/* The same, sixteen at a time where every processor of the kind can do that. A byte that is not
 * below `least` is not its own minimum with least - 1: SSE2 compares bytes without sign only that
 * way. What is left at the end of the data, fewer than sixteen, goes in words: nothing behind the
 * data is read, for that may be another page.
 *
 * Lines are short, so what counts is not the speed of the loop but how few branches depend on where
 * a line ends: most values take one or two rounds. */
static inline size_t otel_http1_run(const char *data, size_t len, unsigned char least)
{
    size_t i = 0;

#ifdef __SSE2__
    for (; len - i >= 16; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(data + i)); /* need not be aligned */
        __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8((char)(least - 1))), v);
        __m128i del = _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f));
        unsigned hit = (unsigned)_mm_movemask_epi8(_mm_or_si128(low, del));

        if (hit)
            return i + (size_t)__builtin_ctz(hit);
    }
#endif
    return i + otel_http1_run_words(data + i, len - i, least);
}

/* Bytes of a value, reason or chunk extension: no control character but HTAB (RFC 9110 5.5), which
 * is rare enough to stand outside the fast loop. Bytes from 0x80 on are obs-text, and allowed. What
 * stands behind the run is for the caller to judge: CR and LF end the line, all else is a fault. */
static inline size_t otel_http1_text_run(const char *data, size_t len)
{
    size_t i = otel_http1_run(data, len, ' ');

    while (i < len && data[i] == '\t') {
        i++;
        i += otel_http1_run(data + i, len - i, ' ');
    }
    return i;
}

/* Bytes at the beginning of data that may stand in a method or a name. Letters, digits and dashes,
 * which is what nearly all are, go sixteen at a time: with bit 0x20 set, letters of both cases and
 * nothing else lie 0 to 25 above 'a'. The table decides about the first byte that is none of them,
 * and about all behind it. */
static inline size_t otel_http1_token_run(const char *data, size_t len)
{
    size_t i = 0;

#ifdef __SSE2__
    while (len - i >= 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(data + i));
        __m128i letter = _mm_sub_epi8(_mm_or_si128(v, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
        __m128i digit = _mm_sub_epi8(v, _mm_set1_epi8('0'));
        __m128i is = _mm_or_si128(
            _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_set1_epi8(25)), letter),
                         _mm_cmpeq_epi8(_mm_min_epu8(digit, _mm_set1_epi8(9)), digit)),
            _mm_cmpeq_epi8(v, _mm_set1_epi8('-')));
        unsigned others = ~(unsigned)_mm_movemask_epi8(is) & 0xffff;

        i += others ? (size_t)__builtin_ctz(others) : 16;
        if (others)
            break;
    }
#endif
    while (i < len && otel_http1_is_token[(unsigned char)data[i]])
        i++;
    return i;
}

/* Appends to the spill buffer, which holds one line at a time. False: there is none, or no room;
 * then nothing was appended. */
static inline bool otel_http1_spill(struct otel_http1 *p, const char *data, size_t len)
{
    if (!p->spill || len > OTEL_HTTP1_SPILL_SIZE - p->spilled)
        return false;
    memcpy(p->spill + p->spilled, data, len);
    p->spilled += (uint32_t)len;
    return true;
}

/* The line is complete: the next one begins, and what its flags said is forgotten. The spill buffer
 * may be taken back by the caller now. */
static inline void otel_http1_line_done(struct otel_http1 *p)
{
    p->flags &= (uint8_t)~OTEL_HTTP1_OF_LINE;
    p->spilled = 0;
    p->name_len = 0;
}

/* A message begins: forgets the one before. */
void otel_http1_begin(struct otel_http1 *p);

/* Notes the version that stands in OTEL_HTTP1_VERSION_LEN bytes. False: it is not HTTP/1.x. */
bool otel_http1_version(struct otel_http1 *p, const char *version);

bool otel_http1_is_connect(struct otel_text method);

/* Notes a status line up to its reason, whole in these bytes, as nearly all are. Returns the bytes
 * taken; 0: it is to be read byte by byte. */
size_t otel_http1_status_run(struct otel_http1 *p, const char *line, size_t len);

/* Steps of OTEL_HTTP1_S_FIELD and OTEL_HTTP1_S_VALUE (http1_head.c). */
enum otel_http1_event otel_http1_field_step(struct otel_http1 *p, struct otel_http1_input *in,
                                            struct otel_http1_text *text);
enum otel_http1_event otel_http1_value_step(struct otel_http1 *p, struct otel_http1_input *in,
                                            struct otel_http1_text *text);

/* Which of the framing headers a name is. */
enum otel_http1_known otel_http1_known_name(const char *name, size_t len);

/* Notes the value of a framing header, without the blanks before it. False: malformed. */
bool otel_http1_frame(struct otel_http1 *p, enum otel_http1_known known, const char *value,
                      size_t len);

/* All header lines are read: sets body and keep_alive. False: malformed or ambiguous. */
bool otel_http1_decide(struct otel_http1 *p);

/* HEAD_END is about to be said: the state for the body that was decided. */
void otel_http1_body_begin(struct otel_http1 *p);

/* Steps of all states from OTEL_HTTP1_S_DONE on (http1_body.c). */
enum otel_http1_event otel_http1_body_step(struct otel_http1 *p, struct otel_http1_input *in);

#endif
