/* SPDX-License-Identifier: Apache-2.0
 *
 * The first line is a request or a name to match, the rest are rules. What parses has rules within
 * bounds that point into the text; what does not leaves none and says where and why.
 */
#include "core/rules.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/sampler.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)    \
    do {                      \
        if (!(condition))     \
            __builtin_trap(); \
    } while (0)

static size_t service(char *out, size_t cap)
{
    memset(out, 's', cap);
    return cap;
}

static void check_text(struct otel_text part, struct otel_text whole)
{
    if (part.data)
        REQUIRE(part.len && part.data >= whole.data &&
                part.data + part.len <= whole.data + whole.len);
}

static void check_rule(const struct otel_rule_set *set, const struct otel_rule *rule,
                       struct otel_text text)
{
    check_text(rule->method, text);
    check_text(rule->path, text);
    check_text(rule->name, text);
    check_text(rule->function, text);
    REQUIRE(rule->threshold <= otel_sampler_threshold(0));
    REQUIRE(set->header_count == 32 || !(rule->headers >> set->header_count));
    REQUIRE(set->hold || (!rule->when_error && !rule->slower_ns));
    REQUIRE(set->ask_name || !rule->name.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct otel_rule_set set;
    struct otel_rule_error error;
    const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
    size_t first = end ? (size_t)(end - data) : 0;
    char *rest = malloc(size - first + 1); /* a block of its own: its end is watched */
    struct otel_text line = {(const char *)data, first}, text = {rest, size - first};
    struct otel_rule_facts facts = {.kind = OTEL_KIND_SERVER,
                                    .name = line,
                                    .method = line,
                                    .path = line,
                                    .function = line,
                                    .headers = (uint32_t)size};

    REQUIRE(rest);
    memcpy(rest, data + first, text.len);
    if (otel_rules_parse(&set, text, service, &error)) {
        REQUIRE(!set.count && !set.header_count && error.rule && error.why);
        REQUIRE(error.at.data >= text.data && error.at.data + error.at.len <= text.data + text.len);
    } else {
        REQUIRE(set.count <= OTEL_RULES_MAX);
        for (size_t i = 0; i < set.count; i++)
            check_rule(&set, &set.rule[i], text);
        otel_rules_match(&set, &facts);
        otel_rules_header_bit(&set, line.data, line.len);
    }
    free(rest);
    return 0;
}
