/* SPDX-License-Identifier: Apache-2.0
 *
 * From state to state, and the start lines. A start line is checked as its bytes come, so that what
 * is no HTTP is known by its first bytes; its parts are taken from the whole line, which lies in
 * the caller's bytes or, when it came in pieces, in the spill buffer.
 */
#include "core/http1.h"

#include <string.h>

#include "core/http1_parts.h"

/* The blanks and the version of a request line. */
#define METHOD_AND_VERSION (1 + 1 + OTEL_HTTP1_VERSION_LEN)

enum part { PART_METHOD, PART_TARGET, PART_VERSION };

void otel_http1_init(struct otel_http1 *p, bool response,
                     bool (*wanted)(const char *name, size_t len))
{
    memset(p, 0, sizeof *p);
    p->response = response;
    p->wanted = wanted;
}

void otel_http1_begin(struct otel_http1 *p)
{
    p->state = OTEL_HTTP1_S_START;
    p->minor = 0;
    p->status = 0;
    p->body = OTEL_HTTP1_NO_BODY;
    p->keep_alive = false;
    p->body_bytes = 0;
    p->flags = 0;
    p->coding = 0;
    p->part = 0;
    p->position = 0;
    p->head_bytes = 0;
    p->spilled = 0;
    p->length = 0;
    p->name_len = 0;
}

bool otel_http1_version(struct otel_http1 *p, const char *version)
{
    unsigned minor = (unsigned)(uint8_t)version[OTEL_HTTP1_VERSION_LEN - 1] - '0';

    if (memcmp(version, OTEL_HTTP1_VERSION, OTEL_HTTP1_VERSION_LEN - 1) != 0 || minor > 9)
        return false;
    p->minor = (uint8_t)minor;
    return true;
}

bool otel_http1_is_connect(struct otel_text method)
{
    return method.len == 7 && !memcmp(method.data, "CONNECT", 7);
}

size_t otel_http1_status_run(struct otel_http1 *p, const char *line, size_t len)
{
    unsigned hundreds, tens, ones;

    if (len <= OTEL_HTTP1_STATUS_END || !otel_http1_version(p, line))
        return 0;
    hundreds = (unsigned)(uint8_t)line[OTEL_HTTP1_STATUS_AT] - '0';
    tens = (unsigned)(uint8_t)line[OTEL_HTTP1_STATUS_AT + 1] - '0';
    ones = (unsigned)(uint8_t)line[OTEL_HTTP1_STATUS_AT + 2] - '0';
    if (hundreds - 1 > 8 || tens > 9 || ones > 9 || line[OTEL_HTTP1_VERSION_LEN] != ' ' ||
        line[OTEL_HTTP1_STATUS_END] != ' ')
        return 0;
    p->status = (uint16_t)(hundreds * 100 + tens * 10 + ones);
    p->position = OTEL_HTTP1_REASON;
    return OTEL_HTTP1_STATUS_END + 1;
}

/* The version and line end of a request line from position on. Returns bytes taken; *done: through
 * the LF; *bad: another byte stands there. */
static size_t version_run(struct otel_http1 *p, const char *data, size_t len, uint8_t *position,
                          bool *done, bool *bad)
{
    size_t i = 0;

    if (*position == 0 && len >= OTEL_HTTP1_VERSION_LEN &&
        !memcmp(data, OTEL_HTTP1_VERSION, OTEL_HTTP1_VERSION_LEN - 1)) {
        i = OTEL_HTTP1_VERSION_LEN - 1;
        *position = OTEL_HTTP1_VERSION_LEN - 1;
    }
    for (; i < len && !*done; i++, (*position)++) {
        char c = data[i];

        if (*position < OTEL_HTTP1_VERSION_LEN - 1) {
            *bad = c != OTEL_HTTP1_VERSION[*position];
        } else if (*position == OTEL_HTTP1_VERSION_LEN - 1) {
            *bad = c < '0' || c > '9';
            p->minor = (uint8_t)(c - '0');
        } else {
            *done = c == '\n';
            *bad = !*done && (c != '\r' || *position > OTEL_HTTP1_VERSION_LEN);
        }
        if (*bad)
            return i;
    }
    return i;
}

/* Checks the bytes of a request line. Returns the bytes taken: all, or up to the LF (*done). */
static size_t request_run(struct otel_http1 *p, const char *data, size_t len, bool *done, bool *bad)
{
    size_t i = 0;

    if (p->part == PART_METHOD) {
        i = otel_http1_token_run(data, len);
        if (p->position + i > OTEL_HTTP1_METHOD_MAX ||
            (i < len && (data[i] != ' ' || p->position + i == 0))) {
            *bad = true;
            return i;
        }
        p->position += (uint8_t)i;
        if (i == len)
            return i;
        i++;
        p->part = PART_TARGET;
        p->position = 0;
    }
    if (p->part == PART_TARGET) {
        size_t n = otel_http1_run(data + i, len - i, '!');

        p->position |= n > 0;
        i += n;
        if (i == len)
            return i;
        *bad = data[i] != ' ' || !p->position;
        if (*bad)
            return i;
        i++;
        p->part = PART_VERSION;
        p->position = 0;
    }
    return i + version_run(p, data + i, len - i, &p->position, done, bad);
}

/* A whole request line, checked before. */
static void request_line(struct otel_http1 *p, const char *line, size_t len,
                         struct otel_http1_text *text)
{
    const char *blank = memchr(line, ' ', len);
    size_t method = (size_t)(blank - line);
    size_t end = line[len - 2] == '\r' ? 2 : 1;

    text->name = (struct otel_text){line, method};
    text->value = (struct otel_text){blank + 1, len - end - method - METHOD_AND_VERSION};
    if (otel_http1_is_connect(text->name))
        p->flags |= OTEL_HTTP1_IS_CONNECT;
}

static enum otel_http1_event request_step(struct otel_http1 *p, struct otel_http1_input *in,
                                          struct otel_http1_text *text)
{
    const char *line = in->at;
    size_t room = otel_http1_room(p, in, OTEL_HTTP1_SPILL_SIZE);
    uint8_t part = p->part;
    uint8_t position = p->position;
    bool done = false;
    bool bad = false;
    size_t n = request_run(p, line, room, &done, &bad);

    if (bad || (!done && room < (size_t)(in->end - in->at)))
        return otel_http1_malformed(p);
    if (!done || p->spilled) {
        if (!p->spill && !(p->flags & OTEL_HTTP1_ASKED)) {
            p->flags |= OTEL_HTTP1_ASKED;
            p->part = part;
            p->position = position;
            return OTEL_HTTP1_SPILL;
        }
        if (!otel_http1_spill(p, line, n))
            return otel_http1_malformed(p);
        line = p->spill;
    }
    otel_http1_consume(p, in, n);
    if (!done)
        return OTEL_HTTP1_MORE;
    request_line(p, line, p->head_bytes, text);
    otel_http1_line_done(p);
    p->state = OTEL_HTTP1_S_FIELD;
    return OTEL_HTTP1_START;
}

/* One byte of a status line before the reason. False: malformed. */
static bool status_byte(struct otel_http1 *p, char c)
{
    uint8_t at = p->position++;

    if (at < OTEL_HTTP1_VERSION_LEN - 1)
        return c == OTEL_HTTP1_VERSION[at];
    if (at == OTEL_HTTP1_VERSION_LEN)
        return c == ' ';
    if (at == OTEL_HTTP1_STATUS_END) {
        p->position = OTEL_HTTP1_REASON;
        return c == ' ';
    }
    if (c < '0' || c > '9')
        return false;
    if (at == OTEL_HTTP1_VERSION_LEN - 1)
        p->minor = (uint8_t)(c - '0');
    else
        p->status = (uint16_t)(p->status * 10 + (c - '0'));
    return at != OTEL_HTTP1_STATUS_AT || c != '0';
}

/* The reason is checked and passed by; nothing of this line needs a spill buffer. */
static enum otel_http1_event status_step(struct otel_http1 *p, struct otel_http1_input *in)
{
    const char *line = in->at;
    size_t room = otel_http1_room(p, in, OTEL_HTTP1_HEAD_MAX);
    size_t i = p->position ? 0 : otel_http1_status_run(p, line, room);

    while (i < room && p->position < OTEL_HTTP1_REASON && !(p->flags & OTEL_HTTP1_CR)) {
        if (p->position == OTEL_HTTP1_STATUS_END && (line[i] == '\r' || line[i] == '\n'))
            break;
        if (!status_byte(p, line[i]))
            return otel_http1_malformed(p);
        i++;
    }
    if (p->position == OTEL_HTTP1_REASON && !(p->flags & OTEL_HTTP1_CR))
        i += otel_http1_text_run(line + i, room - i);
    if (i < room && line[i] == '\r' && !(p->flags & OTEL_HTTP1_CR)) {
        p->flags |= OTEL_HTTP1_CR;
        i++;
    }
    if (i < room && line[i] != '\n')
        return otel_http1_malformed(p);
    if (i == room) {
        if (room < (size_t)(in->end - in->at))
            return otel_http1_malformed(p);
        otel_http1_consume(p, in, i);
        return OTEL_HTTP1_MORE;
    }
    otel_http1_consume(p, in, i + 1);
    otel_http1_line_done(p);
    p->state = OTEL_HTTP1_S_FIELD;
    return OTEL_HTTP1_START;
}

/* Before a message: empty lines before a request are passed by (RFC 9112 2.2). */
static enum otel_http1_event between_step(struct otel_http1 *p, struct otel_http1_input *in)
{
    char c = *in->at;

    if (p->state == OTEL_HTTP1_S_BETWEEN_CR || (c == '\n' && !p->response)) {
        if (c != '\n')
            return otel_http1_malformed(p);
        p->state = OTEL_HTTP1_S_BETWEEN;
        in->at++;
        return OTEL_HTTP1_MORE;
    }
    if (c == '\r' && !p->response) {
        p->state = OTEL_HTTP1_S_BETWEEN_CR;
        in->at++;
        return OTEL_HTTP1_MORE;
    }
    if (p->response ? c != OTEL_HTTP1_VERSION[0] : !otel_http1_is_token[(unsigned char)c])
        return otel_http1_malformed(p);
    otel_http1_begin(p);
    return OTEL_HTTP1_BEGIN;
}

/* The empty line behind the head. */
static enum otel_http1_event closed_step(struct otel_http1 *p, struct otel_http1_input *in)
{
    char c = *in->at;

    if (p->head_bytes == OTEL_HTTP1_HEAD_MAX ||
        (c != '\n' && (c != '\r' || p->state == OTEL_HTTP1_S_CLOSED_CR)))
        return otel_http1_malformed(p);
    otel_http1_consume(p, in, 1);
    if (c == '\r') {
        p->state = OTEL_HTTP1_S_CLOSED_CR;
        return OTEL_HTTP1_MORE;
    }
    otel_http1_body_begin(p);
    return OTEL_HTTP1_HEAD_END;
}

static enum otel_http1_event step(struct otel_http1 *p, struct otel_http1_input *in,
                                  struct otel_http1_text *text)
{
    switch (p->state) {
    case OTEL_HTTP1_S_BETWEEN:
    case OTEL_HTTP1_S_BETWEEN_CR:
        return between_step(p, in);
    case OTEL_HTTP1_S_START:
        return p->response ? status_step(p, in) : request_step(p, in, text);
    case OTEL_HTTP1_S_FIELD:
        return otel_http1_field_step(p, in, text);
    case OTEL_HTTP1_S_VALUE:
        return otel_http1_value_step(p, in, text);
    case OTEL_HTTP1_S_CLOSED:
    case OTEL_HTTP1_S_CLOSED_CR:
        return closed_step(p, in);
    case OTEL_HTTP1_S_MALFORMED:
        return OTEL_HTTP1_MALFORMED;
    default:
        return otel_http1_body_step(p, in);
    }
}

enum otel_http1_event otel_http1_next(struct otel_http1 *p, const char *data, size_t len,
                                      size_t *used, struct otel_http1_text *text)
{
    struct otel_http1_input in = {data, data + len};
    enum otel_http1_event event = OTEL_HTTP1_MORE;

    *text = (struct otel_http1_text){{NULL, 0}, {NULL, 0}};
    if (len || p->state == OTEL_HTTP1_S_DONE || p->state == OTEL_HTTP1_S_MALFORMED)
        do
            event = step(p, &in, text);
        while (event == OTEL_HTTP1_MORE && in.at < in.end);
    *used = (size_t)(in.at - data);
    return event;
}

bool otel_http1_idle(const struct otel_http1 *p)
{
    return p->state == OTEL_HTTP1_S_BETWEEN;
}
