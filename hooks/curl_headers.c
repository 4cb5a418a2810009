/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/curl_exchange.h"

#include <string.h>
#include <strings.h>

#include "core/config.h"
#include "core/context.h"
#include "core/ids.h"
#include "core/tracer.h"

enum owned { OTHER, CONTEXT, BAGGAGE };

/* A node of the program's list: "Name: value", "Name:" (libcurl's own header of that name goes),
 * "Name;" (sent without a value). CONTEXT is what ours would stand beside; baggage that the program
 * sends itself is its own business and stays. */
static enum owned owned(const struct curl_slist *node, size_t *name_len)
{
    *name_len = strcspn(node->data, ":;");
    if (!otel_inject_owns(node->data, *name_len))
        return OTHER;
    return *name_len == 7 && !strncasecmp(node->data, "baggage", 7) ? BAGGAGE : CONTEXT;
}

void otel_curl_headers_read(struct otel_curl_exchange *x, struct curl_slist *list)
{
    struct otel_extract extract = {0};
    struct otel_extracted_lists lists = {.tracestate = x->lines,
                                         .baggage = x->lines + OTEL_TRACESTATE_MAX};
    struct otel_span_context ctx;
    bool seen = false;
    size_t name;

    for (; list; list = list->next) {
        if (owned(list, &name) != CONTEXT)
            continue;
        seen = true;
        if (list->data[name] == ':')
            otel_extract_header(&extract, list->data, name, list->data + name + 1,
                                strlen(list->data + name + 1));
    }
    if (!seen)
        return;
    x->adopted = true;
    x->keep = otel_config.existing_keep || !otel_tracer_enabled();
    if (!otel_extract_finish(&extract, &ctx, &lists))
        return;
    if (x->has_parent) /* the baggage of the request we serve goes on all the same */
        lists.baggage_len = otel_carry_baggage(x->parent.carry, lists.baggage, OTEL_BAGGAGE_MAX);
    x->carry =
        otel_carry_new(lists.tracestate, lists.tracestate_len, lists.baggage, lists.baggage_len);
    x->parent = ctx;
    x->parent.carry = x->carry;
    x->has_parent = true;
}

void otel_curl_headers_write(struct otel_curl_exchange *x)
{
    struct otel_inject_pair pairs[OTEL_INJECT_MAX];
    size_t count = otel_inject(&x->span.ctx, x->scratch, pairs);
    char id[2 * OTEL_SPAN_ID_LEN];
    char *at = x->lines;

    otel_hex_encode(id, x->span.ctx.span_id, OTEL_SPAN_ID_LEN);
    for (size_t i = 0; i < count; i++) {
        const struct otel_text *name = &pairs[i].name;
        const struct otel_text *value = &pairs[i].value;
        char *line = at;

        if (name->len + value->len + 3 > (size_t)(x->lines + sizeof x->lines - at))
            continue;
        memcpy(at, name->data, name->len);
        memcpy(at + name->len, ": ", 2);
        at += name->len + 2;
        memcpy(at, value->data, value->len);
        at[value->len] = '\0';
        x->mark[x->marks] = memmem(at, value->len, id, sizeof id);
        x->marks += x->mark[x->marks] != NULL;
        at += value->len + 1;
        x->own[x->own_count++].data = line;
        if (name->len == 7 && !memcmp(name->data, "baggage", 7))
            x->own_baggage = x->own_count;
    }
}

/* What a list of the program has of the headers ours concern. */
struct found {
    const struct curl_slist *last; /* last CONTEXT node */
    size_t before;                 /* nodes up to it that stay */
    bool baggage;
};

static struct found look(const struct curl_slist *list)
{
    struct found found = {0};
    size_t kept = 0;
    size_t name;

    for (; list; list = list->next) {
        enum owned what = owned(list, &name);

        kept += what != CONTEXT;
        found.baggage |= what == BAGGAGE;
        if (what == CONTEXT) {
            found.last = list;
            found.before = kept;
        }
    }
    return found;
}

struct curl_slist *otel_curl_headers_chain(struct otel_curl_exchange *x, struct curl_slist *list)
{
    struct found found = look(list);
    struct curl_slist *head = list;
    struct curl_slist **at = &head;
    size_t used = 0;
    size_t name;

    /* A context that came after the span began cannot be its parent any more: it stays. */
    if (x->own_count == 0 || (found.last && !x->adopted) || found.before > OTEL_CURL_SPINE_MAX)
        return list;
    for (size_t i = 0; i < x->own_count; i++) {
        if (found.baggage && x->own_baggage == i + 1)
            continue;
        *at = &x->own[i];
        at = &x->own[i].next;
    }
    while (found.last && list != found.last->next) {
        if (owned(list, &name) != CONTEXT) {
            x->spine[used].data = list->data;
            *at = &x->spine[used];
            at = &x->spine[used++].next;
        }
        list = list->next;
    }
    *at = list;
    return head;
}

void otel_curl_headers_renew(struct otel_curl_exchange *x, const uint8_t id[OTEL_SPAN_ID_LEN])
{
    for (size_t i = 0; i < x->marks; i++)
        otel_hex_encode(x->mark[i], id, OTEL_SPAN_ID_LEN);
}
