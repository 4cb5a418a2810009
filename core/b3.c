/* SPDX-License-Identifier: Apache-2.0 */
#include "core/b3.h"

#include <errno.h>
#include <string.h>

#include "core/config.h"
#include "core/ids.h"
#include "core/members.h"
#include "core/sampler.h"

#define SHORT_TRACE_ID_LEN 16

enum sampling { DENY, ACCEPT, OPEN, MALFORMED };

static int parse_ids(struct otel_span_context *ctx, struct otel_text trace_id,
                     struct otel_text span_id)
{
    size_t bytes = trace_id.len / 2;

    if ((trace_id.len != OTEL_B3_TRACE_ID_LEN && trace_id.len != SHORT_TRACE_ID_LEN) ||
        span_id.len != OTEL_B3_SPAN_ID_LEN)
        return -EINVAL;
    if (otel_hex_decode(ctx->trace_id + OTEL_TRACE_ID_LEN - bytes, bytes, trace_id.data) ||
        otel_hex_decode(ctx->span_id, OTEL_SPAN_ID_LEN, span_id.data))
        return -EINVAL;
    return otel_span_context_valid(ctx) ? 0 : -EINVAL;
}

static int finish(struct otel_span_context *ctx, int err, enum sampling sampling)
{
    if (err || sampling == MALFORMED) {
        memset(ctx, 0, sizeof *ctx);
        return -EINVAL;
    }
    if (sampling == OPEN)
        sampling = otel_sampler_decide(&otel_config.sampler, NULL, ctx->trace_id) ? ACCEPT : DENY;
    ctx->flags = sampling == ACCEPT ? OTEL_FLAG_SAMPLED : 0;
    ctx->remote = true;
    return 0;
}

/* The field in front of the next '-', or what is left; *rest moves behind it and gets data NULL
 * when there is nothing more. */
static struct otel_text next_field(struct otel_text *rest)
{
    const char *dash = rest->len ? memchr(rest->data, '-', rest->len) : NULL;
    struct otel_text field = {rest->data, dash ? (size_t)(dash - rest->data) : rest->len};

    if (dash)
        *rest = (struct otel_text){dash + 1, rest->len - field.len - 1};
    else
        *rest = (struct otel_text){NULL, 0};
    return field;
}

static enum sampling single_sampling(struct otel_text state)
{
    if (state.len != 1)
        return MALFORMED;
    switch (state.data[0]) {
    case '0':
        return DENY;
    case '1':
    case 'd':
        return ACCEPT;
    default:
        return MALFORMED;
    }
}

static bool is_span_id(struct otel_text id)
{
    uint8_t ignored[OTEL_SPAN_ID_LEN];

    return id.len == OTEL_B3_SPAN_ID_LEN && !otel_hex_decode(ignored, sizeof ignored, id.data);
}

int otel_b3_parse_single(struct otel_span_context *ctx, struct otel_text value)
{
    struct otel_text rest = otel_text_trim(value.data, value.len);
    struct otel_text trace_id = next_field(&rest);
    struct otel_text span_id = next_field(&rest);
    enum sampling sampling = OPEN;
    int err;

    memset(ctx, 0, sizeof *ctx);
    err = parse_ids(ctx, trace_id, span_id);
    if (!err && rest.data)
        sampling = single_sampling(next_field(&rest));
    if (!err && rest.data && !is_span_id(rest))
        err = -EINVAL;
    return finish(ctx, err, sampling);
}

/* "true" and "false" are what implementations older than the specification send. */
static enum sampling multi_sampling(struct otel_text sampled, struct otel_text flags)
{
    if (flags.len == 1 && flags.data[0] == '1')
        return ACCEPT;
    if (!sampled.len)
        return OPEN;
    if (sampled.len == 1 && (sampled.data[0] == '0' || sampled.data[0] == '1'))
        return sampled.data[0] == '1' ? ACCEPT : DENY;
    if (sampled.len == 4 && memcmp(sampled.data, "true", 4) == 0)
        return ACCEPT;
    if (sampled.len == 5 && memcmp(sampled.data, "false", 5) == 0)
        return DENY;
    return MALFORMED;
}

int otel_b3_parse_multi(struct otel_span_context *ctx, struct otel_text trace_id,
                        struct otel_text span_id, struct otel_text sampled, struct otel_text flags)
{
    int err;

    trace_id = otel_text_trim(trace_id.data, trace_id.len);
    span_id = otel_text_trim(span_id.data, span_id.len);
    sampled = otel_text_trim(sampled.data, sampled.len);
    flags = otel_text_trim(flags.data, flags.len);
    memset(ctx, 0, sizeof *ctx);
    err = parse_ids(ctx, trace_id, span_id);
    return finish(ctx, err, multi_sampling(sampled, flags));
}

void otel_b3_format(char out[static OTEL_B3_SINGLE_LEN], const struct otel_span_context *ctx)
{
    otel_hex_encode(out, ctx->trace_id, OTEL_TRACE_ID_LEN);
    out[OTEL_B3_SPAN_ID_AT - 1] = '-';
    otel_hex_encode(out + OTEL_B3_SPAN_ID_AT, ctx->span_id, OTEL_SPAN_ID_LEN);
    out[OTEL_B3_SAMPLED_AT - 1] = '-';
    out[OTEL_B3_SAMPLED_AT] = ctx->flags & OTEL_FLAG_SAMPLED ? '1' : '0';
}
