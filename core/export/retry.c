/* SPDX-License-Identifier: Apache-2.0 */
#include "core/export/retry.h"

#include <curl/curl.h>
#include <stddef.h>

#define SECOND_NS INT64_C(1000000000)
#define YEAR_S (INT64_C(365) * 24 * 3600)

enum grpc_code { /* grpc/doc/statuscodes.md */
                 GRPC_CANCELLED = 1,
                 GRPC_UNKNOWN = 2,
                 GRPC_DEADLINE_EXCEEDED = 4,
                 GRPC_PERMISSION_DENIED = 7,
                 GRPC_RESOURCE_EXHAUSTED = 8,
                 GRPC_ABORTED = 10,
                 GRPC_OUT_OF_RANGE = 11,
                 GRPC_UNIMPLEMENTED = 12,
                 GRPC_INTERNAL = 13,
                 GRPC_UNAVAILABLE = 14,
                 GRPC_DATA_LOSS = 15,
                 GRPC_UNAUTHENTICATED = 16,
};

bool otel_retry_http_status(long status)
{
    return status == 429 || (status >= 502 && status <= 504);
}

bool otel_retry_grpc_code(int code, bool has_retry_info)
{
    switch (code) {
    case GRPC_CANCELLED:
    case GRPC_DEADLINE_EXCEEDED:
    case GRPC_ABORTED:
    case GRPC_OUT_OF_RANGE:
    case GRPC_UNAVAILABLE:
    case GRPC_DATA_LOSS:
        return true;
    case GRPC_RESOURCE_EXHAUSTED:
        return has_retry_info;
    default:
        return false;
    }
}

int otel_retry_grpc_of_http(long status)
{
    switch (status) {
    case 400:
        return GRPC_INTERNAL;
    case 401:
        return GRPC_UNAUTHENTICATED;
    case 403:
        return GRPC_PERMISSION_DENIED;
    case 404:
        return GRPC_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
        return GRPC_UNAVAILABLE;
    default:
        return GRPC_UNKNOWN;
    }
}

uint64_t otel_retry_backoff_ns(unsigned attempt, uint64_t random)
{
    uint64_t wait = OTEL_RETRY_LONGEST_NS;

    if (attempt < 5) /* 1, 2, 4, 8, 16 s: 2^5 is beyond the longest */
        wait = OTEL_RETRY_FIRST_NS << attempt;
    return wait / 2 + random % wait;
}

static int64_t to_ns(int64_t seconds)
{
    if (seconds < 0)
        return 0;
    return (seconds < YEAR_S ? seconds : YEAR_S) * SECOND_NS;
}

int64_t otel_retry_after_ns(const char *value, time_t now)
{
    int64_t seconds = 0;
    time_t date;

    while (*value == ' ' || *value == '\t')
        value++;
    if (*value >= '0' && *value <= '9') {
        for (; *value >= '0' && *value <= '9'; value++)
            seconds = seconds < YEAR_S ? seconds * 10 + (*value - '0') : YEAR_S;
        while (*value == ' ' || *value == '\t')
            value++;
        return *value ? OTEL_RETRY_NONE : to_ns(seconds);
    }
    /* An HTTP-date begins with the day's name; curl's parser takes much more than that. */
    if (!((*value | 0x20) >= 'a' && (*value | 0x20) <= 'z'))
        return OTEL_RETRY_NONE;
    date = curl_getdate(value, NULL);
    return date == (time_t)-1 ? OTEL_RETRY_NONE : to_ns((int64_t)date - (int64_t)now);
}
