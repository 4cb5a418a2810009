/* SPDX-License-Identifier: Apache-2.0 */
#include "core/carry.h"

#include <criterion/criterion.h>
#include <string.h>

Test(carry, gives_back_both_lists_until_freed)
{
    char out[64];
    uint64_t h = otel_carry_new("a=1,b=2", 7, "user=x", 6);

    cr_assert_neq(h, 0);
    cr_assert_eq(otel_carry_tracestate(h, out, sizeof out), 7);
    cr_assert_arr_eq(out, "a=1,b=2", 7);
    cr_assert_eq(otel_carry_baggage(h, out, sizeof out), 6);
    cr_assert_arr_eq(out, "user=x", 6);
    cr_assert_eq(otel_carry_baggage(h, out, 5), 0, "does not fit");
    otel_carry_free(h);
    cr_assert_eq(otel_carry_tracestate(h, out, sizeof out), 0);
}

Test(carry, a_stale_handle_never_finds_the_next_ones_bytes)
{
    char out[64];
    uint64_t old = otel_carry_new("old=1", 5, NULL, 0);
    uint64_t next;

    otel_carry_free(old);
    next = otel_carry_new("new=1", 5, NULL, 0);
    cr_assert_neq(next, 0);
    cr_assert_eq(otel_carry_tracestate(old, out, sizeof out), 0);
    otel_carry_free(old);
    cr_assert_eq(otel_carry_tracestate(next, out, sizeof out), 5, "freeing a stale one is nothing");
}

Test(carry, refuses_nothing_and_too_much)
{
    static char big[OTEL_BAGGAGE_MAX + 1];

    memset(big, 'a', sizeof big);
    cr_assert_eq(otel_carry_new("", 0, "", 0), 0);
    cr_assert_eq(otel_carry_new(big, OTEL_TRACESTATE_MAX + 1, NULL, 0), 0);
    cr_assert_eq(otel_carry_new(NULL, 0, big, sizeof big), 0);
    cr_assert_neq(otel_carry_new(big, OTEL_TRACESTATE_MAX, big, OTEL_BAGGAGE_MAX), 0);
}

Test(carry, the_processs_own_survives_a_reset)
{
    char out[64];
    uint64_t mine = otel_carry_process_new("p=1", 3, "b=2", 3);
    uint64_t other = otel_carry_new("o=1", 3, NULL, 0);

    otel_carry_reset();
    cr_assert_eq(otel_carry_tracestate(other, out, sizeof out), 0);
    cr_assert_eq(otel_carry_tracestate(mine, out, sizeof out), 3);
    otel_carry_free(mine);
    cr_assert_eq(otel_carry_baggage(mine, out, sizeof out), 3, "nobody frees it");
}

Test(carry, one_is_kept_over_the_reset_of_a_fork_child)
{
    char out[64];
    size_t baggage_len;
    uint64_t h = otel_carry_new("a=1", 3, "user=x", 6);
    uint64_t kept = otel_carry_keep(h);

    cr_assert_neq(kept, 0);
    otel_carry_reset();
    cr_assert_eq(otel_carry_tracestate(h, out, sizeof out), 0);
    cr_assert_eq(otel_carry_lengths(kept, &baggage_len), 3);
    cr_assert_eq(baggage_len, 6);
    cr_assert_eq(otel_carry_baggage(kept, out, sizeof out), 6);
    cr_assert_arr_eq(out, "user=x", 6);
    cr_assert_eq(otel_carry_keep(kept), kept, "a grandchild");
    cr_assert_eq(otel_carry_keep(h), 0, "stale");
    cr_assert_eq(otel_carry_lengths(0, &baggage_len), 0);
    cr_assert_eq(baggage_len, 0);
}
