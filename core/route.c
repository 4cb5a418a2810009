/* SPDX-License-Identifier: Apache-2.0 */
#include "core/route.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/config.h"
#include "core/members.h"
#include "core/sys.h"

/* Written by otel_route_init(), before any second thread; read-only afterwards. */
static struct otel_text patterns[OTEL_ROUTE_PATTERNS_MAX];
static size_t pattern_count;
static uint64_t secret; /* of the hash, so that nobody can make paths that count as one */

/* The guessed routes by their hash; 0: free. A power of two, never more than half full. Any thread,
 * by compare-and-swap; entries stay. */
#define SLOTS 256
static _Atomic uint64_t known[SLOTS];
/* How many slots are taken or about to be. Any thread, atomic. */
static _Atomic uint32_t known_count;

void otel_route_init(const char *list)
{
    size_t len = list ? strlen(list) : 0;
    struct otel_members walk = {.values = &list, .lens = &len, .count = 1};
    struct otel_text pattern;

    if (otel_sys.getrandom(&secret, sizeof secret) != (long)sizeof secret)
        secret = (uintptr_t)&len;
    pattern_count = 0;
    while (len && otel_members_next(&walk, &pattern)) {
        const char *why = pattern.data[0] != '/'                     ? "does not begin with /"
                          : pattern.len > OTEL_ROUTE_MAX             ? "too long"
                          : pattern_count == OTEL_ROUTE_PATTERNS_MAX ? "too many patterns"
                                                                     : NULL;

        if (why)
            otel_config_warn("OTEL_AUTO_HTTP_ROUTES", pattern.data, pattern.len, why);
        else
            patterns[pattern_count++] = pattern;
    }
}

/* --- classes of bytes ------------------------------------------------------------------------ */

enum class {
    OTHER, /* what a plain path does not have */
    DIGIT,
    HEX_LOWER, /* a … f */
    LOWER,
    HEX_UPPER,
    UPPER,
    DASH,
    DOT, /* dots, and what else stands between the parts of a word or number */
    MARK,
    AT,
    ENDS = 16, /* a segment or the path */
};

/* RFC 3986 3.3 pchar, without percent-encoding. Never changed. */
static const uint8_t classes[256] = {
    ['0' ... '9'] = DIGIT, ['a' ... 'f'] = HEX_LOWER,
    ['g' ... 'z'] = LOWER, ['A' ... 'F'] = HEX_UPPER,
    ['G' ... 'Z'] = UPPER, ['-'] = DASH,
    ['.'] = DOT,           ['_'] = DOT,
    [','] = DOT,           [':'] = DOT,
    ['~'] = MARK,          ['!'] = MARK,
    ['$'] = MARK,          ['\''] = MARK,
    ['('] = MARK,          [')'] = MARK,
    ['*'] = MARK,          ['+'] = MARK,
    ['='] = MARK,          ['@'] = AT,
    ['/'] = ENDS,          ['?'] = ENDS,
    ['#'] = ENDS,          [';'] = ENDS,
};

#define SEGMENT_MAX 64 /* longer ones are no names */
#define HEX_MIN 8
#define RANDOM_MIN 10

/* What a segment is made of. */
struct segment {
    size_t len;
    unsigned count[AT + 1];
    unsigned changes; /* between letters and digits, and from lower to upper case */
};

static inline struct segment scan(const char *p, const char *end)
{
    struct segment s = {.len = 0};
    unsigned before = OTHER;

    for (; p < end; p++, s.len++) {
        unsigned c = classes[(uint8_t)*p];

        if (c == ENDS)
            break;
        if (c >= DIGIT && c <= UPPER && before >= DIGIT && before <= UPPER)
            s.changes += (c == DIGIT) != (before == DIGIT) ||
                         (c >= HEX_UPPER && before > DIGIT && before < HEX_UPPER);
        s.count[c]++;
        before = c;
    }
    return s;
}

/* Is it one of many, rather than a name the program's author chose? */
static bool variable(const char *p, const struct segment *s)
{
    unsigned digits = s->count[DIGIT], hex = digits + s->count[HEX_LOWER] + s->count[HEX_UPPER];

    if (s->count[OTHER] || s->len > SEGMENT_MAX ||
        (s->count[AT] && (s->count[AT] > 1 || p[0] != '@')))
        return true;
    if (digits && p[0] >= '0' && p[0] <= '9' && digits + s->count[DASH] + s->count[DOT] == s->len)
        return true; /* numbers, dates, times */
    if (hex >= HEX_MIN && (hex == s->len || (digits && hex + s->count[DASH] == s->len)))
        return true; /* hex, UUIDs */
    if (digits > 4 && digits * 5 >= s->len * 2)
        return true; /* numbers with a word before or behind them */
    return s->len >= RANDOM_MIN && digits >= 2 && s->changes * 4 >= s->len;
}

/* --- the path of a target -------------------------------------------------------------------- */

/* From the first '/' of the path on; empty when it has none. */
static struct otel_text path_of(struct otel_text target)
{
    const char *colon;
    size_t authority;

    if (target.len && target.data[0] == '/')
        return target;
    colon = target.len ? memchr(target.data, ':', target.len) : NULL;
    authority = colon ? (size_t)(colon - target.data) : target.len;
    if (target.len - authority < 4 || memcmp(target.data + authority, "://", 3) != 0)
        return (struct otel_text){NULL, 0};
    for (authority += 3; authority < target.len; authority++) {
        char c = target.data[authority];

        if (c == '/')
            return (struct otel_text){target.data + authority, target.len - authority};
        if (c == '?' || c == '#')
            break;
    }
    return OTEL_TEXT("/");
}

/* --- patterns -------------------------------------------------------------------------------- */

static size_t segment_len(const char *p, size_t len, bool path)
{
    size_t n = 0;

    while (n < len && p[n] != '/' && !(path && (p[n] == '?' || p[n] == '#')))
        n++;
    return n;
}

/* Both begin with '/'. */
static bool matches(struct otel_text pattern, struct otel_text path)
{
    const char *p = pattern.data, *q = path.data;
    const char *p_end = p + pattern.len, *q_end = q + path.len;

    for (;;) {
        size_t want, have;
        bool p_more = p < p_end, q_more = q < q_end && *q == '/';

        if (p_more && p_end - p == 2 && p[1] == '*')
            return true;
        if (!p_more || !q_more)
            return !p_more && !q_more;
        p++;
        q++;
        want = segment_len(p, (size_t)(p_end - p), false);
        have = segment_len(q, (size_t)(q_end - q), true);
        if ((want > 1 && *p == ':') || (want == 1 && *p == '*')
                ? !have
                : want != have || memcmp(p, q, want))
            return false;
        p += want;
        q += have;
    }
}

/* --- the guess ------------------------------------------------------------------------------- */

static inline uint64_t mix(uint64_t a, uint64_t b)
{
    __uint128_t product = (__uint128_t)(a ^ 0x9e3779b97f4a7c15) * (b ^ 0xd6e8feb86659fd93);

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash(struct otel_text route)
{
    uint64_t h = secret ^ route.len, word;
    size_t i = 0;

    for (; route.len - i >= sizeof word; i += sizeof word) {
        memcpy(&word, route.data + i, sizeof word);
        h = mix(h, word);
    }
    for (word = 0; i < route.len; i++)
        word = word << 8 | (uint8_t)route.data[i];
    h = mix(mix(h, word), secret);
    return h ? h : 1;
}

/* One more route may be known. */
static bool reserve(void)
{
    uint32_t count = atomic_load_explicit(&known_count, memory_order_relaxed);

    while (count < OTEL_ROUTES_MAX)
        if (atomic_compare_exchange_weak_explicit(&known_count, &count, count + 1,
                                                  memory_order_relaxed, memory_order_relaxed))
            return true;
    return false;
}

/* Is the route one of the known ones, or can it become one? */
static bool admit(uint64_t h)
{
    bool reserved = false;

    /* ends: the table is never full */
    for (size_t i = h % SLOTS;; i = (i + 1) % SLOTS) {
        uint64_t have = atomic_load_explicit(&known[i], memory_order_relaxed);

        if (!have) {
            if (!reserved && !reserve())
                return false;
            reserved = true;
            if (atomic_compare_exchange_strong_explicit(&known[i], &have, h, memory_order_relaxed,
                                                        memory_order_relaxed))
                return true;
        }
        if (have == h) {
            /* another thread was faster with the same route */
            if (reserved)
                atomic_fetch_sub_explicit(&known_count, 1, memory_order_relaxed);
            return true;
        }
    }
}

/* The path with its variable segments replaced; empty when it is too long. */
static struct otel_text guess(struct otel_text path, char out[static OTEL_ROUTE_MAX])
{
    const char *p = path.data, *end = p + path.len;
    size_t n = 0;

    while (p < end && *p == '/') {
        struct segment s = scan(p + 1, end);
        bool star = variable(p + 1, &s);
        size_t len = star ? 1 : s.len;

        if (len + 1 > OTEL_ROUTE_MAX - n)
            return (struct otel_text){NULL, 0};
        out[n] = '/';
        memcpy(out + n + 1, star ? "*" : p + 1, len);
        n += len + 1;
        p += s.len + 1;
        while (p < end && *p == ';') /* parameters (RFC 3986 3.3) */
            while (++p < end && *p != '/' && *p != ';' && *p != '?' && *p != '#')
                ;
    }
    return (struct otel_text){out, n};
}

struct otel_text otel_route_match(struct otel_text target, char out[static OTEL_ROUTE_MAX])
{
    struct otel_text path = path_of(target), route;

    if (!path.len)
        return path;
    for (size_t i = 0; i < pattern_count; i++)
        if (matches(patterns[i], path))
            return patterns[i];
    route = guess(path, out);
    if (route.len && !admit(hash(route)))
        route.len = 0;
    return route;
}
