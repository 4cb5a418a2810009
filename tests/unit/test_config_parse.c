/* SPDX-License-Identifier: Apache-2.0 */
#include "core/config_row.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "core/propagation.h"
#include "tests/unit/env.h"

Test(config_parse, booleans)
{
    env_load_one("OTEL_SDK_DISABLED", "TrUe");
    cr_expect(otel_config.disabled);
    env_load_one("OTEL_SDK_DISABLED", "1");
    cr_expect_not(otel_config.disabled);
    expect_warning("OTEL_SDK_DISABLED: ignored '1'");
    env_load_one("OTEL_AUTO_PRIVATE_DESCRIPTORS", "False");
    cr_expect_not(otel_config.private_fds);
    expect_quiet();
    env_load_one("OTEL_AUTO_PRIVATE_DESCRIPTORS", "no");
    cr_expect(otel_config.private_fds);
    expect_warning("OTEL_AUTO_PRIVATE_DESCRIPTORS");
    env_set("OTEL_AUTO_KEEP_DEEPBIND", "true");
    env_set("OTEL_AUTO_COMMAND_ARGS", "true");
    env_set("OTEL_EXPORTER_OTLP_INSECURE", "true");
    env_load();
    cr_expect(otel_config.keep_deepbind && otel_config.command_args && otel_config.otlp_insecure);
}

Test(config_parse, numbers)
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
        env_load_one("OTEL_BSP_MAX_QUEUE_SIZE", cases[i].value);
        cr_expect_eq(otel_config.max_queue_size, cases[i].want ? cases[i].want : 2048, "'%s'",
                     cases[i].value);
        if (cases[i].want)
            expect_quiet();
        else
            expect_warning("OTEL_BSP_MAX_QUEUE_SIZE");
    }
}

Test(config_parse, delays_and_timeouts)
{
    env_set("OTEL_BSP_SCHEDULE_DELAY", "20");
    env_set("OTEL_BSP_EXPORT_TIMEOUT", "31");
    env_set("OTEL_EXPORTER_OTLP_TIMEOUT", "32");
    env_load();
    cr_expect_eq(otel_config.schedule_delay_ms, 20);
    cr_expect(otel_config.schedule_delay_set);
    cr_expect_eq(otel_config.export_timeout_ms, 31);
    cr_expect_eq(otel_config.otlp_timeout_ms, 32);
    env_load_one("OTEL_BSP_SCHEDULE_DELAY", "soon");
    cr_expect_eq(otel_config.schedule_delay_ms, 5000);
    cr_expect_not(otel_config.schedule_delay_set);
}

Test(config_parse, exit_timeout_is_capped)
{
    env_load_one("OTEL_AUTO_EXIT_TIMEOUT", "60000");
    cr_expect_eq(otel_config.exit_timeout_ms, 10000);
    expect_quiet();
    env_load_one("OTEL_AUTO_EXIT_TIMEOUT", "0");
    cr_expect_eq(otel_config.exit_timeout_ms, 0);
    env_load_one("OTEL_AUTO_EXIT_TIMEOUT", "later");
    cr_expect_eq(otel_config.exit_timeout_ms, 900);
    expect_warning("OTEL_AUTO_EXIT_TIMEOUT: ignored 'later'");
}

Test(config_parse, batch_is_at_most_the_queue)
{
    env_load_one("OTEL_BSP_MAX_QUEUE_SIZE", "100");
    cr_expect_eq(otel_config.max_export_batch_size, 100);
    expect_quiet();
    env_set("OTEL_BSP_MAX_QUEUE_SIZE", "100");
    env_set("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "101");
    env_load();
    cr_expect_eq(otel_config.max_export_batch_size, 100);
    expect_warning("OTEL_BSP_MAX_EXPORT_BATCH_SIZE");
    env_load_one("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "64");
    cr_expect_eq(otel_config.max_export_batch_size, 64);
    expect_quiet();
    env_load_one("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "0");
    cr_expect_eq(otel_config.max_export_batch_size, 512);
    expect_warning("OTEL_BSP_MAX_EXPORT_BATCH_SIZE");
}

Test(config_parse, limits)
{
    env_set("OTEL_ATTRIBUTE_COUNT_LIMIT", "10");
    env_set("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "11");
    env_set("OTEL_SPAN_EVENT_COUNT_LIMIT", "0");
    env_set("OTEL_SPAN_LINK_COUNT_LIMIT", "13");
    env_load();
    cr_expect_eq(otel_config.attribute_count_limit, 10);
    cr_expect_eq(otel_config.attribute_value_length_limit, 11);
    cr_expect_eq(otel_config.event_count_limit, 0);
    cr_expect_eq(otel_config.link_count_limit, 13);
    env_set("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "20");
    env_set("OTEL_ATTRIBUTE_COUNT_LIMIT", "10");
    env_set("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "21");
    env_set("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "11");
    env_load();
    cr_expect_eq(otel_config.attribute_count_limit, 20);
    cr_expect_eq(otel_config.attribute_value_length_limit, 21);
    /* A record holds no more than the cap, so a larger limit is no limit. */
    env_load_one("OTEL_ATTRIBUTE_COUNT_LIMIT", "99999999999");
    cr_expect_eq(otel_config.attribute_count_limit, UINT16_MAX);
    expect_quiet();
    /* What does not parse for spans leaves the general one. */
    env_set("OTEL_ATTRIBUTE_COUNT_LIMIT", "10");
    env_set("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "x");
    env_load();
    cr_expect_eq(otel_config.attribute_count_limit, 10);
    expect_warning("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT: ignored 'x'");
}

Test(config_parse, propagators)
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
        env_load_one("OTEL_PROPAGATORS", cases[i].value);
        cr_expect_eq(otel_config.propagators, cases[i].want, "'%s'", cases[i].value);
        cr_expect_eq(env_warnings(), cases[i].warnings, "'%s': %s", cases[i].value, env_said);
    }
    env_load_one("OTEL_PROPAGATORS", "b3,jaeger");
    expect_warning("OTEL_PROPAGATORS: ignored 'jaeger': not supported");
}

Test(config_parse, samplers)
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
            env_set("OTEL_TRACES_SAMPLER", cases[i].name);
        if (cases[i].arg)
            env_set("OTEL_TRACES_SAMPLER_ARG", cases[i].arg);
        env_load();
        cr_expect_eq(otel_config.sampler.kind, cases[i].kind, "case %zu", i);
        cr_expect_eq(otel_config.sampler.threshold, otel_sampler_threshold(cases[i].ratio),
                     "case %zu", i);
        cr_expect_eq(env_warnings(), (size_t)cases[i].warned, "case %zu: %s", i, env_said);
    }
}

Test(config_parse, ratios)
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

Test(config_parse, exporters)
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
        env_set("OTEL_TRACES_EXPORTER", cases[i].value);
        if (cases[i].file)
            env_set("OTEL_AUTO_FILE", cases[i].file);
        env_load();
        cr_expect_eq(otel_config.exporters, cases[i].want, "'%s'", cases[i].value);
        cr_expect_eq(env_warnings(), cases[i].warnings, "'%s': %s", cases[i].value, env_said);
    }
}

Test(config_parse, otlp_enums)
{
    env_load_one("OTEL_EXPORTER_OTLP_PROTOCOL", "HTTP/JSON");
    cr_expect_eq(otel_config.otlp_protocol, OTEL_OTLP_HTTP_JSON);
    env_set("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json");
    env_set("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc");
    env_set("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
    env_load();
    cr_expect_eq(otel_config.otlp_protocol, OTEL_OTLP_GRPC);
    cr_expect(otel_config.otlp_gzip);
    env_set("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
    env_set("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "none");
    env_load();
    cr_expect_not(otel_config.otlp_gzip);
    env_load_one("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd");
    cr_expect_not(otel_config.otlp_gzip);
    expect_warning("OTEL_EXPORTER_OTLP_COMPRESSION: ignored 'zstd'");
}

Test(config_parse, otlp_texts)
{
    env_set("OTEL_EXPORTER_OTLP_HEADERS", "a=1");
    env_set("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "b=2");
    env_set("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca");
    env_set("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "/ca-traces");
    env_set("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/key");
    env_set("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/cert");
    env_load();
    cr_expect_str_eq(otel_config.otlp_headers, "a=1");
    cr_expect_str_eq(otel_config.otlp_traces_headers, "b=2");
    cr_expect_str_eq(otel_config.otlp_certificate, "/ca-traces");
    cr_expect_str_eq(otel_config.otlp_client_key, "/key");
    cr_expect_str_eq(otel_config.otlp_client_certificate, "/cert");
}

Test(config_parse, known_methods)
{
    env_load_one("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", "GET, purge,,BREW");
    cr_expect_str_eq(otel_config.known_methods[0], "GET");
    cr_expect_str_eq(otel_config.known_methods[1], "purge");
    cr_expect_str_eq(otel_config.known_methods[2], "BREW");
    cr_expect_null(otel_config.known_methods[3]);
    env_load_one("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", ",");
    cr_expect_str_eq(otel_config.known_methods[9], "QUERY");
    expect_warning("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS");
}

Test(config_parse, too_many_known_methods)
{
    char list[256] = "";

    for (int i = 0; i < 40; i++)
        strcat(list, i ? ",A" : "A");
    env_load_one("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", list);
    cr_expect_str_eq(otel_config.known_methods[OTEL_KNOWN_METHODS_MAX - 2], "A");
    cr_expect_null(otel_config.known_methods[OTEL_KNOWN_METHODS_MAX - 1]);
    expect_warning("more than 31 methods");
}

Test(config_parse, semconv_opt_in)
{
    env_load_one("OTEL_SEMCONV_STABILITY_OPT_IN", "rpc, HTTP/dup");
    cr_expect(otel_config.http_dup && !otel_config.database_dup);
    env_load_one("OTEL_SEMCONV_STABILITY_OPT_IN", "database/dup,http");
    cr_expect(!otel_config.http_dup && otel_config.database_dup);
    expect_quiet();
}

Test(config_parse, own_enums)
{
    static const char *const texts[] = {"auto", "sanitize", "RAW", "off"};

    env_load_one("OTEL_AUTO_EXISTING_TRACEPARENT", "keep");
    cr_expect(otel_config.existing_keep);
    env_load_one("OTEL_AUTO_EXISTING_TRACEPARENT", "drop");
    cr_expect_not(otel_config.existing_keep);
    expect_warning("OTEL_AUTO_EXISTING_TRACEPARENT: ignored 'drop'");
    for (int i = 0; i < 4; i++) {
        env_load_one("OTEL_AUTO_DB_QUERY_TEXT", texts[i]);
        cr_expect_eq((int)otel_config.db_text, i);
    }
}

Test(config_parse, sockets)
{
    static const char *const texts[] = {"off", "Connection", "call"};

    for (int i = 0; i < 3; i++) {
        env_load_one("OTEL_AUTO_SOCKET_SPANS", texts[i]);
        cr_expect_eq((int)otel_config.socket_spans, i);
    }
    env_load_one("OTEL_AUTO_SOCKET_SPANS", "all");
    cr_expect_eq(otel_config.socket_spans, OTEL_SOCKET_SPANS_CONNECTION);
    expect_warning("OTEL_AUTO_SOCKET_SPANS: ignored 'all'");
    env_load_one("OTEL_AUTO_HTTP_ROUTES", "/a/:id, /b");
    cr_expect_str_eq(otel_config.http_routes, "/a/:id, /b");
    env_load_one("OTEL_AUTO_HTTP_CAPTURE_REQUEST_HEADERS", "X-A,x-b");
    cr_expect_str_eq(otel_config.http_request_headers, "X-A,x-b");
    env_load_one("OTEL_AUTO_HTTP_CAPTURE_RESPONSE_HEADERS", "x-c");
    cr_expect_str_eq(otel_config.http_response_headers, "x-c");
}

Test(config_parse, families)
{
    cr_expect_not(otel_config_family_disabled("curl"));
    env_load_one("OTEL_AUTO_DISABLE", "curl, SQLite");
    cr_expect(otel_config_family_disabled("curl"));
    cr_expect(otel_config_family_disabled("sqlite"));
    cr_expect_not(otel_config_family_disabled("cur"));
    cr_expect_not(otel_config_family_disabled("curls"));
    cr_expect_not(otel_config_family_disabled("sockets"));
    env_load_one("OTEL_AUTO_DISABLE", "sockets");
    cr_expect(otel_config_family_disabled("sockets"));
    cr_expect_not(otel_config_family_disabled("socket"));
}
