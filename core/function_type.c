/* SPDX-License-Identifier: Apache-2.0 */
#include "core/function_type.h"

#include <string.h>

/* The words a scalar's name is made of, as C lets them stand in any order. */
struct words {
    bool is_unsigned, is_signed, is_short, is_char, is_int, is_double;
    uint8_t longs, count;
};

static const struct {
    const char *name;
    uint8_t kind;
} whole_names[] = {
    {"void", OTEL_FUNCTION_VOID},       {"bool", OTEL_FUNCTION_BOOL},
    {"_Bool", OTEL_FUNCTION_BOOL},      {"int8_t", OTEL_FUNCTION_INT8},
    {"int16_t", OTEL_FUNCTION_INT16},   {"int32_t", OTEL_FUNCTION_INT32},
    {"int64_t", OTEL_FUNCTION_INT64},   {"uint8_t", OTEL_FUNCTION_UINT8},
    {"uint16_t", OTEL_FUNCTION_UINT16}, {"uint32_t", OTEL_FUNCTION_UINT32},
    {"uint64_t", OTEL_FUNCTION_UINT64}, {"size_t", OTEL_FUNCTION_UINT64},
    {"ssize_t", OTEL_FUNCTION_INT64},   {"ptrdiff_t", OTEL_FUNCTION_INT64},
    {"intptr_t", OTEL_FUNCTION_INT64},  {"uintptr_t", OTEL_FUNCTION_UINT64},
    {"off_t", OTEL_FUNCTION_INT64},     {"time_t", OTEL_FUNCTION_INT64},
    {"uchar", OTEL_FUNCTION_UINT8},     {"ushort", OTEL_FUNCTION_UINT16},
    {"uint", OTEL_FUNCTION_UINT32},     {"ulong", OTEL_FUNCTION_UINT64},
    {"llong", OTEL_FUNCTION_INT64},     {"ullong", OTEL_FUNCTION_UINT64},
    {"float", OTEL_FUNCTION_FLOAT},     {"ptr", OTEL_FUNCTION_PTR},
    {"str", OTEL_FUNCTION_STR},
};

static bool is_name_char(char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
           ch == '_' || ch == '.' || ch == '-' || ch == '/';
}

void otel_function_blank(struct otel_function_cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\r'))
        c->at++;
}

bool otel_function_take(struct otel_function_cursor *c, char wanted)
{
    otel_function_blank(c);
    if (c->at == c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

bool otel_function_take_word(struct otel_function_cursor *c, const char *word)
{
    size_t len = strlen(word);

    otel_function_blank(c);
    if ((size_t)(c->end - c->at) < len || memcmp(c->at, word, len) != 0)
        return false;
    if (c->at + len < c->end && is_name_char(c->at[len]))
        return false;
    c->at += len;
    return true;
}

struct otel_text otel_function_name(struct otel_function_cursor *c)
{
    struct otel_text name;

    otel_function_blank(c);
    name.data = c->at;
    /* `->` ends a name that may have dashes. */
    while (c->at < c->end && is_name_char(*c->at) &&
           !(*c->at == '-' && c->at + 1 < c->end && c->at[1] == '>'))
        c->at++;
    name.len = (size_t)(c->at - name.data);
    return name;
}

bool otel_function_fault(struct otel_function_cursor *c, const char *why)
{
    if (!c->why)
        c->why = why;
    return false;
}

/* One more word of a scalar's name. */
static bool take_scalar_word(struct otel_function_cursor *c, struct words *w)
{
    if (otel_function_take_word(c, "const"))
        return true;
    w->count++;
    if (otel_function_take_word(c, "unsigned"))
        return w->is_unsigned = true;
    if (otel_function_take_word(c, "signed"))
        return w->is_signed = true;
    if (otel_function_take_word(c, "short"))
        return w->is_short = true;
    if (otel_function_take_word(c, "long"))
        return w->longs++ < 2;
    if (otel_function_take_word(c, "char"))
        return w->is_char = true;
    if (otel_function_take_word(c, "int"))
        return w->is_int = true;
    if (otel_function_take_word(c, "double"))
        return w->is_double = true;
    w->count--;
    return false;
}

static bool take_whole(struct otel_function_cursor *c, struct otel_function_type *type)
{
    for (size_t i = 0; i < sizeof whole_names / sizeof *whole_names; i++) {
        if (otel_function_take_word(c, whole_names[i].name)) {
            type->kind = whole_names[i].kind;
            return true;
        }
    }
    return false;
}

static bool resolve(const struct words *w, struct otel_function_type *type)
{
    bool integer = w->is_unsigned || w->is_signed || w->is_short || w->is_char || w->is_int;
    uint8_t kind = OTEL_FUNCTION_INT32;

    if (w->is_double) {
        type->kind = w->longs ? OTEL_FUNCTION_LONG_DOUBLE : OTEL_FUNCTION_DOUBLE;
        return !integer && w->longs < 2;
    }
    if (w->is_unsigned && w->is_signed)
        return false;
    if (w->is_char + w->is_short + (w->longs > 0) > 1 || (w->is_char && w->is_int))
        return false;
    if (w->is_char)
        kind = OTEL_FUNCTION_INT8;
    else if (w->is_short)
        kind = OTEL_FUNCTION_INT16;
    else if (w->longs)
        kind = OTEL_FUNCTION_INT64;
    if (w->is_unsigned)
        kind = (uint8_t)(kind - OTEL_FUNCTION_INT8 + OTEL_FUNCTION_UINT8);
    type->kind = kind;
    return true;
}

/* A scalar, or a pointer to one. */
static bool read_scalar(struct otel_function_cursor *c, struct otel_function_type *type)
{
    struct words w = {0};

    otel_function_blank(c);
    while (take_scalar_word(c, &w))
        continue;
    if (w.longs > 2)
        return otel_function_fault(c, "not a type");
    if (w.count) {
        if (!resolve(&w, type))
            return otel_function_fault(c, "not a type");
    } else if (!take_whole(c, type)) {
        return otel_function_fault(c, "unknown type");
    }
    while (otel_function_take_word(c, "const"))
        continue;
    while (otel_function_take(c, '*'))
        type->kind = OTEL_FUNCTION_PTR;
    return true;
}

static bool read_fields(struct otel_function_cursor *c, struct otel_function_spec *spec,
                        struct otel_function_type *type)
{
    type->kind = OTEL_FUNCTION_STRUCT;
    type->first = spec->fields_count;
    do {
        struct otel_function_type field = {0};

        if (!read_scalar(c, &field))
            return false;
        if (field.kind == OTEL_FUNCTION_VOID)
            return otel_function_fault(c, "a field cannot be void");
        if (spec->fields_count == OTEL_FUNCTION_FIELDS)
            return otel_function_fault(c, "too many fields");
        spec->fields[spec->fields_count++] = field.kind;
        type->fields++;
    } while (otel_function_take(c, ','));
    return otel_function_take(c, '}') || otel_function_fault(c, "} is missing");
}

bool otel_function_type_read(struct otel_function_cursor *c, struct otel_function_spec *spec,
                             struct otel_function_type *type)
{
    memset(type, 0, sizeof *type);
    if (otel_function_take(c, '{'))
        return read_fields(c, spec, type);
    return read_scalar(c, type);
}

size_t otel_function_kind_size(enum otel_function_kind kind)
{
    switch (kind) {
    case OTEL_FUNCTION_BOOL:
    case OTEL_FUNCTION_INT8:
    case OTEL_FUNCTION_UINT8:
        return 1;
    case OTEL_FUNCTION_INT16:
    case OTEL_FUNCTION_UINT16:
        return 2;
    case OTEL_FUNCTION_INT32:
    case OTEL_FUNCTION_UINT32:
    case OTEL_FUNCTION_FLOAT:
        return 4;
    case OTEL_FUNCTION_INT64:
    case OTEL_FUNCTION_UINT64:
    case OTEL_FUNCTION_DOUBLE:
    case OTEL_FUNCTION_PTR:
    case OTEL_FUNCTION_STR:
        return 8;
    case OTEL_FUNCTION_LONG_DOUBLE:
        return 16;
    case OTEL_FUNCTION_VOID:
    case OTEL_FUNCTION_STRUCT:
        break;
    }
    return 0;
}
