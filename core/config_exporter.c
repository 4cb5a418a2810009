/* SPDX-License-Identifier: Apache-2.0
 *
 * Processors and exporters of a configuration file. This process has one batch processor and one
 * exporter of each kind; what a file names beyond that is left out and told. */
#include "core/config_file_parts.h"

#include <string.h>

#define TO(variable) .take = otel_config_take_variable, .with = (variable)
#define END          \
    {                \
        .name = NULL \
    }
#define EXPORTERS "OTEL_TRACES_EXPORTER"
#define NO_LIMIT "2147483647" /* ms: 24 days */

/* A time in ms for which 0 says that there is no limit. */
static void take_time(struct otel_config_file *file, const struct otel_config_key *key,
                      const struct otel_yaml_node *value)
{
    const char *text = otel_config_text(file, value);

    if (text)
        otel_config_set(file, key->with, strcmp(text, "0") != 0 ? text : NO_LIMIT, value);
}

/* Names an exporter; false when there is one of its kind. */
static bool add_exporter(struct otel_config_file *file, const char *name,
                         const struct otel_config_key *key, const struct otel_yaml_node *value)
{
    const char *list = otel_config_said(file, EXPORTERS);
    size_t len = strlen(name);

    for (const char *at = list; at && (at = strstr(at, name)); at += len) {
        if ((at == list || at[-1] == ',') && (!at[len] || at[len] == ',')) {
            otel_config_warn_of(file, value, (struct otel_text){key->name, strlen(key->name)},
                                "is left out: one exporter of a kind is supported");
            return false;
        }
    }
    otel_config_set(file, EXPORTERS, otel_config_join(file, list, ',', name), value);
    return true;
}

/* --- OTLP ------------------------------------------------------------------------------------- */

#define HEADERS "OTEL_EXPORTER_OTLP_HEADERS"

static void add_header(struct otel_config_file *file, const struct otel_yaml_node *item)
{
    const struct otel_yaml_node *name = otel_yaml_get(item, "name");
    const struct otel_yaml_node *value = otel_yaml_get(item, "value");
    const char *key = name ? otel_config_text(file, name) : NULL;
    const char *text = key && value ? otel_config_text(file, value) : NULL;
    const char *pair = text ? otel_config_pair(file, key, text) : NULL;

    if (!key)
        otel_config_wrong(file, item, "a header needs name and value");
    else if (pair) /* a value of null: the header is not sent */
        otel_config_set(file, HEADERS,
                        otel_config_join(file, otel_config_said(file, HEADERS), ',', pair), item);
}

static void take_headers(struct otel_config_file *file, const struct otel_config_key *key,
                         const struct otel_yaml_node *value)
{
    (void)key;
    if (value->kind != OTEL_YAML_SEQUENCE)
        otel_config_wrong(file, value, "headers must be a sequence of name and value");
    else
        for (const struct otel_yaml_node *item = value->first; item; item = item->next)
            add_header(file, item);
}

static void take_encoding(struct otel_config_file *file, const struct otel_config_key *key,
                          const struct otel_yaml_node *value)
{
    const char *text = otel_config_text(file, value);
    bool json = text && !strcmp(text, "json");

    (void)key;
    if (text && !json && strcmp(text, "protobuf") != 0)
        otel_config_wrong(file, value, "encoding is protobuf or json");
    else if (json)
        otel_config_set(file, "OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", value);
}

/* Names of 1.0 and of the candidates before it. */
static const struct otel_config_key tls[] = {
    {"ca_file", TO("OTEL_EXPORTER_OTLP_CERTIFICATE")},
    {"key_file", TO("OTEL_EXPORTER_OTLP_CLIENT_KEY")},
    {"cert_file", TO("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE")},
    {"certificate_file", TO("OTEL_EXPORTER_OTLP_CERTIFICATE")},
    {"client_key_file", TO("OTEL_EXPORTER_OTLP_CLIENT_KEY")},
    {"client_certificate_file", TO("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE")},
    {"insecure", TO("OTEL_EXPORTER_OTLP_INSECURE")},
    END,
};

/* headers_list stands before headers: what comes later wins. */
static const struct otel_config_key otlp[] = {
    {"endpoint", TO("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")},
    {"tls", otel_config_take_keys, tls, false},
    {"headers_list", TO(HEADERS)},
    {"headers", take_headers, NULL, false},
    {"compression", TO("OTEL_EXPORTER_OTLP_COMPRESSION")},
    {"timeout", take_time, "OTEL_EXPORTER_OTLP_TIMEOUT", false},
    {"encoding", take_encoding, NULL, false},
    END,
};

static void take_otlp(struct otel_config_file *file, const struct otel_config_key *key,
                      const struct otel_yaml_node *value)
{
    if (!add_exporter(file, "otlp", key, value))
        return;
    otel_config_set(file, "OTEL_EXPORTER_OTLP_PROTOCOL", key->with, value);
    if (!otel_config_is_null(file, value))
        otel_config_take_mapping(file, otlp, value);
}

/* --- the others ------------------------------------------------------------------------------- */

static void take_console(struct otel_config_file *file, const struct otel_config_key *key,
                         const struct otel_yaml_node *value)
{
    add_exporter(file, "console", key, value);
}

static void take_file(struct otel_config_file *file, const struct otel_config_key *key,
                      const struct otel_yaml_node *value)
{
    static const char scheme[] = "file://";
    const struct otel_yaml_node *stream = otel_yaml_get(value, "output_stream");
    const char *text = stream ? otel_config_text(file, stream) : NULL;

    if (!text || !strcmp(text, "stdout"))
        add_exporter(file, "otlp/stdout", key, value);
    else if (strncmp(text, scheme, sizeof scheme - 1) != 0)
        otel_config_wrong(file, stream, "output_stream is stdout or file:///PATH");
    else if (add_exporter(file, "file", key, value))
        otel_config_set(file, "OTEL_AUTO_FILE", text + sizeof scheme - 1, stream);
}

static const struct otel_config_key exporters[] = {
    {"otlp_http", take_otlp, "http/protobuf", true},  {"otlp_grpc", take_otlp, "grpc", true},
    {"otlp_file/development", take_file, NULL, true}, {"console", take_console, NULL, true},
    {"", otel_config_take_ignored, NULL, true},       END,
};

static const struct otel_config_key batch[] = {
    {"schedule_delay", TO("OTEL_BSP_SCHEDULE_DELAY")},
    {"export_timeout", take_time, "OTEL_BSP_EXPORT_TIMEOUT", false},
    {"max_queue_size", TO("OTEL_BSP_MAX_QUEUE_SIZE")},
    {"max_export_batch_size", TO("OTEL_BSP_MAX_EXPORT_BATCH_SIZE")},
    {"exporter", otel_config_take_keys, exporters, false},
    END,
};

/* Nothing is exported on the program's threads: a simple processor is a batch one in a hurry. */
static void take_simple(struct otel_config_file *file, const struct otel_config_key *key,
                        const struct otel_yaml_node *value)
{
    static const struct otel_config_key keys[] = {
        {"exporter", otel_config_take_keys, exporters, false},
        END,
    };

    (void)key;
    if (!otel_config_said(file, "OTEL_BSP_SCHEDULE_DELAY"))
        otel_config_set(file, "OTEL_BSP_SCHEDULE_DELAY", "100", value);
    otel_config_take_mapping(file, keys, value);
}

static const struct otel_config_key processors[] = {
    {"batch", otel_config_take_keys, batch, false},
    {"simple", take_simple, NULL, false},
    {"", otel_config_take_ignored, NULL, true},
    END,
};

void otel_config_take_processors(struct otel_config_file *file, const struct otel_config_key *key,
                                 const struct otel_yaml_node *value)
{
    (void)key;
    if (value->kind != OTEL_YAML_SEQUENCE)
        otel_config_wrong(file, value, "processors must be a sequence");
    else
        for (const struct otel_yaml_node *item = value->first; item; item = item->next)
            otel_config_take_mapping(file, processors, item);
}
