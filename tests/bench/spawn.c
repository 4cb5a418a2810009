/* SPDX-License-Identifier: Apache-2.0
 *
 * spawn: µs from posix_spawn to the end of a program, natively and with a library preloaded, in
 * turn. Prints the best and the median of each: NATIVE-BEST NATIVE-MEDIAN OURS-BEST OURS-MEDIAN.
 *
 *     spawn RUNS LIBRARY PROGRAM [ARGS]
 */
// PROGRAM
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/bench/bench.h"

#define MOST 5000

static double native[MOST];
static double ours[MOST];

static double run(char **argv, char **env)
{
    uint64_t began = bench_ns(CLOCK_MONOTONIC);
    int status;
    pid_t pid;

    if (posix_spawn(&pid, argv[0], NULL, NULL, argv, env) || waitpid(pid, &status, 0) != pid ||
        status) {
        fprintf(stderr, "spawn: %s did not run\n", argv[0]);
        exit(1);
    }
    return (double)(bench_ns(CLOCK_MONOTONIC) - began) / 1000;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    char *plain[] = {(char[]){"PATH=/usr/bin:/bin"}, NULL, NULL};
    char *preloaded[] = {plain[0], NULL, NULL};
    int runs = argc > 3 ? atoi(argv[1]) : 0;
    char setting[4096];

    if (runs < 1 || runs > MOST ||
        snprintf(setting, sizeof setting, "LD_PRELOAD=%s", argv[2]) >= (int)sizeof setting)
        return 2;
    preloaded[1] = setting;
    bench_pin();
    for (int i = 0; i < runs; i++) {
        native[i] = run(argv + 3, plain);
        ours[i] = run(argv + 3, preloaded);
    }
    qsort(native, (size_t)runs, sizeof *native, by_value);
    qsort(ours, (size_t)runs, sizeof *ours, by_value);
    printf("%.1f %.1f %.1f %.1f\n", native[0], native[runs / 2], ours[0], ours[runs / 2]);
    return 0;
}
