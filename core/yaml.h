/* SPDX-License-Identifier: Apache-2.0
 *
 * A YAML document as a tree, read with libyaml. The tree and everything libyaml needs lie in one
 * mapping of ours: the program's allocator may not be ready when settings are read, and it is not
 * ours to use. What libyaml believes impossible (its assertions) is an error here, not the end of
 * the program.
 *
 * Start-up and the launcher only: one thread, one document at a time.
 */
#ifndef OTEL_CORE_YAML_H
#define OTEL_CORE_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/wire.h"

enum otel_yaml_kind { OTEL_YAML_SCALAR, OTEL_YAML_SEQUENCE, OTEL_YAML_MAPPING };

/* An alias is a node like the one it names. */
struct otel_yaml_node {
    enum otel_yaml_kind kind;
    bool plain;              /* a scalar without quotes: its text may stand for null, a number */
    uint32_t line;           /* from 1 */
    uint32_t column;         /* from 1, in characters */
    struct otel_text text;   /* of a scalar; a NUL stands behind it */
    struct otel_text anchor; /* empty: none */
    struct otel_yaml_node *first; /* item of a sequence, key of a mapping; NULL: empty */
    struct otel_yaml_node *next;  /* the item or key behind this one in the same node */
    struct otel_yaml_node *value; /* of a key */
};

/* Where and why a document is none. */
struct otel_yaml_error {
    uint32_t line;
    uint32_t column;
    const char *what; /* constant */
};

/* Parses text, which stays the caller's and may go after the call. *root is NULL for an empty
 * document. Returns 0, -EINVAL with *error filled, or -ENOMEM. Only the first document counts; a
 * second one, a key that stands twice in a mapping, a key that is no scalar, an alias of nothing
 * and nesting beyond 32 levels are errors. */
int otel_yaml_parse(const char *text, size_t len, struct otel_yaml_node **root,
                    struct otel_yaml_error *error);

/* The value under a key, also of a mapping merged with `<<`; NULL: no such key, or no mapping. */
struct otel_yaml_node *otel_yaml_get(const struct otel_yaml_node *mapping, const char *key);

/* n bytes that live as long as the tree, aligned for anything; NULL: no room. */
void *otel_yaml_reserve(size_t n);

/* Gives the memory of the tree and of otel_yaml_reserve() back. Idempotent. */
void otel_yaml_free(void);

#endif
