/* SPDX-License-Identifier: Apache-2.0
 *
 * A collector's answer, as protobuf and as JSON. What is taken out of it is text that can be
 * logged: terminated and without control characters.
 */
#include <stdint.h>
#include <string.h>

#include "core/export/json.h"
#include "core/export/otlp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int result, const struct otel_otlp_partial *partial)
{
    size_t len = strnlen(partial->message, sizeof partial->message);

    if (result)
        return;
    if (len == sizeof partial->message)
        __builtin_trap();
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)partial->message[i] < ' ' || partial->message[i] == 0x7f)
            __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct otel_otlp_partial partial;

    check(otel_otlp_response(data, size, &partial), &partial);
    check(otel_json_response((const char *)data, size, &partial), &partial);
    return 0;
}
