/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of settings. Not honoured in a setuid process (NO): what names files, endpoints,
 * exporters or headers, what weakens TLS, and what makes more of the program's data leave it. */
#include "core/config_row.h"

#include "core/propagation.h"

#define YES true
#define NO false
#define MS_MAX INT32_MAX     /* 24 days */
#define QUEUE_MAX 1000000    /* spans */
#define LIMIT_MAX UINT16_MAX /* a record counts in 16 bits, and holds less */
#define EXIT_TIMEOUT_MAX 10000

static const struct otel_config_word log_levels[] = {
    {"none", OTEL_LOG_NONE}, {"error", OTEL_LOG_ERROR}, {"warn", OTEL_LOG_WARN},
    {"info", OTEL_LOG_INFO}, {"debug", OTEL_LOG_DEBUG}, {NULL, 0},
};

static const struct otel_config_word propagators[] = {
    {"tracecontext", OTEL_PROPAGATOR_TRACECONTEXT},
    {"baggage", OTEL_PROPAGATOR_BAGGAGE},
    {"b3", OTEL_PROPAGATOR_B3},
    {"b3multi", OTEL_PROPAGATOR_B3MULTI},
    {"none", OTEL_CONFIG_NOTHING},
    {NULL, 0},
};

static const struct otel_config_word samplers[] = {
    {"always_on", OTEL_SAMPLER_ALWAYS_ON},
    {"always_off", OTEL_SAMPLER_ALWAYS_OFF},
    {"traceidratio", OTEL_SAMPLER_RATIO},
    {"parentbased_always_on", OTEL_SAMPLER_PARENT_ALWAYS_ON},
    {"parentbased_always_off", OTEL_SAMPLER_PARENT_ALWAYS_OFF},
    {"parentbased_traceidratio", OTEL_SAMPLER_PARENT_RATIO},
    {NULL, 0},
};

static const struct otel_config_word exporters[] = {
    {"otlp", OTEL_EXPORTER_OTLP},
    {"console", OTEL_EXPORTER_CONSOLE},
    {"otlp/stdout", OTEL_EXPORTER_OTLP_STDOUT},
    {"file", OTEL_EXPORTER_FILE},
    {"none", OTEL_CONFIG_NOTHING},
    {NULL, 0},
};

static const struct otel_config_word protocols[] = {
    {"http/protobuf", OTEL_OTLP_HTTP_PROTOBUF},
    {"http/json", OTEL_OTLP_HTTP_JSON},
    {"grpc", OTEL_OTLP_GRPC},
    {NULL, 0},
};

static const struct otel_config_word compressions[] = {{"none", 0}, {"gzip", 1}, {NULL, 0}};
static const struct otel_config_word follows[] = {{"never", 0}, {"always", 1}, {NULL, 0}};
static const struct otel_config_word existing[] = {{"replace", 0}, {"keep", 1}, {NULL, 0}};

static const struct otel_config_word client_names[] = {{"method", 0}, {"host", 1}, {NULL, 0}};

static const struct otel_config_word db_texts[] = {
    {"auto", OTEL_DB_TEXT_AUTO},
    {"sanitize", OTEL_DB_TEXT_SANITIZE},
    {"raw", OTEL_DB_TEXT_RAW},
    {"off", OTEL_DB_TEXT_OFF},
    {NULL, 0},
};

static const struct otel_config_word socket_spans[] = {
    {"off", OTEL_SOCKET_SPANS_OFF},
    {"connection", OTEL_SOCKET_SPANS_CONNECTION},
    {"call", OTEL_SOCKET_SPANS_CALL},
    {NULL, 0},
};

/* name, default, unit, safe in setuid, meaning; then the parser and what it needs. */
#define ROW(name, fallback, unit, secure, meaning, parser, ...)                                  \
    {                                                                                            \
        .setting = {name, fallback, unit, secure, meaning}, .parse = otel_config_parse_##parser, \
        __VA_ARGS__                                                                              \
    }
#define TO(field) .target = &otel_config.field
#define RAW(field) .target = &otel_config_raw.field
#define RANGE(low, high) .min = low, .max = high

const struct otel_config_row otel_config_rows[] = {
    /* The rows of the log stand first: OTEL_CONFIG_LOG_ROWS. */
    ROW("OTEL_LOG_LEVEL", "none", "", YES,
        "our own log: none, error, warn, info, debug; info when OTEL_AUTO_LOG is set", log_level,
        TO(log_level), .words = log_levels),
    ROW("OTEL_AUTO_LOG", "", "", NO, "file our log is appended to instead of stderr", text,
        TO(log_path)),

    ROW("OTEL_CONFIG_FILE", "", "", NO,
        "YAML file, declarative configuration 1.1; other variables then count no more", nothing),
    ROW("OTEL_SDK_DISABLED", "false", "", YES, "no spans; an incoming context is still passed on",
        bool, TO(disabled)),
    ROW("OTEL_SERVICE_NAME", "", "", YES, "service.name, else unknown_service:EXECUTABLE", text,
        TO(service_name)),
    ROW("OTEL_RESOURCE_ATTRIBUTES", "", "", YES,
        "k=v,k=v added to the resource, values percent-encoded", text, TO(resource_attributes)),
    ROW("OTEL_PROPAGATORS", "tracecontext,baggage", "", YES,
        "headers read and sent: tracecontext, baggage, b3, b3multi, none", bits, TO(propagators),
        .words = propagators),
    ROW("OTEL_TRACES_SAMPLER", "parentbased_always_on", "", YES,
        "always_on, always_off, traceidratio, or one of these behind parentbased_", sampler,
        TO(sampler.kind), .words = samplers),
    ROW("OTEL_TRACES_SAMPLER_ARG", "1.0", "", YES,
        "share of traces that a traceidratio sampler keeps, 0 to 1", text, RAW(sampler_arg)),

    ROW("OTEL_BSP_SCHEDULE_DELAY", "5000", "ms", YES,
        "longest wait of an ended span for its export", delay, TO(schedule_delay_ms),
        RANGE(1, MS_MAX)),
    ROW("OTEL_BSP_EXPORT_TIMEOUT", "30000", "ms", YES, "longest time an export may take", number,
        TO(export_timeout_ms), RANGE(1, MS_MAX)),
    ROW("OTEL_BSP_MAX_QUEUE_SIZE", "2048", "spans", YES,
        "ended spans kept for export; more are dropped and counted", number, TO(max_queue_size),
        RANGE(1, QUEUE_MAX)),
    ROW("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "512", "spans", YES,
        "most spans in one export, at most the queue's size", number, RAW(batch_size),
        RANGE(1, QUEUE_MAX)),

    ROW("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "", "chars", YES,
        "longer attribute values are cut; no limit by default", capped,
        TO(attribute_value_length_limit), RANGE(0, UINT32_MAX)),
    ROW("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "", "chars", YES,
        "the same, for spans; beats the general one", capped, TO(attribute_value_length_limit),
        RANGE(0, UINT32_MAX)),
    ROW("OTEL_ATTRIBUTE_COUNT_LIMIT", "128", "attributes", YES,
        "most attributes of a span; more are dropped and counted", capped,
        TO(attribute_count_limit), RANGE(0, LIMIT_MAX)),
    ROW("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "128", "attributes", YES,
        "the same; beats the general one", capped, TO(attribute_count_limit), RANGE(0, LIMIT_MAX)),
    ROW("OTEL_SPAN_EVENT_COUNT_LIMIT", "128", "events", YES, "most events of a span", capped,
        TO(event_count_limit), RANGE(0, LIMIT_MAX)),
    ROW("OTEL_SPAN_LINK_COUNT_LIMIT", "128", "links", YES, "most links of a span", capped,
        TO(link_count_limit), RANGE(0, LIMIT_MAX)),

    ROW("OTEL_TRACES_EXPORTER", "otlp", "", NO,
        "comma list of otlp, console, otlp/stdout, file; or none", bits, TO(exporters),
        .words = exporters),
    ROW("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318", "", NO,
        "collector: http, https or unix:/socket; v1/traces is appended; with grpc port 4317", text,
        RAW(endpoint)),
    ROW("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "", "", NO, "the same for traces, used as it stands",
        text, RAW(traces_endpoint)),
    ROW("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", "", YES, "http/protobuf, http/json or grpc",
        enum, TO(otlp_protocol), .words = protocols),
    ROW("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "", "", YES, "the same for traces", enum,
        TO(otlp_protocol), .words = protocols),
    ROW("OTEL_EXPORTER_OTLP_HEADERS", "", "", NO,
        "k=v,k=v sent with each export, values percent-encoded", text, TO(otlp_headers)),
    ROW("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "", "", NO, "the same for traces", text,
        TO(otlp_traces_headers)),
    ROW("OTEL_EXPORTER_OTLP_COMPRESSION", "none", "", YES, "gzip or none", switch, TO(otlp_gzip),
        .words = compressions),
    ROW("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "", "", YES, "the same for traces", switch,
        TO(otlp_gzip), .words = compressions),
    ROW("OTEL_EXPORTER_OTLP_TIMEOUT", "10000", "ms", YES, "longest time for sending one batch",
        number, TO(otlp_timeout_ms), RANGE(1, MS_MAX)),
    ROW("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "", "ms", YES, "the same for traces", number,
        TO(otlp_timeout_ms), RANGE(1, MS_MAX)),
    ROW("OTEL_EXPORTER_OTLP_CERTIFICATE", "", "", NO,
        "PEM file of the authorities a collector is trusted by", text, TO(otlp_certificate)),
    ROW("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "", "", NO, "the same for traces", text,
        TO(otlp_certificate)),
    ROW("OTEL_EXPORTER_OTLP_CLIENT_KEY", "", "", NO, "PEM file of our private key", text,
        TO(otlp_client_key)),
    ROW("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "", "", NO, "the same for traces", text,
        TO(otlp_client_key)),
    ROW("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "", "", NO, "PEM file of our certificate", text,
        TO(otlp_client_certificate)),
    ROW("OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "", "", NO, "the same for traces", text,
        TO(otlp_client_certificate)),
    ROW("OTEL_EXPORTER_OTLP_INSECURE", "false", "", NO,
        "grpc: a host:port endpoint without scheme is reached without TLS", bool,
        TO(otlp_insecure)),
    ROW("OTEL_EXPORTER_OTLP_TRACES_INSECURE", "", "", NO, "the same for traces", bool,
        TO(otlp_insecure)),

    ROW("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS",
        "GET,HEAD,POST,PUT,DELETE,CONNECT,OPTIONS,TRACE,PATCH,QUERY", "", YES,
        "methods named as they are; others become _OTHER", methods),
    ROW("OTEL_SEMCONV_STABILITY_OPT_IN", "", "", YES,
        "http/dup, database/dup: old attribute names beside the stable ones", semconv),

    ROW("OTEL_AUTO_SAMPLING_RULES", "", "", YES,
        "what is kept of which requests: GET /health* = 0; * = 0.01, always when error", text,
        TO(sampling_rules)),
    ROW("OTEL_AUTO_EXIT_TIMEOUT", "900", "ms", YES,
        "what a program's exit may wait for the last export, at most 10000", capped,
        TO(exit_timeout_ms), RANGE(0, EXIT_TIMEOUT_MAX)),
    ROW("OTEL_AUTO_EXISTING_TRACEPARENT", "replace", "", YES,
        "a traceparent the program sends itself: replace its span id by ours, or keep it", switch,
        TO(existing_keep), .words = existing),
    ROW("OTEL_AUTO_DB_QUERY_TEXT", "auto", "", NO,
        "db.query.text: auto (literals hidden unless bound), sanitize, raw, off", enum, TO(db_text),
        .words = db_texts),
    ROW("OTEL_AUTO_SOCKET_SPANS", "connection", "", YES,
        "spans of sockets that speak no HTTP: connection, call (each call besides), off", enum,
        TO(socket_spans), .words = socket_spans),
    ROW("OTEL_AUTO_HTTP_CLIENT_NAME", "method", "", YES,
        "spans of requests sent: method, as the conventions name them, or host behind it", switch,
        TO(http_client_host), .words = client_names),
    ROW("OTEL_AUTO_HTTP_ROUTES", "", "", YES,
        "comma list of path patterns for http.route, as /documents/:id; guessed without", text,
        TO(http_routes)),
    ROW("OTEL_AUTO_HTTP_CAPTURE_REQUEST_HEADERS", "", "", NO,
        "comma list of request headers kept as attributes, whatever they hold", text,
        TO(http_request_headers)),
    ROW("OTEL_AUTO_HTTP_CAPTURE_RESPONSE_HEADERS", "", "", NO, "the same for response headers",
        text, TO(http_response_headers)),
    ROW("OTEL_AUTO_CONSOLE", "", "", NO, "file for the console exporter instead of stderr", text,
        TO(console_path)),
    ROW("OTEL_AUTO_FILE", "", "", NO, "file the exporter file appends OTLP JSON lines to", text,
        TO(file_path)),
    ROW("OTEL_AUTO_KEEP_DEEPBIND", "false", "", YES,
        "leave RTLD_DEEPBIND as the program asks; what it loads is then not seen", bool,
        TO(keep_deepbind)),
    ROW("OTEL_AUTO_PRIVATE_DESCRIPTORS", "true", "", YES,
        "give the export thread a descriptor table of its own", bool, TO(private_fds)),
    ROW("OTEL_AUTO_COMMAND_ARGS", "false", "", NO,
        "add process.command_args to the resource: they may carry secrets", bool, TO(command_args)),
    ROW("OTEL_AUTO_FOLLOW", "never", "", NO,
        "always: put LD_PRELOAD and OTEL_* back where a program clears its children's environment",
        switch, TO(follow), .words = follows),
    ROW("OTEL_AUTO_PROCESS_SPAN", "false", "", YES,
        "a span for the process itself, from start to exit, with all it does below", bool,
        TO(process_span)),
    ROW("OTEL_AUTO_PROFILER", "false", "", NO,
        "tell an eBPF profiler the resource and each thread's current span", bool, TO(profiler)),
    ROW("OTEL_AUTO_FUNCTIONS", "", "", NO,
        "functions whose calls are spans, separated by ; as name(str, int) -> int", text,
        TO(functions)),
    ROW("OTEL_AUTO_FUNCTIONS_FILE", "", "", NO, "file with more of them, one a line", text,
        TO(functions_file)),
    ROW("OTEL_AUTO_FUNCTIONS_PATCH", "true", "", YES,
        "false: leave the program's code alone, see only calls from one library to another", bool,
        TO(functions_patch)),
    ROW("OTEL_AUTO_SPOOL_DIR", "/dev/shm/otel-auto-UID", "", NO,
        "tmpfs folder of spans that outlive their process; off: none", text, TO(spool)),
    ROW("OTEL_AUTO_SPOOL_MAX", "67108864", "bytes", NO,
        "most kept there for a collector that is away; the oldest are dropped", number,
        TO(spool_max), RANGE(0, UINT32_MAX)),
    ROW("OTEL_AUTO_DISABLE", "", "", YES,
        "comma list of hook families to leave out: curl, sockets, sqlite", text,
        TO(disabled_hooks)),

    ROW("TRACEPARENT", "", "", YES, "parent context of this process", text, TO(traceparent)),
    ROW("TRACESTATE", "", "", YES, "its tracestate", text, TO(tracestate)),
    ROW("BAGGAGE", "", "", YES, "its baggage", text, TO(baggage)),
};

const size_t otel_config_row_count = sizeof otel_config_rows / sizeof otel_config_rows[0];
