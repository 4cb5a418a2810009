/* SPDX-License-Identifier: Apache-2.0 */
#include "core/propagation.h"

#include <string.h>

#include "core/b3.h"
#include "core/baggage.h"
#include "core/carry.h"
#include "core/traceparent.h"
#include "core/tracestate.h"

#define B3_ANY (OTEL_PROPAGATOR_B3 | OTEL_PROPAGATOR_B3MULTI)

enum header {
    TRACEPARENT,
    TRACESTATE,
    BAGGAGE,
    B3,
    B3_TRACE_ID,
    B3_SPAN_ID,
    B3_SAMPLED,
    B3_FLAGS,
    HEADERS,
};

/* OpenTelemetry "Propagators API", B3 requirements: whichever B3 form is sent, both are read.
 * x-b3-flags is never written: debug is passed on as sampled. Never changed. */
static const struct {
    struct otel_text name;
    unsigned read_by;
    unsigned written_by;
} headers[HEADERS] = {
    [TRACEPARENT] = {{"traceparent", 11},
                     OTEL_PROPAGATOR_TRACECONTEXT,
                     OTEL_PROPAGATOR_TRACECONTEXT},
    [TRACESTATE] = {{"tracestate", 10}, OTEL_PROPAGATOR_TRACECONTEXT, OTEL_PROPAGATOR_TRACECONTEXT},
    [BAGGAGE] = {{"baggage", 7}, OTEL_PROPAGATOR_BAGGAGE, OTEL_PROPAGATOR_BAGGAGE},
    [B3] = {{"b3", 2}, B3_ANY, OTEL_PROPAGATOR_B3},
    [B3_TRACE_ID] = {{"x-b3-traceid", 12}, B3_ANY, OTEL_PROPAGATOR_B3MULTI},
    [B3_SPAN_ID] = {{"x-b3-spanid", 11}, B3_ANY, OTEL_PROPAGATOR_B3MULTI},
    [B3_SAMPLED] = {{"x-b3-sampled", 12}, B3_ANY, OTEL_PROPAGATOR_B3MULTI},
    [B3_FLAGS] = {{"x-b3-flags", 10}, B3_ANY, 0},
};

/* OTEL_PROPAGATOR_… bits. Written once at start-up, before any second thread. */
static unsigned enabled = OTEL_PROPAGATOR_TRACECONTEXT | OTEL_PROPAGATOR_BAGGAGE;

void otel_propagation_init(unsigned propagators)
{
    enabled = propagators;
}

/* Header names are ASCII; the locale has no say. */
static bool is_name(const char *name, struct otel_text lower)
{
    for (size_t i = 0; i < lower.len; i++) {
        char c = name[i];

        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        if (c != lower.data[i])
            return false;
    }
    return true;
}

static enum header find_header(const char *name, size_t len)
{
    for (int i = 0; i < HEADERS; i++) {
        if (headers[i].name.len == len && is_name(name, headers[i].name))
            return (enum header)i;
    }
    return HEADERS;
}

/* --- extract --------------------------------------------------------------------------------- */

static void add_to_list(const char **values, size_t *lens, size_t *count, struct otel_text value)
{
    if (*count < OTEL_EXTRACT_VALUES) {
        values[*count] = value.data;
        lens[*count] = value.len;
    }
    ++*count;
}

static void set_first(struct otel_text *slot, struct otel_text value)
{
    if (!slot->data)
        *slot = value;
}

bool otel_extract_wants(const char *name, size_t len)
{
    enum header header = find_header(name, len);

    return header != HEADERS && headers[header].read_by & enabled;
}

bool otel_extract_header(struct otel_extract *e, const char *name, size_t name_len,
                         const char *value, size_t value_len)
{
    struct otel_text *const slots[HEADERS] = {
        [B3] = &e->b3,
        [B3_TRACE_ID] = &e->b3_trace_id,
        [B3_SPAN_ID] = &e->b3_span_id,
        [B3_SAMPLED] = &e->b3_sampled,
        [B3_FLAGS] = &e->b3_flags,
    };
    struct otel_text text = {value, value_len};
    enum header header = find_header(name, name_len);

    if (header == HEADERS || !(headers[header].read_by & enabled))
        return false;
    if (header == TRACEPARENT) {
        e->traceparents++;
        set_first(&e->traceparent, text);
    } else if (header == TRACESTATE) {
        add_to_list(e->tracestate, e->tracestate_len, &e->tracestates, text);
    } else if (header == BAGGAGE) {
        add_to_list(e->baggage, e->baggage_len, &e->baggages, text);
    } else {
        set_first(slots[header], text);
    }
    return true;
}

/* An invalid traceparent takes its tracestate along (W3C trace-context 3.3). */
static bool extract_w3c(const struct otel_extract *e, struct otel_span_context *ctx,
                        struct otel_extracted_lists *lists)
{
    int len;

    if (e->traceparents != 1 ||
        otel_traceparent_parse(ctx, e->traceparent.data, e->traceparent.len))
        return false;
    if (e->tracestates > OTEL_EXTRACT_VALUES)
        return true;
    len = otel_tracestate_join(lists->tracestate, OTEL_TRACESTATE_MAX, e->tracestate,
                               e->tracestate_len, e->tracestates);
    lists->tracestate_len = len > 0 ? (size_t)len : 0;
    return true;
}

static bool extract_b3(const struct otel_extract *e, struct otel_span_context *ctx)
{
    if (e->b3.data && otel_b3_parse_single(ctx, e->b3) == 0)
        return true;
    return e->b3_trace_id.data && e->b3_span_id.data &&
           otel_b3_parse_multi(ctx, e->b3_trace_id, e->b3_span_id, e->b3_sampled, e->b3_flags) == 0;
}

bool otel_extract_finish(const struct otel_extract *e, struct otel_span_context *ctx,
                         struct otel_extracted_lists *lists)
{
    lists->tracestate_len = 0;
    lists->baggage_len = 0;
    memset(ctx, 0, sizeof *ctx);
    if (e->baggages && e->baggages <= OTEL_EXTRACT_VALUES)
        lists->baggage_len = (size_t)otel_baggage_join(lists->baggage, OTEL_BAGGAGE_MAX, e->baggage,
                                                       e->baggage_len, e->baggages);
    /* Two traceparents contradict each other: a new trace, whatever other headers say. */
    if (e->traceparents > 1)
        return false;
    if (extract_w3c(e, ctx, lists) || extract_b3(e, ctx))
        return true;
    memset(ctx, 0, sizeof *ctx);
    return false;
}

/* --- inject ---------------------------------------------------------------------------------- */

struct injection {
    struct otel_inject_pair *pairs;
    size_t count;
    char *at;
    char *end;
};

static void add_pair(struct injection *out, enum header header, const char *value, size_t len)
{
    out->pairs[out->count].name = headers[header].name;
    out->pairs[out->count].value = (struct otel_text){value, len};
    out->count++;
}

/* The next len bytes of the buffer, which is large enough for everything of fixed size. */
static char *take(struct injection *out, size_t len)
{
    char *p = out->at;

    out->at += len;
    return p;
}

static void add_carried(struct injection *out, enum header header, uint64_t carry,
                        size_t (*fetch)(uint64_t, char *, size_t))
{
    size_t len = carry ? fetch(carry, out->at, (size_t)(out->end - out->at)) : 0;

    if (len)
        add_pair(out, header, take(out, len), len);
}

static void inject_b3(struct injection *out, const struct otel_span_context *ctx)
{
    char *single = take(out, OTEL_B3_SINGLE_LEN);

    otel_b3_format(single, ctx);
    if (enabled & OTEL_PROPAGATOR_B3)
        add_pair(out, B3, single, OTEL_B3_SINGLE_LEN);
    if (enabled & OTEL_PROPAGATOR_B3MULTI) {
        add_pair(out, B3_TRACE_ID, single, OTEL_B3_TRACE_ID_LEN);
        add_pair(out, B3_SPAN_ID, single + OTEL_B3_SPAN_ID_AT, OTEL_B3_SPAN_ID_LEN);
        add_pair(out, B3_SAMPLED, single + OTEL_B3_SAMPLED_AT, 1);
    }
}

_Static_assert(OTEL_TRACEPARENT_LEN + OTEL_TRACESTATE_MAX + OTEL_B3_SINGLE_LEN + OTEL_BAGGAGE_MAX <=
                   OTEL_INJECT_BUF,
               "everything fits");

size_t otel_inject(const struct otel_span_context *ctx, char buf[static OTEL_INJECT_BUF],
                   struct otel_inject_pair pairs[static OTEL_INJECT_MAX])
{
    struct injection out = {.pairs = pairs, .at = buf, .end = buf + OTEL_INJECT_BUF};
    bool valid = otel_span_context_valid(ctx);

    if (valid && (enabled & OTEL_PROPAGATOR_TRACECONTEXT)) {
        char *traceparent = take(&out, OTEL_TRACEPARENT_LEN);

        otel_traceparent_format(traceparent, ctx);
        add_pair(&out, TRACEPARENT, traceparent, OTEL_TRACEPARENT_LEN);
        add_carried(&out, TRACESTATE, ctx->carry, otel_carry_tracestate);
    }
    if (valid && (enabled & B3_ANY))
        inject_b3(&out, ctx);
    if (enabled & OTEL_PROPAGATOR_BAGGAGE)
        add_carried(&out, BAGGAGE, ctx->carry, otel_carry_baggage);
    return out.count;
}

bool otel_inject_plain(const struct otel_span_context *ctx)
{
    return !ctx->carry && (enabled & OTEL_PROPAGATOR_TRACECONTEXT) && !(enabled & B3_ANY);
}

bool otel_inject_owns(const char *name, size_t len)
{
    enum header header = find_header(name, len);

    return header != HEADERS && (headers[header].written_by & enabled);
}
