/* SPDX-License-Identifier: Apache-2.0 */
#include "core/export/grpc.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "core/export/retry.h"
#include "tests/support/guardpage.h"

static struct guardpage page; /* each test is a process of its own */

static void open_page(void)
{
    guardpage_open(&page, 16384);
}

static void close_page(void)
{
    guardpage_close(&page);
}

TestSuite(grpc, .init = open_page, .fini = close_page);

static int message(const char *bytes, size_t len, const char *want)
{
    const uint8_t *found = NULL;
    size_t found_len = 0;
    int rc = otel_grpc_message(guardpage_put(&page, bytes, len), len, &found, &found_len);

    if (rc == 0) {
        cr_assert_eq(found_len, strlen(want));
        cr_assert_eq(memcmp(found, want, found_len), 0);
    }
    return rc;
}

Test(grpc, prefix)
{
    uint8_t out[OTEL_GRPC_PREFIX_LEN];

    otel_grpc_prefix(out, true, 0x01020304);
    cr_assert_eq(memcmp(out, "\1\1\2\3\4", sizeof out), 0);
    otel_grpc_prefix(out, false, 255);
    cr_assert_eq(memcmp(out, "\0\0\0\0\xff", sizeof out), 0);
}

Test(grpc, one_message)
{
    cr_assert_eq(message("\0\0\0\0\0", 5, ""), 0);
    cr_assert_eq(message("\0\0\0\0\3abc", 8, "abc"), 0);
}

Test(grpc, no_message)
{
    cr_assert_eq(message("", 0, ""), -EBADMSG);
    cr_assert_eq(message("\0\0\0\0", 4, ""), -EBADMSG);
    cr_assert_eq(message("\0\0\0\0\3ab", 7, ""), -EBADMSG, "cut");
    cr_assert_eq(message("\0\0\0\0\1ab", 7, ""), -EBADMSG, "something behind it");
    cr_assert_eq(message("\1\0\0\0\1a", 6, ""), -EBADMSG, "compressed");
    cr_assert_eq(message("\0\xff\xff\xff\xff", 5, ""), -EBADMSG);
}

static int status(const char *text)
{
    size_t len = strlen(text);

    return otel_grpc_status(guardpage_put(&page, text, len), len);
}

Test(grpc, status)
{
    cr_assert_eq(status("0"), 0);
    cr_assert_eq(status("14"), 14);
    cr_assert_eq(status("16"), 16);
    cr_assert_eq(status("17"), -1);
    cr_assert_eq(status("-1"), -1);
    cr_assert_eq(status(""), -1);
    cr_assert_eq(status("1x"), -1);
    cr_assert_eq(status("000"), -1);
}

static int64_t retry_info(const char *text)
{
    size_t len = strlen(text);

    return otel_grpc_retry_info_ns(guardpage_put(&page, text, len), len);
}

/* google.rpc.Status{code 8, details [Any{RetryInfo{retry_delay {seconds 2, nanos 500000000}}}]}. */
#define DELAY_2_5_S "CAgaNgoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIKCggIAhCAyrXuAQ"
/* The same behind a google.rpc.DebugInfo with two bytes. */
#define SECOND_DETAIL                                                                          \
    "CAgaMAoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLkRlYnVnSW5mbxIEEgJ4eBo2Cih0eXBlLmdvb2ds" \
    "ZWFwaXMuY29tL2dvb2dsZS5ycGMuUmV0cnlJbmZvEgoKCAgCEIDKte4B"
/* RetryInfo without a delay, and with one of -5 s. */
#define NO_DELAY "CAgaKgoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbw=="
#define NEGATIVE \
    "CAgaOQoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxINCgsI+///////////AQ=="

Test(grpc, retry_info)
{
    cr_assert_eq(retry_info(DELAY_2_5_S), INT64_C(2500000000));
    cr_assert_eq(retry_info(DELAY_2_5_S "=="), INT64_C(2500000000));
    cr_assert_eq(retry_info(SECOND_DETAIL), INT64_C(2500000000));
    cr_assert_eq(retry_info(NO_DELAY), 0);
    cr_assert_eq(retry_info(NEGATIVE), 0);
}

Test(grpc, no_retry_info)
{
    cr_assert_eq(retry_info(""), OTEL_RETRY_NONE);
    cr_assert_eq(retry_info("CAg"), OTEL_RETRY_NONE);
    cr_assert_eq(retry_info("!!!!"), OTEL_RETRY_NONE);
}

/* Cut anywhere, and with any byte changed: never beyond the end, never a negative wait. */
Test(grpc, damaged_retry_info)
{
    char text[] = SECOND_DETAIL;

    for (size_t i = 0; i < sizeof text - 1; i++) {
        char was = text[i];
        int64_t got = otel_grpc_retry_info_ns(guardpage_put(&page, text, i), i);

        cr_assert_geq(got, OTEL_RETRY_NONE);
        for (const char *c = "A/9_z!"; *c; c++) {
            text[i] = *c;
            cr_assert_geq(retry_info(text), OTEL_RETRY_NONE);
        }
        text[i] = was;
    }
}

Test(grpc, long_details_are_not_read)
{
    char text[5000];

    memset(text, 'A', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    memcpy(text, DELAY_2_5_S, sizeof DELAY_2_5_S - 1);
    cr_assert_eq(retry_info(text), OTEL_RETRY_NONE);
}
