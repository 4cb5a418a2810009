/* SPDX-License-Identifier: Apache-2.0
 *
 * The functions of the public API (core/otel_auto.h has their contracts). They are not hooks: what
 * calls them is the program, by names of ours, and finds them here or not at all.
 */
#define OTEL_AUTO_EXPORT __attribute__((visibility("default")))
#include "core/otel_auto.h"

#include <stdbool.h>
#include <string.h>

#include "core/carry.h"
#include "core/config.h"
#include "core/context.h"
#include "core/generation.h"
#include "core/pool.h"
#include "core/propagation.h"
#include "core/span.h"
#include "core/sys.h"
#include "core/traceparent.h"
#include "core/tracer.h"
#include "preload/init.h"

#define ATTRIBUTES_MAX 32 /* of an event or a link */
#define NAME_CAP 64       /* of the name of a header that a propagator writes */
#define VALUES_MAX (OTEL_EXTRACT_VALUES + 1)
#define ON_STACK ((uintptr_t)1 << 20) /* a scope this little above us lies in a caller's frame */

/* What lies in the values that the header calls opaque. generation: of the process they are from,
 * for in a fork child what they name is another process's. */
struct api_span {
    struct otel_span span;
    uint64_t generation;
};

struct api_context {
    struct otel_span_context ctx;
    uint64_t generation;
    uint64_t owned; /* carry handle of otel_auto_v1_extract() */
};

_Static_assert(sizeof(struct api_span) <= sizeof(struct otel_auto_span), "a span fits");
_Static_assert(sizeof(struct api_context) <= sizeof(struct otel_auto_context), "a context fits");
_Static_assert(sizeof(struct otel_context_token) == sizeof(struct otel_auto_token), "a token fits");

/* Headers are too long for a host's stack. Any thread, lock-free; mapped when first needed. */
struct scratch {
    char buf[OTEL_INJECT_BUF];        /* injected values; or tracestate and baggage */
    char value[OTEL_BAGGAGE_MAX + 1]; /* one of them, terminated */
};
static struct otel_pool scratches = OTEL_POOL(sizeof(struct scratch), 64);
_Static_assert(OTEL_TRACESTATE_MAX + OTEL_BAGGAGE_MAX <= OTEL_INJECT_BUF, "both fit");

static struct otel_text text(const char *p, size_t len)
{
    if (!p)
        return (struct otel_text){"", 0};
    return (struct otel_text){p, len == OTEL_AUTO_NUL ? strlen(p) : len};
}

/* Receivers take no span without a name. */
static struct otel_text name_of(const char *p, size_t len)
{
    struct otel_text name = text(p, len);

    return name.len ? name : OTEL_TEXT("unknown");
}

/* The span to work on, or NULL. */
static const struct otel_span *span_of(const struct otel_auto_span *span)
{
    return span && otel_preload_active() ? &((const struct api_span *)span)->span : NULL;
}

static void context_out(struct otel_auto_context *out, const struct otel_span_context *ctx)
{
    struct api_context *context = (struct api_context *)out;

    memset(out, 0, sizeof *out);
    context->ctx = *ctx;
    context->generation = otel_generation();
}

/* A copy of what context names; of what is current when it is NULL. False: none. */
static bool context_in(struct otel_span_context *ctx, const struct otel_auto_context *context)
{
    const struct api_context *in = (const struct api_context *)context;
    const struct otel_span_context *current;

    if (!otel_preload_active())
        return false;
    if (!in) {
        current = otel_context_current();
        if (current)
            *ctx = *current;
        return current && otel_span_context_valid(ctx);
    }
    *ctx = in->ctx;
    ctx->remote |= in->generation != otel_generation();
    return otel_span_context_valid(ctx);
}

/* --- spans ----------------------------------------------------------------------------------- */

int otel_auto_v1_enabled(void)
{
    return otel_preload_active() && otel_tracer_enabled() && otel_config.exporters;
}

int otel_auto_v1_start(struct otel_auto_span *span, const char *name, size_t len, int kind,
                       const struct otel_auto_context *parent, uint64_t start_ns)
{
    struct api_span *out = (struct api_span *)span;
    struct otel_span_context above;
    struct otel_span_start start = {
        .name = name_of(name, len),
        .kind = OTEL_KIND_INTERNAL,
        .scope = OTEL_SCOPE_API,
        .start_mono_ns = start_ns,
    };

    memset(span, 0, sizeof *span);
    if (!otel_preload_active())
        return 0;
    if (kind >= OTEL_KIND_INTERNAL && kind <= OTEL_KIND_CONSUMER)
        start.kind = (enum otel_span_kind)kind;
    if (parent && context_in(&above, parent))
        start.parent = &above;
    start.root = parent && !start.parent;
    otel_span_start(&out->span, &start);
    out->generation = otel_generation();
    return otel_span_recording(&out->span);
}

void otel_auto_v1_end(struct otel_auto_span *span, uint64_t end_ns)
{
    if (span_of(span))
        otel_span_end(&((struct api_span *)span)->span, end_ns);
}

int otel_auto_v1_recording(const struct otel_auto_span *span)
{
    return span_of(span) && otel_span_recording(span_of(span));
}

void otel_auto_v1_set_name(const struct otel_auto_span *span, const char *name, size_t len)
{
    if (span_of(span))
        otel_span_set_name(span_of(span), name_of(name, len));
}

static void set(const struct otel_auto_span *span, struct otel_attr attr)
{
    if (span_of(span))
        otel_span_set(span_of(span), &attr);
}

void otel_auto_v1_set_text(const struct otel_auto_span *span, const char *key, const char *value,
                           size_t len)
{
    struct otel_text v = text(value, len);

    set(span, otel_attr_text(text(key, OTEL_AUTO_NUL), v.data, v.len));
}

void otel_auto_v1_set_int(const struct otel_auto_span *span, const char *key, int64_t value)
{
    set(span, otel_attr_int(text(key, OTEL_AUTO_NUL), value));
}

void otel_auto_v1_set_double(const struct otel_auto_span *span, const char *key, double value)
{
    set(span,
        (struct otel_attr){text(key, OTEL_AUTO_NUL), {.type = OTEL_VALUE_DOUBLE, .real = value}});
}

void otel_auto_v1_set_bool(const struct otel_auto_span *span, const char *key, int value)
{
    set(span, otel_attr_bool(text(key, OTEL_AUTO_NUL), value != 0));
}

void otel_auto_v1_set_status(const struct otel_auto_span *span, int status, const char *message,
                             size_t len)
{
    if (span_of(span) && (status == OTEL_STATUS_OK || status == OTEL_STATUS_ERROR))
        otel_span_set_status(span_of(span), (enum otel_status)status, text(message, len));
}

/* Those of an unknown type are left out. Returns how many. */
static size_t convert(struct otel_attr out[static ATTRIBUTES_MAX],
                      const struct otel_auto_attribute *in, size_t count)
{
    size_t n = 0;

    for (size_t i = 0; in && i < count && n < ATTRIBUTES_MAX; i++) {
        struct otel_text key = text(in[i].key, OTEL_AUTO_NUL);
        struct otel_text value;

        switch (in[i].type) {
        case OTEL_AUTO_TYPE_TEXT:
            value = text(in[i].value.text, OTEL_AUTO_NUL);
            out[n++] = otel_attr_text(key, value.data, value.len);
            break;
        case OTEL_AUTO_TYPE_BOOL:
            out[n++] = otel_attr_bool(key, in[i].value.integer != 0);
            break;
        case OTEL_AUTO_TYPE_INT:
            out[n++] = otel_attr_int(key, in[i].value.integer);
            break;
        case OTEL_AUTO_TYPE_DOUBLE:
            out[n++] =
                (struct otel_attr){key, {.type = OTEL_VALUE_DOUBLE, .real = in[i].value.real}};
            break;
        default:
            break;
        }
    }
    return n;
}

void otel_auto_v1_event(const struct otel_auto_span *span, const char *name, size_t len,
                        uint64_t at_ns, const struct otel_auto_attribute *attributes, size_t count)
{
    struct otel_attr attrs[ATTRIBUTES_MAX];

    if (otel_auto_v1_recording(span))
        otel_span_event(span_of(span), text(name, len), at_ns, attrs,
                        convert(attrs, attributes, count));
}

void otel_auto_v1_link(const struct otel_auto_span *span, const struct otel_auto_context *to,
                       const struct otel_auto_attribute *attributes, size_t count)
{
    struct otel_attr attrs[ATTRIBUTES_MAX];
    struct otel_span_context ctx;

    if (otel_auto_v1_recording(span) && to && context_in(&ctx, to))
        otel_span_link(span_of(span), &ctx, attrs, convert(attrs, attributes, count));
}

/* --- context --------------------------------------------------------------------------------- */

int otel_auto_v1_context(const struct otel_auto_span *span, struct otel_auto_context *context)
{
    memset(context, 0, sizeof *context);
    if (!span_of(span) || !otel_span_context_valid(&span_of(span)->ctx))
        return 0;
    context_out(context, &span_of(span)->ctx);
    ((struct api_context *)context)->generation = ((const struct api_span *)span)->generation;
    return 1;
}

int otel_auto_v1_current(struct otel_auto_context *context)
{
    struct otel_span_context ctx;

    memset(context, 0, sizeof *context);
    if (!context_in(&ctx, NULL))
        return 0;
    context_out(context, &ctx);
    return 1;
}

int otel_auto_v1_attach(const struct otel_auto_context *context, struct otel_auto_token *token)
{
    struct otel_span_context ctx;

    memset(token, 0, sizeof *token);
    if (!context || !context_in(&ctx, context))
        return 0;
    otel_context_attach_at(&ctx, 0, NULL, (struct otel_context_token *)token);
    return 1;
}

int otel_auto_v1_detach(const struct otel_auto_token *token)
{
    return token && otel_preload_active() &&
           otel_context_detach_at((const struct otel_context_token *)token);
}

void otel_auto_v1_scope_begin(struct otel_auto_scope *scope, const char *name, size_t len, int kind)
{
    uintptr_t above = (uintptr_t)scope - (uintptr_t)__builtin_frame_address(0);
    const struct otel_span *span = &((const struct api_span *)&scope->span)->span;

    memset(&scope->token, 0, sizeof scope->token);
    otel_auto_v1_start(&scope->span, name, len, kind, NULL, 0);
    if (otel_span_context_valid(&span->ctx))
        otel_context_attach_at(&span->ctx, span->record, above < ON_STACK ? scope : NULL,
                               (struct otel_context_token *)&scope->token);
}

void otel_auto_v1_scope_end(struct otel_auto_scope *scope)
{
    otel_auto_v1_detach(&scope->token);
    otel_auto_v1_end(&scope->span, 0);
}

/* --- carriers -------------------------------------------------------------------------------- */

size_t otel_auto_v1_inject(const struct otel_auto_context *context, otel_auto_setter *set_header,
                           void *carrier)
{
    struct otel_inject_pair pairs[OTEL_INJECT_MAX];
    struct otel_span_context ctx;
    struct scratch *scratch;
    char name[NAME_CAP];
    uint64_t block;
    size_t n, done = 0;

    if (!context_in(&ctx, context))
        return 0;
    block = otel_pool_alloc(&scratches);
    scratch = otel_pool_get(&scratches, block);
    if (!scratch)
        return 0;
    n = otel_inject(&ctx, scratch->buf, pairs);
    for (size_t i = 0; i < n; i++) {
        if (pairs[i].name.len >= sizeof name || pairs[i].value.len >= sizeof scratch->value)
            continue;
        memcpy(name, pairs[i].name.data, pairs[i].name.len);
        name[pairs[i].name.len] = '\0';
        memcpy(scratch->value, pairs[i].value.data, pairs[i].value.len);
        scratch->value[pairs[i].value.len] = '\0';
        set_header(carrier, name, scratch->value);
        done++;
    }
    otel_pool_free(&scratches, block);
    return done;
}

int otel_auto_v1_extract(struct otel_auto_context *context, otel_auto_getter *get, void *carrier)
{
    static const char *const names[] = {"traceparent",  "tracestate",   "baggage",
                                        "b3",           "x-b3-traceid", "x-b3-spanid",
                                        "x-b3-sampled", "x-b3-flags"};
    struct api_context *out = (struct api_context *)context;
    struct otel_extracted_lists lists = {0};
    struct otel_extract extract = {0};
    struct otel_span_context ctx = {0};
    struct scratch *scratch;
    uint64_t block;
    bool found;

    memset(context, 0, sizeof *context);
    if (!otel_preload_active())
        return 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t len = strlen(names[i]);
        const char *value = "";

        for (size_t k = 0; otel_extract_wants(names[i], len) && value && k < VALUES_MAX; k++) {
            value = get(carrier, names[i], k);
            if (value)
                otel_extract_header(&extract, names[i], len, value, strlen(value));
        }
    }
    block = otel_pool_alloc(&scratches);
    scratch = otel_pool_get(&scratches, block);
    if (scratch) {
        lists.tracestate = scratch->buf;
        lists.baggage = scratch->buf + OTEL_TRACESTATE_MAX;
    } else {
        extract.tracestates = extract.baggages = 0;
    }
    found = otel_extract_finish(&extract, &ctx, &lists);
    if (found) {
        context_out(context, &ctx);
        out->owned = otel_carry_new(lists.tracestate, lists.tracestate_len, lists.baggage,
                                    lists.baggage_len);
        out->ctx.carry = out->owned;
    }
    otel_pool_free(&scratches, block);
    return found;
}

void otel_auto_v1_release(struct otel_auto_context *context)
{
    if (otel_preload_active() && ((struct api_context *)context)->generation == otel_generation())
        otel_carry_free(((struct api_context *)context)->owned);
    memset(context, 0, sizeof *context);
}

/* --- for people ------------------------------------------------------------------------------ */

int otel_auto_v1_format(const struct otel_auto_context *context, char *out)
{
    struct otel_span_context ctx;

    out[0] = '\0';
    if (!context_in(&ctx, context))
        return 0;
    otel_traceparent_format(out, &ctx);
    out[OTEL_TRACEPARENT_LEN] = '\0';
    return 1;
}

_Static_assert(OTEL_AUTO_TRACEPARENT_SIZE == OTEL_TRACEPARENT_LEN + 1, "with its terminator");

void otel_auto_v1_print(int fd)
{
    static const char *const why[] = {
        [OTEL_CONTEXT_NONE] = "nothing is current",
        [OTEL_CONTEXT_UNSURE] = "nothing is current: the thread serves several requests",
        [OTEL_CONTEXT_PROCESS] = "the process's own",
        [OTEL_CONTEXT_IMPLICIT] = "of the request the thread serves",
        [OTEL_CONTEXT_EXPLICIT] = "of a span that is open on the thread",
    };
    const struct otel_span_context *ctx;
    enum otel_context_kind kind;
    char line[160] = "otel_auto: ";
    size_t len = strlen(line);

    if (!otel_preload_active())
        return;
    ctx = otel_context_find(&kind);
    if (ctx) {
        otel_traceparent_format(line + len, ctx);
        len += OTEL_TRACEPARENT_LEN;
        line[len++] = ' ';
    }
    memcpy(line + len, why[kind], strlen(why[kind]));
    len += strlen(why[kind]);
    line[len++] = '\n';
    otel_sys_write_quiet(fd, line, len);
}
