/* SPDX-License-Identifier: Apache-2.0
 *
 * close: ns of CPU for a hooked libc call on a descriptor nobody tracks: close(-1), which the
 * kernel refuses at once, and a pair of dup2 and close, as shells and daemons make. Run natively
 * and under the shim; the difference is the hook.
 */
// PROGRAM
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/bench/bench.h"

#define SPARE 200 /* a number nothing else uses */

static void refused(void *unused)
{
    (void)unused;
    close(-1);
}

static void pair(void *fd)
{
    dup2(*(int *)fd, SPARE);
    close(SPARE);
}

int main(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    double one;
    double two;

    if (fd < 0)
        return 1;
    bench_pin();
    one = bench_best(refused, NULL, 1500, 256, 0);
    two = bench_best(pair, &fd, 1000, 128, 0);
    printf("%.2f %.2f\n", one, two);
    return 0;
}
