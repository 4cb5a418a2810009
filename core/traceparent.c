/* SPDX-License-Identifier: Apache-2.0 */
#include "core/traceparent.h"

#include <errno.h>
#include <string.h>

#include "core/ids.h"
#include "core/members.h"

#define KNOWN_FLAGS (OTEL_FLAG_SAMPLED | OTEL_FLAG_RANDOM)
#define VERSION_INVALID 0xff /* W3C trace-context 3.2.2.1 */

_Static_assert(OTEL_TRACEPARENT_SPAN_ID_AT ==
                   OTEL_TRACEPARENT_TRACE_ID_AT + 2 * OTEL_TRACE_ID_LEN + 1,
               "the span id follows the trace id and a dash");
_Static_assert(OTEL_TRACEPARENT_LEN == OTEL_TRACEPARENT_FLAGS_AT + 2, "flags come last");

void otel_traceparent_format(char out[static OTEL_TRACEPARENT_LEN],
                             const struct otel_span_context *ctx)
{
    memcpy(out, "00-", 3);
    otel_hex_encode(out + OTEL_TRACEPARENT_TRACE_ID_AT, ctx->trace_id, OTEL_TRACE_ID_LEN);
    out[OTEL_TRACEPARENT_SPAN_ID_AT - 1] = '-';
    otel_hex_encode(out + OTEL_TRACEPARENT_SPAN_ID_AT, ctx->span_id, OTEL_SPAN_ID_LEN);
    out[OTEL_TRACEPARENT_FLAGS_AT - 1] = '-';
    out[OTEL_TRACEPARENT_FLAGS_AT] = '0';
    out[OTEL_TRACEPARENT_FLAGS_AT + 1] = (char)('0' + (ctx->flags & KNOWN_FLAGS));
}

/* The fields at their places in p, which has at least OTEL_TRACEPARENT_LEN bytes. */
static int parse_fields(struct otel_span_context *ctx, const char *p)
{
    if (p[OTEL_TRACEPARENT_TRACE_ID_AT - 1] != '-' || p[OTEL_TRACEPARENT_SPAN_ID_AT - 1] != '-' ||
        p[OTEL_TRACEPARENT_FLAGS_AT - 1] != '-')
        return -EINVAL;
    if (otel_hex_decode(ctx->trace_id, OTEL_TRACE_ID_LEN, p + OTEL_TRACEPARENT_TRACE_ID_AT) ||
        otel_hex_decode(ctx->span_id, OTEL_SPAN_ID_LEN, p + OTEL_TRACEPARENT_SPAN_ID_AT) ||
        otel_hex_decode(&ctx->flags, 1, p + OTEL_TRACEPARENT_FLAGS_AT))
        return -EINVAL;
    return otel_span_context_valid(ctx) ? 0 : -EINVAL;
}

int otel_traceparent_parse(struct otel_span_context *ctx, const char *value, size_t len)
{
    struct otel_text text = otel_text_trim(value, len);
    uint8_t version;

    memset(ctx, 0, sizeof *ctx);
    if (text.len < OTEL_TRACEPARENT_LEN || otel_hex_decode(&version, 1, text.data) ||
        version == VERSION_INVALID)
        return -EINVAL;
    if (text.len > OTEL_TRACEPARENT_LEN && (version == 0 || text.data[OTEL_TRACEPARENT_LEN] != '-'))
        return -EINVAL;
    if (parse_fields(ctx, text.data)) {
        memset(ctx, 0, sizeof *ctx);
        return -EINVAL;
    }
    ctx->flags &= KNOWN_FLAGS;
    ctx->remote = true;
    return 0;
}
