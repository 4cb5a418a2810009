/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <string.h>
#include <stdlib.h>

#include "core/config.h"
#include "core/config_row.h"
#include "core/log.h"
#include "core/propagation.h"
#include "core/sys.h"

struct pair {
    const char *name;
    const char *value;
};

static struct pair env[16];
static size_t env_count;
static char said[8192];
static size_t said_len;

static int capture(const void *buf, unsigned long len)
{
    if (said_len + len < sizeof said) {
        memcpy(said + said_len, buf, len);
        said_len += len;
        said[said_len] = '\0';
    }
    return 0;
}

static const char *lookup(const char *name)
{
    for (size_t i = 0; i < env_count; i++) {
        if (strcmp(env[i].name, name) == 0)
            return env[i].value;
    }
    return NULL;
}

static void set(const char *name, const char *value)
{
    env[env_count].name = name;
    env[env_count++].value = value;
}

static void load_as(bool secure)
{
    said_len = 0;
    said[0] = '\0';
    otel_log_set_stderr_writer(capture);
    otel_config_load(lookup, secure);
    env_count = 0;
}

/* Loads with the warnings on and what was set. */
static void load(void)
{
    set("OTEL_LOG_LEVEL", "warn");
    load_as(false);
}

static void load_one(const char *name, const char *value)
{
    set(name, value);
    load();
}

static size_t warnings(void)
{
    size_t lines = 0;

    for (const char *at = said; (at = strchr(at, '\n')); at++)
        lines++;
    return lines;
}

#define expect_quiet() cr_expect_eq(warnings(), 0, "said: %s", said)
#define expect_warning(part)                                             \
    do {                                                                 \
        cr_expect_eq(warnings(), 1, "said: %s", said);                   \
        cr_expect(strstr(said, part), "'%s' is not in: %s", part, said); \
    } while (0)

static void expect_defaults(const struct otel_config *c)
{
    cr_expect_not(c->disabled);
    cr_expect_null(c->service_name);
    cr_expect_eq(c->propagators, OTEL_PROPAGATOR_TRACECONTEXT | OTEL_PROPAGATOR_BAGGAGE);
    cr_expect_eq(c->sampler.kind, OTEL_SAMPLER_PARENT_ALWAYS_ON);
    cr_expect_eq(c->sampler.threshold, 0);
    cr_expect_eq(c->schedule_delay_ms, 5000);
    cr_expect_eq(c->export_timeout_ms, 30000);
    cr_expect_eq(c->max_queue_size, 2048);
    cr_expect_eq(c->max_export_batch_size, 512);
    cr_expect_eq(c->attribute_value_length_limit, UINT32_MAX);
    cr_expect_eq(c->attribute_count_limit, 128);
    cr_expect_eq(c->event_count_limit, 128);
    cr_expect_eq(c->link_count_limit, 128);
    cr_expect_eq(c->exporters, OTEL_EXPORTER_OTLP);
    cr_expect_eq(c->otlp_protocol, OTEL_OTLP_HTTP_PROTOBUF);
    cr_expect_str_eq(c->otlp_endpoint, "http://localhost:4318/v1/traces");
    cr_expect_not(c->otlp_gzip);
    cr_expect_eq(c->otlp_timeout_ms, 10000);
    cr_expect_not(c->otlp_insecure);
    cr_expect_str_eq(c->known_methods[0], "GET");
    cr_expect_str_eq(c->known_methods[9], "QUERY");
    cr_expect_null(c->known_methods[10]);
    cr_expect_not(c->http_dup);
    cr_expect_not(c->database_dup);
    cr_expect_eq(c->exit_timeout_ms, 900);
    cr_expect_not(c->existing_keep);
    cr_expect_eq(c->db_text, OTEL_DB_TEXT_AUTO);
    cr_expect_not(c->keep_deepbind);
    cr_expect(c->private_fds);
    cr_expect_not(c->command_args);
    cr_expect_null(c->disabled_hooks);
    cr_expect_null(c->traceparent);
}

Test(config, defaults_before_load)
{
    expect_defaults(&otel_config);
    cr_expect_eq(otel_config.log_level, OTEL_LOG_NONE);
}

Test(config, defaults_after_load_of_nothing)
{
    otel_config.disabled = true;
    load_as(false);
    expect_defaults(&otel_config);
    cr_expect_eq(otel_config.log_level, OTEL_LOG_NONE);
    cr_expect_not(otel_config.schedule_delay_set);
    expect_quiet();
}

static const char *lookup_fallback(const char *name)
{
    const struct otel_setting *setting;

    for (size_t i = 0; (setting = otel_setting_at(i)); i++) {
        if (strcmp(setting->name, name) == 0)
            return setting->fallback;
    }
    return NULL;
}

/* The text of the table is what the engine does. */
Test(config, table_defaults_are_the_defaults)
{
    otel_log_set_stderr_writer(capture);
    otel_config_load(lookup_fallback, false);
    expect_defaults(&otel_config);
    expect_quiet();
}

static const char *lookup_empty(const char *name)
{
    (void)name;
    return "";
}

Test(config, empty_is_unset)
{
    otel_config_load(lookup_empty, false);
    expect_defaults(&otel_config);
    cr_expect_null(otel_config.log_path);
}

Test(config, table_is_complete_and_unique)
{
    const struct otel_setting *a, *b;

    for (size_t i = 0; (a = otel_setting_at(i)); i++) {
        cr_expect(a->name && *a->name && a->fallback && a->unit && a->meaning && *a->meaning);
        for (size_t k = i + 1; (b = otel_setting_at(k)); k++)
            cr_expect_str_neq(a->name, b->name);
    }
    cr_expect_null(otel_setting_at(SIZE_MAX));
    cr_expect_null(otel_setting_at(otel_config_row_count));
}

Test(config, log_level_and_path)
{
    static const struct {
        const char *level, *path;
        enum otel_log_level want;
    } cases[] = {
        {NULL, NULL, OTEL_LOG_NONE},        {"debug", NULL, OTEL_LOG_DEBUG},
        {"ERROR", NULL, OTEL_LOG_ERROR},    {"none", "/dev/null", OTEL_LOG_NONE},
        {NULL, "/dev/null", OTEL_LOG_INFO}, {"warn", "/dev/null", OTEL_LOG_WARN},
        {"talkative", NULL, OTEL_LOG_INFO},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (cases[i].level)
            set("OTEL_LOG_LEVEL", cases[i].level);
        if (cases[i].path)
            set("OTEL_AUTO_LOG", cases[i].path);
        load_as(false);
        cr_expect_eq(otel_config.log_level, cases[i].want, "case %zu", i);
    }
    expect_warning("OTEL_LOG_LEVEL: ignored 'talkative'");
}

Test(config, silent_unless_asked)
{
    set("OTEL_BSP_MAX_QUEUE_SIZE", "many");
    load_as(false);
    expect_quiet();
}

Test(config, booleans)
{
    load_one("OTEL_SDK_DISABLED", "TrUe");
    cr_expect(otel_config.disabled);
    load_one("OTEL_SDK_DISABLED", "1");
    cr_expect_not(otel_config.disabled);
    expect_warning("OTEL_SDK_DISABLED: ignored '1'");
    load_one("OTEL_AUTO_PRIVATE_DESCRIPTORS", "False");
    cr_expect_not(otel_config.private_fds);
    expect_quiet();
    load_one("OTEL_AUTO_PRIVATE_DESCRIPTORS", "no");
    cr_expect(otel_config.private_fds);
    expect_warning("OTEL_AUTO_PRIVATE_DESCRIPTORS");
    set("OTEL_AUTO_KEEP_DEEPBIND", "true");
    set("OTEL_AUTO_COMMAND_ARGS", "true");
    set("OTEL_EXPORTER_OTLP_INSECURE", "true");
    load();
    cr_expect(otel_config.keep_deepbind && otel_config.command_args && otel_config.otlp_insecure);
}

Test(config, numbers)
{
    static const struct {
        const char *value;
        uint32_t want; /* 0: warned about */
    } cases[] = {
        {"1", 1},
        {" 77\t", 77},
        {"1000000", 1000000},
        {"1000001", 0},
        {"0", 0},
        {"-1", 0},
        {"+1", 0},
        {"1e3", 0},
        {"0x10", 0},
        {"12 3", 0},
        {"many", 0},
        {"18446744073709551617", 0},
        {" ", 0},
        {"99999999999999999999999999999999", 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        load_one("OTEL_BSP_MAX_QUEUE_SIZE", cases[i].value);
        cr_expect_eq(otel_config.max_queue_size, cases[i].want ? cases[i].want : 2048, "'%s'",
                     cases[i].value);
        if (cases[i].want)
            expect_quiet();
        else
            expect_warning("OTEL_BSP_MAX_QUEUE_SIZE");
    }
}

Test(config, delays_and_timeouts)
{
    set("OTEL_BSP_SCHEDULE_DELAY", "20");
    set("OTEL_BSP_EXPORT_TIMEOUT", "31");
    set("OTEL_EXPORTER_OTLP_TIMEOUT", "32");
    load();
    cr_expect_eq(otel_config.schedule_delay_ms, 20);
    cr_expect(otel_config.schedule_delay_set);
    cr_expect_eq(otel_config.export_timeout_ms, 31);
    cr_expect_eq(otel_config.otlp_timeout_ms, 32);
    load_one("OTEL_BSP_SCHEDULE_DELAY", "soon");
    cr_expect_eq(otel_config.schedule_delay_ms, 5000);
    cr_expect_not(otel_config.schedule_delay_set);
}

Test(config, exit_timeout_is_capped)
{
    load_one("OTEL_AUTO_EXIT_TIMEOUT", "60000");
    cr_expect_eq(otel_config.exit_timeout_ms, 10000);
    expect_quiet();
    load_one("OTEL_AUTO_EXIT_TIMEOUT", "0");
    cr_expect_eq(otel_config.exit_timeout_ms, 0);
    load_one("OTEL_AUTO_EXIT_TIMEOUT", "later");
    cr_expect_eq(otel_config.exit_timeout_ms, 900);
    expect_warning("OTEL_AUTO_EXIT_TIMEOUT: ignored 'later'");
}

Test(config, batch_is_at_most_the_queue)
{
    load_one("OTEL_BSP_MAX_QUEUE_SIZE", "100");
    cr_expect_eq(otel_config.max_export_batch_size, 100);
    expect_quiet();
    set("OTEL_BSP_MAX_QUEUE_SIZE", "100");
    set("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "101");
    load();
    cr_expect_eq(otel_config.max_export_batch_size, 100);
    expect_warning("OTEL_BSP_MAX_EXPORT_BATCH_SIZE");
    load_one("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "64");
    cr_expect_eq(otel_config.max_export_batch_size, 64);
    expect_quiet();
    load_one("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "0");
    cr_expect_eq(otel_config.max_export_batch_size, 512);
    expect_warning("OTEL_BSP_MAX_EXPORT_BATCH_SIZE");
}

Test(config, limits)
{
    set("OTEL_ATTRIBUTE_COUNT_LIMIT", "10");
    set("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "11");
    set("OTEL_SPAN_EVENT_COUNT_LIMIT", "0");
    set("OTEL_SPAN_LINK_COUNT_LIMIT", "13");
    load();
    cr_expect_eq(otel_config.attribute_count_limit, 10);
    cr_expect_eq(otel_config.attribute_value_length_limit, 11);
    cr_expect_eq(otel_config.event_count_limit, 0);
    cr_expect_eq(otel_config.link_count_limit, 13);
    set("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "20");
    set("OTEL_ATTRIBUTE_COUNT_LIMIT", "10");
    set("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "21");
    set("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "11");
    load();
    cr_expect_eq(otel_config.attribute_count_limit, 20);
    cr_expect_eq(otel_config.attribute_value_length_limit, 21);
    /* A record holds no more than the cap, so a larger limit is no limit. */
    load_one("OTEL_ATTRIBUTE_COUNT_LIMIT", "99999999999");
    cr_expect_eq(otel_config.attribute_count_limit, UINT16_MAX);
    expect_quiet();
    /* What does not parse for spans leaves the general one. */
    set("OTEL_ATTRIBUTE_COUNT_LIMIT", "10");
    set("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "x");
    load();
    cr_expect_eq(otel_config.attribute_count_limit, 10);
    expect_warning("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT: ignored 'x'");
}

Test(config, propagators)
{
    enum { T = OTEL_PROPAGATOR_TRACECONTEXT, G = OTEL_PROPAGATOR_BAGGAGE };
    enum { B = OTEL_PROPAGATOR_B3, M = OTEL_PROPAGATOR_B3MULTI };
    static const struct {
        const char *value;
        unsigned want;
        size_t warnings;
    } cases[] = {
        {"tracecontext", T, 0},   {"b3", B, 0},
        {"b3,b3multi", B | M, 0}, {" TraceContext , BAGGAGE ", T | G, 0},
        {"b3,b3,b3", B, 0},       {"none", 0, 0},
        {"b3,none", 0, 0},        {"none,xray", 0, 1},
        {"b3,jaeger", B, 1},      {"jaeger,xray", T | G, 2},
        {",,b3,", B, 0},          {",", T | G, 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        load_one("OTEL_PROPAGATORS", cases[i].value);
        cr_expect_eq(otel_config.propagators, cases[i].want, "'%s'", cases[i].value);
        cr_expect_eq(warnings(), cases[i].warnings, "'%s': %s", cases[i].value, said);
    }
    load_one("OTEL_PROPAGATORS", "b3,jaeger");
    expect_warning("OTEL_PROPAGATORS: ignored 'jaeger': not supported");
}

Test(config, samplers)
{
    static const struct {
        const char *name, *arg;
        enum otel_sampler_kind kind;
        double ratio;
        bool warned;
    } cases[] = {
        {"always_on", NULL, OTEL_SAMPLER_ALWAYS_ON, 1, false},
        {"ALWAYS_OFF", "rubbish", OTEL_SAMPLER_ALWAYS_OFF, 1, false},
        {"traceidratio", NULL, OTEL_SAMPLER_RATIO, 1, false},
        {"traceidratio", "0.25", OTEL_SAMPLER_RATIO, 0.25, false},
        {"parentbased_always_on", "0.5", OTEL_SAMPLER_PARENT_ALWAYS_ON, 1, false},
        {"parentbased_always_off", NULL, OTEL_SAMPLER_PARENT_ALWAYS_OFF, 1, false},
        {"parentbased_traceidratio", "0", OTEL_SAMPLER_PARENT_RATIO, 0, false},
        {"traceidratio", "1.5", OTEL_SAMPLER_RATIO, 1, true},
        {"traceidratio", "-0.5", OTEL_SAMPLER_RATIO, 1, true},
        {"traceidratio", "nan", OTEL_SAMPLER_RATIO, 1, true},
        {"sometimes", "0.5", OTEL_SAMPLER_PARENT_ALWAYS_ON, 1, true},
        {NULL, "0.5", OTEL_SAMPLER_PARENT_ALWAYS_ON, 1, false},
        {NULL, "rubbish", OTEL_SAMPLER_PARENT_ALWAYS_ON, 1, false},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (cases[i].name)
            set("OTEL_TRACES_SAMPLER", cases[i].name);
        if (cases[i].arg)
            set("OTEL_TRACES_SAMPLER_ARG", cases[i].arg);
        load();
        cr_expect_eq(otel_config.sampler.kind, cases[i].kind, "case %zu", i);
        cr_expect_eq(otel_config.sampler.threshold, otel_sampler_threshold(cases[i].ratio),
                     "case %zu", i);
        cr_expect_eq(warnings(), (size_t)cases[i].warned, "case %zu: %s", i, said);
    }
}

Test(config, ratios)
{
    static const char *const good[] = {"0",
                                       "1",
                                       "1.0",
                                       "0.1",
                                       ".5",
                                       "1.",
                                       "1e-3",
                                       "0.3",
                                       "5E-1",
                                       "0.7",
                                       "0.0001",
                                       "10e-1",
                                       "00.5",
                                       "1e-9",
                                       "0e9",
                                       "1e-400",
                                       "0.123456789012345",
                                       "0.100000000000000000000000000000"};
    static const char *const bad[] = {
        "",    ".",   "-0",   "+1",   "1.1", "2",      "1e",      "1e+",       "0x1",   "inf",
        "nan", "1,0", "0.5x", "0..5", "1e1", "1e5000", "1e99999", "1.0000001", "0.1e 1"};
    double ratio;

    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        cr_expect_eq(otel_config_parse_ratio(&ratio, good[i]), 0, "'%s'", good[i]);
        cr_expect_eq(ratio, strtod(good[i], NULL), "'%s' gave %.17g", good[i], ratio);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_neq(otel_config_parse_ratio(&ratio, bad[i]), 0, "'%s'", bad[i]);
}

Test(config, exporters)
{
    enum { O = OTEL_EXPORTER_OTLP, C = OTEL_EXPORTER_CONSOLE, S = OTEL_EXPORTER_OTLP_STDOUT };
    enum { F = OTEL_EXPORTER_FILE };
    static const struct {
        const char *value, *file;
        unsigned want;
        size_t warnings;
    } cases[] = {
        {"otlp", NULL, O, 0},           {"console", NULL, C, 0},  {"otlp,console", NULL, O | C, 0},
        {"OTLP/stdout", NULL, S, 0},    {"file", "/tmp/x", F, 0}, {"file", NULL, 0, 1},
        {"file,otlp", NULL, O, 1},      {"none", NULL, 0, 0},     {"otlp,none", NULL, 0, 0},
        {"zipkin,console", NULL, C, 1}, {"zipkin", NULL, O, 1},   {"none,file", NULL, 0, 0},
        {"console", "/tmp/x", C, 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        set("OTEL_TRACES_EXPORTER", cases[i].value);
        if (cases[i].file)
            set("OTEL_AUTO_FILE", cases[i].file);
        load();
        cr_expect_eq(otel_config.exporters, cases[i].want, "'%s'", cases[i].value);
        cr_expect_eq(warnings(), cases[i].warnings, "'%s': %s", cases[i].value, said);
    }
}

Test(config, otlp_enums)
{
    load_one("OTEL_EXPORTER_OTLP_PROTOCOL", "HTTP/JSON");
    cr_expect_eq(otel_config.otlp_protocol, OTEL_OTLP_HTTP_JSON);
    set("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json");
    set("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc");
    set("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
    load();
    cr_expect_eq(otel_config.otlp_protocol, OTEL_OTLP_GRPC);
    cr_expect(otel_config.otlp_gzip);
    set("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
    set("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "none");
    load();
    cr_expect_not(otel_config.otlp_gzip);
    load_one("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd");
    cr_expect_not(otel_config.otlp_gzip);
    expect_warning("OTEL_EXPORTER_OTLP_COMPRESSION: ignored 'zstd'");
}

Test(config, otlp_texts)
{
    set("OTEL_EXPORTER_OTLP_HEADERS", "a=1");
    set("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "b=2");
    set("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca");
    set("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "/ca-traces");
    set("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/key");
    set("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/cert");
    load();
    cr_expect_str_eq(otel_config.otlp_headers, "a=1");
    cr_expect_str_eq(otel_config.otlp_traces_headers, "b=2");
    cr_expect_str_eq(otel_config.otlp_certificate, "/ca-traces");
    cr_expect_str_eq(otel_config.otlp_client_key, "/key");
    cr_expect_str_eq(otel_config.otlp_client_certificate, "/cert");
}

Test(config, endpoints)
{
    static const struct {
        const char *protocol, *base, *traces, *want;
        size_t warnings;
    } cases[] = {
        {NULL, "http://h:1", NULL, "http://h:1/v1/traces", 0},
        {NULL, "http://h:1/", NULL, "http://h:1/v1/traces", 0},
        {NULL, "http://h:1///", NULL, "http://h:1/v1/traces", 0},
        {NULL, "https://h/a/b", NULL, "https://h/a/b/v1/traces", 0},
        {NULL, "https://h/a/b/", NULL, "https://h/a/b/v1/traces", 0},
        {NULL, "HTTP://h", NULL, "HTTP://h/v1/traces", 0},
        {NULL, " http://h ", NULL, "http://h/v1/traces", 0},
        {NULL, "http://h/p/?k=v", NULL, "http://h/p/v1/traces?k=v", 0},
        {NULL, "http://[::1]:4318", NULL, "http://[::1]:4318/v1/traces", 0},
        {NULL, "http://h:1/v1/traces", NULL, "http://h:1/v1/traces/v1/traces", 0},
        {NULL, NULL, "http://h:1", "http://h:1", 0},
        {NULL, NULL, "http://h:1/x/", "http://h:1/x/", 0},
        {NULL, "http://a", "http://b/c", "http://b/c", 0},
        {NULL, "http://a", "b", "http://a/v1/traces", 1},
        {NULL, "unix:/run/s", NULL, "unix:/run/s", 0},
        {NULL, "unix:///run/s", NULL, "unix:///run/s", 0},
        {NULL, NULL, "unix:/run/s", "unix:/run/s", 0},
        {NULL, "unix:run/s", NULL, "http://localhost:4318/v1/traces", 1},
        {NULL, "h:4318", NULL, "http://localhost:4318/v1/traces", 1},
        {NULL, "ftp://h", NULL, "http://localhost:4318/v1/traces", 1},
        {NULL, "http://", NULL, "http://localhost:4318/v1/traces", 1},
        {NULL, "http:///x", NULL, "http://localhost:4318/v1/traces", 1},
        {NULL, "http://a b", NULL, "http://localhost:4318/v1/traces", 1},
        {NULL, "http://a\r\nb: c", NULL, "http://localhost:4318/v1/traces", 1},
        {NULL, " ", NULL, "http://localhost:4318/v1/traces", 1},
        {"http/json", NULL, NULL, "http://localhost:4318/v1/traces", 0},
        {"grpc", NULL, NULL, "http://localhost:4317", 0},
        {"grpc", "http://h:9", NULL, "http://h:9", 0},
        {"grpc", "http://h:9/", NULL, "http://h:9/", 0},
        {"grpc", "h:9", NULL, "https://h:9", 0},
        {"grpc", NULL, "h:9", "https://h:9", 0},
        {"grpc", "unix:/s", NULL, "unix:/s", 0},
        {"grpc", "ftp://h:9", NULL, "http://localhost:4317", 1},
        {"grpc", ":9", NULL, "http://localhost:4317", 1},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (cases[i].protocol)
            set("OTEL_EXPORTER_OTLP_PROTOCOL", cases[i].protocol);
        if (cases[i].base)
            set("OTEL_EXPORTER_OTLP_ENDPOINT", cases[i].base);
        if (cases[i].traces)
            set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", cases[i].traces);
        load();
        cr_expect_str_eq(otel_config.otlp_endpoint, cases[i].want, "case %zu: %s", i,
                         otel_config.otlp_endpoint);
        cr_expect_eq(warnings(), cases[i].warnings, "case %zu: %s", i, said);
    }
}

Test(config, grpc_host_and_port_insecure)
{
    set("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    set("OTEL_EXPORTER_OTLP_INSECURE", "true");
    set("OTEL_EXPORTER_OTLP_ENDPOINT", "h:9");
    load();
    cr_expect_str_eq(otel_config.otlp_endpoint, "http://h:9");
}

Test(config, no_secret_in_a_warning)
{
    load_one("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://user:hunter2@h");
    expect_warning("OTEL_EXPORTER_OTLP_ENDPOINT");
    cr_expect_null(strstr(said, "hunter2"));
}

Test(config, known_methods)
{
    load_one("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", "GET, purge,,BREW");
    cr_expect_str_eq(otel_config.known_methods[0], "GET");
    cr_expect_str_eq(otel_config.known_methods[1], "purge");
    cr_expect_str_eq(otel_config.known_methods[2], "BREW");
    cr_expect_null(otel_config.known_methods[3]);
    load_one("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", ",");
    cr_expect_str_eq(otel_config.known_methods[9], "QUERY");
    expect_warning("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS");
}

Test(config, too_many_known_methods)
{
    char list[256] = "";

    for (int i = 0; i < 40; i++)
        strcat(list, i ? ",A" : "A");
    load_one("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", list);
    cr_expect_str_eq(otel_config.known_methods[OTEL_KNOWN_METHODS_MAX - 2], "A");
    cr_expect_null(otel_config.known_methods[OTEL_KNOWN_METHODS_MAX - 1]);
    expect_warning("more than 31 methods");
}

Test(config, semconv_opt_in)
{
    load_one("OTEL_SEMCONV_STABILITY_OPT_IN", "rpc, HTTP/dup");
    cr_expect(otel_config.http_dup && !otel_config.database_dup);
    load_one("OTEL_SEMCONV_STABILITY_OPT_IN", "database/dup,http");
    cr_expect(!otel_config.http_dup && otel_config.database_dup);
    expect_quiet();
}

Test(config, own_enums)
{
    static const char *const texts[] = {"auto", "sanitize", "RAW", "off"};

    load_one("OTEL_AUTO_EXISTING_TRACEPARENT", "keep");
    cr_expect(otel_config.existing_keep);
    load_one("OTEL_AUTO_EXISTING_TRACEPARENT", "drop");
    cr_expect_not(otel_config.existing_keep);
    expect_warning("OTEL_AUTO_EXISTING_TRACEPARENT: ignored 'drop'");
    for (int i = 0; i < 4; i++) {
        load_one("OTEL_AUTO_DB_QUERY_TEXT", texts[i]);
        cr_expect_eq((int)otel_config.db_text, i);
    }
}

Test(config, families)
{
    cr_expect_not(otel_config_family_disabled("curl"));
    load_one("OTEL_AUTO_DISABLE", "curl, SQLite");
    cr_expect(otel_config_family_disabled("curl"));
    cr_expect(otel_config_family_disabled("sqlite"));
    cr_expect_not(otel_config_family_disabled("cur"));
    cr_expect_not(otel_config_family_disabled("curls"));
    cr_expect_not(otel_config_family_disabled("socket"));
}

Test(config, secure_reads_safe_rows_alone)
{
    set("OTEL_LOG_LEVEL", "warn");
    set("OTEL_AUTO_LOG", "/tmp/log");
    set("OTEL_SERVICE_NAME", "s");
    set("OTEL_EXPORTER_OTLP_ENDPOINT", "http://evil");
    set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://evil");
    set("OTEL_EXPORTER_OTLP_HEADERS", "a=b");
    set("OTEL_EXPORTER_OTLP_CERTIFICATE", "/c");
    set("OTEL_TRACES_EXPORTER", "file");
    set("OTEL_AUTO_FILE", "/tmp/f");
    set("OTEL_AUTO_CONSOLE", "/tmp/c");
    set("OTEL_AUTO_COMMAND_ARGS", "true");
    set("OTEL_AUTO_DB_QUERY_TEXT", "raw");
    load_as(true);
    cr_expect(otel_config.secure);
    cr_expect_null(otel_config.log_path);
    cr_expect_str_eq(otel_config.service_name, "s");
    cr_expect_str_eq(otel_config.otlp_endpoint, "http://localhost:4318/v1/traces");
    cr_expect_null(otel_config.otlp_headers);
    cr_expect_null(otel_config.otlp_certificate);
    cr_expect_eq(otel_config.exporters, OTEL_EXPORTER_OTLP);
    cr_expect_null(otel_config.file_path);
    cr_expect_null(otel_config.console_path);
    cr_expect_not(otel_config.command_args);
    cr_expect_eq(otel_config.db_text, OTEL_DB_TEXT_AUTO);
    expect_quiet();
}

/* Every row that names a path or a peer is closed to setuid processes. */
Test(config, secure_column)
{
    static const char *const unsafe[] = {"LOG\0",       "FILE",       "CONSOLE", "ENDPOINT",
                                         "CERTIFICATE", "CLIENT_KEY", "HEADERS", "TRACES_EXPORTER",
                                         "INSECURE"};
    const struct otel_setting *setting;

    for (size_t i = 0; (setting = otel_setting_at(i)); i++) {
        for (size_t k = 0; k < sizeof unsafe / sizeof *unsafe; k++) {
            size_t len = strlen(setting->name), tail = strlen(unsafe[k]);

            if (len >= tail && strcmp(setting->name + len - tail, unsafe[k]) == 0)
                cr_expect_not(setting->secure_ok, "%s", setting->name);
        }
    }
}

/* The environment may change after the start; the settings may not. */
Test(config, texts_are_copies)
{
    char name[] = "first", parent[] = "00-x";

    set("OTEL_SERVICE_NAME", name);
    set("TRACEPARENT", parent);
    set("BAGGAGE", "a=b");
    load();
    memset(name, 'x', 5);
    memset(parent, 'x', 4);
    cr_expect_str_eq(otel_config.service_name, "first");
    cr_expect_str_eq(otel_config.traceparent, "00-x");
    cr_expect_str_eq(otel_config.baggage, "a=b");
}

static char *big_text(size_t len)
{
    char *text = malloc(len + 1);

    memset(text, 'a', len);
    text[len] = '\0';
    return text;
}

Test(config, texts_larger_than_the_arena)
{
    size_t len = 200 * 1024;
    char *text = big_text(len);

    set("OTEL_RESOURCE_ATTRIBUTES", text);
    set("OTEL_SERVICE_NAME", "s");
    load();
    cr_expect_str_eq(otel_config.resource_attributes, text);
    cr_expect_str_eq(otel_config.service_name, "s");
    free(text);
}

static void *no_memory(size_t len)
{
    (void)len;
    return NULL;
}

Test(config, no_memory_leaves_the_default)
{
    char *text = big_text(100 * 1024);

    otel_sys.mmap = no_memory;
    set("OTEL_EXPORTER_OTLP_HEADERS", text);
    set("OTEL_SERVICE_NAME", "s");
    load();
    cr_expect_null(otel_config.otlp_headers);
    cr_expect_str_eq(otel_config.service_name, "s");
    expect_warning("OTEL_EXPORTER_OTLP_HEADERS: ignored: no memory");
    free(text);
}

/* A value of exactly what is left in the arena must not reach past it. */
Test(config, arena_edges)
{
    for (size_t len = 65533; len < 65540; len++) {
        char *text = big_text(len);

        set("OTEL_SERVICE_NAME", text);
        set("OTEL_RESOURCE_ATTRIBUTES", "k=v");
        load();
        cr_expect_eq(strlen(otel_config.service_name), len);
        cr_expect_str_eq(otel_config.resource_attributes, "k=v");
        free(text);
    }
}

Test(config, real_environment)
{
    setenv("OTEL_SERVICE_NAME", "from-environ", 1);
    otel_config_load(otel_env_lookup, false);
    cr_expect_str_eq(otel_config.service_name, "from-environ");
}
