/* SPDX-License-Identifier: Apache-2.0 */
#include "core/store.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

Test(store, a_new_record_is_clean_and_not_yet_active)
{
    uint64_t handle;
    struct otel_record *r;

    otel_store_init(16, 8);
    r = otel_store_new(&handle);
    cr_assert_not_null(r);
    r->attributes = 9;
    r->used = 5;
    otel_store_free(handle);
    cr_assert_null(otel_store_get(handle));
    r = otel_store_new(&handle);
    cr_assert_eq(r->attributes, 0);
    cr_assert_eq(r->used, 0);
    cr_assert_eq(r->state, OTEL_RECORD_STARTING);
}

Test(store, is_full_at_its_size)
{
    uint64_t handle;
    uint32_t n = 0;

    otel_store_init(16, 8);
    while (otel_store_new(&handle))
        n++;
    cr_assert_eq(n, 4096 + 16 + 8);
    cr_assert_eq(handle, 0);
}

Test(store, growing_keeps_the_data_and_happens_once)
{
    uint64_t handle;
    struct otel_record *r;
    size_t cap;
    uint8_t *data;

    otel_store_init(16, 8);
    r = otel_store_new(&handle);
    data = otel_store_data(r, &cap);
    cr_assert_eq(cap, OTEL_RECORD_INLINE);
    memcpy(data, "kept", 4);
    r->used = 4;
    cr_assert_eq(otel_store_grow(r), 0);
    data = otel_store_data(r, &cap);
    cr_assert_eq(cap, OTEL_OVERFLOW_SIZE);
    cr_assert_arr_eq(data, "kept", 4);
    cr_assert_eq(otel_store_grow(r), -ENOSPC);
    otel_store_free(handle);
}

Test(store, overflow_blocks_come_back_with_their_record)
{
    otel_store_init(16, 8);
    for (int i = 0; i < 2000; i++) {
        uint64_t handle;
        struct otel_record *r = otel_store_new(&handle);

        cr_assert_eq(otel_store_grow(r), 0, "round %d", i);
        otel_store_free(handle);
    }
}
