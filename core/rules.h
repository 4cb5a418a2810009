/* SPDX-License-Identifier: Apache-2.0
 *
 * OTEL_AUTO_SAMPLING_RULES: which traces are kept, by what their first span in this process is.
 *
 *     GET /health* = 0; POST /documents = 1; kind=client = 0.1; * = 0.01, always when error
 *
 * Rules stand between semicolons or on lines, and the first that matches decides. Left of the last
 * `=` are its conditions, with blanks between them, all of which must hold:
 *
 *     GET               a bare word in capitals: the method of a request that is answered
 *     /health*          a bare word that begins with / or *: its path, without the query, as sent
 *     *                 no condition: every span
 *     method=, path=    the same, where a word could be taken for something else
 *     name=             the span's name as it is when it starts
 *     function=         the function it is of (OTEL_AUTO_FUNCTIONS)
 *     kind=             internal, server, client, producer, consumer
 *     service=          service.name of this process
 *     header=           a request that is answered has one of that name (in any case)
 *
 * Values are globs but for kind and header: `*` stands for any characters or none, `?` for one.
 * What holds a blank, `;` or `=` stands in double quotes. Right of it is what happens, one of these
 * or several between commas, of which one is enough:
 *
 *     0.25              this share of traces, by trace id: whoever has that ratio keeps the same
 *     always, never     1 and 0
 *     always when error      a span of the trace in this process ends with status Error
 *     slower than 500ms      the first span lasts at least as long (ns, us, ms, s, m)
 *
 * The last two are decided when the first span ends; until then its spans are held (tail.h).
 *
 * Pure but for otel_rules_init(), which is called once at start-up; any thread.
 */
#ifndef OTEL_CORE_RULES_H
#define OTEL_CORE_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/record.h"
#include "core/wire.h"

#define OTEL_RULES_MAX 64
#define OTEL_RULE_HEADERS_MAX 32 /* different ones, in all rules: a bit each */

struct otel_rule {
    struct otel_text method, path, name, function; /* globs; data NULL: no condition */
    uint32_t headers;                              /* bits: all of these are there */
    uint32_t kinds;                                /* bits by enum otel_span_kind, 0: any */
    uint64_t threshold;                            /* of the ratio (sampler.h) */
    uint64_t slower_ns;                            /* keep when it lasts as long; 0: no such */
    bool when_error;                               /* keep when a span fails */
};

/* Texts are slices of what was parsed. */
struct otel_rule_set {
    size_t count;
    bool ask_request; /* a rule asks for method, path or header */
    bool ask_name;
    bool hold; /* a rule can only be decided at the end */
    size_t header_count;
    uint64_t header_lengths; /* a bit for each length of a name below 64 */
    struct otel_text header[OTEL_RULE_HEADERS_MAX];
    struct otel_rule rule[OTEL_RULES_MAX];
};

/* What is known of a span when it starts; what is not is empty. */
struct otel_rule_facts {
    struct otel_text name;
    enum otel_span_kind kind;
    struct otel_text method, path; /* of a request that is answered */
    uint32_t headers;              /* bits of otel_rules_header() */
    struct otel_text function;
};

/* Where and why rules do not parse. */
struct otel_rule_error {
    size_t rule; /* the first is 1 */
    struct otel_text at;
    const char *why;
};

/* service: gives service.name into a buffer of that size, returns its length; asked only when a
 * rule wants it. Rules of another service are left out. Returns 0, or -EINVAL with *error set and
 * nothing in set. text must stay as long as set. */
int otel_rules_parse(struct otel_rule_set *set, struct otel_text text,
                     size_t (*service)(char *out, size_t cap), struct otel_rule_error *error);

/* The first rule that matches, or NULL. No allocation; a glob costs at worst its length times the
 * text's. */
const struct otel_rule *otel_rules_match(const struct otel_rule_set *set,
                                         const struct otel_rule_facts *facts);

/* The bit of a header that a rule asks for, 0: none does. */
uint32_t otel_rules_header_bit(const struct otel_rule_set *set, const char *name, size_t len);

/* The rules of this process, NULL: there are none, or they were misspelt, which one line in the log
 * said. Written by init before any second thread, constant afterwards. */
extern const struct otel_rule_set *otel_rules;

/* text: the setting's value, NULL none; must stay valid. */
void otel_rules_init(const char *text);

/* As above, of the process's rules: a load when there are none. */
static inline uint32_t otel_rules_header(const char *name, size_t len)
{
    return __builtin_expect(otel_rules != NULL, 0) ? otel_rules_header_bit(otel_rules, name, len)
                                                   : 0;
}

#endif
