/* SPDX-License-Identifier: Apache-2.0 */
#include "core/export/retry.h"

#include <criterion/criterion.h>

#define SECOND INT64_C(1000000000)
#define NOON 784111777 /* Sun, 06 Nov 1994 08:49:37 GMT, RFC 9110's own example */

Test(retry, http_statuses)
{
    for (long status = 0; status < 1000; status++)
        cr_assert_eq(otel_retry_http_status(status),
                     status == 429 || status == 502 || status == 503 || status == 504, "%ld",
                     status);
}

Test(retry, grpc_codes)
{
    for (int code = -1; code < 20; code++) {
        bool always =
            code == 1 || code == 4 || code == 10 || code == 11 || code == 14 || code == 15;

        cr_assert_eq(otel_retry_grpc_code(code, false), always, "%d", code);
        cr_assert_eq(otel_retry_grpc_code(code, true), always || code == 8, "%d", code);
    }
}

Test(retry, grpc_code_of_an_http_status)
{
    static const long pairs[][2] = {{400, 13}, {401, 16}, {403, 7},  {404, 12}, {429, 14},
                                    {502, 14}, {503, 14}, {504, 14}, {500, 2},  {302, 2}};

    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        cr_assert_eq(otel_retry_grpc_of_http(pairs[i][0]), pairs[i][1], "%ld", pairs[i][0]);
}

Test(retry, backoff_stays_within_its_bounds)
{
    static const uint64_t randoms[] = {0, 1, UINT64_MAX, UINT64_MAX / 2, 0x123456789abcdef};

    for (unsigned attempt = 0; attempt < 100; attempt++) {
        uint64_t nominal = OTEL_RETRY_LONGEST_NS;

        if (attempt < 5)
            nominal = OTEL_RETRY_FIRST_NS << attempt;
        for (size_t i = 0; i < sizeof randoms / sizeof *randoms; i++) {
            uint64_t wait = otel_retry_backoff_ns(attempt, randoms[i]);

            cr_assert_geq(wait, nominal / 2);
            cr_assert_lt(wait, nominal / 2 + nominal);
        }
    }
}

Test(retry, backoff_is_spread)
{
    cr_assert_neq(otel_retry_backoff_ns(0, 1), otel_retry_backoff_ns(0, 500000000));
}

Test(retry, after_seconds)
{
    cr_assert_eq(otel_retry_after_ns("0", NOON), 0);
    cr_assert_eq(otel_retry_after_ns("120", NOON), 120 * SECOND);
    cr_assert_eq(otel_retry_after_ns(" \t7 ", NOON), 7 * SECOND);
    cr_assert_eq(otel_retry_after_ns("99999999999999999999999999", NOON),
                 INT64_C(31536000) * SECOND);
}

Test(retry, after_date)
{
    cr_assert_eq(otel_retry_after_ns("Sun, 06 Nov 1994 08:49:47 GMT", NOON), 10 * SECOND);
    cr_assert_eq(otel_retry_after_ns("Sunday, 06-Nov-94 08:49:47 GMT", NOON), 10 * SECOND);
    cr_assert_eq(otel_retry_after_ns("Sun Nov  6 08:49:47 1994", NOON), 10 * SECOND);
    cr_assert_eq(otel_retry_after_ns("Sun, 06 Nov 1994 08:49:27 GMT", NOON), 0, "gone by");
    cr_assert_eq(otel_retry_after_ns("Fri, 06 Nov 2093 08:49:27 GMT", NOON),
                 INT64_C(31536000) * SECOND);
}

Test(retry, after_nonsense)
{
    static const char *const values[] = {"",    " ",    "soon", "-5",        "1.5", "5 s",
                                         "0x5", "\xff", "5;6",  "Sun, 99 X", "+3"};

    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        cr_assert_eq(otel_retry_after_ns(values[i], NOON), OTEL_RETRY_NONE, "%s", values[i]);
}
