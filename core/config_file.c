/* SPDX-License-Identifier: Apache-2.0 */
#include "core/config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>

#include "core/config_file_parts.h"
#include "core/log.h"
#include "core/sys.h"

/* The file that was read; written by the one thread that starts. */
static struct otel_config_file current;

/* Variables of the environment that count beside a file: where the log goes is wanted most while a
 * file is being written, and the parent of a process is no setting. */
static const char *const beside[] = {"OTEL_LOG_LEVEL", "OTEL_AUTO_LOG", "TRACEPARENT",
                                     "TRACESTATE",     "BAGGAGE",       "OTEL_CONFIG_FILE"};

/* --- errors and warnings ---------------------------------------------------------------------- */

struct line {
    char *at;
    char *end; /* room for a NUL is left behind it */
};

/* Text on one line, whatever it holds. */
static void put(struct line *l, const char *text, size_t len)
{
    for (size_t i = 0; i < len && l->at < l->end; i++) {
        unsigned char c = (unsigned char)text[i];

        *l->at++ = c < ' ' || c == 0x7f ? '?' : (char)c;
    }
    *l->at = '\0';
}

static void put_text(struct line *l, const char *text)
{
    put(l, text, strlen(text));
}

static void put_number(struct line *l, uint32_t n)
{
    char digits[10];
    size_t at = sizeof digits;

    do
        digits[--at] = (char)('0' + n % 10);
    while (n /= 10);
    put(l, digits + at, sizeof digits - at);
}

static struct line start(struct otel_config_file_error *error, uint32_t line, uint32_t column)
{
    struct line l = {error->text, error->text + sizeof error->text - 1};

    put_text(&l, current.path);
    if (line) {
        put_text(&l, ":");
        put_number(&l, line);
        put_text(&l, ":");
        put_number(&l, column);
    }
    put_text(&l, ": ");
    return l;
}

static int explain(struct otel_config_file_error *error, uint32_t line, uint32_t column,
                   const char *what, int err)
{
    struct line l = start(error, line, column);

    put_text(&l, what);
    return err;
}

void otel_config_wrong(struct otel_config_file *file, const struct otel_yaml_node *at,
                       const char *what)
{
    if (!file->wrong)
        explain(file->error, at ? at->line : 1, at ? at->column : 1, what, 0);
    file->wrong = true;
}

void otel_config_warn_of(struct otel_config_file *file, const struct otel_yaml_node *at,
                         struct otel_text key, const char *what)
{
    if (file->warning_count < OTEL_CONFIG_FILE_WARNINGS)
        file->warnings[file->warning_count++] =
            (struct otel_config_file_warning){at->line, at->column, key, what};
}

void otel_config_file_warn(void)
{
    for (size_t i = 0; i < current.warning_count; i++) {
        const struct otel_config_file_warning *w = &current.warnings[i];
        struct otel_config_file_error shown;
        struct line l = start(&shown, w->line, w->column);

        put(&l, w->key.data, w->key.len);
        put_text(&l, " ");
        put_text(&l, w->what);
        otel_log(OTEL_LOG_WARN, "%s", shown.text);
    }
    current.warning_count = 0;
}

/* --- takers ----------------------------------------------------------------------------------- */

void otel_config_set(struct otel_config_file *file, const char *name, const char *text,
                     const struct otel_yaml_node *at)
{
    size_t i = 0;

    if (!text || file->wrong)
        return;
    while (i < file->value_count && strcmp(file->values[i].name, name) != 0)
        i++;
    if (i == OTEL_CONFIG_FILE_VALUES) {
        otel_config_wrong(file, at, "too many settings");
        return;
    }
    if (i == file->value_count)
        file->value_count++;
    file->values[i] = (struct otel_config_file_value){name, text, at->line, at->column};
}

static const struct otel_config_file_value *find(const struct otel_config_file *file,
                                                 const char *name)
{
    for (size_t i = 0; i < file->value_count; i++) {
        if (strcmp(file->values[i].name, name) == 0)
            return &file->values[i];
    }
    return NULL;
}

const char *otel_config_said(const struct otel_config_file *file, const char *name)
{
    const struct otel_config_file_value *value = find(file, name);

    return value ? value->text : NULL;
}

static bool is_key(const struct otel_config_key *key, struct otel_text name)
{
    return strlen(key->name) == name.len && memcmp(key->name, name.data, name.len) == 0;
}

static const struct otel_config_key *find_key(const struct otel_config_key *keys,
                                              struct otel_text name)
{
    for (; keys->name; keys++) {
        if (!*keys->name || is_key(keys, name))
            return keys;
    }
    return NULL;
}

void otel_config_take_mapping(struct otel_config_file *file, const struct otel_config_key *keys,
                              const struct otel_yaml_node *mapping)
{
    if (mapping->kind != OTEL_YAML_MAPPING) {
        otel_config_wrong(file, mapping, "a mapping is wanted here");
        return;
    }
    /* In the order of the table, which may matter to those who take. */
    for (const struct otel_config_key *key = keys; key->name && *key->name; key++) {
        const struct otel_yaml_node *value = otel_yaml_get(mapping, key->name);

        if (value && !file->wrong && (key->bare || !otel_config_is_null(file, value)))
            key->take(file, key, value);
    }
    for (const struct otel_yaml_node *own = mapping->first; own && !file->wrong; own = own->next) {
        const struct otel_config_key *key = find_key(keys, own->text);

        if (!key && !is_key(&(struct otel_config_key){.name = "<<"}, own->text))
            otel_config_warn_of(file, own, own->text, "is not known");
        else if (key && !*key->name)
            key->take(file, key, own);
    }
}

void otel_config_take_keys(struct otel_config_file *file, const struct otel_config_key *key,
                           const struct otel_yaml_node *value)
{
    otel_config_take_mapping(file, key->with, value);
}

void otel_config_take_variable(struct otel_config_file *file, const struct otel_config_key *key,
                               const struct otel_yaml_node *value)
{
    otel_config_set(file, key->with, otel_config_text(file, value), value);
}

void otel_config_take_silent(struct otel_config_file *file, const struct otel_config_key *key,
                             const struct otel_yaml_node *value)
{
    (void)file, (void)key, (void)value;
}

/* For key "" value is the key itself, for others what stands under it. */
void otel_config_take_ignored(struct otel_config_file *file, const struct otel_config_key *key,
                              const struct otel_yaml_node *value)
{
    struct otel_text name =
        *key->name ? (struct otel_text){key->name, strlen(key->name)} : value->text;

    otel_config_warn_of(file, value, name, "is not supported and left out");
}

/* --- the file --------------------------------------------------------------------------------- */

static int parse(const char *text, size_t len, struct otel_config_file_error *error)
{
    struct otel_yaml_error bad;
    struct otel_yaml_node *root;
    int err = otel_yaml_parse(text, len, &root, &bad);

    if (err == -EINVAL)
        return explain(error, bad.line, bad.column, bad.what, err);
    if (err)
        return explain(error, 0, 0, "no memory", err);
    otel_config_take_document(&current, root);
    return current.wrong ? -EINVAL : 0;
}

int otel_config_file_read(const char *path, const char *(*lookup)(const char *name),
                          struct otel_config_file_error *error)
{
    size_t room = OTEL_CONFIG_FILE_MAX + 1;
    char *text = otel_sys.mmap(room);
    ssize_t n;
    int err;

    memset(&current, 0, sizeof current);
    current.path = path;
    current.lookup = lookup;
    current.error = error;
    if (!text)
        return explain(error, 0, 0, "no memory", -ENOMEM);
    n = otel_sys_read_file(path, text, room);
    if (n < 0)
        err = explain(error, 0, 0, otel_sys_errno_name((int)-n), (int)n);
    else if ((size_t)n == room)
        err = explain(error, 0, 0, "more than 256 KiB", -EINVAL);
    else
        err = parse(text, (size_t)n, error);
    otel_sys.munmap(text, room);
    current.error = NULL;
    if (err)
        otel_config_file_forget();
    return err;
}

const char *otel_config_file_lookup(const char *name)
{
    const char *said = otel_config_said(&current, name);

    for (size_t i = 0; !said && i < sizeof beside / sizeof *beside; i++) {
        if (strcmp(beside[i], name) == 0)
            return current.lookup(name);
    }
    return said;
}

const uint8_t *otel_config_file_typed(size_t *len)
{
    *len = current.typed_len;
    return current.typed;
}

bool otel_config_file_where(const char *name, uint32_t *line, uint32_t *column)
{
    const struct otel_config_file_value *value = find(&current, name);

    if (!value)
        return false;
    *line = value->line;
    *column = value->column;
    return true;
}

void otel_config_file_refuse(const char *name, struct otel_config_file_error *error)
{
    const struct otel_config_file_value *value = find(&current, name);
    struct line l = start(error, value ? value->line : 0, value ? value->column : 0);

    put_text(&l, name);
    put_text(&l, ": '");
    put_text(&l, value ? value->text : "");
    put_text(&l, "' is not a value it can have");
}

void otel_config_file_forget(void)
{
    otel_yaml_free();
    current.value_count = 0;
    current.warning_count = 0;
    current.typed_len = 0;
}
