/* SPDX-License-Identifier: Apache-2.0 */
#include "core/http_head.h"

#include <string.h>

#include "core/config.h"
#include "core/members.h"
#include "core/pool.h"
#include "core/rules.h"

#define BLOCKS 1024 /* heads that come in pieces at one time */
#define NAME_MAX_LEN 63
#define OF_RESPONSE 1 /* values of otel_http_head.used */
#define OF_REQUEST 2
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Of heads in pieces. Lock-free (pool.h). */
static struct otel_pool blocks = OTEL_POOL(OTEL_HTTP_HEAD_BLOCK, BLOCKS);

/* The headers the user asked for. */
struct capture {
    uint64_t lengths; /* a bit for each length of a name: most headers are told by it */
    size_t count;
    struct {
        uint8_t len;
        char name[NAME_MAX_LEN]; /* in lower case */
    } headers[OTEL_HTTP_CAPTURED_MAX];
};

/* Written by otel_http_head_init(), before any second thread; read-only afterwards. */
static struct capture request_capture, response_capture;

/* Never changed. Those of the head's own fields. */
static const struct {
    struct otel_text name;
    size_t offset;
} fields[] = {
    {{"host", 4}, offsetof(struct otel_http_head, host)},
    {{"user-agent", 10}, offsetof(struct otel_http_head, user_agent)},
    {{"forwarded", 9}, offsetof(struct otel_http_head, forwarded)},
    {{"x-forwarded-for", 15}, offsetof(struct otel_http_head, forwarded_for)},
    {{"x-forwarded-host", 16}, offsetof(struct otel_http_head, forwarded_host)},
    {{"x-forwarded-proto", 17}, offsetof(struct otel_http_head, forwarded_proto)},
    {{"upgrade", 7}, offsetof(struct otel_http_head, upgrade)},
};

/* Lengths and first letters (c & 31) of the names above and of those of the propagators. */
#define BIT(n) (UINT32_C(1) << (n))
#define LETTER(c) BIT((c)&31)
#define FIXED_LENGTHS \
    (BIT(2) | BIT(4) | BIT(7) | BIT(9) | BIT(10) | BIT(11) | BIT(12) | BIT(15) | BIT(16) | BIT(17))
#define FIXED_LETTERS \
    (LETTER('h') | LETTER('u') | LETTER('f') | LETTER('x') | LETTER('t') | LETTER('b'))

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool same_name(const char *name, const char *lower_name, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (lower(name[i]) != lower_name[i])
            return false;
    return true;
}

/* --- the captured headers -------------------------------------------------------------------- */

/* RFC 9110 5.6.2: letters, digits and these. */
static bool token(struct otel_text name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = lower(name.data[i]);

        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
            (!c || !strchr("!#$%&'*+-.^_`|~", c)))
            return false;
    }
    return name.len > 0;
}

static void capture_init(struct capture *capture, const char *setting, const char *list)
{
    size_t len = list ? strlen(list) : 0;
    struct otel_members walk = {.values = &list, .lens = &len, .count = 1};
    struct otel_text name;

    memset(capture, 0, sizeof *capture);
    while (len && otel_members_next(&walk, &name)) {
        if (!token(name) || name.len > NAME_MAX_LEN) {
            otel_config_warn(setting, name.data, name.len, "not the name of a header");
            continue;
        }
        if (capture->count == OTEL_HTTP_CAPTURED_MAX) {
            otel_config_warn(setting, name.data, name.len, "more than 16 headers");
            return;
        }
        for (size_t i = 0; i < name.len; i++)
            capture->headers[capture->count].name[i] = lower(name.data[i]);
        capture->headers[capture->count].len = (uint8_t)name.len;
        capture->lengths |= UINT64_C(1) << name.len;
        capture->count++;
    }
}

void otel_http_head_init(void)
{
    capture_init(&request_capture, "OTEL_AUTO_HTTP_CAPTURE_REQUEST_HEADERS",
                 otel_config.http_request_headers);
    capture_init(&response_capture, "OTEL_AUTO_HTTP_CAPTURE_RESPONSE_HEADERS",
                 otel_config.http_response_headers);
}

/* The name as configured; empty: not to be captured. */
static struct otel_text captured_name(const struct capture *capture, const char *name, size_t len)
{
    if (len > NAME_MAX_LEN || !(capture->lengths >> len & 1))
        return (struct otel_text){NULL, 0};
    for (size_t i = 0; i < capture->count; i++)
        if (capture->headers[i].len == len && same_name(name, capture->headers[i].name, len))
            return (struct otel_text){capture->headers[i].name, len};
    return (struct otel_text){NULL, 0};
}

/* --- reading --------------------------------------------------------------------------------- */

/* Could it be one of the fixed names? Says no to nearly all others. */
static inline bool maybe_fixed(const char *name, size_t len)
{
    return len <= 17 && FIXED_LENGTHS & BIT(len) && FIXED_LETTERS & LETTER(*name);
}

static const size_t *field_offset(const char *name, size_t len)
{
    for (size_t i = 0; i < COUNT(fields); i++)
        if (fields[i].name.len == len && same_name(name, fields[i].name.data, len))
            return &fields[i].offset;
    return NULL;
}

bool otel_http_head_wants_request(const char *name, size_t len)
{
    if (maybe_fixed(name, len) && (field_offset(name, len) || otel_extract_wants(name, len)))
        return true;
    return captured_name(&request_capture, name, len).len > 0 || otel_rules_header(name, len);
}

bool otel_http_head_wants_response(const char *name, size_t len)
{
    return captured_name(&response_capture, name, len).len > 0;
}

void otel_http_head_start(struct otel_http_head *head, const struct otel_http1 *parser,
                          const struct otel_http1_text *text)
{
    head->used = parser->response ? OF_RESPONSE : OF_REQUEST;
    head->minor = parser->minor;
    if (parser->response) {
        head->status = parser->status;
    } else {
        head->method = text->name;
        head->target = text->value;
    }
}

static void add_captured(struct otel_http_head *head, const struct capture *capture,
                         const struct otel_http1_text *text)
{
    struct otel_text name = captured_name(capture, text->name.data, text->name.len);

    if (!name.len || head->captured_count == OTEL_HTTP_CAPTURED_MAX)
        return;
    head->captured[head->captured_count].name = name;
    head->captured[head->captured_count++].value = text->value;
}

void otel_http_head_add(struct otel_http_head *head, bool response,
                        const struct otel_http1_text *text)
{
    const size_t *offset;

    head->used = response ? OF_RESPONSE : OF_REQUEST;
    if (response) {
        add_captured(head, &response_capture, text);
        return;
    }
    if (maybe_fixed(text->name.data, text->name.len)) {
        offset = field_offset(text->name.data, text->name.len);
        if (offset) {
            struct otel_text *field = (struct otel_text *)((char *)head + *offset);

            if (!field->data)
                *field = text->value;
        } else {
            otel_extract_header(&head->extract, text->name.data, text->name.len, text->value.data,
                                text->value.len);
        }
    }
    add_captured(head, &request_capture, text);
    head->ruled |= otel_rules_header(text->name.data, text->name.len);
}

/* --- keeping --------------------------------------------------------------------------------- */

/* The head's block; taken when there is none yet. NULL: there is none left. */
static char *block_of(struct otel_http_head *head)
{
    if (!head->block) {
        head->block = otel_pool_alloc(&blocks);
        head->block_used = 0;
    }
    return head->block ? otel_pool_get(&blocks, head->block) : NULL;
}

/* Moves a slice into the block. False when it found no room, and is empty then, but not as one that
 * never was: a later header of its name does not take its place. */
static bool keep(struct otel_http_head *head, const char **data, size_t *len)
{
    char *block;

    if (!*len)
        *data = *data ? "" : NULL;
    if (!*len)
        return true;
    block = block_of(head);
    if (block && (uintptr_t)*data - (uintptr_t)block < head->block_used)
        return true;
    if (!block || *len > OTEL_HTTP_HEAD_BLOCK - head->block_used) {
        *data = "";
        *len = 0;
        return false;
    }
    *data = memcpy(block + head->block_used, *data, *len);
    head->block_used += (uint32_t)*len;
    return true;
}

static bool keep_text(struct otel_http_head *head, struct otel_text *text)
{
    return keep(head, &text->data, &text->len);
}

/* A list without one of its members would be another list: it goes as a whole. */
static void keep_list(struct otel_http_head *head, const char **values, size_t *lens, size_t *count)
{
    for (size_t i = 0; i < *count && *count <= OTEL_EXTRACT_VALUES; i++)
        if (!keep(head, &values[i], &lens[i]))
            *count = OTEL_EXTRACT_VALUES + 1;
}

/* Parts of B3 are worth nothing without the others. */
static void keep_b3(struct otel_http_head *head)
{
    struct otel_extract *e = &head->extract;
    struct otel_text *const parts[] = {&e->b3, &e->b3_trace_id, &e->b3_span_id, &e->b3_sampled,
                                       &e->b3_flags};
    bool all = true;

    for (size_t i = 0; i < COUNT(parts); i++)
        all = keep_text(head, parts[i]) && all;
    for (size_t i = 0; i < COUNT(parts) && !all; i++)
        *parts[i] = OTEL_TEXT("");
}

void otel_http_head_keep(struct otel_http_head *head)
{
    struct otel_extract *e = &head->extract;
    struct otel_text *const texts[] = {
        &head->method,    &head->host,          &head->target,         &head->user_agent,
        &head->forwarded, &head->forwarded_for, &head->forwarded_host, &head->forwarded_proto,
        &head->upgrade};

    if (!head->used)
        return;
    /* What propagates comes first; two traceparents are none (propagation.h) */
    if (!keep_text(head, &e->traceparent))
        e->traceparents = 2;
    keep_list(head, e->tracestate, e->tracestate_len, &e->tracestates);
    keep_list(head, e->baggage, e->baggage_len, &e->baggages);
    keep_b3(head);
    for (size_t i = 0; i < COUNT(texts); i++)
        keep_text(head, texts[i]);
    for (size_t i = 0; i < head->captured_count; i++)
        keep_text(head, &head->captured[i].value);
}

void otel_http_head_clear(struct otel_http_head *head)
{
    const size_t response = offsetof(struct otel_http_head, method);
    const size_t request = offsetof(struct otel_http_head, extract.tracestate);

    if (!head->used)
        return;
    if (head->block)
        otel_pool_free(&blocks, head->block);
    /* the arrays, most of the head by far, are not read behind their counts */
    if (head->used == OF_REQUEST)
        memset(head, 0, request);
    else
        memset(head, 0, response);
}

void otel_http_head_reset(void)
{
    otel_pool_reset(&blocks);
}
