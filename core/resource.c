/* SPDX-License-Identifier: Apache-2.0 */
#include "core/resource.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "core/config.h"
#include "core/ids.h"
#include "core/log.h"
#include "core/members.h"
#include "core/resource_builder.h"
#include "core/version.h"

#define RESOURCE_SERVICE_MAX 4096 /* room for service.name and what is given before it */
#define UNKNOWN_SERVICE "unknown_service"
#define NAME_MAX_LEN 256
#define UUID_LEN 36

/* Set by whichever process of ours says it first; the resource is built again in fork children. */
static atomic_flag said_ignored = ATOMIC_FLAG_INIT;

/* By the configuration file, as something else than a text. */
static bool is_typed(struct otel_text key)
{
    struct otel_wire_reader reader = {otel_config.resource_typed,
                                      otel_config.resource_typed + otel_config.resource_typed_len};
    struct otel_wire_field field;
    struct otel_text name;
    struct otel_value value;

    while (otel_wire_next(&reader, &field)) {
        if (otel_wire_read_attr(field.data, field.len, &name, &value) && name.len == key.len &&
            memcmp(name.data, key.data, key.len) == 0)
            return true;
    }
    return false;
}

static bool is_given(const struct otel_resource_builder *b, struct otel_text key)
{
    if (b->typed && is_typed(key))
        return true;
    for (size_t i = 0; i < b->pair_count; i++) {
        if (b->pairs[i].key.len == key.len && memcmp(b->pairs[i].key.data, key.data, key.len) == 0)
            return true;
    }
    return false;
}

static void append(struct otel_resource_builder *b, const struct otel_attr *attr)
{
    b->used += otel_wire_attr(b->out + b->used, b->cap - b->used, OTEL_TAG_RESOURCE_ATTRIBUTE, attr,
                              SIZE_MAX);
}

void otel_resource_add(struct otel_resource_builder *b, const struct otel_attr *attr)
{
    if (!is_given(b, attr->key))
        append(b, attr);
}

void otel_resource_add_text(struct otel_resource_builder *b, struct otel_text key, const char *p,
                            size_t len)
{
    struct otel_attr attr = otel_attr_text(key, p, len);

    if (len)
        otel_resource_add(b, &attr);
}

/* --- OTEL_RESOURCE_ATTRIBUTES ---------------------------------------------------------------- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decodes text to the end of b->given. */
static int decode(struct otel_resource_builder *b, size_t *given_used, struct otel_text text,
                  struct otel_text *decoded)
{
    char *start = b->given + *given_used;
    size_t n = 0;

    for (size_t i = 0; i < text.len; i++, n++) {
        if (*given_used + n == sizeof b->given)
            return -E2BIG;
        start[n] = text.data[i];
        if (text.data[i] != '%')
            continue;
        if (text.len - i < 3 || hex_digit(text.data[i + 1]) < 0 || hex_digit(text.data[i + 2]) < 0)
            return -EINVAL;
        start[n] = (char)(hex_digit(text.data[i + 1]) << 4 | hex_digit(text.data[i + 2]));
        i += 2;
    }
    *decoded = (struct otel_text){start, n};
    *given_used += n;
    return 0;
}

/* A later pair of the same key replaces the earlier: OTLP allows a key once. */
static int keep_pair(struct otel_resource_builder *b, const struct otel_resource_pair *pair)
{
    for (size_t i = 0; i < b->pair_count; i++) {
        struct otel_text key = b->pairs[i].key;

        if (key.len == pair->key.len && memcmp(key.data, pair->key.data, key.len) == 0) {
            b->pairs[i] = *pair;
            return 0;
        }
    }
    if (b->pair_count == OTEL_RESOURCE_PAIRS_MAX)
        return -E2BIG;
    b->pairs[b->pair_count++] = *pair;
    return 0;
}

static int parse_pairs(struct otel_resource_builder *b, const char *text)
{
    size_t len = strlen(text);
    struct otel_members members = {.values = &text, .lens = &len, .count = 1};
    struct otel_text member;
    size_t given_used = 0;

    while (otel_members_next(&members, &member)) {
        const char *equals = memchr(member.data, '=', member.len);
        size_t at = equals ? (size_t)(equals - member.data) : 0;
        struct otel_text key, value;
        struct otel_resource_pair pair;
        int err;

        if (!equals)
            return -EINVAL;
        key = otel_text_trim(member.data, at);
        value = otel_text_trim(equals + 1, member.len - at - 1);
        if (!key.len)
            return -EINVAL;
        err = decode(b, &given_used, key, &pair.key);
        if (!err)
            err = decode(b, &given_used, value, &pair.value);
        if (!err)
            err = keep_pair(b, &pair);
        if (err)
            return err;
    }
    return 0;
}

/* OpenTelemetry "Resource SDK": any error discards the whole value. */
static void parse_given(struct otel_resource_builder *b)
{
    const char *text = b->attributes;
    int err = text ? parse_pairs(b, text) : 0;

    if (!err)
        return;
    b->pair_count = 0;
    if (otel_log_once(&said_ignored))
        otel_config_warn("OTEL_RESOURCE_ATTRIBUTES", text, strlen(text),
                         err == -E2BIG ? "too long" : "not k=v,k=v with values percent-encoded");
}

static void add_given(struct otel_resource_builder *b)
{
    const struct otel_text service_name = OTEL_TEXT("service.name");

    for (size_t i = 0; i < b->pair_count; i++) {
        const struct otel_resource_pair *pair = &b->pairs[i];
        struct otel_attr attr = otel_attr_text(pair->key, pair->value.data, pair->value.len);

        if (b->service_name && pair->key.len == service_name.len &&
            memcmp(pair->key.data, service_name.data, service_name.len) == 0)
            continue;
        if (!b->typed || !is_typed(pair->key))
            append(b, &attr);
    }
    if (b->typed && otel_config.resource_typed_len <= b->cap - b->used) {
        memcpy(b->out + b->used, otel_config.resource_typed, otel_config.resource_typed_len);
        b->used += otel_config.resource_typed_len;
    }
}

/* --- service.*, telemetry.* ------------------------------------------------------------------ */

/* RFC 9562 5.4: 122 random bits, version 4, variant 10. */
static void format_uuid(char out[static UUID_LEN])
{
    static const uint8_t groups[] = {4, 2, 2, 2, 6};
    uint64_t random[2] = {otel_ids_random(), otel_ids_random()};
    uint8_t bytes[sizeof random];
    const uint8_t *from = bytes;

    memcpy(bytes, random, sizeof bytes);
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
    for (size_t i = 0; i < sizeof groups; i++) {
        if (i)
            *out++ = '-';
        otel_hex_encode(out, from, groups[i]);
        out += 2 * groups[i];
        from += groups[i];
    }
}

static void add_service(struct otel_resource_builder *b, const char *executable, size_t len)
{
    const struct otel_text key = OTEL_TEXT("service.name");
    char name[sizeof UNKNOWN_SERVICE + NAME_MAX_LEN] = UNKNOWN_SERVICE ":";
    const size_t prefix = sizeof UNKNOWN_SERVICE;
    char uuid[UUID_LEN];

    if (b->service_name) {
        struct otel_attr attr = otel_attr_text(key, b->service_name, strlen(b->service_name));

        append(b, &attr);
    } else {
        len = len < NAME_MAX_LEN ? len : NAME_MAX_LEN;
        memcpy(name + prefix, executable, len);
        otel_resource_add_text(b, key, name, len ? prefix + len : prefix - 1);
    }
    format_uuid(uuid);
    otel_resource_add_text(b, OTEL_TEXT("service.instance.id"), uuid, sizeof uuid);
}

static void add_telemetry(struct otel_resource_builder *b)
{
    const struct otel_text name = OTEL_TEXT("libotel_auto");
    const struct otel_text version = OTEL_TEXT(OTEL_AUTO_VERSION);

    otel_resource_add_text(b, OTEL_TEXT("telemetry.sdk.name"), name.data, name.len);
    otel_resource_add_text(b, OTEL_TEXT("telemetry.sdk.language"), "c", 1);
    otel_resource_add_text(b, OTEL_TEXT("telemetry.sdk.version"), version.data, version.len);
}

size_t otel_resource_service(char *out, size_t cap)
{
    static struct otel_resource_builder builder; /* start-up only; long for a stack */
    static uint8_t wire[RESOURCE_SERVICE_MAX];
    char executable[NAME_MAX_LEN];
    struct otel_wire_reader reader;
    struct otel_wire_field field;
    struct otel_text key;
    struct otel_value value;

    builder.typed = otel_config.resource_typed_len != 0;
    builder.service_name = otel_config.service_name;
    builder.attributes = otel_config.resource_attributes;
    builder.out = wire;
    builder.cap = sizeof wire;
    builder.used = builder.pair_count = 0;
    parse_given(&builder);
    add_service(&builder, executable, otel_resource_executable(executable, sizeof executable));
    add_given(&builder);
    reader = (struct otel_wire_reader){wire, wire + builder.used};
    while (otel_wire_next(&reader, &field)) {
        if (!otel_wire_read_attr(field.data, field.len, &key, &value) || key.len != 12 ||
            memcmp(key.data, "service.name", 12) != 0)
            continue;
        if (value.text.len < cap)
            cap = value.text.len;
        memcpy(out, value.text.data, cap);
        return cap;
    }
    return 0;
}

/* What names the service comes first: it is what must not be lost when there is little room. */
static void begin(struct otel_resource_builder *b, uint8_t *out, size_t cap, const char *executable,
                  size_t len)
{
    b->out = out;
    b->cap = cap;
    b->used = 0;
    b->pair_count = 0;
    parse_given(b);
    add_service(b, executable, len);
    add_telemetry(b);
    add_given(b);
    otel_resource_host(b);
}

size_t otel_resource_build(uint8_t *out, size_t cap)
{
    struct otel_resource_builder builder;
    char executable[NAME_MAX_LEN];

    builder.typed = otel_config.resource_typed_len != 0;
    builder.service_name = otel_config.service_name;
    builder.attributes = otel_config.resource_attributes;
    begin(&builder, out, cap, executable, otel_resource_executable(executable, sizeof executable));
    otel_resource_process(&builder);
    return builder.used;
}

size_t otel_resource_build_of(uint8_t *out, size_t cap, const struct otel_resource_of *of)
{
    struct otel_resource_builder builder;
    struct otel_attr pid = otel_attr_int(OTEL_TEXT("process.pid"), of->pid);

    builder.typed = false;
    builder.service_name = *of->service_name ? of->service_name : NULL;
    builder.attributes = *of->attributes ? of->attributes : NULL;
    begin(&builder, out, cap, of->executable, strlen(of->executable));
    otel_resource_add(&builder, &pid);
    otel_resource_add_text(&builder, OTEL_TEXT("process.executable.name"), of->executable,
                           strlen(of->executable));
    return builder.used;
}
