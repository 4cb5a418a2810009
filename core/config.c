/* SPDX-License-Identifier: Apache-2.0 */
#include "core/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/config_file.h"
#include "core/config_row.h"
#include "core/propagation.h"
#include "core/sys.h"

#define ARENA_SIZE (64 * 1024)
#define WARN_VALUE_MAX 80

#define DEFAULTS                                                                         \
    {                                                                                    \
        .log_level = OTEL_LOG_NONE,                                                      \
        .propagators = OTEL_PROPAGATOR_TRACECONTEXT | OTEL_PROPAGATOR_BAGGAGE,           \
        .sampler = {.kind = OTEL_SAMPLER_PARENT_ALWAYS_ON, .threshold = 0},              \
        .schedule_delay_ms = 5000, .export_timeout_ms = 30000, .max_queue_size = 2048,   \
        .max_export_batch_size = 512, .attribute_value_length_limit = UINT32_MAX,        \
        .attribute_count_limit = 128, .event_count_limit = 128, .link_count_limit = 128, \
        .exporters = OTEL_EXPORTER_OTLP, .otlp_protocol = OTEL_OTLP_HTTP_PROTOBUF,       \
        .otlp_endpoint = "http://localhost:4318/v1/traces", .otlp_timeout_ms = 10000,    \
        .known_methods = {"GET",     "HEAD",    "POST",  "PUT",   "DELETE",              \
                          "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"},              \
        .exit_timeout_ms = 900, .db_text = OTEL_DB_TEXT_AUTO, .private_fds = true,       \
        .functions_patch = true, .socket_spans = OTEL_SOCKET_SPANS_CONNECTION,           \
        .spool_max = 64 << 20,                                                           \
    }

/* Never written. */
static const struct otel_config defaults = DEFAULTS;

/* Written by otel_config_load() before any second thread, read-only afterwards. */
struct otel_config otel_config = DEFAULTS;

/* Start-up only, as above. */
struct otel_config_raw otel_config_raw;

/* Strings of otel_config. Written at start-up, as above. */
static char arena[ARENA_SIZE];
static size_t arena_used;

char *otel_config_reserve(size_t len)
{
    char *text;

    if (len < ARENA_SIZE - arena_used) {
        text = arena + arena_used;
        arena_used += len + 1;
    } else {
        text = otel_sys.mmap(len + 1);
        if (!text)
            return NULL;
    }
    text[len] = '\0';
    return text;
}

char *otel_config_keep(const char *text, size_t len)
{
    char *copy = otel_config_reserve(len);

    if (copy)
        memcpy(copy, text, len);
    return copy;
}

void otel_config_warn(const char *name, const char *value, size_t len, const char *why)
{
    char shown[WARN_VALUE_MAX];
    size_t n = len < sizeof shown ? len : sizeof shown;

    /* One line stays one line, whatever is in the environment. */
    for (size_t i = 0; i < n; i++)
        shown[i] = (unsigned char)value[i] < ' ' || value[i] == 0x7f ? '?' : value[i];
    otel_log(OTEL_LOG_WARN, "%s: ignored '%.*s%s': %s", name, (int)n, shown, n < len ? "..." : "",
             why);
}

const char *otel_env_lookup(const char *name)
{
    return getenv(name);
}

char **otel_env_array(void)
{
    return environ;
}

/* A row's value; NULL when it is unset, empty, or not to be read in a setuid process. */
static const char *look_up(const struct otel_config_row *row,
                           const char *(*lookup)(const char *name))
{
    const char *value;

    if (otel_config.secure && !row->setting.secure_ok)
        return NULL;
    value = lookup(row->setting.name);
    return value && *value ? value : NULL;
}

static int read_row(const struct otel_config_row *row, const char *(*lookup)(const char *name))
{
    const char *value = look_up(row, lookup);

    return value ? row->parse(row, value) : 0;
}

static void warn_row(const struct otel_config_row *row, const char *(*lookup)(const char *name),
                     int err)
{
    const char *value = look_up(row, lookup);

    /* The value may be a secret when there was no memory for it: only a header can be so long. */
    if (err == -ENOMEM)
        otel_log(OTEL_LOG_WARN, "%s: ignored: no memory", row->setting.name);
    else if (value)
        otel_config_warn(row->setting.name, value, strlen(value), "not a value it can have");
}

/* The log speaks only when asked. A level that does not parse was a wish to hear something, so it
 * counts as the specification's default, and the warning about it can be heard. */
static void start_log(const char *(*lookup)(const char *name))
{
    int err[OTEL_CONFIG_LOG_ROWS];

    for (size_t i = 0; i < OTEL_CONFIG_LOG_ROWS; i++)
        err[i] = read_row(&otel_config_rows[i], lookup);
    if (!otel_config_raw.log_level_set && otel_config.log_path)
        otel_config.log_level = OTEL_LOG_INFO;
    otel_log_init(otel_config.log_level, otel_config.log_path);
    for (size_t i = 0; i < OTEL_CONFIG_LOG_ROWS; i++) {
        if (err[i])
            warn_row(&otel_config_rows[i], lookup, err[i]);
    }
}

static void resolve_sampler(void)
{
    const char *arg = otel_config_raw.sampler_arg;
    enum otel_sampler_kind kind = otel_config.sampler.kind;
    double ratio = 1.0;

    if (!otel_config_raw.sampler_set || !arg)
        return;
    if (kind != OTEL_SAMPLER_RATIO && kind != OTEL_SAMPLER_PARENT_RATIO)
        return;
    if (otel_config_parse_ratio(&ratio, arg))
        otel_config_warn("OTEL_TRACES_SAMPLER_ARG", arg, strlen(arg), "not a ratio from 0 to 1");
    otel_config.sampler.threshold = otel_sampler_threshold(ratio);
}

static void resolve_batch(void)
{
    uint32_t given = otel_config_raw.batch_size;

    if (given)
        otel_config.max_export_batch_size = given;
    if (otel_config.max_export_batch_size <= otel_config.max_queue_size)
        return;
    otel_config.max_export_batch_size = otel_config.max_queue_size;
    if (given)
        otel_log(OTEL_LOG_WARN,
                 "OTEL_BSP_MAX_EXPORT_BATCH_SIZE: %u is more than the queue holds, "
                 "lowered to %u",
                 given, otel_config.max_queue_size);
}

static void resolve_exporters(void)
{
    if (!(otel_config.exporters & OTEL_EXPORTER_FILE) || otel_config.file_path)
        return;
    otel_config.exporters &= ~(unsigned)OTEL_EXPORTER_FILE;
    otel_log(OTEL_LOG_WARN, "OTEL_TRACES_EXPORTER: ignored 'file': OTEL_AUTO_FILE is not set");
}

/* Back to what stands before the first row. */
static void forget(bool secure)
{
    otel_config = defaults;
    otel_config.secure = secure;
    memset(&otel_config_raw, 0, sizeof otel_config_raw);
    arena_used = 0;
}

/* Returns the first row behind the log's that does not parse, NULL: none. Each is warned about
 * where the environment is read; a file is wrong as a whole. */
static const struct otel_config_row *read_rows(const char *(*lookup)(const char *name), bool file)
{
    for (size_t i = OTEL_CONFIG_LOG_ROWS; i < otel_config_row_count; i++) {
        const struct otel_config_row *row = &otel_config_rows[i];
        int err = read_row(row, lookup);

        if (err && file)
            return row;
        if (err)
            warn_row(row, lookup, err);
    }
    resolve_sampler();
    resolve_batch();
    resolve_exporters();
    otel_config_resolve_endpoint();
    return NULL;
}

/* As if OTEL_SDK_DISABLED were true. The one line about it is heard unless the log was told to be
 * silent: who names a file wants it read. */
static void give_up_file(const char *(*lookup)(const char *name), const char *why)
{
    const struct otel_config_row *row = otel_config_rows;

    forget(false);
    start_log(lookup);
    if (!otel_config_raw.log_level_set && !otel_config.log_path)
        otel_log_init(OTEL_LOG_ERROR, NULL);
    otel_log(OTEL_LOG_ERROR, "%s: nothing is traced", why);
    otel_log_init(otel_config.log_level, otel_config.log_path);
    /* What comes in is still passed on. */
    for (size_t i = 0; i < otel_config_row_count; i++) {
        row = &otel_config_rows[i];
        if (row->target == &otel_config.traceparent || row->target == &otel_config.tracestate ||
            row->target == &otel_config.baggage)
            read_row(row, lookup);
    }
    otel_config.disabled = true;
    otel_config.file_wrong = true;
}

/* What of the file is no variable's value. */
static void keep_typed(void)
{
    size_t len;
    const uint8_t *typed = otel_config_file_typed(&len);
    char *copy = len ? otel_config_keep((const char *)typed, len) : NULL;

    otel_config.resource_typed = (const uint8_t *)copy;
    otel_config.resource_typed_len = copy ? len : 0;
}

static void load_file(const char *path, const char *(*lookup)(const char *name))
{
    const struct otel_config_row *bad;
    struct otel_config_file_error error;

    if (otel_config_file_read(path, lookup, &error) < 0) {
        give_up_file(lookup, error.text);
        return;
    }
    start_log(otel_config_file_lookup);
    otel_config_file_warn();
    bad = read_rows(otel_config_file_lookup, true);
    keep_typed();
    if (bad) {
        otel_config_file_refuse(bad->setting.name, &error);
        give_up_file(lookup, error.text);
    }
    otel_config_file_forget();
}

void otel_config_load(const char *(*lookup)(const char *name), bool secure)
{
    const char *path = secure ? NULL : lookup("OTEL_CONFIG_FILE");

    forget(secure);
    if (path && *path) {
        load_file(path, lookup);
        return;
    }
    start_log(lookup);
    read_rows(lookup, false);
}

bool otel_config_family_disabled(const char *family)
{
    const char *list = otel_config.disabled_hooks;
    const char *member;
    size_t len;

    while (list && otel_config_next(&list, &member, &len)) {
        if (otel_config_is_word(member, len, family))
            return true;
    }
    return false;
}

const struct otel_setting *otel_setting_at(size_t i)
{
    return i < otel_config_row_count ? &otel_config_rows[i].setting : NULL;
}
