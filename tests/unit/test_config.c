/* SPDX-License-Identifier: Apache-2.0 */
#include "core/config.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "core/propagation.h"
#include "core/sys.h"
#include "tests/unit/env.h"

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
    cr_expect_eq(c->socket_spans, OTEL_SOCKET_SPANS_CONNECTION);
    cr_expect_null(c->http_routes);
    cr_expect_null(c->http_request_headers);
    cr_expect_null(c->http_response_headers);
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
    env_load_as(false);
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
    otel_log_set_stderr_writer(env_capture);
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
            env_set("OTEL_LOG_LEVEL", cases[i].level);
        if (cases[i].path)
            env_set("OTEL_AUTO_LOG", cases[i].path);
        env_load_as(false);
        cr_expect_eq(otel_config.log_level, cases[i].want, "case %zu", i);
    }
    expect_warning("OTEL_LOG_LEVEL: ignored 'talkative'");
}

Test(config, silent_unless_asked)
{
    env_set("OTEL_BSP_MAX_QUEUE_SIZE", "many");
    env_load_as(false);
    expect_quiet();
}

Test(config, secure_reads_safe_rows_alone)
{
    env_set("OTEL_LOG_LEVEL", "warn");
    env_set("OTEL_AUTO_LOG", "/tmp/log");
    env_set("OTEL_SERVICE_NAME", "s");
    env_set("OTEL_EXPORTER_OTLP_ENDPOINT", "http://evil");
    env_set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://evil");
    env_set("OTEL_EXPORTER_OTLP_HEADERS", "a=b");
    env_set("OTEL_EXPORTER_OTLP_CERTIFICATE", "/c");
    env_set("OTEL_TRACES_EXPORTER", "file");
    env_set("OTEL_AUTO_FILE", "/tmp/f");
    env_set("OTEL_AUTO_CONSOLE", "/tmp/c");
    env_set("OTEL_AUTO_COMMAND_ARGS", "true");
    env_set("OTEL_AUTO_DB_QUERY_TEXT", "raw");
    env_set("OTEL_AUTO_HTTP_CAPTURE_REQUEST_HEADERS", "cookie");
    env_set("OTEL_AUTO_HTTP_CAPTURE_RESPONSE_HEADERS", "set-cookie");
    env_load_as(true);
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
    cr_expect_null(otel_config.http_request_headers);
    cr_expect_null(otel_config.http_response_headers);
    expect_quiet();
}

/* The environment may change after the start; the settings may not. */
Test(config, texts_are_copies)
{
    char name[] = "first", parent[] = "00-x";

    env_set("OTEL_SERVICE_NAME", name);
    env_set("TRACEPARENT", parent);
    env_set("BAGGAGE", "a=b");
    env_load();
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

    env_set("OTEL_RESOURCE_ATTRIBUTES", text);
    env_set("OTEL_SERVICE_NAME", "s");
    env_load();
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
    env_set("OTEL_EXPORTER_OTLP_HEADERS", text);
    env_set("OTEL_SERVICE_NAME", "s");
    env_load();
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

        env_set("OTEL_SERVICE_NAME", text);
        env_set("OTEL_RESOURCE_ATTRIBUTES", "k=v");
        env_load();
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
