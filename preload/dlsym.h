/* SPDX-License-Identifier: Apache-2.0
 *
 * The program's calls of dlsym, met through the slots of its modules (got.h) and only where
 * functions are traced: before each of them there is a chance to look at what was loaded since, and
 * the address of a function that is met by slots is answered with our entry.
 *
 * dlsym(RTLD_NEXT) and dlsym(RTLD_DEFAULT) depend on who calls: those go on to the real one by a
 * jump, with the caller's return address.
 */
#ifndef OTEL_PRELOAD_DLSYM_H
#define OTEL_PRELOAD_DLSYM_H

#include <link.h>
#include <stdbool.h>

/* look runs before each call, entry gives the entry of a function that is met by slots, NULL for
 * any other address. At start-up, before the first otel_dlsym_meet(). */
void otel_dlsym_start(void (*look)(void), void *(*entry)(const void *address));

/* The dlsym that is met; NULL: none. */
const void *otel_dlsym_wanted(void);

/* Calls of it from that module come here from now on; lazy: those through a slot that is not bound
 * yet, too. */
void otel_dlsym_meet(const struct link_map *map, bool lazy);

#endif
