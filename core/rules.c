/* SPDX-License-Identifier: Apache-2.0 */
#include "core/rules.h"

#include <errno.h>
#include <string.h>

#include "core/log.h"
#include "core/resource.h"
#include "core/sampler.h"

#define SERVICE_MAX 256                /* bytes of service.name that are looked at */
#define SLOWEST_NS 86400000000000000.0 /* 1,000 days */
#define SHOWN_MAX 100                  /* bytes of a misspelt rule in the log */
#define DIGITS_MAX 18                  /* of a number, all that an uint64_t holds for sure */

const struct otel_rule_set *otel_rules;

/* Written by otel_rules_init(); read-only afterwards. */
static struct otel_rule_set rules;

/* --- texts ----------------------------------------------------------------------------------- */

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static struct otel_text trim(struct otel_text text)
{
    while (text.len && blank(*text.data))
        text = (struct otel_text){text.data + 1, text.len - 1};
    while (text.len && blank(text.data[text.len - 1]))
        text.len--;
    return text;
}

static bool same(struct otel_text text, const char *word, size_t len)
{
    if (text.len != len)
        return false;
    for (size_t i = 0; i < len; i++)
        if (lower(text.data[i]) != lower(word[i]))
            return false;
    return true;
}

static bool is(struct otel_text text, const char *word)
{
    return same(text, word, strlen(word));
}

/* Takes what stands before the next c that is not in quotes, or all of it, off *text. */
static struct otel_text take_until(struct otel_text *text, bool (*ends)(char))
{
    struct otel_text taken = {text->data, 0};
    bool quoted = false;

    while (taken.len < text->len) {
        char c = text->data[taken.len];

        if (!quoted && ends(c))
            break;
        quoted ^= c == '"';
        taken.len++;
    }
    text->data += taken.len;
    text->len -= taken.len;
    if (text->len) { /* the end mark itself */
        text->data++;
        text->len--;
    }
    return taken;
}

static bool ends_rule(char c)
{
    return c == ';' || c == '\n';
}

static bool comma(char c)
{
    return c == ',';
}

/* The next word; empty at the end. */
static struct otel_text take_word(struct otel_text *text)
{
    *text = trim(*text);
    return take_until(text, blank);
}

static bool equals(char c)
{
    return c == '=';
}

/* Greedy, with one place to go back to: linear but for what a star has to try again. */
static bool glob(struct otel_text pattern, struct otel_text text)
{
    size_t p = 0, t = 0, star = SIZE_MAX, from = 0;

    while (t < text.len) {
        if (p < pattern.len && pattern.data[p] == '*') {
            star = p++;
            from = t;
        } else if (p < pattern.len && (pattern.data[p] == '?' || pattern.data[p] == text.data[t])) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++from;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.data[p] == '*')
        p++;
    return p == pattern.len;
}

/* --- parsing --------------------------------------------------------------------------------- */

struct parser {
    struct otel_rule_set *set;
    struct otel_rule_error *error;
    size_t (*service)(char *out, size_t cap);
    struct otel_text service_name; /* data NULL: not asked for yet */
    char service_buf[SERVICE_MAX];
    struct otel_rule rule; /* under construction */
    bool other_service, any_condition, ratio_set;
};

static int fail(struct parser *p, struct otel_text at, const char *why)
{
    p->error->at = at;
    p->error->why = why;
    return -EINVAL;
}

/* A decimal number at the beginning of *text, taken off it. */
static int take_number(struct otel_text *text, double *number)
{
    uint64_t mantissa = 0;
    double scale = 1;
    size_t digits = 0, i = 0;
    bool point = false;

    for (; i < text->len; i++) {
        char c = text->data[i];

        if (c == '.' && !point) {
            point = true;
            continue;
        }
        if (c < '0' || c > '9')
            break;
        if (++digits > DIGITS_MAX)
            return -EINVAL;
        mantissa = mantissa * 10 + (uint64_t)(c - '0');
        if (point)
            scale *= 10;
    }
    if (!digits)
        return -EINVAL;
    *number = (double)mantissa / scale;
    *text = (struct otel_text){text->data + i, text->len - i};
    return 0;
}

static int parse_duration(struct parser *p, struct otel_text text)
{
    static const struct {
        const char *name;
        double ns;
    } units[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}};
    struct otel_text rest = text;
    double number;

    if (take_number(&rest, &number))
        return fail(p, text, "not a time");
    rest = trim(rest);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (!is(rest, units[i].name))
            continue;
        number *= units[i].ns;
        if (number < 1 || number > SLOWEST_NS)
            return fail(p, text, "not a time");
        p->rule.slower_ns = (uint64_t)number;
        return 0;
    }
    return fail(p, text, "a time has a unit: ns, us, ms, s, m");
}

static int set_ratio(struct parser *p, struct otel_text text, double ratio)
{
    if (p->ratio_set)
        return fail(p, text, "a second share");
    p->ratio_set = true;
    p->rule.threshold = otel_sampler_threshold(ratio);
    return 0;
}

/* One of those between commas. */
static int parse_outcome(struct parser *p, struct otel_text text)
{
    struct otel_text rest = text, first = take_word(&rest), second = take_word(&rest);
    double ratio;

    if (is(first, "slower") && is(second, "than"))
        return parse_duration(p, trim(rest));
    if (is(first, "always") && is(second, "when") && is(trim(rest), "error")) {
        p->rule.when_error = true;
        return 0;
    }
    if (second.len || !first.len)
        return fail(p, text,
                    "not one of: a share of 0 to 1, always, never, always when error, "
                    "slower than TIME");
    if (is(first, "always") || is(first, "never"))
        return set_ratio(p, text, is(first, "always"));
    if (take_number(&first, &ratio) || first.len || ratio > 1)
        return fail(p, text, "not a share of 0 to 1");
    return set_ratio(p, text, ratio);
}

static int parse_outcomes(struct parser *p, struct otel_text text)
{
    int err;

    p->rule.threshold = otel_sampler_threshold(0);
    do {
        err = parse_outcome(p, trim(take_until(&text, comma)));
    } while (!err && text.len);
    return err;
}

static int set_glob(struct parser *p, struct otel_text *field, struct otel_text word,
                    struct otel_text value)
{
    if (field->data)
        return fail(p, word, "said twice");
    *field = value;
    return 0;
}

static int set_kind(struct parser *p, struct otel_text value)
{
    static const char *const kinds[] = {[OTEL_KIND_INTERNAL] = "internal",
                                        [OTEL_KIND_SERVER] = "server",
                                        [OTEL_KIND_CLIENT] = "client",
                                        [OTEL_KIND_PRODUCER] = "producer",
                                        [OTEL_KIND_CONSUMER] = "consumer"};

    for (unsigned i = OTEL_KIND_INTERNAL; i <= OTEL_KIND_CONSUMER; i++) {
        if (is(value, kinds[i])) {
            p->rule.kinds |= 1u << i;
            return 0;
        }
    }
    return fail(p, value, "not a kind: internal, server, client, producer, consumer");
}

static int set_header(struct parser *p, struct otel_text value)
{
    struct otel_rule_set *set = p->set;
    uint32_t bit = otel_rules_header_bit(set, value.data, value.len);

    if (!bit) {
        if (set->header_count == OTEL_RULE_HEADERS_MAX || value.len > 63)
            return fail(p, value, "too long, or more than 32 headers");
        bit = 1u << set->header_count;
        set->header[set->header_count++] = value;
        set->header_lengths |= UINT64_C(1) << value.len;
    }
    p->rule.headers |= bit;
    return 0;
}

static int set_service(struct parser *p, struct otel_text value)
{
    if (!p->service_name.data)
        p->service_name =
            (struct otel_text){p->service_buf, p->service(p->service_buf, SERVICE_MAX)};
    p->other_service |= !glob(value, p->service_name);
    return 0;
}

static struct otel_text unquote(struct otel_text text)
{
    if (text.len >= 2 && *text.data == '"' && text.data[text.len - 1] == '"')
        return (struct otel_text){text.data + 1, text.len - 2};
    return text;
}

static int parse_pair(struct parser *p, struct otel_text word, struct otel_text key,
                      struct otel_text value)
{
    struct otel_rule *rule = &p->rule;

    value = unquote(value);
    if (!value.len || memchr(value.data, '"', value.len))
        return fail(p, word, "no value, or a quote within");
    if (is(key, "method"))
        return set_glob(p, &rule->method, word, value);
    if (is(key, "path"))
        return set_glob(p, &rule->path, word, value);
    if (is(key, "name"))
        return set_glob(p, &rule->name, word, value);
    if (is(key, "function"))
        return set_glob(p, &rule->function, word, value);
    if (is(key, "kind"))
        return set_kind(p, value);
    if (is(key, "header"))
        return set_header(p, value);
    if (is(key, "service"))
        return set_service(p, value);
    return fail(p, word, "not one of: method, path, name, kind, service, function, header");
}

static bool capitals(struct otel_text word)
{
    for (size_t i = 0; i < word.len; i++)
        if ((word.data[i] < 'A' || word.data[i] > 'Z') && word.data[i] != '_' &&
            word.data[i] != '-')
            return false;
    return true;
}

static int parse_condition(struct parser *p, struct otel_text word)
{
    struct otel_text value = word, key = take_until(&value, equals);

    p->any_condition = true;
    if (key.len < word.len)
        return parse_pair(p, word, key, value);
    if (word.len == 1 && *word.data == '*')
        return 0;
    if (*word.data == '/' || *word.data == '*')
        return parse_pair(p, word, OTEL_TEXT("path"), word);
    if (capitals(word))
        return set_glob(p, &p->rule.method, word, word);
    return fail(p, word, "not a condition");
}

/* The last `=` that is not in quotes parts conditions from what happens. False: there is none, or a
 * quote is not closed. */
static bool split(struct otel_text rule, struct otel_text *conditions, struct otel_text *outcomes)
{
    bool quoted = false, found = false;

    for (size_t i = 0; i < rule.len; i++) {
        quoted ^= rule.data[i] == '"';
        if (quoted || rule.data[i] != '=')
            continue;
        found = true;
        *conditions = (struct otel_text){rule.data, i};
        *outcomes = (struct otel_text){rule.data + i + 1, rule.len - i - 1};
    }
    return found && !quoted;
}

static int parse_rule(struct parser *p, struct otel_text text)
{
    struct otel_text conditions = {0}, outcomes = {0}, word;
    int err = 0;

    memset(&p->rule, 0, sizeof p->rule);
    p->other_service = p->any_condition = p->ratio_set = false;
    if (!split(text, &conditions, &outcomes))
        return fail(p, text, "no = and what happens, or a quote that is not closed");
    while (!err && (word = take_word(&conditions)).len)
        err = parse_condition(p, word);
    if (!err && !p->any_condition)
        err = fail(p, text, "no condition; * stands for every span");
    return err ? err : parse_outcomes(p, outcomes);
}

static int add_rule(struct parser *p, struct otel_text text)
{
    struct otel_rule_set *set = p->set;

    if (p->other_service)
        return 0;
    if (set->count == OTEL_RULES_MAX)
        return fail(p, text, "more than 64 rules");
    set->ask_request |= p->rule.method.data || p->rule.path.data || p->rule.headers;
    set->ask_name |= p->rule.name.data != NULL;
    set->hold |= p->rule.when_error || p->rule.slower_ns;
    set->rule[set->count++] = p->rule;
    return 0;
}

int otel_rules_parse(struct otel_rule_set *set, struct otel_text text,
                     size_t (*service)(char *out, size_t cap), struct otel_rule_error *error)
{
    struct parser p = {.set = set, .error = error, .service = service};
    int err = 0;

    memset(set, 0, sizeof *set);
    memset(error, 0, sizeof *error);
    while (!err && text.len) {
        struct otel_text rule = trim(take_until(&text, ends_rule));

        error->rule++;
        if (!rule.len)
            continue;
        err = parse_rule(&p, rule);
        if (!err)
            err = add_rule(&p, rule);
    }
    if (err)
        memset(set, 0, sizeof *set);
    return err;
}

/* --- matching -------------------------------------------------------------------------------- */

uint32_t otel_rules_header_bit(const struct otel_rule_set *set, const char *name, size_t len)
{
    if (len > 63 || !(set->header_lengths >> len & 1))
        return 0;
    for (size_t i = 0; i < set->header_count; i++)
        if (same(set->header[i], name, len))
            return 1u << i;
    return 0;
}

/* What is not known matches no condition. */
static bool fits(struct otel_text pattern, struct otel_text text)
{
    return !pattern.data || (text.len && glob(pattern, text));
}

const struct otel_rule *otel_rules_match(const struct otel_rule_set *set,
                                         const struct otel_rule_facts *facts)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct otel_rule *rule = &set->rule[i];

        if ((!rule->kinds || rule->kinds >> facts->kind & 1) &&
            (facts->headers & rule->headers) == rule->headers &&
            fits(rule->method, facts->method) && fits(rule->path, facts->path) &&
            fits(rule->name, facts->name) && fits(rule->function, facts->function))
            return rule;
    }
    return NULL;
}

void otel_rules_init(const char *text)
{
    struct otel_rule_error error;
    int err;

    otel_rules = NULL;
    if (!text)
        return;
    err = otel_rules_parse(&rules, (struct otel_text){text, strlen(text)}, otel_resource_service,
                           &error);
    if (err)
        otel_log(OTEL_LOG_WARN,
                 "OTEL_AUTO_SAMPLING_RULES: rule %zu, '%.*s': %s; all of them are ignored",
                 error.rule, (int)(error.at.len < SHOWN_MAX ? error.at.len : SHOWN_MAX),
                 error.at.data, error.why);
    else if (rules.count)
        otel_rules = &rules;
}
