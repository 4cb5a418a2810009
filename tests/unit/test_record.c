/* SPDX-License-Identifier: Apache-2.0 */
#include "core/record.h"

#include <criterion/criterion.h>

Test(record, every_scope_has_a_name_of_its_own)
{
    for (int i = 0; i < OTEL_SCOPES; i++) {
        cr_assert_not_null(otel_scope_name(i));
        for (int k = 0; k < i; k++)
            cr_assert_str_neq(otel_scope_name(i), otel_scope_name(k));
    }
    cr_assert_str_eq(otel_scope_name(99), otel_scope_name(OTEL_SCOPE_AUTO));
}

Test(record, leaves_most_of_its_room_to_data)
{
    cr_assert_geq(OTEL_RECORD_INLINE, 850);
}
