/* SPDX-License-Identifier: Apache-2.0 */
#include "core/rules.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/sampler.h"
#include "tests/support/guardpage.h"

static struct otel_rule_set set;
static struct otel_rule_error error;

static size_t service(char *out, size_t cap)
{
    cr_assert_geq(cap, 4);
    memcpy(out, "shop", 4);
    return 4;
}

static struct otel_text text(const char *s)
{
    return (struct otel_text){s, strlen(s)};
}

static int parse(const char *rules)
{
    return otel_rules_parse(&set, text(rules), service, &error);
}

/* Which rule matches, counted from 1; 0: none. */
static size_t match(const struct otel_rule_facts *facts)
{
    const struct otel_rule *rule = otel_rules_match(&set, facts);

    return rule ? (size_t)(rule - set.rule) + 1 : 0;
}

static size_t request(const char *method, const char *path)
{
    struct otel_rule_facts facts = {
        .kind = OTEL_KIND_SERVER, .method = text(method), .path = text(path)};

    return match(&facts);
}

static size_t named(const char *name)
{
    struct otel_rule_facts facts = {.kind = OTEL_KIND_INTERNAL, .name = text(name)};

    return match(&facts);
}

Test(rules, first_that_matches_decides)
{
    cr_assert_eq(parse("GET /health* = 0; POST /documents = 1; * = 0.01"), 0);
    cr_assert_eq(set.count, 3);
    cr_expect(set.ask_request && !set.ask_name && !set.hold);
    cr_expect_eq(request("GET", "/health"), 1);
    cr_expect_eq(request("GET", "/health/deep"), 1);
    cr_expect_eq(request("POST", "/health"), 3);
    cr_expect_eq(request("POST", "/documents"), 2);
    cr_expect_eq(request("POST", "/documents/1"), 3);
    cr_expect_eq(named("anything"), 3);
    cr_expect_eq(set.rule[0].threshold, otel_sampler_threshold(0));
    cr_expect_eq(set.rule[1].threshold, 0);
    cr_expect_eq(set.rule[2].threshold, otel_sampler_threshold(0.01));
}

Test(rules, a_line_is_a_rule)
{
    cr_assert_eq(parse("GET /a = 0\n\nPOST = 1\n"), 0);
    cr_expect_eq(request("POST", "/a"), 2);
}

Test(rules, words_are_methods_and_paths)
{
    cr_assert_eq(parse("GET = 0; /a = 0; *.png=0; path=b method=X-Y = 0; DELETE * = 1"), 0);
    cr_expect_eq(request("GET", "/a"), 1);
    cr_expect_eq(request("PUT", "/a"), 2);
    cr_expect_eq(request("PUT", "/x/y.png"), 3);
    cr_expect_eq(request("X-Y", "b"), 4);
    cr_expect_eq(request("DELETE", "/z"), 5);
    cr_expect_eq(request("PUT", "/z"), 0);
    cr_expect_eq(named("GET"), 0, "a span that is no request has no method");
}

Test(rules, other_conditions)
{
    struct otel_rule_facts facts = {.kind = OTEL_KIND_CLIENT, .name = text("SELECT orders")};

    cr_assert_eq(parse("name=\"SELECT *\" kind=client = 0; kind=server kind=consumer = 0.5;"
                       "function=llm.* = 1; service=shop name=job = 1; service=other = 0;"
                       "header=X-Debug header=x-trace = 1"),
                 0);
    cr_assert_eq(set.count, 5, "the rule of another service is left out");
    cr_expect(set.ask_name && set.ask_request);
    cr_expect_eq(match(&facts), 1);
    facts.kind = OTEL_KIND_CONSUMER;
    cr_expect_eq(match(&facts), 2);
    facts = (struct otel_rule_facts){.function = text("llm.extract")};
    cr_expect_eq(match(&facts), 3);
    cr_expect_eq(named("job"), 4);
    facts = (struct otel_rule_facts){.headers = otel_rules_header_bit(&set, "x-DEBUG", 7)};
    cr_expect_eq(match(&facts), 0, "one of two headers");
    facts.headers |= otel_rules_header_bit(&set, "X-Trace", 7);
    cr_expect_eq(match(&facts), 5);
    cr_expect_eq(otel_rules_header_bit(&set, "x-other", 7), 0);
}

Test(rules, globs)
{
    static const struct {
        const char *glob, *text;
        bool want;
    } cases[] = {
        {"name=a*c", "abc", true},       {"name=a*c", "ac", true},
        {"name=a*c", "acb", false},      {"name=?b?", "abc", true},
        {"name=?b?", "ab", false},       {"name=*", "x", true},
        {"name=**b**", "aba", true},     {"name=a*b*c", "abcbd", false},
        {"name=a*b*c", "abcbc", true},   {"name=\"a b\"", "a b", true},
        {"name=\"a;=b\"", "a;=b", true}, {"name=A", "a", false},
        {"name=*aab", "aaaaaab", true},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char rule[64];

        snprintf(rule, sizeof rule, "%s = 1", cases[i].glob);
        cr_assert_eq(parse(rule), 0, "%s", rule);
        cr_expect_eq(named(cases[i].text) == 1, cases[i].want, "%s %s", rule, cases[i].text);
    }
}

Test(rules, outcomes)
{
    cr_assert_eq(parse("/a = always; /b = NEVER; /c = always when error; /d = slower than 500ms;"
                       "/e = 0.25, slower than 1.5 s, always when error"),
                 0);
    cr_expect(set.hold);
    cr_expect_eq(set.rule[0].threshold, 0);
    cr_expect_eq(set.rule[1].threshold, otel_sampler_threshold(0));
    cr_expect(set.rule[2].when_error && !set.rule[2].slower_ns);
    cr_expect_eq(set.rule[2].threshold, otel_sampler_threshold(0));
    cr_expect_eq(set.rule[3].slower_ns, 500000000);
    cr_expect_eq(set.rule[4].slower_ns, 1500000000);
    cr_expect_eq(set.rule[4].threshold, otel_sampler_threshold(0.25));
    cr_expect(set.rule[4].when_error);
}

Test(rules, misspelt)
{
    static const struct {
        const char *rules;
        size_t rule;
        const char *at;
    } cases[] = {
        {"GET /a", 1, "GET /a"},
        {"* = 1; GET /a = 2", 2, "2"},
        {"* = -1", 1, "-1"},
        {"* = 1.0.0", 1, "1.0.0"},
        {"* = 0x1", 1, "0x1"},
        {"* =", 1, ""},
        {"* = sometimes", 1, "sometimes"},
        {"* = 1, 0", 1, "0"},
        {"* = 1, , 0", 1, ""},
        {"* = always when slow", 1, "always when slow"},
        {"* = slower than 5", 1, "5"},
        {"* = slower than ms", 1, "ms"},
        {"* = slower than 0s", 1, "0s"},
        {"* = slower than 99999999999999m", 1, "99999999999999m"},
        {"= 1", 1, "= 1"},
        {"get /a = 1", 1, "get"},
        {"GET POST = 1", 1, "POST"},
        {"/a /b = 1", 1, "/b"},
        {"kind=servant = 1", 1, "servant"},
        {"colour=red = 1", 1, "colour=red"},
        {"name= = 1", 1, "name="},
        {"name=\"a = 1", 1, "name=\"a = 1"},
        {"name=a\"b\" = 1", 1, "name=a\"b\""},
        {"name=a name=b = 1", 1, "name=b"},
        {"; ;* = 2", 3, "2"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect_eq(parse(cases[i].rules), -EINVAL, "%s", cases[i].rules);
        cr_expect_eq(set.count, 0, "%s", cases[i].rules);
        cr_expect_eq(error.rule, cases[i].rule, "%s: rule %zu", cases[i].rules, error.rule);
        cr_expect(error.at.len == strlen(cases[i].at) &&
                      memcmp(error.at.data, cases[i].at, error.at.len) == 0,
                  "%s: '%.*s'", cases[i].rules, (int)error.at.len, error.at.data);
        cr_expect(error.why && *error.why);
    }
}

Test(rules, nothing_is_no_rule)
{
    cr_assert_eq(parse(""), 0);
    cr_assert_eq(parse(" ; ;\n"), 0);
    cr_assert_eq(set.count, 0);
    cr_assert_eq(named("a"), 0);
}

Test(rules, there_is_a_most)
{
    char many[4096] = "";

    for (int i = 0; i < OTEL_RULES_MAX; i++)
        strcat(many, "*=1;");
    cr_assert_eq(parse(many), 0);
    strcat(many, "*=1;");
    cr_assert_eq(parse(many), -EINVAL);
    cr_assert_eq(error.rule, OTEL_RULES_MAX + 1);
    strcpy(many, "");
    for (int i = 0; i <= OTEL_RULE_HEADERS_MAX; i++)
        snprintf(many + strlen(many), 32, "header=x%d = 1;", i);
    cr_assert_eq(parse(many), -EINVAL);
    cr_assert_eq(error.rule, OTEL_RULE_HEADERS_MAX + 1);
}

Test(rules, reads_no_further_than_the_text)
{
    static const char *const texts[] = {"GET /a = 1", "* = slower than 5m", "name=\"x", "* = 0.",
                                        "a="};
    struct guardpage page;

    guardpage_open(&page, 64);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (size_t len = 0; len <= strlen(texts[i]); len++)
            otel_rules_parse(&set, (struct otel_text){guardpage_put(&page, texts[i], len), len},
                             service, &error);
    guardpage_close(&page);
}

/* --- of the process --- */

static char logged[1024];

static int keep_line(const void *buf, unsigned long len)
{
    size_t used = strlen(logged);

    snprintf(logged + used, sizeof logged - used, "%.*s", (int)len, (const char *)buf);
    return 0;
}

Test(rules, one_line_says_what_is_misspelt)
{
    otel_log_init(OTEL_LOG_WARN, NULL);
    otel_log_set_stderr_writer(keep_line);
    otel_rules_init("* = 1; GET /a = 2");
    cr_assert_null(otel_rules);
    cr_assert_eq(otel_rules_header("x", 1), 0);
    cr_assert_not_null(strstr(logged, "OTEL_AUTO_SAMPLING_RULES: rule 2, '2': not a share of 0 to "
                                      "1; all of them are ignored\n"));
    cr_assert_eq(strchr(logged, '\n')[1], '\0');
    otel_rules_init("header=x = 1");
    cr_assert_not_null(otel_rules);
    cr_assert_eq(otel_rules_header("X", 1), 1);
    otel_rules_init(NULL);
    cr_assert_null(otel_rules);
}
