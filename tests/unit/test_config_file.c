/* SPDX-License-Identifier: Apache-2.0 */
#include "core/config_file.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/config.h"
#include "core/propagation.h"
#include "core/resource.h"
#include "core/sys.h"
#include "core/wire.h"
#include "tests/unit/env.h"

#define FORMAT "file_format: \"1.1\"\n"
#define PROVIDER "tracer_provider:\n  processors:\n    - batch:\n        exporter:\n"

static char path[] = "/tmp/otel-config-XXXXXX";

/* Loads a file of that text. */
static void load(const char *text)
{
    int fd;

    strcpy(path, "/tmp/otel-config-XXXXXX");
    fd = mkstemp(path);
    cr_assert(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    env_load_one("OTEL_CONFIG_FILE", path);
    unlink(path);
}

#define expect_wrong(text, where)                         \
    do {                                                  \
        load(text);                                       \
        expect_warning(where ": ");                       \
        cr_expect(strstr(env_said, "nothing is traced")); \
        cr_expect(otel_config.disabled);                  \
        cr_expect(otel_config.file_wrong);                \
    } while (0)

Test(config_file, says_what_the_variables_say)
{
    load(FORMAT "attribute_limits:\n"
                "  attribute_count_limit: 30\n"
                "  attribute_value_length_limit: 100\n"
                "propagator:\n"
                "  composite: [{tracecontext: }, {b3: }]\n"
                "  composite_list: \"baggage\"\n"
                "tracer_provider:\n"
                "  processors:\n"
                "    - batch:\n"
                "        schedule_delay: 1234\n"
                "        export_timeout: 0\n"
                "        max_queue_size: 100\n"
                "        max_export_batch_size: 10\n"
                "        exporter:\n"
                "          otlp_http:\n"
                "            endpoint: https://collector:4318/some/path\n"
                "            tls: {ca_file: /ca, key_file: /key, cert_file: /cert}\n"
                "            headers:\n"
                "              - {name: api-key, value: \"a,b=%\"}\n"
                "              - {name: unset, value: }\n"
                "            headers_list: \"api-key=old,other=1\"\n"
                "            compression: gzip\n"
                "            timeout: 77\n"
                "            encoding: json\n"
                "    - simple: {exporter: {console: }}\n"
                "  limits: {attribute_count_limit: 20, event_count_limit: 3, link_count_limit: 2}\n"
                "  sampler: {parent_based: {root: {trace_id_ratio_based: {ratio: 0.25}}}}\n");
    expect_quiet();
    cr_expect_not(otel_config.disabled);
    cr_expect_eq(otel_config.attribute_count_limit, 20);
    cr_expect_eq(otel_config.attribute_value_length_limit, 100);
    cr_expect_eq(otel_config.event_count_limit, 3);
    cr_expect_eq(otel_config.link_count_limit, 2);
    cr_expect_eq(otel_config.propagators,
                 OTEL_PROPAGATOR_TRACECONTEXT | OTEL_PROPAGATOR_B3 | OTEL_PROPAGATOR_BAGGAGE);
    cr_expect_eq(otel_config.schedule_delay_ms, 1234);
    cr_expect_eq(otel_config.export_timeout_ms, INT32_MAX);
    cr_expect_eq(otel_config.max_queue_size, 100);
    cr_expect_eq(otel_config.max_export_batch_size, 10);
    cr_expect_eq(otel_config.exporters, OTEL_EXPORTER_OTLP | OTEL_EXPORTER_CONSOLE);
    cr_expect_eq(otel_config.otlp_protocol, OTEL_OTLP_HTTP_JSON);
    cr_expect_str_eq(otel_config.otlp_endpoint, "https://collector:4318/some/path");
    cr_expect_str_eq(otel_config.otlp_headers, "api-key=old,other=1,api-key=a%2Cb%3D%25");
    cr_expect_str_eq(otel_config.otlp_certificate, "/ca");
    cr_expect_str_eq(otel_config.otlp_client_key, "/key");
    cr_expect_str_eq(otel_config.otlp_client_certificate, "/cert");
    cr_expect(otel_config.otlp_gzip);
    cr_expect_eq(otel_config.otlp_timeout_ms, 77);
    cr_expect_eq(otel_config.sampler.kind, OTEL_SAMPLER_PARENT_RATIO);
    cr_expect_eq(otel_config.sampler.threshold, otel_sampler_threshold(0.25));
}

/* The value of an attribute of the resource, by its key; NULL type: it is not there once. */
static struct otel_value resource_value(const char *wanted)
{
    static uint8_t out[OTEL_RESOURCE_MAX];
    struct otel_wire_reader reader = {out, out + otel_resource_build(out, sizeof out)};
    struct otel_wire_field field;
    struct otel_value found = {0}, value;
    struct otel_text key;
    int times = 0;

    while (otel_wire_next(&reader, &field)) {
        if (otel_wire_read_attr(field.data, field.len, &key, &value) && key.len == strlen(wanted) &&
            memcmp(key.data, wanted, key.len) == 0) {
            found = value;
            times++;
        }
    }
    cr_expect_eq(times, 1, "%s: %d", wanted, times);
    return found;
}

Test(config_file, types_of_attributes)
{
    struct otel_value value;

    load(FORMAT "resource:\n"
                "  attributes_list: \"yes=no\"\n"
                "  attributes:\n"
                "    - {name: yes, value: true, type: bool}\n"
                "    - {name: ten, value: 0x0A, type: int}\n"
                "    - {name: half, value: -0.5, type: double}\n"
                "    - {name: list, value: [a, \"b\"], type: string_array}\n"
                "    - {name: process.pid, value: 1, type: int}\n"
                "    - {name: text, value: 5, type: string}\n");
    expect_quiet();
    value = resource_value("yes");
    cr_expect(value.type == OTEL_VALUE_BOOL && value.boolean);
    value = resource_value("ten");
    cr_expect(value.type == OTEL_VALUE_INT && value.integer == 10);
    value = resource_value("half");
    cr_expect(value.type == OTEL_VALUE_DOUBLE && value.real == -0.5);
    cr_expect_eq(resource_value("list").type, OTEL_VALUE_STRINGS);
    cr_expect_eq(resource_value("process.pid").integer, 1);
    cr_expect_eq(resource_value("text").type, OTEL_VALUE_STRING);
    load(FORMAT "resource: {attributes: [{name: a, value: [1], type: int_array}]}\n");
    expect_warning("a is left out");
    expect_wrong(FORMAT "resource: {attributes: [{name: a, value: 1x, type: int}]}\n", ":2:42");
    expect_wrong(FORMAT "resource: {attributes: [{name: a, value: on, type: bool}]}\n", ":2:42");
    expect_wrong(FORMAT "resource: {attributes: [{name: a, value: inf, type: double}]}\n", ":2:42");
    expect_wrong(FORMAT "resource: {attributes: [{name: a, value: 1, type: number}]}\n", ":2:51");
}

Test(config_file, resource_and_instrumentation)
{
    load(FORMAT PROVIDER
         "          otlp_grpc: {endpoint: \"collector:4317\", tls: {insecure: true}}\n"
         "resource:\n"
         "  attributes:\n"
         "    - {name: service.name, value: shop}\n"
         "    - {name: a, value: \"x, y\", type: string}\n"
         "  attributes_list: \"b=2,service.name=other\"\n"
         "instrumentation/development:\n"
         "  java: {whatever: [1, {2: 3}]}\n"
         "  general:\n"
         "    http:\n"
         "      client: {request_captured_headers: [accept]}\n"
         "      server: {request_captured_headers: [host, x-id], response_captured_headers: "
         "[etag]}\n"
         "    stability_opt_in_list: http/dup\n"
         "  c:\n"
         "    otel_auto:\n"
         "      exit_timeout: 50\n"
         "      http_routes: [/a/:id, /b]\n"
         "      socket_spans: call\n"
         "      process_span: true\n"
         "      disable:\n");
    expect_quiet();
    cr_expect_eq(otel_config.otlp_protocol, OTEL_OTLP_GRPC);
    cr_expect_str_eq(otel_config.otlp_endpoint, "http://collector:4317");
    cr_expect_str_eq(otel_config.resource_attributes,
                     "b=2,service.name=other,service.name=shop,a=x%2C%20y");
    cr_expect_str_eq(otel_config.http_request_headers, "accept,host,x-id");
    cr_expect_str_eq(otel_config.http_response_headers, "etag");
    cr_expect(otel_config.http_dup);
    cr_expect_eq(otel_config.exit_timeout_ms, 50);
    cr_expect_str_eq(otel_config.http_routes, "/a/:id,/b");
    cr_expect_eq(otel_config.socket_spans, OTEL_SOCKET_SPANS_CALL);
    cr_expect(otel_config.process_span);
    cr_expect_null(otel_config.disabled_hooks);
}

/* What the model has no key for is not there, and no variable stands in for it. */
Test(config_file, takes_the_place_of_the_environment)
{
    env_set("OTEL_SERVICE_NAME", "from the environment");
    env_set("OTEL_TRACES_EXPORTER", "console");
    env_set("OTEL_AUTO_EXIT_TIMEOUT", "5");
    env_set("TRACEPARENT", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    load(FORMAT);
    expect_quiet();
    cr_expect_null(otel_config.service_name);
    cr_expect_eq(otel_config.exporters, 0);
    cr_expect_eq(otel_config.propagators, 0);
    cr_expect_eq(otel_config.exit_timeout_ms, 900);
    cr_expect_not_null(otel_config.traceparent);
    cr_expect_not(otel_config.disabled);
}

Test(config_file, samplers)
{
    static const struct {
        const char *text;
        enum otel_sampler_kind kind;
    } cases[] = {
        {"always_on: ", OTEL_SAMPLER_ALWAYS_ON},
        {"always_off: {}", OTEL_SAMPLER_ALWAYS_OFF},
        {"trace_id_ratio_based: {ratio: 0.5}", OTEL_SAMPLER_RATIO},
        {"probability/development: {ratio: 0.5}", OTEL_SAMPLER_RATIO},
        {"parent_based: ", OTEL_SAMPLER_PARENT_ALWAYS_ON},
        {"parent_based: {root: {always_off: }}", OTEL_SAMPLER_PARENT_ALWAYS_OFF},
        {"parent_based: {root: {always_on: }, local_parent_sampled: {always_on: }}",
         OTEL_SAMPLER_PARENT_ALWAYS_ON},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256];

        snprintf(text, sizeof text, FORMAT "tracer_provider: {sampler: {%s}}\n", cases[i].text);
        load(text);
        expect_quiet();
        cr_expect_eq(otel_config.sampler.kind, cases[i].kind, "%s", cases[i].text);
    }
    load(FORMAT
         "tracer_provider: {sampler: {parent_based: {remote_parent_sampled: {always_off: }}}}");
    expect_warning("remote_parent_sampled is not supported");
    expect_wrong(FORMAT "tracer_provider: {sampler: {always_on: , always_off: }}", ":2:28");
    expect_wrong(FORMAT "tracer_provider: {sampler: {trace_id_ratio_based: {ratio: 2}}}", ":2:59");
}

Test(config_file, exporters_to_files)
{
    load(FORMAT PROVIDER "          otlp_file/development: {output_stream: file:///tmp/x.jsonl}\n");
    expect_quiet();
    cr_expect_eq(otel_config.exporters, OTEL_EXPORTER_FILE);
    cr_expect_str_eq(otel_config.file_path, "/tmp/x.jsonl");
    load(FORMAT PROVIDER "          otlp_file/development:\n");
    cr_expect_eq(otel_config.exporters, OTEL_EXPORTER_OTLP_STDOUT);
    expect_wrong(FORMAT PROVIDER "          otlp_file/development: {output_stream: nowhere}\n",
                 ":6:50");
}

/* Configuration data model, environment variable substitution. */
Test(config_file, substitution)
{
    static const struct {
        const char *text, *value;
    } cases[] = {
        {"${SET}", "value"},
        {"${env:SET}", "value"},
        {"x${SET}y${SET}z", "xvalueyvaluez"},
        {"${UNSET:-fall back}", "fall back"},
        {"${EMPTY:-fall back}", "fall back"},
        {"${SET:-fall back}", "value"},
        {"\"a${UNSET}b\"", "ab"},
        {"$${SET}", "${SET}"},
        {"$$$${SET}", "$${SET}"},
        {"$$$$", "$$"},
        {"$SET", "$SET"},
        {"a$", "a$"},
        {"${NESTED}", "${SET}"},
        {"${UNSET:-${SET}", "${SET"},
        {"${_a1:-\"}", "\""},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256];

        snprintf(text, sizeof text,
                 FORMAT "resource: {attributes_list: }\n"
                        "instrumentation/development:\n  c:\n    otel_auto:\n      file: %s\n",
                 cases[i].text);
        env_set("SET", "value");
        env_set("EMPTY", "");
        env_set("NESTED", "${SET}");
        load(text);
        expect_quiet();
        cr_assert_not_null(otel_config.file_path, "%s", cases[i].text);
        cr_expect_str_eq(otel_config.file_path, cases[i].value, "%s", cases[i].text);
    }
    /* A plain value that comes to nothing is null; one in quotes is a text. */
    load(FORMAT "disabled: ${UNSET}\nlog_level: ${UNSET:-}\n");
    expect_quiet();
    env_set("YES", "true");
    load(FORMAT "disabled: ${YES}\n");
    cr_expect(otel_config.disabled);
    expect_wrong(FORMAT "disabled: ${1}\n", ":2:11");
    expect_wrong(FORMAT "disabled: ${}\n", ":2:11");
    expect_wrong(FORMAT "disabled: ${A\n", ":2:11");
    expect_wrong(FORMAT "disabled: ${A:+x}\n", ":2:11");
    expect_wrong(FORMAT "disabled: \"${other:A}\"\n", ":2:11");
}

Test(config_file, anchors)
{
    load(FORMAT "tracer_provider:\n"
                "  limits: &limits {event_count_limit: 7}\n"
                "  processors:\n"
                "    - batch: &batch\n"
                "        max_queue_size: &size 300\n"
                "        max_export_batch_size: *size\n"
                "        exporter: {otlp_http: }\n"
                "    - batch: {<<: *batch, exporter: {console: }}\n");
    expect_quiet();
    cr_expect_eq(otel_config.event_count_limit, 7);
    cr_expect_eq(otel_config.max_export_batch_size, 300);
    cr_expect_eq(otel_config.exporters, OTEL_EXPORTER_OTLP | OTEL_EXPORTER_CONSOLE);
    expect_wrong(FORMAT "disabled: *nothing\n", ":2:11");
    load(FORMAT "meter_provider: &a [*a, *a]\n"); /* nothing contains itself */
    expect_quiet();
}

Test(config_file, tells_what_has_no_effect)
{
    load(FORMAT "nonsense: 1\n");
    expect_warning(":2:1: nonsense is not known");
    load(FORMAT "tracer_provider: {processors: [{batch: {exporter: {zipkin: }}}]}\n");
    expect_warning(":2:52: zipkin is not supported");
    load(FORMAT "instrumentation/development: {c: {otel_auto: {exit_timeouts: 1}}}\n");
    expect_warning(":2:47: exit_timeouts is not known");
    load(FORMAT "propagator: {composite: [{jaeger: }]}\n");
    expect_warning(":2:27: jaeger is not supported");
    load(FORMAT PROVIDER "          otlp_http: {}\n          otlp_grpc: {}\n");
    expect_warning(":7:22: otlp_grpc is left out: one exporter of a kind");
    load("file_format: \"1.7\"\n");
    expect_warning(":1:14: file_format is read as 1.1");
}

Test(config_file, wrong_as_a_whole)
{
    expect_wrong("", ":1:1");
    expect_wrong("disabled: true\n", ":1:1");
    expect_wrong("file_format: 0.4\n", ":1:14");
    expect_wrong("- file_format\n", ":1:1");
    expect_wrong(FORMAT "a: [1, 2\nb: 3\n", ":3:2");
    expect_wrong(FORMAT "\tdisabled: true\n", ":2:1");
    expect_wrong(FORMAT "disabled: false\ndisabled: true\n", ":3:1");
    expect_wrong(FORMAT "disabled: [true]\n", ":2:11");
    expect_wrong(FORMAT "disabled: yes\n", ":2:11");
    expect_wrong(FORMAT "tracer_provider: true\n", ":2:18");
    expect_wrong(FORMAT "tracer_provider: {processors: {}}\n", ":2:31");
    expect_wrong(FORMAT "log_level: loud\n", ":2:12");
    expect_wrong(FORMAT "a: b\n---\nc: d\n", ":3:1");
    expect_wrong(FORMAT "{a: b}: c\n", ":2:1");
    expect_wrong(FORMAT "resource: {attributes: [{value: 1}]}\n", ":2:25");
}

Test(config_file, nested_too_deeply)
{
    char text[256] = FORMAT "x: ";

    for (int i = 0; i < 40; i++)
        strcat(text, "[");
    expect_wrong(text, ":2:35");
}

Test(config_file, is_not_there_or_too_large)
{
    char *text = malloc(OTEL_CONFIG_FILE_MAX + 2);

    env_load_one("OTEL_CONFIG_FILE", "/nonexistent/file.yaml");
    expect_warning("/nonexistent/file.yaml: ENOENT: nothing is traced");
    cr_expect(otel_config.disabled);
    env_load_one("OTEL_CONFIG_FILE", "/tmp");
    expect_warning("/tmp: EISDIR");
    memset(text, '#', OTEL_CONFIG_FILE_MAX + 1);
    text[OTEL_CONFIG_FILE_MAX + 1] = '\0';
    load(text);
    expect_warning("more than 256 KiB");
    free(text);
}

/* The line is there without a log being asked for, but not against the user's word. */
Test(config_file, is_heard)
{
    env_set("OTEL_CONFIG_FILE", "/nonexistent");
    env_load_as(false);
    expect_warning("/nonexistent: ENOENT");
    env_set("OTEL_CONFIG_FILE", "/nonexistent");
    env_set("OTEL_LOG_LEVEL", "none");
    env_load_as(false);
    expect_quiet();
}

Test(config_file, does_not_concern_setuid_programs)
{
    env_set("OTEL_CONFIG_FILE", "/nonexistent");
    env_set("OTEL_LOG_LEVEL", "warn");
    env_load_as(true);
    expect_quiet();
    cr_expect_not(otel_config.disabled);
}

static void *no_memory(size_t len)
{
    (void)len;
    return NULL;
}

/* The n-th mapping fails: one line, disabled. */
Test(config_file, no_memory)
{
    void *(*mmap)(size_t) = otel_sys.mmap;

    otel_sys.mmap = no_memory;
    load(FORMAT "disabled: false\n");
    otel_sys.mmap = mmap;
    expect_warning("no memory");
    cr_expect(otel_config.disabled);
}

Test(config_file, says_where)
{
    struct otel_config_file_error error;
    uint32_t line, column;
    FILE *file;

    strcpy(path, "/tmp/otel-config-XXXXXX");
    file = fdopen(mkstemp(path), "w");
    fputs(FORMAT "disabled: true\n", file);
    fclose(file);
    cr_assert_eq(otel_config_file_read(path, otel_env_lookup, &error), 0);
    unlink(path);
    cr_expect_str_eq(otel_config_file_lookup("OTEL_SDK_DISABLED"), "true");
    cr_expect(otel_config_file_where("OTEL_SDK_DISABLED", &line, &column));
    cr_expect_eq(line, 2);
    cr_expect_eq(column, 11);
    cr_expect_not(otel_config_file_where("OTEL_PROPAGATOR", &line, &column));
    otel_config_file_forget();
    cr_expect_null(otel_config_file_lookup("OTEL_SDK_DISABLED"));
}
