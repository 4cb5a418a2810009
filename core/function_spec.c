/* SPDX-License-Identifier: Apache-2.0 */
#include "core/function_spec.h"

#include <errno.h>
#include <string.h>

#include "core/function_type.h"

#define DIGITS_MAX 19 /* of a number that surely fits 64 bits */

bool otel_function_spec_next(const char **at, const char *end, struct otel_text *entry)
{
    while (*at < end) {
        const char *start = *at, *stop;
        bool comment, quoted = false;

        while (start < end && (*start == ' ' || *start == '\t' || *start == '\r'))
            start++;
        comment = start < end && *start == '#';
        for (stop = start; stop < end && *stop != '\n'; stop++) {
            if (*stop == ';' && !quoted && !comment)
                break;
            quoted ^= *stop == '"';
        }
        *at = stop < end ? stop + 1 : end;
        while (stop > start && (stop[-1] == ' ' || stop[-1] == '\t' || stop[-1] == '\r'))
            stop--;
        *entry = (struct otel_text){start, (size_t)(stop - start)};
        if (entry->len && !comment)
            return true;
    }
    return false;
}

/* "text" without escapes. */
static bool read_quoted(struct otel_function_cursor *c, struct otel_text *text)
{
    const char *close;

    if (!otel_function_take(c, '"'))
        return otel_function_fault(c, "a text in quotes is missing");
    close = memchr(c->at, '"', (size_t)(c->end - c->at));
    if (!close)
        return otel_function_fault(c, "a quote is not closed");
    *text = (struct otel_text){c->at, (size_t)(close - c->at)};
    c->at = close + 1;
    return text->len > 0 || otel_function_fault(c, "an empty text");
}

static struct otel_text trimmed(const char *from, const char *to)
{
    while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
        to--;
    return (struct otel_text){from, (size_t)(to - from)};
}

/* [library:]symbol, up to the parenthesis. A double colon belongs to a C++ name. */
static bool read_symbol(struct otel_function_cursor *c, struct otel_function_spec *spec)
{
    const char *start;

    otel_function_blank(c);
    for (start = c->at; c->at < c->end && *c->at != '(' && *c->at != '"'; c->at++) {
        if (*c->at != ':')
            continue;
        if (c->at + 1 < c->end && c->at[1] == ':') {
            c->at++;
        } else if (!spec->library.len) {
            spec->library = trimmed(start, c->at);
            start = c->at + 1;
        }
    }
    if (c->at < c->end && *c->at == '"' && !trimmed(start, c->at).len)
        return read_quoted(c, &spec->symbol);
    while (start < c->at && (*start == ' ' || *start == '\t'))
        start++;
    spec->symbol = trimmed(start, c->at);
    return spec->symbol.len > 0 || otel_function_fault(c, "the function's name is missing");
}

/* [key:] type */
static bool read_value(struct otel_function_cursor *c, struct otel_function_spec *spec,
                       struct otel_function_value *value)
{
    struct otel_function_cursor ahead = *c;
    struct otel_text key = otel_function_name(&ahead);

    if (key.len && otel_function_take(&ahead, ':')) {
        value->key = key;
        *c = ahead;
    }
    return otel_function_type_read(c, spec, &value->type);
}

static bool take_dots(struct otel_function_cursor *c)
{
    otel_function_blank(c);
    if (c->end - c->at < 3 || memcmp(c->at, "...", 3) != 0)
        return false;
    c->at += 3;
    return true;
}

static bool read_args(struct otel_function_cursor *c, struct otel_function_spec *spec)
{
    if (!otel_function_take(c, '('))
        return otel_function_fault(c, "( is missing");
    if (otel_function_take(c, ')'))
        return true;
    do {
        struct otel_function_value *arg = &spec->args[spec->args_count];

        spec->variadic = take_dots(c);
        if (spec->variadic)
            break;
        if (spec->args_count == OTEL_FUNCTION_ARGS)
            return otel_function_fault(c, "too many arguments");
        if (!read_value(c, spec, arg))
            return false;
        spec->args_count++;
    } while (otel_function_take(c, ','));
    if (spec->args_count == 1 && spec->args[0].type.kind == OTEL_FUNCTION_VOID &&
        !spec->args[0].key.len)
        spec->args_count = 0;
    for (unsigned i = 0; i < spec->args_count; i++) {
        if (spec->args[i].type.kind == OTEL_FUNCTION_VOID)
            return otel_function_fault(c, "an argument cannot be void");
    }
    return otel_function_take(c, ')') || otel_function_fault(c, ") is missing");
}

static bool read_result(struct otel_function_cursor *c, struct otel_function_spec *spec)
{
    otel_function_blank(c);
    if (c->end - c->at < 2 || memcmp(c->at, "->", 2) != 0)
        return otel_function_fault(c, "-> is missing");
    c->at += 2;
    return read_value(c, spec, &spec->result);
}

/* Digits, and a fraction; *integer when there is none. */
static bool read_number(struct otel_function_cursor *c, int64_t *whole, double *real, bool *integer)
{
    bool minus = otel_function_take(c, '-');
    double unit = 1;
    uint64_t value = 0;
    unsigned digits = 0;

    otel_function_blank(c);
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++, digits++) {
        if (digits >= DIGITS_MAX - 1)
            return otel_function_fault(c, "a number is too long");
        value = value * 10 + (uint64_t)(*c->at - '0');
    }
    if (!digits)
        return otel_function_fault(c, "a number is missing");
    *integer = c->at == c->end || *c->at != '.';
    *real = (double)value;
    if (!*integer) {
        for (c->at++; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
            unit /= 10;
            *real += unit * (*c->at - '0');
        }
    }
    *whole = minus ? -(int64_t)value : (int64_t)value;
    *real = minus ? -*real : *real;
    return true;
}

/* key=$N: the N-th argument gets that key. */
static bool read_reference(struct otel_function_cursor *c, struct otel_function_spec *spec,
                           struct otel_text key)
{
    int64_t number;
    double real;
    bool integer;

    if (!read_number(c, &number, &real, &integer))
        return false;
    if (!integer || number < 1 || number > spec->args_count)
        return otel_function_fault(c, "there is no such argument");
    spec->args[number - 1].key = key;
    return true;
}

static bool read_constant(struct otel_function_cursor *c, struct otel_function_spec *spec,
                          struct otel_text key)
{
    struct otel_attr *attr = &spec->constants[spec->constants_count];
    bool integer = false;
    int64_t whole;
    double real;

    if (spec->constants_count == OTEL_FUNCTION_CONSTANTS)
        return otel_function_fault(c, "too many attributes");
    attr->key = key;
    otel_function_blank(c);
    if (c->at < c->end && *c->at == '"') {
        attr->value.type = OTEL_VALUE_STRING;
        if (!read_quoted(c, &attr->value.text))
            return false;
    } else if (otel_function_take_word(c, "true") || otel_function_take_word(c, "false")) {
        attr->value.type = OTEL_VALUE_BOOL;
        attr->value.boolean = c->at[-2] == 'u';
    } else if (read_number(c, &whole, &real, &integer)) {
        attr->value.type = integer ? OTEL_VALUE_INT : OTEL_VALUE_DOUBLE;
        if (integer)
            attr->value.integer = whole;
        else
            attr->value.real = real;
    } else {
        return false;
    }
    spec->constants_count++;
    return true;
}

static bool read_attributes(struct otel_function_cursor *c, struct otel_function_spec *spec)
{
    do {
        struct otel_text key = otel_function_name(c);

        if (!key.len)
            return otel_function_fault(c, "an attribute's key is missing");
        if (!otel_function_take(c, '='))
            return otel_function_fault(c, "= is missing");
        if (otel_function_take(c, '$') ? !read_reference(c, spec, key)
                                       : !read_constant(c, spec, key))
            return false;
    } while (otel_function_take(c, ','));
    return otel_function_take(c, '}') || otel_function_fault(c, "} is missing");
}

/* The comparison and what it compares with. */
static bool read_condition(struct otel_function_cursor *c, struct otel_function_spec *spec)
{
    static const struct {
        char name[3];
        uint8_t test;
    } tests[] = {{"<=", OTEL_FUNCTION_AT_MOST}, {">=", OTEL_FUNCTION_AT_LEAST},
                 {"==", OTEL_FUNCTION_EQUAL},   {"!=", OTEL_FUNCTION_DIFFERENT},
                 {"<", OTEL_FUNCTION_LESS},     {">", OTEL_FUNCTION_MORE}};
    bool integer, negated = otel_function_take_word(c, "not");

    if (otel_function_take_word(c, "null")) {
        spec->error_if = negated ? OTEL_FUNCTION_DIFFERENT : OTEL_FUNCTION_EQUAL;
        return true;
    }
    otel_function_blank(c);
    for (size_t i = 0; i < sizeof tests / sizeof *tests && !negated; i++) {
        size_t len = strlen(tests[i].name);

        if ((size_t)(c->end - c->at) < len || memcmp(c->at, tests[i].name, len) != 0)
            continue;
        c->at += len;
        spec->error_if = (enum otel_function_test)tests[i].test;
        return otel_function_take_word(c, "null") ||
               read_number(c, &spec->limit, &spec->real_limit, &integer);
    }
    return otel_function_fault(c, "a comparison is missing");
}

static bool read_kind(struct otel_function_cursor *c, struct otel_function_spec *spec)
{
    static const struct {
        const char *name;
        enum otel_span_kind kind;
    } kinds[] = {{"internal", OTEL_KIND_INTERNAL},
                 {"client", OTEL_KIND_CLIENT},
                 {"server", OTEL_KIND_SERVER},
                 {"producer", OTEL_KIND_PRODUCER},
                 {"consumer", OTEL_KIND_CONSUMER}};

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (otel_function_take_word(c, kinds[i].name)) {
            spec->kind = kinds[i].kind;
            return true;
        }
    }
    return false;
}

/* What may follow the type, in any order. */
static bool read_rest(struct otel_function_cursor *c, struct otel_function_spec *spec)
{
    for (;;) {
        otel_function_blank(c);
        if (c->at == c->end)
            return true;
        if (otel_function_take_word(c, "as")) {
            if (!read_quoted(c, &spec->name))
                return false;
        } else if (otel_function_take(c, '{')) {
            if (!read_attributes(c, spec))
                return false;
        } else if (otel_function_take_word(c, "error")) {
            if (!otel_function_take_word(c, "if"))
                return otel_function_fault(c, "`if` is missing");
            if (!read_condition(c, spec))
                return false;
        } else if (!read_kind(c, spec)) {
            return otel_function_fault(c, "not understood");
        }
    }
}

/* The key of attribute i: constants, then arguments, then the result. */
static struct otel_text key_at(const struct otel_function_spec *spec, unsigned i)
{
    if (i < spec->constants_count)
        return spec->constants[i].key;
    i -= spec->constants_count;
    return i < spec->args_count ? spec->args[i].key : spec->result.key;
}

static bool has_distinct_keys(struct otel_function_cursor *c, const struct otel_function_spec *spec)
{
    unsigned count = spec->constants_count + spec->args_count + 1;

    for (unsigned i = 0; i < count; i++) {
        for (unsigned k = 0; k < i; k++) {
            struct otel_text a = key_at(spec, i), b = key_at(spec, k);

            if (a.len && a.len == b.len && memcmp(a.data, b.data, a.len) == 0)
                return otel_function_fault(c, "a key stands there twice");
        }
    }
    return true;
}

int otel_function_spec_parse(struct otel_text entry, struct otel_function_spec *spec,
                             const char **why, size_t *where)
{
    struct otel_function_cursor c = {entry.data, entry.data + entry.len, NULL};

    memset(spec, 0, sizeof *spec);
    spec->text = entry;
    spec->kind = OTEL_KIND_INTERNAL;
    if (read_symbol(&c, spec) && read_args(&c, spec) && read_result(&c, spec) &&
        read_rest(&c, spec) && has_distinct_keys(&c, spec)) {
        uint8_t kind = spec->result.type.kind;

        if (!spec->name.len)
            spec->name = spec->symbol;
        if (!spec->error_if || (kind != OTEL_FUNCTION_VOID && kind != OTEL_FUNCTION_STRUCT))
            return 0;
        otel_function_fault(&c, "such a result cannot be compared");
    }
    *why = c.why;
    *where = (size_t)(c.at - entry.data);
    return -EINVAL;
}

static bool is_unsigned(enum otel_function_kind kind)
{
    return kind == OTEL_FUNCTION_BOOL || kind == OTEL_FUNCTION_PTR || kind == OTEL_FUNCTION_STR ||
           (kind >= OTEL_FUNCTION_UINT8 && kind <= OTEL_FUNCTION_UINT64);
}

/* -1, 0, 1: the result is less than, equal to, more than the limit. 2: not to be compared. */
static int compare(const struct otel_function_spec *spec, uint64_t bits, double real)
{
    enum otel_function_kind kind = (enum otel_function_kind)spec->result.type.kind;
    int64_t value = (int64_t)bits;
    uint64_t limit = (uint64_t)spec->limit;

    if (kind == OTEL_FUNCTION_VOID || kind == OTEL_FUNCTION_STRUCT)
        return 2;
    if (otel_function_kind_real(kind)) {
        if (real != real)
            return 2;
        return real < spec->real_limit ? -1 : real > spec->real_limit;
    }
    if (is_unsigned(kind)) {
        size_t size = otel_function_kind_size(kind);

        if (spec->limit < 0 && size < sizeof limit) /* (uint32_t)-1, say */
            limit &= ((uint64_t)1 << 8 * size) - 1;
        return bits < limit ? -1 : bits > limit;
    }
    return value < spec->limit ? -1 : value > spec->limit;
}

bool otel_function_failed(const struct otel_function_spec *spec, uint64_t bits, double real)
{
    int order;

    if (spec->error_if == OTEL_FUNCTION_NEVER)
        return false;
    order = compare(spec, bits, real);
    switch (spec->error_if) {
    case OTEL_FUNCTION_LESS:
        return order == -1;
    case OTEL_FUNCTION_AT_MOST:
        return order == -1 || order == 0;
    case OTEL_FUNCTION_MORE:
        return order == 1;
    case OTEL_FUNCTION_AT_LEAST:
        return order == 1 || order == 0;
    case OTEL_FUNCTION_EQUAL:
        return order == 0;
    case OTEL_FUNCTION_DIFFERENT:
        return order != 0;
    case OTEL_FUNCTION_NEVER:
        break;
    }
    return false;
}
