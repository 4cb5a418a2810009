/* SPDX-License-Identifier: Apache-2.0
 *
 * What the keys of a configuration file mean, as variables (opentelemetry-configuration, schema of
 * file_format 1.x). */
#include "core/config_file_parts.h"

#include <string.h>

#include "core/config_row.h"

#define KEYS(array) .with = (array)
#define TO(variable) .take = otel_config_take_variable, .with = (variable)
#define END          \
    {                \
        .name = NULL \
    }

/* --- file_format, log_level ------------------------------------------------------------------- */

static void take_format(struct otel_config_file *file, const struct otel_config_key *key,
                        const struct otel_yaml_node *value)
{
    const char *text = otel_config_text(file, value);

    if (!text || strncmp(text, "1.", 2) != 0 || text[2] < '0' || text[2] > '9')
        otel_config_wrong(file, value, "file_format must be 1.0 or 1.1");
    else if (strcmp(text, "1.0") != 0 && strcmp(text, "1.1") != 0)
        otel_config_warn_of(file, value, (struct otel_text){key->name, strlen(key->name)},
                            "is read as 1.1");
}

/* The levels of the model, each with up to four grades, and ours. */
static void take_log_level(struct otel_config_file *file, const struct otel_config_key *key,
                           const struct otel_yaml_node *value)
{
    static const char *const levels[][2] = {
        {"trace", "debug"}, {"debug", "debug"}, {"info", "info"}, {"warn", "warn"},
        {"error", "error"}, {"fatal", "error"}, {"none", "none"}};
    const char *text = otel_config_text(file, value);
    size_t len = text ? strlen(text) : 0;

    (void)key;
    if (len > 4 && text[len - 1] >= '2' && text[len - 1] <= '4')
        len--;
    for (size_t i = 0; text && i < sizeof levels / sizeof *levels; i++) {
        if (otel_config_is_word(text, len, levels[i][0])) {
            otel_config_set(file, "OTEL_LOG_LEVEL", levels[i][1], value);
            return;
        }
    }
    otel_config_wrong(file, value, "log_level is none of trace, debug, info, warn, error, fatal");
}

/* --- limits ----------------------------------------------------------------------------------- */

static const struct otel_config_key attribute_limits[] = {
    {"attribute_value_length_limit", TO("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT")},
    {"attribute_count_limit", TO("OTEL_ATTRIBUTE_COUNT_LIMIT")},
    END,
};

static const struct otel_config_key span_limits[] = {
    {"attribute_value_length_limit", TO("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT")},
    {"attribute_count_limit", TO("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT")},
    {"event_count_limit", TO("OTEL_SPAN_EVENT_COUNT_LIMIT")},
    {"link_count_limit", TO("OTEL_SPAN_LINK_COUNT_LIMIT")},
    {"event_attribute_count_limit", .take = otel_config_take_ignored},
    {"link_attribute_count_limit", .take = otel_config_take_ignored},
    END,
};

/* --- propagator ------------------------------------------------------------------------------- */

static void take_propagator(struct otel_config_file *file, const struct otel_config_key *key,
                            const struct otel_yaml_node *value)
{
    const char *list = otel_config_said(file, "OTEL_PROPAGATORS");

    (void)value;
    otel_config_set(file, "OTEL_PROPAGATORS", otel_config_join(file, list, ',', key->name), value);
}

static const struct otel_config_key propagators[] = {
    {"tracecontext", take_propagator, NULL, true}, {"baggage", take_propagator, NULL, true},
    {"b3", take_propagator, NULL, true},           {"b3multi", take_propagator, NULL, true},
    {"", otel_config_take_ignored, NULL, true},    END,
};

static void take_composite(struct otel_config_file *file, const struct otel_config_key *key,
                           const struct otel_yaml_node *value)
{
    (void)key;
    if (value->kind != OTEL_YAML_SEQUENCE)
        otel_config_wrong(file, value, "composite must be a sequence");
    else
        for (const struct otel_yaml_node *item = value->first; item; item = item->next)
            otel_config_take_mapping(file, propagators, item);
}

static void take_composite_list(struct otel_config_file *file, const struct otel_config_key *key,
                                const struct otel_yaml_node *value)
{
    const char *text = otel_config_text(file, value);
    const char *list = otel_config_said(file, "OTEL_PROPAGATORS");

    (void)key;
    if (text)
        otel_config_set(file, "OTEL_PROPAGATORS", otel_config_join(file, list, ',', text), value);
}

static const struct otel_config_key propagator[] = {
    {"composite", take_composite, NULL, false},
    {"composite_list", take_composite_list, NULL, false},
    END,
};

/* --- tracer_provider -------------------------------------------------------------------------- */

/* Which variable's value a sampler is: alone, or as the root of a parent-based one. */
struct sampler_names {
    const char *on, *off, *ratio;
};

static const struct sampler_names alone = {"always_on", "always_off", "traceidratio"};
static const struct sampler_names parent_based = {"parentbased_always_on", "parentbased_always_off",
                                                  "parentbased_traceidratio"};

static void take_always(struct otel_config_file *file, const struct otel_config_key *key,
                        const struct otel_yaml_node *value)
{
    otel_config_set(file, "OTEL_TRACES_SAMPLER", key->with, value);
}

static void take_share(struct otel_config_file *file, const struct otel_config_key *key,
                       const struct otel_yaml_node *value)
{
    const char *text = otel_config_text(file, value);
    double ratio;

    (void)key;
    if (text && otel_config_parse_ratio(&ratio, text) < 0)
        otel_config_wrong(file, value, "not a ratio from 0 to 1");
    otel_config_set(file, "OTEL_TRACES_SAMPLER_ARG", text, value);
}

static const struct otel_config_key ratio_keys[] = {
    {"ratio", take_share, NULL, false},
    END,
};

static void take_ratio(struct otel_config_file *file, const struct otel_config_key *key,
                       const struct otel_yaml_node *value)
{
    otel_config_set(file, "OTEL_TRACES_SAMPLER", key->with, value);
    if (!otel_config_is_null(file, value))
        otel_config_take_mapping(file, ratio_keys, value);
}

/* What a parent decided is followed, always: the other samplers of parent_based are as in its
 * defaults, or have no effect. */
static void take_delegate(struct otel_config_file *file, const struct otel_config_key *key,
                          const struct otel_yaml_node *value)
{
    const struct otel_yaml_node *first = value->kind == OTEL_YAML_MAPPING ? value->first : NULL;

    if (!first || first->next || !otel_config_is_word(first->text.data, first->text.len, key->with))
        otel_config_warn_of(file, value, (struct otel_text){key->name, strlen(key->name)},
                            "is not supported: a parent's decision is followed");
}

static void take_sampler(struct otel_config_file *file, const struct otel_config_key *key,
                         const struct otel_yaml_node *value);

static const struct otel_config_key parent_based_keys[] = {
    {"root", take_sampler, &parent_based, false},
    {"remote_parent_sampled", take_delegate, "always_on", false},
    {"remote_parent_not_sampled", take_delegate, "always_off", false},
    {"local_parent_sampled", take_delegate, "always_on", false},
    {"local_parent_not_sampled", take_delegate, "always_off", false},
    END,
};

static void take_parent_based(struct otel_config_file *file, const struct otel_config_key *key,
                              const struct otel_yaml_node *value)
{
    (void)key;
    otel_config_set(file, "OTEL_TRACES_SAMPLER", parent_based.on, value);
    if (!otel_config_is_null(file, value))
        otel_config_take_mapping(file, parent_based_keys, value);
}

static void take_sampler(struct otel_config_file *file, const struct otel_config_key *key,
                         const struct otel_yaml_node *value)
{
    const struct sampler_names *names = key->with;
    const struct otel_config_key keys[] = {
        {"always_on", take_always, names->on, true},
        {"always_off", take_always, names->off, true},
        {"trace_id_ratio_based", take_ratio, names->ratio, true},
        {"probability/development", take_ratio, names->ratio, true},
        {names == &alone ? "parent_based" : NULL, take_parent_based, NULL, true},
        END,
    };

    if (value->kind == OTEL_YAML_MAPPING && value->first && value->first->next)
        otel_config_wrong(file, value, "a sampler has one key");
    else
        otel_config_take_mapping(file, keys, value);
}

static const struct otel_config_key tracer_provider[] = {
    {"processors", otel_config_take_processors, NULL, false},
    {"sampler", take_sampler, &alone, false},
    {"limits", otel_config_take_keys, KEYS(span_limits), false},
    {"tracer_configurator/development", otel_config_take_ignored, NULL, false},
    END,
};

/* --- resource --------------------------------------------------------------------------------- */

static void take_attributes(struct otel_config_file *file, const struct otel_config_key *key,
                            const struct otel_yaml_node *value)
{
    (void)key;
    if (value->kind != OTEL_YAML_SEQUENCE)
        otel_config_wrong(file, value, "attributes must be a sequence of name and value");
    else
        for (const struct otel_yaml_node *item = value->first; item; item = item->next)
            otel_config_take_attribute(file, item);
}

/* The list stands first in the table: what comes later wins. */
static const struct otel_config_key resource[] = {
    {"attributes_list", TO("OTEL_RESOURCE_ATTRIBUTES")},
    {"attributes", take_attributes, NULL, false},
    {"schema_url", otel_config_take_ignored, NULL, false},
    {"detection/development", otel_config_take_ignored, NULL, false},
    END,
};

/* --- instrumentation/development -------------------------------------------------------------- */

/* A sequence becomes the list a variable holds. */
static void set_list(struct otel_config_file *file, const char *variable, char separator,
                     const struct otel_yaml_node *value)
{
    const char *list = otel_config_said(file, variable);

    if (value->kind != OTEL_YAML_SEQUENCE) {
        otel_config_wrong(file, value, "a sequence of texts is wanted here");
        return;
    }
    for (const struct otel_yaml_node *item = value->first; item && !file->wrong;
         item = item->next) {
        const char *text = otel_config_text(file, item);

        if (text)
            list = otel_config_join(file, list, separator, text);
    }
    if (list && !file->wrong)
        otel_config_set(file, variable, list, value);
}

static void take_headers(struct otel_config_file *file, const struct otel_config_key *key,
                         const struct otel_yaml_node *value)
{
    set_list(file, key->with, ',', value);
}

/* Client and server share one list here. */
static const struct otel_config_key http_side[] = {
    {"request_captured_headers", take_headers, "OTEL_AUTO_HTTP_CAPTURE_REQUEST_HEADERS", false},
    {"response_captured_headers", take_headers, "OTEL_AUTO_HTTP_CAPTURE_RESPONSE_HEADERS", false},
    {"known_methods", take_headers, "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", false},
    END,
};

static const struct otel_config_key http[] = {
    {"client", otel_config_take_keys, KEYS(http_side), false},
    {"server", otel_config_take_keys, KEYS(http_side), false},
    {"", otel_config_take_ignored, NULL, true},
    END,
};

static const struct otel_config_key general[] = {
    {"http", otel_config_take_keys, KEYS(http), false},
    {"stability_opt_in_list", TO("OTEL_SEMCONV_STABILITY_OPT_IN")},
    {"", otel_config_take_ignored, NULL, true},
    END,
};

/* Is key the name of a variable, in small letters? */
static bool same_name(const char *name, struct otel_text key)
{
    for (size_t i = 0; i < key.len; i++) {
        char c = key.data[i];

        if ((c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c) != name[i])
            return false;
    }
    return !name[key.len];
}

/* The setting of ours whose name is OTEL_AUTO_ and the key in capitals, or NULL. */
static const char *own_setting(struct otel_text key)
{
    static const char prefix[] = "OTEL_AUTO_";

    for (size_t i = 0; i < otel_config_row_count; i++) {
        const char *name = otel_config_rows[i].setting.name;

        if (strncmp(name, prefix, sizeof prefix - 1) == 0 &&
            same_name(name + sizeof prefix - 1, key))
            return name;
    }
    return NULL;
}

static void take_own(struct otel_config_file *file, const struct otel_config_key *key,
                     const struct otel_yaml_node *value)
{
    (void)key;
    if (value->kind != OTEL_YAML_MAPPING) {
        otel_config_wrong(file, value, "a mapping is wanted here");
        return;
    }
    for (const struct otel_yaml_node *own = value->first; own; own = own->next) {
        const char *variable = own_setting(own->text);
        bool rules = variable && (!strcmp(variable, "OTEL_AUTO_FUNCTIONS") ||
                                  !strcmp(variable, "OTEL_AUTO_SAMPLING_RULES"));

        if (!variable)
            otel_config_warn_of(file, own, own->text, "is not known");
        else if (own->value->kind == OTEL_YAML_SEQUENCE)
            set_list(file, variable, rules ? ';' : ',', own->value);
        else if (!otel_config_is_null(file, own->value))
            otel_config_set(file, variable, otel_config_text(file, own->value), own->value);
    }
}

static const struct otel_config_key language[] = {
    {"otel_auto", take_own, NULL, false},
    {"", otel_config_take_silent, NULL, true},
    END,
};

static const struct otel_config_key instrumentation[] = {
    {"general", otel_config_take_keys, KEYS(general), false},
    {"c", otel_config_take_keys, KEYS(language), false},
    {"", otel_config_take_silent, NULL, true}, /* other languages */
    END,
};

/* --- the document ----------------------------------------------------------------------------- */

static const struct otel_config_key document[] = {
    {"file_format", take_format, NULL, false},
    {"disabled", TO("OTEL_SDK_DISABLED")},
    {"log_level", take_log_level, NULL, false},
    {"attribute_limits", otel_config_take_keys, KEYS(attribute_limits), false},
    {"propagator", otel_config_take_keys, KEYS(propagator), false},
    {"tracer_provider", otel_config_take_keys, KEYS(tracer_provider), false},
    {"resource", otel_config_take_keys, KEYS(resource), false},
    {"instrumentation/development", otel_config_take_keys, KEYS(instrumentation), false},
    {"meter_provider", otel_config_take_silent, NULL, true},
    {"logger_provider", otel_config_take_silent, NULL, true},
    {"distribution", otel_config_take_silent, NULL, true},
    END,
};

void otel_config_take_document(struct otel_config_file *file, const struct otel_yaml_node *root)
{
    if (!root || !otel_yaml_get(root, "file_format")) {
        otel_config_wrong(file, root, "file_format is missing");
        return;
    }
    otel_config_take_mapping(file, document, root);
    if (file->wrong)
        return;
    /* What the model has no key for is not there at all, other than without a file. */
    if (!otel_config_said(file, "OTEL_PROPAGATORS"))
        otel_config_set(file, "OTEL_PROPAGATORS", "none", root);
    if (!otel_config_said(file, "OTEL_TRACES_EXPORTER"))
        otel_config_set(file, "OTEL_TRACES_EXPORTER", "none", root);
}
