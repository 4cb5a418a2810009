/* SPDX-License-Identifier: Apache-2.0
 *
 * What resource.c, resource_process.c and resource_host.c share, and nobody else includes: the
 * attributes under construction. One thread, as otel_resource_build().
 */
#ifndef OTEL_CORE_RESOURCE_BUILDER_H
#define OTEL_CORE_RESOURCE_BUILDER_H

#include <stddef.h>
#include <stdint.h>

#include "core/wire.h"

#define OTEL_RESOURCE_PAIRS_MAX 128
#define OTEL_RESOURCE_GIVEN_MAX 8192

struct otel_resource_pair {
    struct otel_text key;
    struct otel_text value;
};

struct otel_resource_builder {
    uint8_t *out;
    size_t cap;
    size_t used;
    bool typed;               /* those of the configuration file that are no texts belong to it */
    const char *service_name; /* OTEL_SERVICE_NAME, NULL: none */
    const char *attributes;   /* OTEL_RESOURCE_ATTRIBUTES, NULL: none */
    /* OTEL_RESOURCE_ATTRIBUTES, decoded into given; no key twice. */
    struct otel_resource_pair pairs[OTEL_RESOURCE_PAIRS_MAX];
    size_t pair_count;
    char given[OTEL_RESOURCE_GIVEN_MAX];
};

/* Appends an attribute, unless the user has given one of that key or there is no room left. Texts
 * are copied. */
void otel_resource_add(struct otel_resource_builder *b, const struct otel_attr *attr);

/* The same for a text; an empty one is not known and left out. */
void otel_resource_add_text(struct otel_resource_builder *b, struct otel_text key, const char *p,
                            size_t len);

/* The name of the program's file, for service.name: into out, at most cap bytes. Returns its
 * length, 0 when it cannot be found. */
size_t otel_resource_executable(char *out, size_t cap);

/* process.*  (resource_process.c) */
void otel_resource_process(struct otel_resource_builder *b);

/* host.*, os.*, container.id  (resource_host.c) */
void otel_resource_host(struct otel_resource_builder *b);

#endif
