/* SPDX-License-Identifier: Apache-2.0
 *
 * Each line is one header, and the first byte says how much room there is. What has been joined
 * stays as it is when joined again, for both lists. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/baggage.h"
#include "core/tracestate.h"

#define VALUES 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int (*join)(char *, size_t, const char *const *, const size_t *, size_t),
                  const char *const *values, const size_t *lens, size_t count, size_t cap)
{
    char *once = malloc(cap + 1), *twice = malloc(cap + 1);
    int n = join(once, cap, values, lens, count);
    size_t len = n > 0 ? (size_t)n : 0;

    if (len > cap)
        abort();
    if (len && (join(twice, len, (const char *const *)&once, &len, 1) != n ||
                memcmp(once, twice, len) != 0))
        abort();
    free(once);
    free(twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *values[VALUES];
    size_t lens[VALUES];
    size_t count = 0, cap;

    if (!size)
        return 0;
    cap = (size_t)*data++ * 16;
    size--;
    while (count < VALUES) {
        const uint8_t *end = size ? memchr(data, '\n', size) : NULL;

        values[count] = (const char *)data;
        lens[count] = end ? (size_t)(end - data) : size;
        count++;
        if (!end)
            break;
        size -= lens[count - 1] + 1;
        data = end + 1;
    }
    check(otel_tracestate_join, values, lens, count, cap);
    check(otel_baggage_join, values, lens, count, cap);
    return 0;
}
