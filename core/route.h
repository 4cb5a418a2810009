/* SPDX-License-Identifier: Apache-2.0
 *
 * http.route of a request path: from the patterns of OTEL_AUTO_HTTP_ROUTES, else a guess of low
 * cardinality (semantic conventions http.route: must not be the raw path).
 *
 * Patterns: a comma list of paths such as `/documents/:id`; a segment `:x` or `*` stands for any
 * one segment, a last `*` also for several or none. The first that matches is the route, as
 * written. Guess: segments that are numbers, UUIDs, hex of 8 and more digits, or long and
 * random-looking become `*`, and so does what was escaped, holds a mail address or bytes that no
 * plain path has; query and fragment go, and parameters behind `;`. At most OTEL_ROUTES_MAX
 * distinct guessed routes a process, after that a path gives one of those already known or none.
 *
 * Threads: init once at start-up; match on any thread, lock-free, no allocation.
 */
#ifndef OTEL_CORE_ROUTE_H
#define OTEL_CORE_ROUTE_H

#include <stddef.h>

#include "core/wire.h"

#define OTEL_ROUTE_MAX 256  /* bytes of a route; a longer one is none */
#define OTEL_ROUTES_MAX 100 /* guessed routes of a process */
#define OTEL_ROUTE_PATTERNS_MAX 128

/* patterns: the value of OTEL_AUTO_HTTP_ROUTES, NULL or "" none; must stay valid. A pattern that
 * does not begin with `/`, is longer than a route may be, or comes after OTEL_ROUTE_PATTERNS_MAX
 * others, gives one warning and is left out. */
void otel_route_init(const char *patterns);

/* The route of a request target (origin-form or absolute-form; anything else has none). Written to
 * out unless it is a configured pattern. Returns an empty text when there is none. */
struct otel_text otel_route_match(struct otel_text target, char out[static OTEL_ROUTE_MAX]);

#endif
