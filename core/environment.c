/* SPDX-License-Identifier: Apache-2.0 */
#include "core/environment.h"

#include <string.h>

#include "core/carry.h"
#include "core/config.h"
#include "core/context.h"
#include "core/process_span.h"
#include "core/propagation.h"
#include "core/sys.h"
#include "core/traceparent.h"

#define PAGE_LEN ((uintptr_t)4096)

static const char traceparent_name[] = "TRACEPARENT=";
static const char tracestate_name[] = "TRACESTATE=";
static const char baggage_name[] = "BAGGAGE=";
static const char preload_name[] = "LD_PRELOAD=";
static const char otel_name[] = "OTEL_";

/* As many as otel_environment.back has bits. */
#define BACK_MAX 64
#define NAME_MAX_LEN 127

/* Copies, for a program may overwrite the strings it was started with. Written at start-up before
 * any second thread, read-only afterwards. */
static char *started_with[BACK_MAX];
static unsigned started_count;

/* --- reading what the program hands over ------------------------------------------------------ */

/* A pointer may lead nowhere: each page is asked for once before it is read. */
struct reader {
    bool trusted; /* the program's own environ: everybody reads it */
    uintptr_t page;
};

static bool readable(struct reader *r, const void *p)
{
    uintptr_t page = (uintptr_t)p & ~(PAGE_LEN - 1);

    if (r->trusted || page == r->page)
        return true;
    if (otel_sys.probe(p) < 0)
        return false;
    r->page = page;
    return true;
}

/* Does text begin with prefix? *fault: it cannot be read. */
static bool begins(struct reader *r, const char *text, const char *prefix, bool *fault)
{
    for (; *prefix; text++, prefix++) {
        if (!readable(r, text)) {
            *fault = true;
            return false;
        }
        if (*text != *prefix)
            return false;
    }
    return true;
}

/* Is text, the whole of it, equal to want? */
static bool equals(struct reader *r, const char *text, const char *want, bool *fault)
{
    size_t len = strlen(want);

    if (!begins(r, text, want, fault))
        return false;
    if (!readable(r, text + len))
        *fault = true;
    return !*fault && !text[len];
}

/* --- what came from outside ------------------------------------------------------------------- */

static bool is_followed(const char *entry)
{
    const char *value = strchr(entry, '=');

    if (!value || value - entry >= NAME_MAX_LEN)
        return false;
    return !strncmp(entry, preload_name, sizeof preload_name - 1) ||
           !strncmp(entry, otel_name, sizeof otel_name - 1);
}

void otel_environment_init(char *const *environment)
{
    if (!otel_config.follow || otel_config.secure)
        return;
    for (; environment && *environment && started_count < BACK_MAX; environment++) {
        size_t len = is_followed(*environment) ? strlen(*environment) + 1 : 0;
        char *copy = len ? otel_sys.mmap(len) : NULL;

        if (copy)
            started_with[started_count++] = memcpy(copy, *environment, len);
    }
}

/* Bits of the variables that entry sets. An empty LD_PRELOAD is a cleared one. */
static uint64_t bits_of(struct reader *r, const char *entry, bool *fault)
{
    uint64_t bits = 0;

    for (unsigned i = 0; i < started_count && !*fault; i++) {
        const char *had = started_with[i];
        size_t len = (size_t)(strchr(had, '=') - had) + 1;
        char name[NAME_MAX_LEN + 2];

        memcpy(name, had, len);
        name[len] = '\0';
        if (begins(r, entry, name, fault) &&
            (strcmp(name, preload_name) != 0 || !equals(r, entry, preload_name, fault)))
            bits |= (uint64_t)1 << i;
    }
    return bits;
}

/* --- the plan --------------------------------------------------------------------------------- */

/* What an array has, of what concerns us. */
struct found {
    size_t count;
    bool traceparent; /* any */
    bool chosen;      /* one that the program chose itself */
    uint64_t set;     /* bits of started_with */
};

static bool look_at(struct reader *r, struct found *found, const char *entry, bool follow)
{
    const char *value = entry + sizeof traceparent_name - 1;
    bool fault = false;

    if (follow)
        found->set |= bits_of(r, entry, &fault);
    if (fault || !begins(r, entry, traceparent_name, &fault) || equals(r, value, "", &fault))
        return !fault;
    found->traceparent = true;
    if (!otel_config.traceparent || !equals(r, value, otel_config.traceparent, &fault))
        found->chosen = true;
    return !fault;
}

/* False: a pointer leads nowhere. */
static bool look(struct found *found, char *const envp[], bool follow)
{
    struct reader array = {.trusted = envp == otel_env_array()};
    struct reader entries = array;
    char *const *at = envp;

    memset(found, 0, sizeof *found);
    for (; at; at++) {
        if (!readable(&array, at))
            return false;
        if (!*at)
            break;
        if (!look_at(&entries, found, *at, follow))
            return false;
        found->count++;
    }
    return true;
}

/* What came in is the program's to pass on; what is ours goes down in any case. */
static bool goes_down(const struct found *found, enum otel_context_kind kind, bool follow)
{
    if (!(otel_config.propagators & OTEL_PROPAGATOR_TRACECONTEXT) || found->chosen)
        return false;
    if (kind != OTEL_CONTEXT_PROCESS || otel_process_span_begun())
        return true;
    return follow && !found->traceparent;
}

static size_t room_for(const struct otel_environment *e)
{
    size_t pointers = e->count + 1 + (size_t)__builtin_popcountll(e->back);
    size_t text = 0;

    if (e->traceparent) {
        pointers += 3;
        text = sizeof traceparent_name + OTEL_TRACEPARENT_LEN + sizeof tracestate_name +
               e->tracestate_len + sizeof baggage_name + e->baggage_len;
    }
    return pointers * sizeof(char *) + text;
}

static void plan_context(struct otel_environment *e, const struct otel_span_context *current)
{
    e->traceparent = true;
    e->tracestate = true; /* of another trace it would be wrong */
    e->baggage = (otel_config.propagators & OTEL_PROPAGATOR_BAGGAGE) != 0;
    e->ctx = *current;
    e->tracestate_len = otel_carry_lengths(e->ctx.carry, &e->baggage_len);
    if (!e->baggage)
        e->baggage_len = 0;
}

size_t otel_environment_plan(struct otel_environment *e, char *const envp[], bool follow)
{
    enum otel_context_kind kind;
    const struct otel_span_context *current = otel_context_find(&kind);
    struct found found;

    follow = follow && started_count;
    memset(e, 0, sizeof *e);
    if ((!current && !follow) || otel_config.disabled || !look(&found, envp, follow))
        return 0;
    e->base = envp;
    e->count = found.count;
    if (follow)
        e->back = ~found.set &
                  (started_count == BACK_MAX ? UINT64_MAX : ((uint64_t)1 << started_count) - 1);
    if (current && otel_span_context_valid(current) && goes_down(&found, kind, follow))
        plan_context(e, current);
    if (!e->traceparent && !e->back)
        return 0;
    return room_for(e);
}

/* --- the copy --------------------------------------------------------------------------------- */

struct copy {
    char **at;
    char *text; /* free bytes behind the array */
};

static void add_traceparent(struct copy *c, const struct otel_span_context *ctx)
{
    char *value = c->text + sizeof traceparent_name - 1;

    *c->at++ = c->text;
    memcpy(c->text, traceparent_name, sizeof traceparent_name - 1);
    otel_traceparent_format(value, ctx);
    value[OTEL_TRACEPARENT_LEN] = '\0';
    c->text = value + OTEL_TRACEPARENT_LEN + 1;
}

static void add_list(struct copy *c, const char *name, uint64_t carry, size_t cap,
                     size_t (*fetch)(uint64_t, char *, size_t))
{
    size_t name_len = strlen(name);
    size_t len = cap ? fetch(carry, c->text + name_len, cap) : 0;

    if (!len)
        return;
    memcpy(c->text, name, name_len);
    c->text[name_len + len] = '\0';
    *c->at++ = c->text;
    c->text += name_len + len + 1;
}

static bool is_replaced(const struct otel_environment *e, const char *entry)
{
    return (e->traceparent && !strncmp(entry, traceparent_name, sizeof traceparent_name - 1)) ||
           (e->tracestate && !strncmp(entry, tracestate_name, sizeof tracestate_name - 1)) ||
           (e->baggage && !strncmp(entry, baggage_name, sizeof baggage_name - 1));
}

/* An LD_PRELOAD that stands empty in front would win over ours. */
static bool is_cleared(const struct otel_environment *e, const char *entry)
{
    return e->back && !strcmp(entry, preload_name);
}

char **otel_environment_build(const struct otel_environment *e, void *room)
{
    char **out = room;
    size_t pointers = e->count + 1 + (size_t)__builtin_popcountll(e->back) + 3;
    struct copy c = {.at = out, .text = (char *)(out + pointers)};

    /* Counted again: another thread may have changed environ meanwhile. */
    for (size_t i = 0; i < e->count && e->base[i]; i++)
        if (!is_replaced(e, e->base[i]) && !is_cleared(e, e->base[i]))
            *c.at++ = e->base[i];
    for (unsigned i = 0; i < started_count; i++)
        if (e->back >> i & 1)
            *c.at++ = started_with[i];
    if (e->traceparent) {
        add_traceparent(&c, &e->ctx);
        add_list(&c, tracestate_name, e->ctx.carry, e->tracestate_len, otel_carry_tracestate);
        add_list(&c, baggage_name, e->ctx.carry, e->baggage_len, otel_carry_baggage);
    }
    *c.at = NULL;
    return out;
}
