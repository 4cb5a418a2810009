/* SPDX-License-Identifier: Apache-2.0
 *
 * What config_file.c (the way in and out), config_model.c (what the keys mean), config_exporter.c
 * (those of processors and exporters) and config_text.c (values) share, and nobody else includes.
 * One thread, at start-up or in the launcher.
 */
#ifndef OTEL_CORE_CONFIG_FILE_PARTS_H
#define OTEL_CORE_CONFIG_FILE_PARTS_H

#include "core/config_file.h"
#include "core/yaml.h"

#define OTEL_CONFIG_FILE_VALUES 96   /* variables a file can set */
#define OTEL_CONFIG_FILE_WARNINGS 32 /* more are not told */
#define OTEL_CONFIG_FILE_TYPED 4096  /* bytes of resource attributes that are no texts */

struct otel_config_file_value {
    const char *name; /* of the variable */
    const char *text;
    uint32_t line;
    uint32_t column;
};

struct otel_config_file_warning {
    uint32_t line;
    uint32_t column;
    struct otel_text key;
    const char *what; /* constant */
};

struct otel_config_file {
    const char *path;
    const char *(*lookup)(const char *name);
    struct otel_config_file_value values[OTEL_CONFIG_FILE_VALUES];
    size_t value_count;
    struct otel_config_file_warning warnings[OTEL_CONFIG_FILE_WARNINGS];
    size_t warning_count;
    uint8_t typed[OTEL_CONFIG_FILE_TYPED];
    size_t typed_len;
    struct otel_config_file_error *error; /* while reading */
    bool wrong;                           /* error is filled: the rest does not matter */
};

/* A key of a mapping and who takes its value (never NULL, and never null in the file but for those
 * marked `bare`, for which a null value says that the thing is wanted). An array ends with name
 * NULL; name "" stands for any key not named before it. */
struct otel_config_key {
    const char *name;
    void (*take)(struct otel_config_file *file, const struct otel_config_key *key,
                 const struct otel_yaml_node *value);
    const void *with; /* what take wants to know: the name of a variable, keys of a mapping … */
    bool bare;
};

/* Takes each key that is there, warns of those that are not known. What is no mapping makes the
 * file wrong. */
void otel_config_take_mapping(struct otel_config_file *file, const struct otel_config_key *keys,
                              const struct otel_yaml_node *mapping);

/* Takers. mapping: with is an array of keys; variable: a scalar that becomes the variable `with`
 * names; silent: a part of the model that concerns no tracer; ignored: one that we do not have,
 * which is warned about. */
void otel_config_take_keys(struct otel_config_file *file, const struct otel_config_key *key,
                           const struct otel_yaml_node *value);
void otel_config_take_variable(struct otel_config_file *file, const struct otel_config_key *key,
                               const struct otel_yaml_node *value);
void otel_config_take_silent(struct otel_config_file *file, const struct otel_config_key *key,
                             const struct otel_yaml_node *value);
void otel_config_take_ignored(struct otel_config_file *file, const struct otel_config_key *key,
                              const struct otel_yaml_node *value);

/* Sets a variable; a later text of the same one replaces the earlier. text must live as long as
 * the tree. */
void otel_config_set(struct otel_config_file *file, const char *name, const char *text,
                     const struct otel_yaml_node *at);

/* What the file has said of a variable so far, or NULL. */
const char *otel_config_said(const struct otel_config_file *file, const char *name);

void otel_config_warn_of(struct otel_config_file *file, const struct otel_yaml_node *at,
                         struct otel_text key, const char *what);

/* Makes the file wrong; the first reason stands. */
void otel_config_wrong(struct otel_config_file *file, const struct otel_yaml_node *at,
                       const char *what);

/* --- values (config_text.c) ------------------------------------------------------------------- */

/* The text of a scalar behind substitution, NUL-terminated, as long as the tree. NULL where there
 * is none: null in the file (as YAML's core schema has it: nothing, ~, null), or the file is wrong
 * (no scalar, a reference that is none, no memory). */
const char *otel_config_text(struct otel_config_file *file, const struct otel_yaml_node *node);

/* Is it null, or nothing at all? Substitution may make it so. */
bool otel_config_is_null(struct otel_config_file *file, const struct otel_yaml_node *node);

/* text with another behind it and between them separator, where there was a text (NULL: none yet).
 * NULL: no memory, the file is wrong. */
const char *otel_config_join(struct otel_config_file *file, const char *text, char separator,
                             const char *more);

/* "name=value", both percent-encoded so that a list of k=v,k=v keeps them whole. */
const char *otel_config_pair(struct otel_config_file *file, const char *name, const char *value);

/* The attribute of a resource: name, value and type of the model (resource.attributes). Texts
 * become a part of OTEL_RESOURCE_ATTRIBUTES, the others are kept in wire form. What its type does
 * not allow makes the file wrong. */
void otel_config_take_attribute(struct otel_config_file *file, const struct otel_yaml_node *item);

/* --- processors (config_exporter.c) ----------------------------------------------------------- */

/* The sequence tracer_provider.processors. */
void otel_config_take_processors(struct otel_config_file *file, const struct otel_config_key *key,
                                 const struct otel_yaml_node *value);

/* The document (config_model.c). */
void otel_config_take_document(struct otel_config_file *file, const struct otel_yaml_node *root);

#endif
