/* SPDX-License-Identifier: Apache-2.0 */
#include "core/export/grpc.h"

#include <errno.h>
#include <string.h>

#include "core/export/retry.h"
#include "core/wire.h"

#define DETAILS_MAX 4096
#define STATUS_DETAILS 3 /* google.rpc.Status.details */
#define ANY_TYPE_URL 1
#define ANY_VALUE 2
#define RETRY_INFO_DELAY 1
#define DURATION_SECONDS 1
#define DURATION_NANOS 2
#define DURATION_MAX_S 31536000 /* a year; what is more says the same */

void otel_grpc_prefix(uint8_t out[static OTEL_GRPC_PREFIX_LEN], bool compressed, uint32_t len)
{
    out[0] = compressed;
    out[1] = (uint8_t)(len >> 24);
    out[2] = (uint8_t)(len >> 16);
    out[3] = (uint8_t)(len >> 8);
    out[4] = (uint8_t)len;
}

int otel_grpc_message(const uint8_t *body, size_t len, const uint8_t **message, size_t *message_len)
{
    uint32_t says;

    if (len < OTEL_GRPC_PREFIX_LEN || body[0])
        return -EBADMSG;
    says = (uint32_t)body[1] << 24 | (uint32_t)body[2] << 16 | (uint32_t)body[3] << 8 | body[4];
    if (says != len - OTEL_GRPC_PREFIX_LEN)
        return -EBADMSG;
    *message = body + OTEL_GRPC_PREFIX_LEN;
    *message_len = says;
    return 0;
}

int otel_grpc_status(const char *value, size_t len)
{
    int code = 0;

    if (!len || len > 2)
        return -1;
    for (size_t i = 0; i < len; i++) {
        if (value[i] < '0' || value[i] > '9')
            return -1;
        code = code * 10 + (value[i] - '0');
    }
    return code <= 16 ? code : -1;
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

/* Stops at the first char that is no digit: padding, or an end that makes no whole byte. */
static size_t base64_decode(uint8_t *out, const char *text, size_t len)
{
    uint32_t bits = 0;
    unsigned have = 0;
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        int digit = base64_digit(text[i]);

        if (digit < 0)
            break;
        bits = bits << 6 | (uint32_t)digit;
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[n++] = (uint8_t)(bits >> have);
        }
    }
    return n;
}

static bool find(const uint8_t *at, const uint8_t *end, uint32_t number, uint8_t wire_type,
                 struct otel_wire_field *field)
{
    struct otel_wire_reader reader = {at, end};

    while (otel_wire_next(&reader, field)) {
        if (field->number == number && field->wire_type == wire_type)
            return true;
    }
    return false;
}

static int64_t duration_ns(const uint8_t *at, const uint8_t *end)
{
    struct otel_wire_field field;
    int64_t seconds = 0;
    int64_t nanos = 0;

    if (find(at, end, DURATION_SECONDS, 0, &field))
        seconds = (int64_t)field.value;
    if (find(at, end, DURATION_NANOS, 0, &field))
        nanos = (int64_t)field.value;
    if (seconds < 0 || nanos < 0 || nanos >= 1000000000)
        return 0;
    return (seconds < DURATION_MAX_S ? seconds : DURATION_MAX_S) * 1000000000 + nanos;
}

/* any: a google.protobuf.Any. */
static int64_t delay_of(const uint8_t *any, size_t len)
{
    static const char type[] = "/google.rpc.RetryInfo";
    struct otel_wire_field field;

    if (!find(any, any + len, ANY_TYPE_URL, 2, &field) || field.len < sizeof type - 1 ||
        memcmp(field.data + field.len - (sizeof type - 1), type, sizeof type - 1) != 0)
        return OTEL_RETRY_NONE;
    if (!find(any, any + len, ANY_VALUE, 2, &field) ||
        !find(field.data, field.data + field.len, RETRY_INFO_DELAY, 2, &field))
        return 0; /* RetryInfo without a delay: at once */
    return duration_ns(field.data, field.data + field.len);
}

int64_t otel_grpc_retry_info_ns(const char *value, size_t len)
{
    uint8_t status[DETAILS_MAX / 4 * 3];
    struct otel_wire_reader reader = {status, status};
    struct otel_wire_field field;

    if (len > DETAILS_MAX)
        return OTEL_RETRY_NONE;
    reader.end += base64_decode(status, value, len);
    while (otel_wire_next(&reader, &field)) {
        if (field.number == STATUS_DETAILS && field.wire_type == 2) {
            int64_t delay = delay_of(field.data, field.len);

            if (delay >= 0)
                return delay;
        }
    }
    return OTEL_RETRY_NONE;
}
