/* SPDX-License-Identifier: Apache-2.0 */
#include "core/yaml.h"

#include <errno.h>
#include <string.h>
#include <yaml.h>

#include "core/yaml_memory.h"

#define DEPTH_MAX 32

/* The document under construction. */
struct builder {
    struct otel_yaml_node *root;
    struct otel_yaml_node *open[DEPTH_MAX]; /* sequences and mappings around what comes next */
    struct otel_yaml_node *last[DEPTH_MAX]; /* item or key that was put into each last */
    size_t depth;
    bool want_value[DEPTH_MAX]; /* a mapping whose last key has no value yet */
    bool done;
    struct otel_yaml_node *anchored[64]; /* nodes with an anchor, in the order of the text */
    size_t anchors;
    struct otel_yaml_error *error;
};

static int fail(struct builder *b, uint32_t line, uint32_t column, const char *what)
{
    *b->error = (struct otel_yaml_error){line, column, what};
    return -EINVAL;
}

static int fail_at(struct builder *b, const struct otel_yaml_node *node, const char *what)
{
    return fail(b, node->line, node->column, what);
}

static bool same(struct otel_text a, struct otel_text b)
{
    return a.len == b.len && (!a.len || memcmp(a.data, b.data, a.len) == 0);
}

static struct otel_yaml_node *make(const yaml_event_t *event, enum otel_yaml_kind kind,
                                   const yaml_char_t *anchor)
{
    struct otel_yaml_node *node = otel_yaml_malloc(sizeof *node);

    if (!node)
        return NULL;
    *node = (struct otel_yaml_node){.kind = kind,
                                    .line = (uint32_t)event->start_mark.line + 1,
                                    .column = (uint32_t)event->start_mark.column + 1};
    if (anchor)
        node->anchor = (struct otel_text){(const char *)anchor, strlen((const char *)anchor)};
    return node;
}

/* A new key of the innermost mapping. */
static int add_key(struct builder *b, struct otel_yaml_node *key, size_t at)
{
    if (key->kind != OTEL_YAML_SCALAR)
        return fail_at(b, key, "a key must be a plain word or a text");
    for (const struct otel_yaml_node *k = b->open[at]->first; k; k = k->next) {
        if (same(k->text, key->text))
            return fail_at(b, key, "the key stands here twice");
    }
    return 0;
}

/* Puts a node where the document has come to. */
static int add(struct builder *b, struct otel_yaml_node *node)
{
    size_t at = b->depth - 1;
    int err;

    if (!b->depth) {
        b->root = node;
        return 0;
    }
    if (b->open[at]->kind == OTEL_YAML_MAPPING && b->want_value[at]) {
        b->last[at]->value = node;
        b->want_value[at] = false;
        return 0;
    }
    err = b->open[at]->kind == OTEL_YAML_MAPPING ? add_key(b, node, at) : 0;
    if (err)
        return err;
    if (b->last[at])
        b->last[at]->next = node;
    else
        b->open[at]->first = node;
    b->last[at] = node;
    b->want_value[at] = b->open[at]->kind == OTEL_YAML_MAPPING;
    return 0;
}

static int remember(struct builder *b, struct otel_yaml_node *node)
{
    if (!node->anchor.len)
        return 0;
    if (b->anchors == sizeof b->anchored / sizeof *b->anchored)
        return fail_at(b, node, "more than 64 anchors");
    b->anchored[b->anchors++] = node;
    return 0;
}

static int enter(struct builder *b, struct otel_yaml_node *node)
{
    int err = add(b, node);

    if (!err)
        err = remember(b, node);
    if (err)
        return err;
    if (b->depth == DEPTH_MAX)
        return fail_at(b, node, "nested too deeply");
    b->open[b->depth] = node;
    b->last[b->depth] = NULL;
    b->want_value[b->depth++] = false;
    return 0;
}

static int take_scalar(struct builder *b, const yaml_event_t *event)
{
    struct otel_yaml_node *node = make(event, OTEL_YAML_SCALAR, event->data.scalar.anchor);
    int err;

    if (!node)
        return -ENOMEM;
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    node->text =
        (struct otel_text){(const char *)event->data.scalar.value, event->data.scalar.length};
    if (memchr(node->text.data, '\0', node->text.len))
        return fail_at(b, node, "a NUL byte");
    err = add(b, node);
    return err ? err : remember(b, node);
}

/* The latest node of that name, by the value it has now: one that is still open is empty yet, so
 * that nothing can contain itself. */
static int take_alias(struct builder *b, const yaml_event_t *event)
{
    struct otel_yaml_node *node = make(event, OTEL_YAML_SCALAR, NULL);
    struct otel_text name = {(const char *)event->data.alias.anchor,
                             strlen((const char *)event->data.alias.anchor)};

    if (!node)
        return -ENOMEM;
    for (size_t i = b->anchors; i > 0; i--) {
        const struct otel_yaml_node *named = b->anchored[i - 1];

        if (!same(named->anchor, name))
            continue;
        node->kind = named->kind;
        node->plain = named->plain;
        node->text = named->text;
        node->first = named->first;
        return add(b, node);
    }
    return fail_at(b, node, "an alias of nothing");
}

static int take_begin(struct builder *b, const yaml_event_t *event, enum otel_yaml_kind kind,
                      const yaml_char_t *anchor)
{
    struct otel_yaml_node *node = make(event, kind, anchor);

    return node ? enter(b, node) : -ENOMEM;
}

/* One event; the text of events stays where it is until the memory goes. */
static int take(struct builder *b, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return b->done ? fail(b, (uint32_t)event->start_mark.line + 1, 1, "a second document") : 0;
    case YAML_DOCUMENT_END_EVENT:
        b->done = true;
        return 0;
    case YAML_SCALAR_EVENT:
        return take_scalar(b, event);
    case YAML_ALIAS_EVENT:
        return take_alias(b, event);
    case YAML_SEQUENCE_START_EVENT:
        return take_begin(b, event, OTEL_YAML_SEQUENCE, event->data.sequence_start.anchor);
    case YAML_MAPPING_START_EVENT:
        return take_begin(b, event, OTEL_YAML_MAPPING, event->data.mapping_start.anchor);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        b->depth--;
        return 0;
    default:
        return 0;
    }
}

static int refused(struct builder *b, const yaml_parser_t *parser)
{
    if (parser->error == YAML_MEMORY_ERROR)
        return -ENOMEM;
    return fail(b, (uint32_t)parser->problem_mark.line + 1,
                (uint32_t)parser->problem_mark.column + 1,
                parser->problem ? parser->problem : "not YAML");
}

static int build(struct builder *b, const char *text, size_t len)
{
    yaml_parser_t parser;
    bool end = false;
    int err = 0;

    if (!yaml_parser_initialize(&parser))
        return -ENOMEM;
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    while (!err && !end) {
        yaml_event_t event;

        if (!yaml_parser_parse(&parser, &event))
            return refused(b, &parser);
        end = event.type == YAML_STREAM_END_EVENT;
        err = take(b, &event);
    }
    return err;
}

int otel_yaml_parse(const char *text, size_t len, struct otel_yaml_node **root,
                    struct otel_yaml_error *error)
{
    struct builder b = {.error = error};
    int err;

    *root = NULL;
    if (!otel_yaml_memory_begin())
        return -ENOMEM;
    if (setjmp(otel_yaml_broken)) {
        *error = (struct otel_yaml_error){1, 1, "not YAML"};
        return -EINVAL;
    }
    err = build(&b, text, len);
    if (!err)
        *root = b.root;
    return err;
}

static struct otel_yaml_node *own(const struct otel_yaml_node *mapping, struct otel_text name)
{
    for (struct otel_yaml_node *key = mapping->first; key; key = key->next) {
        if (same(key->text, name))
            return key->value;
    }
    return NULL;
}

struct otel_yaml_node *otel_yaml_get(const struct otel_yaml_node *mapping, const char *key)
{
    struct otel_text name = {key, strlen(key)};
    struct otel_yaml_node *found, *merged;

    if (!mapping || mapping->kind != OTEL_YAML_MAPPING)
        return NULL;
    found = own(mapping, name);
    merged = found ? NULL : own(mapping, OTEL_TEXT("<<"));
    if (merged && merged->kind == OTEL_YAML_MAPPING)
        found = own(merged, name);
    else if (merged && merged->kind == OTEL_YAML_SEQUENCE)
        for (merged = merged->first; merged && !found; merged = merged->next)
            found = merged->kind == OTEL_YAML_MAPPING ? own(merged, name) : NULL;
    return found;
}

void *otel_yaml_reserve(size_t n)
{
    return otel_yaml_malloc(n);
}

void otel_yaml_free(void)
{
    otel_yaml_memory_end();
}
