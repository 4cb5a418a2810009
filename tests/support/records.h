/* SPDX-License-Identifier: Apache-2.0
 *
 * Records and batches for the tests of the exporters: plain memory, no store. Everything is written
 * with core/wire.h, as span.c does.
 */
#ifndef OTEL_TESTS_SUPPORT_RECORDS_H
#define OTEL_TESTS_SUPPORT_RECORDS_H

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "core/export/module.h"
#include "core/wire.h"

#define RECORDS_MAX 8192

struct records { /* a batch that grows; zero it first */
    struct otel_record *record[RECORDS_MAX];
    struct otel_record_view view[RECORDS_MAX];
    struct otel_batch batch;
    uint8_t resource[4096];
};

static inline void records_resource(struct records *all, const char *key, const char *value)
{
    struct otel_attr attr =
        otel_attr_text((struct otel_text){key, strlen(key)}, value, strlen(value));
    size_t n = otel_wire_attr(all->resource + all->batch.resource_len,
                              sizeof all->resource - all->batch.resource_len,
                              OTEL_TAG_RESOURCE_ATTRIBUTE, &attr, SIZE_MAX);

    cr_assert(n > 0);
    all->batch.resource_len += n;
    all->batch.resource = all->resource;
    all->batch.spans = all->view;
}

static inline uint8_t *records_room(struct otel_record *r, size_t *cap)
{
    *cap = OTEL_OVERFLOW_SIZE - r->used;
    return r->data + r->used;
}

static inline void record_text(struct otel_record *r, uint8_t tag, const char *text)
{
    size_t cap;
    uint8_t *to = records_room(r, &cap);
    size_t n = otel_wire_text(to, cap, tag, (struct otel_text){text, strlen(text)});

    cr_assert(n > 0);
    r->used += (uint32_t)n;
}

static inline void record_attr(struct otel_record *r, const struct otel_attr *attr)
{
    size_t cap;
    uint8_t *to = records_room(r, &cap);
    size_t n = otel_wire_attr(to, cap, OTEL_TAG_ATTRIBUTE, attr, SIZE_MAX);

    cr_assert(n > 0);
    r->used += (uint32_t)n;
    r->attributes++;
}

static inline void record_attr_text(struct otel_record *r, const char *key, const char *value)
{
    struct otel_attr attr =
        otel_attr_text((struct otel_text){key, strlen(key)}, value, strlen(value));

    record_attr(r, &attr);
}

static inline void record_attr_int(struct otel_record *r, const char *key, int64_t value)
{
    struct otel_attr attr = otel_attr_int((struct otel_text){key, strlen(key)}, value);

    record_attr(r, &attr);
}

static inline void record_event(struct otel_record *r, uint64_t unix_ns, const char *name,
                                const struct otel_attr *attrs, size_t count)
{
    size_t cap;
    uint8_t *to = records_room(r, &cap);
    size_t n = otel_wire_event(to, cap, unix_ns, (struct otel_text){name, strlen(name)}, attrs,
                               count, SIZE_MAX);

    cr_assert(n > 0);
    r->used += (uint32_t)n;
    r->events++;
}

/* Bytes as they stand (a link, damage). */
static inline void record_raw(struct otel_record *r, const void *bytes, size_t n)
{
    size_t cap;
    uint8_t *to = records_room(r, &cap);

    cr_assert(n <= cap);
    memcpy(to, bytes, n);
    r->used += (uint32_t)n;
}

/* A CLIENT span of trace 0x11…, span id and parent from small numbers (parent 0: a local root). */
static inline struct otel_record *records_add(struct records *all, uint8_t id, uint8_t parent,
                                              const char *name)
{
    size_t i = all->batch.count;
    struct otel_record *r = calloc(1, sizeof *r + OTEL_OVERFLOW_SIZE);

    cr_assert(r && i < RECORDS_MAX);
    memset(r->trace_id, 0x11, sizeof r->trace_id);
    r->span_id[0] = 0xab;
    r->span_id[7] = id;
    if (parent) {
        r->parent_span_id[0] = 0xab;
        r->parent_span_id[7] = parent;
    } else {
        r->local_root = 1;
    }
    r->pid = 4711;
    r->kind = OTEL_KIND_CLIENT;
    r->scope = OTEL_SCOPE_CURL;
    r->flags = OTEL_FLAG_SAMPLED;
    r->start_mono_ns = 1000000;
    r->end_mono_ns = 2000000;
    r->clock_offset_ns = 1700000000000000000;
    record_text(r, OTEL_TAG_NAME, name);
    all->record[i] = r;
    all->batch.count++;
    all->batch.spans = all->view;
    return r;
}

/* The batch, once its records are complete. */
static inline const struct otel_batch *records_batch(struct records *all)
{
    for (size_t i = 0; i < all->batch.count; i++)
        all->view[i] =
            (struct otel_record_view){all->record[i], all->record[i]->data, all->record[i]->used};
    all->batch.spans = all->view;
    return &all->batch;
}

/* Frees the records; the batch is empty then and keeps its resource. */
static inline void records_clear(struct records *all)
{
    for (size_t i = 0; i < all->batch.count; i++)
        free(all->record[i]);
    all->batch.count = 0;
}

#endif
