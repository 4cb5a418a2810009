/* SPDX-License-Identifier: Apache-2.0 */
#include "core/config.h"

#include <criterion/criterion.h>
#include <string.h>

#include "tests/unit/env.h"

Test(config_endpoint, endpoints)
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
            env_set("OTEL_EXPORTER_OTLP_PROTOCOL", cases[i].protocol);
        if (cases[i].base)
            env_set("OTEL_EXPORTER_OTLP_ENDPOINT", cases[i].base);
        if (cases[i].traces)
            env_set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", cases[i].traces);
        env_load();
        cr_expect_str_eq(otel_config.otlp_endpoint, cases[i].want, "case %zu: %s", i,
                         otel_config.otlp_endpoint);
        cr_expect_eq(env_warnings(), cases[i].warnings, "case %zu: %s", i, env_said);
    }
}

Test(config_endpoint, grpc_host_and_port_insecure)
{
    env_set("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    env_set("OTEL_EXPORTER_OTLP_INSECURE", "true");
    env_set("OTEL_EXPORTER_OTLP_ENDPOINT", "h:9");
    env_load();
    cr_expect_str_eq(otel_config.otlp_endpoint, "http://h:9");
}

Test(config_endpoint, no_secret_in_a_warning)
{
    env_load_one("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://user:hunter2@h");
    expect_warning("OTEL_EXPORTER_OTLP_ENDPOINT");
    cr_expect_null(strstr(env_said, "hunter2"));
}
