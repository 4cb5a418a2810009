/* SPDX-License-Identifier: Apache-2.0
 *
 * Every setting, read from the environment once at start-up (OpenTelemetry "Environment Variable
 * Specification", and our own OTEL_AUTO_*). One table (config_table.c) holds name, default, unit,
 * parser, whether the variable is honoured in a setuid process, and one line of meaning;
 * `otel-auto env` prints it.
 *
 * Rules: empty counts as unset; booleans are true only for "true" in any case; enums in any case; a
 * value that does not parse gives one warning and the default. Never fatal.
 */
#ifndef OTEL_CORE_CONFIG_H
#define OTEL_CORE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/log.h"
#include "core/sampler.h"
#include "core/span_context.h"

enum otel_exporter_kind { /* bits of otel_config.exporters */
                          OTEL_EXPORTER_OTLP = 1,
                          OTEL_EXPORTER_CONSOLE = 2,
                          OTEL_EXPORTER_OTLP_STDOUT = 4,
                          OTEL_EXPORTER_FILE = 8,
};

enum otel_otlp_protocol {
    OTEL_OTLP_HTTP_PROTOBUF,
    OTEL_OTLP_HTTP_JSON,
    OTEL_OTLP_GRPC,
};

enum otel_db_text {                    /* OTEL_AUTO_DB_QUERY_TEXT */
                    OTEL_DB_TEXT_AUTO, /* literals are hidden unless the text has placeholders */
                    OTEL_DB_TEXT_SANITIZE, /* literals are always hidden */
                    OTEL_DB_TEXT_RAW,      /* as it stands: the user asked */
                    OTEL_DB_TEXT_OFF,      /* no db.query.text */
};

enum otel_socket_spans { /* OTEL_AUTO_SOCKET_SPANS */
                         OTEL_SOCKET_SPANS_OFF,
                         OTEL_SOCKET_SPANS_CONNECTION, /* connects, names, unknown protocols */
                         OTEL_SOCKET_SPANS_CALL,       /* besides, each socket call */
};

#define OTEL_KNOWN_METHODS_MAX 32

/* Strings point into the environment as it was at start-up (copied into the config's own memory),
 * are NUL-terminated, and NULL when unset and without default. Read-only after load: any thread. */
struct otel_config {
    bool disabled;                   /* OTEL_SDK_DISABLED */
    bool file_wrong;                 /* OTEL_CONFIG_FILE could not be used: disabled, and said so */
    bool secure;                     /* AT_SECURE process: only the safe rows were read */
    const char *service_name;        /* OTEL_SERVICE_NAME */
    const char *resource_attributes; /* OTEL_RESOURCE_ATTRIBUTES, as given */
    const uint8_t *resource_typed;   /* those of OTEL_CONFIG_FILE that are no text, in wire form */
    size_t resource_typed_len;
    enum otel_log_level log_level; /* NONE unless OTEL_LOG_LEVEL or OTEL_AUTO_LOG is set */
    const char *log_path;          /* OTEL_AUTO_LOG */
    unsigned propagators;          /* enum otel_propagator bits */
    struct otel_sampler sampler;
    const char *sampling_rules; /* OTEL_AUTO_SAMPLING_RULES, as given (rules.h) */

    uint32_t schedule_delay_ms;
    bool schedule_delay_set; /* given by the user */
    uint32_t export_timeout_ms;
    uint32_t max_queue_size;
    uint32_t max_export_batch_size; /* <= max_queue_size */

    uint32_t attribute_value_length_limit; /* UINT32_MAX: none */
    uint32_t attribute_count_limit;
    uint32_t event_count_limit;
    uint32_t link_count_limit;

    unsigned exporters;       /* enum otel_exporter_kind bits, 0: none */
    const char *console_path; /* OTEL_AUTO_CONSOLE, NULL: stderr */
    const char *file_path;    /* OTEL_AUTO_FILE */

    enum otel_otlp_protocol otlp_protocol;
    const char *otlp_endpoint; /* complete URL to post to: base + v1/traces, or as given */
    const char *otlp_headers;  /* general ones, then those for traces, as given */
    const char *otlp_traces_headers;
    bool otlp_gzip;
    uint32_t otlp_timeout_ms;
    const char *otlp_certificate;
    const char *otlp_client_key;
    const char *otlp_client_certificate;
    bool otlp_insecure;

    const char *known_methods[OTEL_KNOWN_METHODS_MAX]; /* NULL-terminated */
    bool http_dup; /* OTEL_SEMCONV_STABILITY_OPT_IN has http/dup */
    bool database_dup;

    uint32_t exit_timeout_ms;  /* OTEL_AUTO_EXIT_TIMEOUT, default 900: what exit may wait at most */
    bool existing_keep;        /* OTEL_AUTO_EXISTING_TRACEPARENT=keep */
    enum otel_db_text db_text; /* OTEL_AUTO_DB_QUERY_TEXT */
    enum otel_socket_spans socket_spans;
    const char *http_routes;          /* OTEL_AUTO_HTTP_ROUTES: patterns, as given (route.h) */
    const char *http_request_headers; /* OTEL_AUTO_HTTP_CAPTURE_REQUEST_HEADERS: names, as given */
    const char *http_response_headers;
    bool http_client_host;      /* OTEL_AUTO_HTTP_CLIENT_NAME=host */
    bool keep_deepbind;         /* OTEL_AUTO_KEEP_DEEPBIND: leave RTLD_DEEPBIND in dlopen alone */
    bool private_fds;           /* OTEL_AUTO_PRIVATE_DESCRIPTORS, default true (privatefd.h) */
    bool command_args;          /* OTEL_AUTO_COMMAND_ARGS: add process.command_args */
    bool follow;                /* OTEL_AUTO_FOLLOW=always (environment.h) */
    bool process_span;          /* OTEL_AUTO_PROCESS_SPAN (process_span.h) */
    bool profiler;              /* OTEL_AUTO_PROFILER (profiler.h) */
    const char *functions;      /* OTEL_AUTO_FUNCTIONS: as given (function_spec.h) */
    const char *functions_file; /* OTEL_AUTO_FUNCTIONS_FILE */
    bool functions_patch;       /* OTEL_AUTO_FUNCTIONS_PATCH, default true (preload/function.h) */
    const char *spool;          /* OTEL_AUTO_SPOOL_DIR (spool_folder.h), "off": none */
    uint32_t spool_max;         /* OTEL_AUTO_SPOOL_MAX, bytes (spool_keep.h) */
    const char *disabled_hooks; /* OTEL_AUTO_DISABLE: families: "curl,sockets" */

    const char *traceparent; /* TRACEPARENT, TRACESTATE, BAGGAGE of this process */
    const char *tracestate;
    const char *baggage;
};

/* The settings of this process; all defaults before otel_config_load(). */
extern struct otel_config otel_config;

/* Reads the environment into otel_config. lookup: how a variable is found (getenv; tests pass their
 * own). secure: AT_SECURE. Warnings go to otel_log() after the log settings took effect. Allocates
 * from its own mapping. Call once, before any second thread. */
void otel_config_load(const char *(*lookup)(const char *name), bool secure);

/* Logs "NAME: ignored 'value': why", cut and on one line. Secrets are not to be passed. For what
 * can only be judged after load, too; any thread. */
void otel_config_warn(const char *name, const char *value, size_t len, const char *why);

/* getenv, in the one file that calls it. */
const char *otel_env_lookup(const char *name);

/* The program's environ, as it stands now: to be compared with, and handed on. */
char **otel_env_array(void);

/* Is this hook family ("curl", "sockets", "sqlite") switched off? */
bool otel_config_family_disabled(const char *family);

/* One row of the table, for `otel-auto env` and the README's check. */
struct otel_setting {
    const char *name;
    const char *fallback; /* default as text, "" when none */
    const char *unit;     /* "ms", "bytes", "spans" …, "" when none */
    bool secure_ok;       /* honoured in a setuid process */
    const char *meaning;
};

/* Row i, or NULL past the end. */
const struct otel_setting *otel_setting_at(size_t i);

#endif
