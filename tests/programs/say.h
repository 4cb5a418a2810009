/* SPDX-License-Identifier: Apache-2.0
 *
 * For programs that say what each call returned, and the errno it left.
 */
#ifndef OTEL_PROGRAMS_SAY_H
#define OTEL_PROGRAMS_SAY_H

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SAY(CALL)                                                        \
    ({                                                                   \
        errno = 4711; /* a call that succeeds leaves it */               \
        long said_ = (long)(CALL);                                       \
        printf("%-60s %ld %s\n", #CALL, said_,                           \
               strerrorname_np(errno) ?: (errno == 4711 ? "-" : "odd")); \
        (int)said_;                                                      \
    })

/* Not readable, and the compiler does not know. */
static void *volatile nowhere = (void *)16;

#endif
