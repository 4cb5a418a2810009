/* SPDX-License-Identifier: Apache-2.0 */
#include "core/profiler.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/privatefd.h"
#include "core/resource.h"
#include "core/sys.h"
#include "core/tls.h"
#include "core/wire.h"

#define NAME "OTEL_CTX"
#define VERSION 2
#define SCHEMA "tlsdesc_v1_dev" /* OTEP 4947, threadlocal.schema_version */

/* ProcessContext (opentelemetry-proto processcontext.v1development). */
#define TAG_RESOURCE 0x0a
#define TAG_ATTRIBUTE 0x12

/* OTEP 4719, "Header Structure". */
struct header {
    char signature[8];
    uint32_t version;
    uint32_t payload_size;
    _Atomic uint64_t published_at_ns;
    const uint8_t *payload;
};

/* The payload lies behind the header. */
#define MAPPING (sizeof(struct header) + OTEL_RESOURCE_MAX + 256)

bool otel_profiler_on;

/* Written at start-up before any second thread. */
static void (*point_at)(struct otel_profiler_record *record);

/* The batch thread's, and of the only thread in a fork child. */
static bool published;

void otel_profiler_init(bool on, void (*point)(struct otel_profiler_record *record))
{
    point_at = point;
    otel_profiler_on = on && point;
}

void otel_profiler_thread(const struct otel_span_context *ctx)
{
    struct otel_profiler_record *record = &otel_tls.profiler;

    record->valid = 0;
    atomic_signal_fence(memory_order_seq_cst);
    if (!ctx)
        return;
    memcpy(record->trace_id, ctx->trace_id, sizeof record->trace_id);
    memcpy(record->span_id, ctx->span_id, sizeof record->span_id);
    record->flags = ctx->flags;
    atomic_signal_fence(memory_order_seq_cst);
    record->valid = 1;
    point_at(record);
}

/* A memfd where the descriptor is seen by nobody; else memory that is found by its name. */
static struct header *map(void)
{
    int fd = otel_privatefd_active() ? otel_sys.memfd(NAME, MAPPING) : -1;
    void *p = otel_sys.mmap_shared(fd, MAPPING);
    bool named;

    if (fd >= 0)
        otel_sys.close(fd);
    if (!p)
        return NULL;
    /* A tracer of prctl learns by this call that there is something to read, name or not. */
    named = otel_sys.name_mapping(p, MAPPING, NAME) == 0 || fd >= 0;
    if (named && otel_sys.madvise(p, MAPPING, MADV_DONTFORK) == 0)
        return p;
    otel_sys.munmap(p, MAPPING);
    return NULL;
}

static size_t put_attribute(uint8_t *out, size_t cap, struct otel_text key, struct otel_value value)
{
    const struct otel_attr attr = {key, value};

    return otel_wire_attr(out, cap, TAG_ATTRIBUTE, &attr, SIZE_MAX);
}

/* Returns the bytes of the ProcessContext message. */
static size_t encode(uint8_t *out, size_t cap, const uint8_t *resource, size_t len)
{
    const struct otel_text schema = OTEL_TEXT(SCHEMA);
    uint8_t *at = out;

    *at++ = TAG_RESOURCE;
    at += otel_wire_varint(at, cap - 1, len);
    memcpy(at, resource, len);
    at += len;
    at += put_attribute(at, cap - (size_t)(at - out), OTEL_TEXT("threadlocal.schema_version"),
                        (struct otel_value){.type = OTEL_VALUE_STRING, .text = schema});
    at += put_attribute(at, cap - (size_t)(at - out), OTEL_TEXT("threadlocal.attribute_key_map"),
                        (struct otel_value){.type = OTEL_VALUE_STRINGS});
    return (size_t)(at - out);
}

void otel_profiler_publish(const uint8_t *resource, size_t len)
{
    struct header *header;
    uint64_t now;

    if (!otel_profiler_on || published || len > OTEL_RESOURCE_MAX)
        return;
    published = true;
    header = map();
    if (!header) {
        otel_log(OTEL_LOG_WARN, "no mapping that a profiler could find: it gets no context");
        return;
    }
    now = otel_clock_mono_ns();
    header->version = VERSION;
    header->payload = (const uint8_t *)(header + 1);
    header->payload_size =
        (uint32_t)encode((uint8_t *)(header + 1), MAPPING - sizeof *header, resource, len);
    atomic_store(&header->published_at_ns, now + (uint64_t)otel_clock_offset_ns(now));
    /* Behind everything else: who finds it may read. */
    atomic_signal_fence(memory_order_seq_cst);
    memcpy(header->signature, NAME, sizeof header->signature);
}

void otel_profiler_reset(void)
{
    published = false;
}
