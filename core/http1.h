/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP/1.0 and 1.1 framing, as one who listens: where a message begins, what its head says, where
 * it ends (RFC 9112). One parser follows one direction of a connection, message after message. It
 * is resumable at any byte, allocates nothing, reads only what it is given, and skips bodies
 * without looking at them.
 *
 * It is strict where being lenient would let two readers disagree on where a message ends: whatever
 * is malformed or ambiguous (Content-Length beside Transfer-Encoding, two different lengths, a
 * coding behind chunked or one that is not registered, folded lines, white space before the colon,
 * a bare CR, NUL or another control character, a sign or blank in a number, HTAB in or behind a
 * length or coding, a chunk line without CRLF, numbers over 2^63-1, a body announced with 1xx or
 * 204 or for CONNECT, a coding in HTTP/1.0, a trailer that would frame) gives MALFORMED for good,
 * and before CLOSING when the head says it. A line of a head may end in a bare LF (RFC 9112 2.2).
 * Empty lines before a request line are skipped.
 *
 * Threads: none of its own; one caller at a time for each parser.
 */
#ifndef OTEL_CORE_HTTP1_H
#define OTEL_CORE_HTTP1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/wire.h"

#define OTEL_HTTP1_HEAD_MAX 65536   /* bytes of a head; more is MALFORMED */
#define OTEL_HTTP1_SPILL_SIZE 16384 /* what a spill buffer must hold */

enum otel_http1_event {
    OTEL_HTTP1_MORE,     /* everything was consumed, nothing is complete */
    OTEL_HTTP1_BEGIN,    /* the first byte of a message is there (not consumed by this event) */
    OTEL_HTTP1_START,    /* the start line is complete */
    OTEL_HTTP1_NAME,     /* a wanted header's name and colon are consumed, its value begins */
    OTEL_HTTP1_HEADER,   /* a wanted header line is complete */
    OTEL_HTTP1_CLOSING,  /* the next byte begins the empty line that ends the head (not consumed) */
    OTEL_HTTP1_HEAD_END, /* the empty line is consumed; body says what follows */
    OTEL_HTTP1_END,      /* the message is complete; trailers are consumed */
    OTEL_HTTP1_SPILL,    /* a wanted line goes on beyond these bytes: give a buffer and go on */
    OTEL_HTTP1_MALFORMED, /* not HTTP/1.x, or not to be followed; nothing more comes */
};

enum otel_http1_body {
    OTEL_HTTP1_NO_BODY, /* or one of 0 bytes */
    OTEL_HTTP1_LENGTH,  /* counted */
    OTEL_HTTP1_CHUNKED,
    OTEL_HTTP1_CLOSE,  /* a response that ends with its connection */
    OTEL_HTTP1_TUNNEL, /* what follows is no HTTP: 101, or 2xx to CONNECT */
};

struct otel_http1 {
    /* Set by init; the rest is the parser's, but for what is marked readable. */
    bool response;
    bool (*wanted)(const char *name, size_t len); /* which headers are reported; any case */

    /* Readable from START on. */
    uint8_t minor;   /* HTTP/1.minor */
    uint16_t status; /* of a response, 100 to 999 */
    /* Readable from CLOSING on. */
    uint8_t body;        /* enum otel_http1_body */
    bool keep_alive;     /* the sender will take, or send, another message (RFC 9112 9.3) */
    uint64_t body_bytes; /* of the body so far, framing not counted */

    /* Of the message a response answers; set by the caller between END and the next START, or right
     * after init. */
    bool head_request;    /* HEAD: no body whatever the head says */
    bool connect_request; /* CONNECT: 2xx makes a tunnel */

    uint8_t state;
    uint8_t flags;
    uint8_t coding;   /* what Transfer-Encoding said */
    uint8_t known;    /* which framing header the line under way is */
    uint8_t part;     /* of the request line under way */
    uint8_t position; /* in that part, or in the status line */
    uint32_t head_bytes;
    uint32_t spilled;     /* bytes in spill */
    uint64_t remaining;   /* of a counted body or chunk */
    uint64_t length;      /* Content-Length */
    char *spill;          /* the caller's buffer for a line in pieces, NULL: none yet */
    const char *value_at; /* where a value stands that is whole; compared, never read through */
    uint32_t value_len;   /* its bytes, line end included */
    uint32_t name_len;    /* of the header line under way */
};

/* wanted(name): asked with the name as sent, of the header lines of a head. Content-Length,
 * Transfer-Encoding and Connection are read by the parser itself, wanted or not. Trailers are not
 * asked for and not reported. */
void otel_http1_init(struct otel_http1 *p, bool response,
                     bool (*wanted)(const char *name, size_t len));

/* What an event speaks of; slices point into the caller's bytes or the spill buffer and are valid
 * until the next call. START: method and target of a request, reason left out; NAME: name; HEADER:
 * name and value, white space round the value trimmed. */
struct otel_http1_text {
    struct otel_text name;  /* NAME, HEADER: the name; START of a request: the method */
    struct otel_text value; /* HEADER: the value; START of a request: the target */
};

/* Goes on to the next event within data. *used: bytes consumed by this call (0 … len); call again
 * with the rest until MORE or MALFORMED. With len 0 only events that need no byte come (END of a
 * message without body). However the bytes are cut, the events are the same, but for MORE and
 * SPILL. The rest after NAME is to be given where it stands: the name of its HEADER is read there.
 *
 * SPILL comes when data ends within a request line, a header's name, or a wanted or framing header:
 * set p->spill to OTEL_HTTP1_SPILL_SIZE bytes, which stay the caller's and may be taken back (spill
 * = NULL) whenever p->spilled is 0, and call again with the rest. Bytes of the buffer behind
 * p->spilled may be overwritten by any call. Without one the value of a wanted line is not
 * reported; where the line is another, the next event is MALFORMED. In pieces or not, a request
 * line longer than the buffer is MALFORMED, and a wanted header is not reported whose name and
 * value, from the first byte that is no blank to the line's end, are longer.
 *
 * Bodies cost no look: a counted body is consumed by one call however long it is. After the END of
 * OTEL_HTTP1_TUNNEL everything is consumed and nothing told. */
enum otel_http1_event otel_http1_next(struct otel_http1 *p, const char *data, size_t len,
                                      size_t *used, struct otel_http1_text *text);

#define OTEL_HTTP1_FIELDS 16 /* wanted headers of a head that is read whole */

/* What a whole head says, beside what is readable in the parser; slices of the caller's bytes. */
struct otel_http1_whole {
    struct otel_http1_text start; /* of a request: as START has it */
    size_t count;
    struct otel_http1_text field[OTEL_HTTP1_FIELDS]; /* as HEADER has them, in their order */
};

/* The short way, for a parser between messages (otel_http1_idle) and a head that lies whole in
 * data: does what next() would do from BEGIN to HEAD_END, and tells it in *head. Returns the bytes
 * of the head. 0: not such a head, or one with a fault, longer than OTEL_HTTP1_SPILL_SIZE, or with
 * more wanted headers than there is room for; nothing was consumed, and next() is to be asked. */
size_t otel_http1_whole(struct otel_http1 *p, const char *data, size_t len,
                        struct otel_http1_whole *head);

/* n bytes went by that cannot be seen (sendfile, splice, MSG_TRUNC). MORE, END (with *used < n when
 * the message ends before), or MALFORMED unless they all lie in a body that needs no look. */
enum otel_http1_event otel_http1_skip(struct otel_http1 *p, uint64_t n, uint64_t *used);

/* The stream ended here. END: it completes a message (OTEL_HTTP1_CLOSE); MORE: between messages;
 * MALFORMED: in the middle of one. */
enum otel_http1_event otel_http1_eof(struct otel_http1 *p);

/* No message is under way: the next byte is the first of one. */
bool otel_http1_idle(const struct otel_http1 *p);

/* In a body, with at least n bytes of it still to come, of which none needs a look. */
bool otel_http1_skips(const struct otel_http1 *p, uint64_t n);

#endif
