/* SPDX-License-Identifier: Apache-2.0
 *
 * curl: one curl_easy_perform over a kept connection to a server on loopback: prints µs of CPU of
 * the calling thread (the best of many rounds) and µs on the wall (the median).
 *
 *     curl URL
 */
// PROGRAM
// LIBS: -lcurl
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/bench.h"

#define ROUNDS 40
#define EACH 25

static void perform(void *handle)
{
    curl_easy_perform(handle);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median_wall_us(CURL *handle)
{
    static double took[ROUNDS * EACH];

    for (int i = 0; i < ROUNDS * EACH; i++) {
        uint64_t began = bench_ns(CLOCK_MONOTONIC);

        perform(handle);
        took[i] = (double)(bench_ns(CLOCK_MONOTONIC) - began) / 1000;
    }
    qsort(took, ROUNDS * EACH, sizeof *took, by_value);
    return took[ROUNDS * EACH / 2];
}

int main(int argc, char **argv)
{
    CURL *handle = curl_easy_init();
    double cpu;

    if (argc != 2 || !handle)
        return 2;
    curl_easy_setopt(handle, CURLOPT_URL, argv[1]);
    if (curl_easy_perform(handle) != CURLE_OK)
        return 1;
    bench_pin();
    cpu = bench_best(perform, handle, ROUNDS, EACH, 0) / 1000;
    printf("%.2f %.2f\n", cpu, median_wall_us(handle));
    curl_easy_cleanup(handle);
    return 0;
}
