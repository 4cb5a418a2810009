/* SPDX-License-Identifier: Apache-2.0 */
#include "core/export/buffer.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct otel_buffer buffer; /* each test is a process of its own */

static void clean_up(void)
{
    otel_buffer_free(&buffer);
}

TestSuite(buffer, .fini = clean_up);

static int allowed; /* allocations before they fail */

static void *failing_realloc(void *old, size_t size)
{
    return allowed-- > 0 ? realloc(old, size) : NULL;
}

Test(buffer, grows_and_keeps_what_it_holds)
{
    for (int i = 0; i < 10000; i++)
        otel_buffer_append(&buffer, &(char){(char)i}, 1);
    otel_buffer_text(&buffer, "end");
    otel_buffer_append(&buffer, NULL, 0);
    cr_assert_not(buffer.failed);
    cr_assert_eq(buffer.len, 10003);
    for (int i = 0; i < 10000; i++)
        cr_assert_eq((char)buffer.data[i], (char)i);
    cr_assert_eq(memcmp(buffer.data + 10000, "end", 3), 0);
}

Test(buffer, failure_is_sticky_until_reset)
{
    otel_buffer_realloc = failing_realloc;
    allowed = 1;
    otel_buffer_append(&buffer, "kept", 4);
    cr_assert_null(otel_buffer_room(&buffer, 1 << 20));
    cr_assert(buffer.failed);
    cr_assert_null(otel_buffer_room(&buffer, 1));
    otel_buffer_append(&buffer, "lost", 4);
    cr_assert_eq(buffer.len, 4);
    otel_buffer_reset(&buffer);
    otel_buffer_append(&buffer, "new", 3);
    cr_assert_not(buffer.failed);
    cr_assert_eq(buffer.len, 3);
}

Test(buffer, absurd_sizes_fail)
{
    otel_buffer_append(&buffer, "x", 1);
    cr_assert_null(otel_buffer_room(&buffer, SIZE_MAX));
    otel_buffer_reset(&buffer);
    cr_assert_null(otel_buffer_room(&buffer, SIZE_MAX / 2));
}

Test(buffer, memory_is_reused_but_not_hoarded)
{
    uint8_t *first;

    otel_buffer_room(&buffer, 1000);
    first = buffer.data;
    otel_buffer_reset(&buffer);
    cr_assert_eq(buffer.data, first);
    otel_buffer_room(&buffer, OTEL_BUFFER_KEEP + 1);
    otel_buffer_reset(&buffer);
    cr_assert_eq(buffer.cap, 0);
}
