/* SPDX-License-Identifier: Apache-2.0
 *
 * function: ns of CPU for a call of a function of the program's own, met by its first bytes, and of
 * one of the C library's, met by the slot it is called through. Run natively and under the shim
 * with OTEL_AUTO_FUNCTIONS="work(n: int) -> int; difftime(n: long, long) -> double"; what is above
 * the span itself (`span function`) is the way there and back.
 */
// PROGRAM
#include <stdio.h>
#include <time.h>

#include "tests/bench/bench.h"

__attribute__((noinline, noclone)) static int work(int n)
{
    __asm__ volatile("nopl 0x11223344(%%rax)" : "+r"(n));
    return n + 1;
}

static void own(void *unused)
{
    (void)unused;
    work(3);
}

static void libc(void *unused)
{
    static volatile double result;

    (void)unused;
    result = difftime(7, 4);
    (void)result;
}

/* The batch thread starts with the first span and must not share this thread's processor. */
int main(void)
{
    double patched, slot;

    own(NULL);
    bench_pin();
    patched = bench_best(own, NULL, 60, 256, 2000);
    slot = bench_best(libc, NULL, 60, 256, 2000);
    printf("%.1f %.1f\n", patched, slot);
    return 0;
}
