/* SPDX-License-Identifier: Apache-2.0
 *
 * Header lines. One that lies whole in the caller's bytes is read there: its value is looked for
 * when its name is, and NAME leaves a note where it ends, so that no byte is looked at twice. Of
 * one in pieces, name and value are put together in the spill buffer: the name first, the value
 * from its first byte that is no blank right behind it. Both ways have the same limits and give the
 * same events.
 */
#include "core/http1_parts.h"

const bool otel_http1_is_token[256] = {
    ['!'] = 1,         ['#' ... '\''] = 1, ['*'] = 1,         ['+'] = 1, ['-'] = 1, ['.'] = 1,
    ['0' ... '9'] = 1, ['A' ... 'Z'] = 1,  ['^' ... 'z'] = 1, ['|'] = 1, ['~'] = 1,
};

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The line's value, blanks before it and CR and LF left off, has been read. HEADER, MORE, or
 * MALFORMED. */
static enum otel_http1_event field_done(struct otel_http1 *p, struct otel_text name,
                                        struct otel_text value, struct otel_http1_text *text)
{
    bool reported = (p->flags & (OTEL_HTTP1_WANTED | OTEL_HTTP1_DROPPED)) == OTEL_HTTP1_WANTED;

    if (p->known && !otel_http1_frame(p, p->known, value.data, value.len))
        return otel_http1_malformed(p);
    otel_http1_line_done(p);
    p->state = OTEL_HTTP1_S_FIELD;
    if (!reported)
        return OTEL_HTTP1_MORE;
    while (value.len && blank(value.data[value.len - 1]))
        value.len--;
    text->name = name;
    text->value = value;
    return OTEL_HTTP1_HEADER;
}

/* A value of len bytes with its line end, whole in the caller's bytes; the name is before it. */
static enum otel_http1_event value_whole(struct otel_http1 *p, struct otel_http1_input *in,
                                         struct otel_http1_text *text)
{
    size_t len = p->value_len;
    const char *value = in->at;
    struct otel_text name = {value - 1 - p->name_len, p->name_len};

    otel_http1_consume(p, in, len);
    len -= len > 1 && value[len - 2] == '\r' ? 2 : 1;
    while (len && blank(*value)) {
        value++;
        len--;
    }
    if (len > OTEL_HTTP1_SPILL_SIZE - p->name_len) {
        if (p->known)
            return otel_http1_malformed(p);
        p->flags |= OTEL_HTTP1_DROPPED;
    }
    return field_done(p, name, (struct otel_text){value, len}, text);
}

/* How long the value at data is with its line end; 0: that is not in these bytes. */
static size_t line_end(const char *data, size_t len)
{
    size_t n = otel_http1_text_run(data, len);

    if (n < len && data[n] == '\r')
        n++;
    return n < len && data[n] == '\n' ? n + 1 : 0;
}

/* Takes the name and its colon, of which n + 1 bytes stand at the input; the name is whole in
 * name. */
static enum otel_http1_event name_done(struct otel_http1 *p, struct otel_http1_input *in, size_t n,
                                       struct otel_text name, struct otel_http1_text *text)
{
    otel_http1_consume(p, in, n + 1);
    p->name_len = (uint32_t)name.len;
    p->state = OTEL_HTTP1_S_VALUE;
    if (!(p->flags & OTEL_HTTP1_WANTED))
        return OTEL_HTTP1_MORE;
    text->name = name;
    return OTEL_HTTP1_NAME;
}

/* Keeps a name whose value is not whole in these bytes. MORE, SPILL or MALFORMED. */
static enum otel_http1_event name_keep(struct otel_http1 *p, struct otel_text *name)
{
    if (otel_http1_spill(p, name->data, name->len)) {
        name->data = p->spill;
        return OTEL_HTTP1_MORE;
    }
    if (!p->spill && !(p->flags & OTEL_HTTP1_ASKED)) {
        p->flags |= OTEL_HTTP1_ASKED;
        return OTEL_HTTP1_SPILL;
    }
    p->flags |= OTEL_HTTP1_DROPPED;
    return p->known ? otel_http1_malformed(p) : OTEL_HTTP1_MORE;
}

/* A name of n bytes begins and ends in these bytes, of which room may be read. */
static enum otel_http1_event name_whole(struct otel_http1 *p, struct otel_http1_input *in, size_t n,
                                        size_t room, struct otel_http1_text *text)
{
    struct otel_text name = {in->at, n};
    const char *value = in->at + n + 1;
    size_t value_len = line_end(value, room - n - 1);
    bool wanted = p->wanted(name.data, n);

    p->known = otel_http1_known_name(name.data, n);
    p->value_at = value_len ? value : NULL;
    p->value_len = (uint32_t)value_len;
    if (!wanted && !p->known) {
        if (value_len) {
            otel_http1_consume(p, in, n + 1 + value_len);
            return OTEL_HTTP1_MORE;
        }
        p->flags |= OTEL_HTTP1_DROPPED;
    } else if (!value_len) {
        enum otel_http1_event event = name_keep(p, &name);

        if (event != OTEL_HTTP1_MORE)
            return event;
    }
    if (wanted)
        p->flags |= OTEL_HTTP1_WANTED;
    return name_done(p, in, n, name, text);
}

/* The last n bytes of a name in pieces, and its colon. */
static enum otel_http1_event name_in_pieces(struct otel_http1 *p, struct otel_http1_input *in,
                                            size_t n, struct otel_http1_text *text)
{
    struct otel_text name;

    if (!otel_http1_spill(p, in->at, n))
        return otel_http1_malformed(p);
    name = (struct otel_text){p->spill, p->spilled};
    p->value_at = NULL;
    p->known = otel_http1_known_name(name.data, name.len);
    if (p->wanted(name.data, name.len)) {
        p->flags |= OTEL_HTTP1_WANTED;
    } else if (!p->known) {
        p->flags |= OTEL_HTTP1_DROPPED;
        p->spilled = 0;
    }
    return name_done(p, in, n, name, text);
}

/* The bytes end in the middle of a name: whose it is is not known yet. */
static enum otel_http1_event name_part(struct otel_http1 *p, struct otel_http1_input *in, size_t n)
{
    if (!p->spill && !(p->flags & OTEL_HTTP1_ASKED)) {
        p->flags |= OTEL_HTTP1_ASKED;
        return OTEL_HTTP1_SPILL;
    }
    if (!otel_http1_spill(p, in->at, n))
        return otel_http1_malformed(p);
    p->name_len = p->spilled;
    otel_http1_consume(p, in, n);
    return OTEL_HTTP1_MORE;
}

enum otel_http1_event otel_http1_field_step(struct otel_http1 *p, struct otel_http1_input *in,
                                            struct otel_http1_text *text)
{
    const char *line = in->at;
    size_t room = otel_http1_room(p, in, OTEL_HTTP1_HEAD_MAX);
    size_t n;

    if (!p->name_len && (*line == '\r' || *line == '\n')) {
        if (!otel_http1_decide(p))
            return otel_http1_malformed(p);
        p->state = OTEL_HTTP1_S_CLOSED;
        return OTEL_HTTP1_CLOSING;
    }
    n = otel_http1_token_run(line, room);
    if (n == room)
        return room < (size_t)(in->end - line) ? otel_http1_malformed(p) : name_part(p, in, n);
    if (line[n] != ':' || p->name_len + n == 0 || p->name_len + n > OTEL_HTTP1_SPILL_SIZE)
        return otel_http1_malformed(p);
    return p->name_len ? name_in_pieces(p, in, n, text) : name_whole(p, in, n, room, text);
}

/* Keeps n bytes of a value in pieces. False: malformed without them. */
static bool value_keep(struct otel_http1 *p, const char *data, size_t n)
{
    if (p->spilled == p->name_len)
        while (n && blank(*data)) {
            data++;
            n--;
        }
    if (otel_http1_spill(p, data, n))
        return true;
    p->flags |= OTEL_HTTP1_DROPPED;
    p->spilled = 0;
    return !p->known;
}

static enum otel_http1_event value_part(struct otel_http1 *p, struct otel_http1_input *in,
                                        struct otel_http1_text *text)
{
    size_t room = otel_http1_room(p, in, OTEL_HTTP1_HEAD_MAX);
    size_t n = p->flags & OTEL_HTTP1_CR ? 0 : otel_http1_text_run(in->at, room);
    struct otel_text name = {NULL, 0};
    struct otel_text value = {NULL, 0};
    char c;

    if (n && !(p->flags & OTEL_HTTP1_DROPPED) && !value_keep(p, in->at, n))
        return otel_http1_malformed(p);
    otel_http1_consume(p, in, n);
    if (n == room)
        return in->at < in->end ? otel_http1_malformed(p) : OTEL_HTTP1_MORE;
    c = *in->at;
    otel_http1_consume(p, in, 1);
    if (c == '\r' && !(p->flags & OTEL_HTTP1_CR)) {
        p->flags |= OTEL_HTTP1_CR;
        return OTEL_HTTP1_MORE;
    }
    if (c != '\n')
        return otel_http1_malformed(p);
    if (!(p->flags & OTEL_HTTP1_DROPPED)) {
        name = (struct otel_text){p->spill, p->name_len};
        value = (struct otel_text){p->spill + p->name_len, p->spilled - p->name_len};
    }
    return field_done(p, name, value, text);
}

enum otel_http1_event otel_http1_value_step(struct otel_http1 *p, struct otel_http1_input *in,
                                            struct otel_http1_text *text)
{
    if (p->value_at) {
        bool same = p->value_at == in->at && p->value_len <= (size_t)(in->end - in->at);

        p->value_at = NULL;
        if (same)
            return value_whole(p, in, text);
        if (p->known)
            return otel_http1_malformed(p);
        p->flags |= OTEL_HTTP1_DROPPED;
    }
    return value_part(p, in, text);
}
