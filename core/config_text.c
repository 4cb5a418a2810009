/* SPDX-License-Identifier: Apache-2.0
 *
 * Values of a configuration file: substitution (OpenTelemetry "Configuration Data Model",
 * environment variable substitution) and the lists that variables hold. */
#include "core/config_file_parts.h"

#include <string.h>

/* A text that grows in the memory of the tree. */
struct growing {
    struct otel_config_file *file;
    char *data;
    size_t len;
    size_t room;
};

static void put(struct growing *g, const char *p, size_t n)
{
    if (g->len + n + 1 > g->room) {
        size_t room = 2 * (g->len + n) + 64;
        char *data = otel_yaml_reserve(room);

        if (!data) {
            otel_config_wrong(g->file, NULL, "no memory");
            return;
        }
        if (g->len)
            memcpy(data, g->data, g->len);
        g->data = data;
        g->room = room;
    }
    if (n)
        memcpy(g->data + g->len, p, n);
    g->len += n;
    g->data[g->len] = '\0';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static size_t name_length(const char *p, const char *end)
{
    const char *at = p;

    if (at == end || !is_letter(*at))
        return 0;
    while (at < end && (is_letter(*at) || (*at >= '0' && *at <= '9')))
        at++;
    return (size_t)(at - p);
}

/* What stands between "${" and "}". False: it is no reference. */
static bool substitute(struct growing *g, const char *p, const char *end)
{
    size_t len = name_length(p, end);
    char name[256];
    const char *value;

    if (len == 3 && end - p > 3 && p[3] == ':' && memcmp(p, "env", 3) == 0 &&
        !(end - p > 4 && p[4] == '-')) {
        p += 4;
        len = name_length(p, end);
    }
    if (!len || len >= sizeof name)
        return false;
    memcpy(name, p, len);
    name[len] = '\0';
    p += len;
    if (p != end && !(end - p >= 2 && p[0] == ':' && p[1] == '-'))
        return false;
    value = g->file->lookup(name);
    if (value && *value)
        put(g, value, strlen(value));
    else if (p != end)
        put(g, p + 2, (size_t)(end - p - 2));
    return true;
}

/* All of text, with what it refers to: once, never again in what came in. */
static void expand(struct growing *g, const struct otel_yaml_node *node)
{
    const char *p = node->text.data;
    const char *end = p + node->text.len;

    put(g, "", 0);
    while (p < end && !g->file->wrong) {
        const char *dollar = memchr(p, '$', (size_t)(end - p));
        const char *close;

        put(g, p, (size_t)((dollar ? dollar : end) - p));
        if (!dollar)
            return;
        if (dollar + 1 == end || (dollar[1] != '$' && dollar[1] != '{')) {
            put(g, "$", 1);
            p = dollar + 1;
            continue;
        }
        if (dollar[1] == '$') {
            put(g, "$", 1);
            p = dollar + 2;
            continue;
        }
        close = memchr(dollar, '}', (size_t)(end - dollar));
        if (!close || !substitute(g, dollar + 2, close))
            otel_config_wrong(g->file, node, "not a reference of the form ${NAME:-default}");
        else
            p = close + 1;
    }
}

static const char *expanded(struct otel_config_file *file, const struct otel_yaml_node *node)
{
    struct growing g = {.file = file};

    if (!memchr(node->text.data, '$', node->text.len))
        return node->text.data;
    expand(&g, node);
    return file->wrong ? NULL : g.data;
}

static bool is_null(const struct otel_yaml_node *node, const char *text)
{
    return node->plain && (!*text || !strcmp(text, "~") || !strcmp(text, "null") ||
                           !strcmp(text, "Null") || !strcmp(text, "NULL"));
}

const char *otel_config_text(struct otel_config_file *file, const struct otel_yaml_node *node)
{
    const char *text;

    if (node->kind != OTEL_YAML_SCALAR) {
        otel_config_wrong(file, node, "a single value is wanted here");
        return NULL;
    }
    text = expanded(file, node);
    return text && !is_null(node, text) ? text : NULL;
}

bool otel_config_is_null(struct otel_config_file *file, const struct otel_yaml_node *node)
{
    return !node || (node->kind == OTEL_YAML_SCALAR && !otel_config_text(file, node));
}

const char *otel_config_join(struct otel_config_file *file, const char *text, char separator,
                             const char *more)
{
    struct growing g = {.file = file};

    if (text) {
        put(&g, text, strlen(text));
        put(&g, &separator, 1);
    }
    put(&g, more, strlen(more));
    return file->wrong ? NULL : g.data;
}

static void encode(struct growing *g, const char *text)
{
    static const char hex[] = "0123456789ABCDEF";

    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        char escaped[3] = {'%', hex[c >> 4], hex[c & 15]};
        bool whole = c > ' ' && c < 0x7f && !memchr("%,=;\"\\", c, 6);

        put(g, whole ? text : escaped, whole ? 1 : 3);
    }
}

const char *otel_config_pair(struct otel_config_file *file, const char *name, const char *value)
{
    struct growing g = {.file = file};

    encode(&g, name);
    put(&g, "=", 1);
    encode(&g, value);
    return file->wrong ? NULL : g.data;
}
