/* SPDX-License-Identifier: Apache-2.0 */
#include "core/spool_format.h"

#include <stdatomic.h>
#include <string.h>

#include "core/wire.h"

#define SIGNALS 65 /* of Linux, and none */

static uint64_t whole_pages(uint64_t n)
{
    return (n + OTEL_SPOOL_PAGE - 1) & ~(uint64_t)(OTEL_SPOOL_PAGE - 1);
}

uint64_t otel_spool_records_at(void)
{
    return whole_pages(sizeof(struct otel_spool_header));
}

uint64_t otel_spool_overflows_at(uint32_t records)
{
    return otel_spool_records_at() + whole_pages((uint64_t)records * OTEL_RECORD_SIZE);
}

uint64_t otel_spool_size(uint32_t records, uint32_t overflows)
{
    return otel_spool_overflows_at(records) + (uint64_t)overflows * OTEL_OVERFLOW_SIZE;
}

bool otel_spool_sound(const struct otel_spool_header *h, uint64_t file_size)
{
    return file_size >= otel_spool_records_at() && h->magic == OTEL_SPOOL_MAGIC &&
           h->header_size == otel_spool_records_at() && h->record_size == OTEL_RECORD_SIZE &&
           h->overflow_size == OTEL_OVERFLOW_SIZE && h->records <= OTEL_SPOOL_RECORDS_MAX &&
           h->overflows <= OTEL_SPOOL_OVERFLOWS_MAX &&
           file_size == otel_spool_size(h->records, h->overflows) &&
           atomic_load(&h->records_there) <= h->records &&
           atomic_load(&h->overflows_there) <= h->overflows &&
           atomic_load(&h->resource_len) <= sizeof h->resource &&
           memchr(h->executable, '\0', sizeof h->executable) &&
           memchr(h->service_name, '\0', sizeof h->service_name) &&
           memchr(h->resource_attributes, '\0', sizeof h->resource_attributes);
}

enum otel_spool_fate otel_spool_fate(const struct otel_record *record, uint32_t leaving,
                                     bool delivered)
{
    uint32_t state = atomic_load_explicit(&record->state, memory_order_acquire);

    switch (state) {
    case OTEL_RECORD_STARTING:
        return OTEL_SPOOL_TORN;
    case OTEL_RECORD_ACTIVE:
        if (leaving != OTEL_SPOOL_RUNNING)
            return OTEL_SPOOL_NOTHING;
        return record->changing ? OTEL_SPOOL_TORN : OTEL_SPOOL_OPEN;
    case OTEL_RECORD_EXPORTING:
        return delivered ? OTEL_SPOOL_NOTHING : OTEL_SPOOL_ENDED;
    case OTEL_RECORD_ENDED:
        return OTEL_SPOOL_ENDED;
    default:
        return OTEL_SPOOL_NOTHING;
    }
}

const uint8_t *otel_spool_data(const struct otel_spool_header *header,
                               const struct otel_record *record, uint32_t *block)
{
    uint32_t index = (uint32_t)record->overflow - 1; /* a handle: pool.h */

    *block = UINT32_MAX;
    if (!record->overflow)
        return record->used <= OTEL_RECORD_INLINE ? record->data : NULL;
    if (index >= atomic_load(&header->overflows_there) || record->used > OTEL_OVERFLOW_SIZE)
        return NULL;
    *block = index;
    return (const uint8_t *)header + otel_spool_overflows_at(header->records) +
           (uint64_t)index * OTEL_OVERFLOW_SIZE;
}

void otel_spool_end(struct otel_record *record, uint64_t mono_ns)
{
    record->end_mono_ns = mono_ns > record->start_mono_ns ? mono_ns : record->start_mono_ns;
    record->status = OTEL_STATUS_ERROR;
    record->died = 1;
    atomic_store_explicit(&record->state, OTEL_RECORD_ENDED, memory_order_release);
}

/* Those a process is ended by; the others by number. */
static size_t signal_name(char out[static 8], uint32_t signal)
{
    static const char names[][8] = {
        "",       "SIGHUP",  "SIGINT",  "SIGQUIT", "SIGILL",  "SIGTRAP", "SIGABRT", "SIGBUS",
        "SIGFPE", "SIGKILL", "SIGUSR1", "SIGSEGV", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM",
    };

    if (signal >= SIGNALS)
        return 0;
    if (signal < sizeof names / sizeof *names) {
        memcpy(out, names[signal], 8);
        return strlen(names[signal]);
    }
    out[0] = (char)('0' + signal / 10);
    out[1] = (char)('0' + signal % 10);
    return 2;
}

size_t otel_spool_died(uint8_t *out, uint32_t signal)
{
    struct otel_attr died = otel_attr_bool(OTEL_TEXT("process.died"), true);
    char name[8];
    size_t len = signal_name(name, signal);
    struct otel_attr by = otel_attr_text(OTEL_TEXT("process.signal"), name, len);
    size_t n = otel_wire_attr(out, OTEL_SPOOL_DIED_MAX, OTEL_TAG_ATTRIBUTE, &died, SIZE_MAX);

    if (len)
        n += otel_wire_attr(out + n, OTEL_SPOOL_DIED_MAX - n, OTEL_TAG_ATTRIBUTE, &by, SIZE_MAX);
    return n + otel_wire_text(out + n, OTEL_SPOOL_DIED_MAX - n, OTEL_TAG_STATUS_MESSAGE,
                              OTEL_TEXT("the process died"));
}
