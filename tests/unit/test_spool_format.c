/* SPDX-License-Identifier: Apache-2.0 */
#include "core/spool_format.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "core/wire.h"

#define SIZE otel_spool_size(8, 2)

static struct otel_spool_header *header;

static void begin(void)
{
    header = calloc(1, SIZE);
    header->magic = OTEL_SPOOL_MAGIC;
    header->header_size = (uint32_t)otel_spool_records_at();
    header->record_size = OTEL_RECORD_SIZE;
    header->overflow_size = OTEL_OVERFLOW_SIZE;
    header->records = header->records_there = 8;
    header->overflows = header->overflows_there = 2;
}

TestSuite(spool_format, .init = begin);

Test(spool_format, a_file_as_it_is_written_is_sound)
{
    cr_assert(otel_spool_sound(header, SIZE));
    cr_assert_eq(otel_spool_records_at() % OTEL_SPOOL_PAGE, 0);
    cr_assert_eq(otel_spool_overflows_at(7) % OTEL_SPOOL_PAGE, 0);
}

/* Each word of the header that says how much of something there is. */
Test(spool_format, nothing_out_of_bounds_is_sound)
{
    uint32_t *const words[] = {
        &header->header_size,
        &header->record_size,
        &header->overflow_size,
        &header->records,
        &header->overflows,
        (uint32_t *)&header->records_there,
        (uint32_t *)&header->overflows_there,
        (uint32_t *)&header->resource_len,
    };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        uint32_t was = *words[i];

        *words[i] = UINT32_MAX;
        cr_assert_not(otel_spool_sound(header, SIZE), "word %zu", i);
        *words[i] = was + (i == 7 ? OTEL_RESOURCE_MAX + 1 : 1);
        cr_assert_not(otel_spool_sound(header, SIZE), "word %zu", i);
        *words[i] = was;
    }
    cr_assert_not(otel_spool_sound(header, SIZE - 1));
    cr_assert_not(otel_spool_sound(header, 0));
    memset(header->service_name, 'x', sizeof header->service_name);
    cr_assert_not(otel_spool_sound(header, SIZE), "a text without its end");
}

static enum otel_spool_fate fate(uint32_t state, uint32_t leaving, bool delivered)
{
    struct otel_record record = {.state = state};

    return otel_spool_fate(&record, leaving, delivered);
}

Test(spool_format, fates)
{
    struct otel_record moved = {.state = OTEL_RECORD_ACTIVE, .changing = 1};

    cr_assert_eq(fate(OTEL_RECORD_FREE, OTEL_SPOOL_RUNNING, false), OTEL_SPOOL_NOTHING);
    cr_assert_eq(fate(OTEL_RECORD_STARTING, OTEL_SPOOL_RUNNING, false), OTEL_SPOOL_TORN);
    cr_assert_eq(fate(OTEL_RECORD_ACTIVE, OTEL_SPOOL_RUNNING, false), OTEL_SPOOL_OPEN);
    cr_assert_eq(fate(OTEL_RECORD_ACTIVE, OTEL_SPOOL_LEFT, false), OTEL_SPOOL_NOTHING);
    cr_assert_eq(fate(OTEL_RECORD_ENDED, OTEL_SPOOL_LEFT, true), OTEL_SPOOL_ENDED);
    cr_assert_eq(fate(OTEL_RECORD_EXPORTING, OTEL_SPOOL_RUNNING, true), OTEL_SPOOL_NOTHING);
    cr_assert_eq(fate(OTEL_RECORD_EXPORTING, OTEL_SPOOL_LEFT, false), OTEL_SPOOL_ENDED);
    cr_assert_eq(fate(77, OTEL_SPOOL_RUNNING, false), OTEL_SPOOL_NOTHING);
    cr_assert_eq(otel_spool_fate(&moved, OTEL_SPOOL_RUNNING, false), OTEL_SPOOL_TORN);
}

Test(spool_format, data_lies_in_the_record_or_in_a_block_of_the_file)
{
    struct otel_record *r = (struct otel_record *)((char *)header + otel_spool_records_at());
    uint32_t block;

    r->used = OTEL_RECORD_INLINE;
    cr_assert_eq(otel_spool_data(header, r, &block), r->data);
    cr_assert_eq(block, UINT32_MAX);
    r->used++;
    cr_assert_null(otel_spool_data(header, r, &block));
    r->overflow = UINT64_C(5) << 32 | 2;
    cr_assert_eq((char *)otel_spool_data(header, r, &block) - (char *)header,
                 (long)(SIZE - OTEL_OVERFLOW_SIZE));
    cr_assert_eq(block, 1);
    r->overflow++;
    cr_assert_null(otel_spool_data(header, r, &block));
    r->overflow = UINT64_C(5) << 32;
    cr_assert_null(otel_spool_data(header, r, &block));
}

Test(spool_format, a_span_that_died_says_so)
{
    uint8_t out[OTEL_SPOOL_DIED_MAX];
    struct otel_wire_reader reader = {out, out + otel_spool_died(out, 11)};
    struct otel_wire_field field;
    struct otel_value value;
    struct otel_text key;

    cr_assert(otel_wire_next(&reader, &field));
    cr_assert(otel_wire_read_attr(field.data, field.len, &key, &value));
    cr_assert_arr_eq(key.data, "process.died", 12);
    cr_assert(value.boolean);
    cr_assert(otel_wire_next(&reader, &field));
    cr_assert(otel_wire_read_attr(field.data, field.len, &key, &value));
    cr_assert_arr_eq(key.data, "process.signal", 14);
    cr_assert_eq(value.text.len, 7);
    cr_assert_arr_eq(value.text.data, "SIGSEGV", 7);
    cr_assert(otel_wire_next(&reader, &field));
    cr_assert_eq(*field.start, OTEL_TAG_STATUS_MESSAGE);
    cr_assert_eq(reader.at, reader.end);
}

Test(spool_format, every_signal_has_room)
{
    uint8_t out[OTEL_SPOOL_DIED_MAX];
    size_t unknown = otel_spool_died(out, 0);

    for (uint32_t s = 1; s < 65; s++)
        cr_assert_gt(otel_spool_died(out, s), unknown, "%u", s);
    cr_assert_eq(otel_spool_died(out, 65), unknown);
    cr_assert_eq(otel_spool_died(out, UINT32_MAX), unknown);
}

Test(spool_format, handed_over_is_what_the_kernel_has_whole)
{
    struct otel_handover *h = &header->handover;

    cr_assert_not(otel_handover_complete(h));
    otel_handover_begin(h, 100);
    h->call.msg_len = 60;
    cr_assert_not(otel_handover_complete(h));
    otel_handover_next(h);
    h->call.msg_len = 39;
    cr_assert_not(otel_handover_complete(h));
    h->call.msg_len = 40;
    cr_assert(otel_handover_complete(h));
    otel_handover_reset(h);
    cr_assert_not(otel_handover_complete(h));
    otel_handover_done(h);
    cr_assert(otel_handover_complete(h));
}
