/* SPDX-License-Identifier: Apache-2.0
 *
 * Attributes of a configuration file, by the types of the model: string, bool, int, double and
 * string_array. The other arrays are left out and told: nobody names a service by them. */
#include "core/config_file_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/config_row.h"

#define ITEMS_MAX 64

/* YAML 1.2.2, 10.3.2: the core schema. */
static bool parse_bool(const char *text, bool *value)
{
    size_t len = strlen(text);

    *value = otel_config_is_word(text, len, "true");
    return *value || otel_config_is_word(text, len, "false");
}

static bool parse_int(const char *text, int64_t *value)
{
    int base = !strncmp(text, "0x", 2) ? 16 : !strncmp(text, "0o", 2) ? 8 : 10;
    const char *digits = base == 10 ? text : text + 2;
    char *end;

    errno = 0;
    *value = strtoll(digits, &end, base);
    return *digits && !*end && !errno && (base == 10 || *digits != '-');
}

/* At start-up the locale is still "C". */
static bool parse_double(const char *text, double *value)
{
    char *end;

    if (strspn(text, "+-.0123456789eE") != strlen(text))
        return false; /* nor what else strtod knows */
    *value = strtod(text, &end);
    return *text && !*end;
}

static bool parse_strings(struct otel_config_file *file, const struct otel_yaml_node *node,
                          struct otel_value *value)
{
    struct otel_text *items = otel_yaml_reserve(ITEMS_MAX * sizeof *items);
    size_t n = 0;

    if (!items || node->kind != OTEL_YAML_SEQUENCE)
        return false;
    for (node = node->first; node && n < ITEMS_MAX; node = node->next) {
        const char *text = otel_config_text(file, node);

        if (text)
            items[n++] = (struct otel_text){text, strlen(text)};
    }
    value->strings.items = items;
    value->strings.count = n;
    return true;
}

/* False: the value is not of that type. */
static bool parse(struct otel_config_file *file, const char *type,
                  const struct otel_yaml_node *node, struct otel_value *value)
{
    bool scalar = node->kind == OTEL_YAML_SCALAR;
    const char *text = scalar ? otel_config_text(file, node) : NULL;

    if (!strcmp(type, "string_array")) {
        value->type = OTEL_VALUE_STRINGS;
        return parse_strings(file, node, value);
    }
    if (!text)
        return false;
    if (!strcmp(type, "bool")) {
        value->type = OTEL_VALUE_BOOL;
        return parse_bool(text, &value->boolean);
    }
    if (!strcmp(type, "int")) {
        value->type = OTEL_VALUE_INT;
        return parse_int(text, &value->integer);
    }
    value->type = OTEL_VALUE_DOUBLE;
    return parse_double(text, &value->real);
}

static void add_text(struct otel_config_file *file, const char *key,
                     const struct otel_yaml_node *node)
{
    static const char variable[] = "OTEL_RESOURCE_ATTRIBUTES";
    const char *text = otel_config_text(file, node);
    const char *pair = text ? otel_config_pair(file, key, text) : NULL;

    if (pair)
        otel_config_set(file, variable,
                        otel_config_join(file, otel_config_said(file, variable), ',', pair), node);
}

static void add_typed(struct otel_config_file *file, const char *key, const char *type,
                      const struct otel_yaml_node *node)
{
    struct otel_attr attr = {.key = {key, strlen(key)}};
    size_t room = sizeof file->typed - file->typed_len, n;

    if (!parse(file, type, node, &attr.value)) {
        otel_config_wrong(file, node, "the value is not of that type");
        return;
    }
    n = otel_wire_attr(file->typed + file->typed_len, room, OTEL_TAG_RESOURCE_ATTRIBUTE, &attr,
                       SIZE_MAX);
    if (!n)
        otel_config_warn_of(file, node, attr.key, "is left out: no room");
    file->typed_len += n;
}

static bool is_one_of(const char *type, const char *const *types)
{
    while (*types && strcmp(*types, type) != 0)
        types++;
    return *types;
}

void otel_config_take_attribute(struct otel_config_file *file, const struct otel_yaml_node *item)
{
    static const char *const kept[] = {"bool", "int", "double", "string_array", NULL};
    static const char *const arrays[] = {"bool_array", "int_array", "double_array", NULL};
    const struct otel_yaml_node *name = otel_yaml_get(item, "name");
    const struct otel_yaml_node *value = otel_yaml_get(item, "value");
    const struct otel_yaml_node *type = otel_yaml_get(item, "type");
    const char *key = name ? otel_config_text(file, name) : NULL;
    const char *kind = type ? otel_config_text(file, type) : NULL;

    if (!key || !*key || !value)
        otel_config_wrong(file, item, "an attribute needs name and value");
    else if (!kind || !strcmp(kind, "string"))
        add_text(file, key, value);
    else if (is_one_of(kind, kept))
        add_typed(file, key, kind, value);
    else if (is_one_of(kind, arrays))
        otel_config_warn_of(file, value, name->text, "is left out: an array of that type");
    else
        otel_config_wrong(file, type, "not a type of attributes");
}
