/* SPDX-License-Identifier: Apache-2.0 */
#include "scripts/settings.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/config.h"
#include "core/config_file.h"

/* The file in question; the launcher has one thread. */
static const char *config_path;

int settings_print(void)
{
    const struct otel_setting *s;

    printf("%-50s %-32s %s\n", "VARIABLE", "DEFAULT", "MEANING");
    for (size_t i = 0; (s = otel_setting_at(i)) != NULL; i++) {
        char value[64];

        snprintf(value, sizeof value, "%s%s%s", *s->fallback ? s->fallback : "-",
                 *s->unit && *s->fallback ? " " : "", *s->fallback ? s->unit : "");
        printf("%-50s %-32s %s%s\n", s->name, value, s->meaning,
               s->secure_ok ? "" : " [not in setuid programs]");
    }
    return fflush(stdout) == 0 ? 0 : 1;
}

/* The environment with the file in place, and a log that tells what is wrong with it. */
static const char *lookup(const char *name)
{
    if (!strcmp(name, "OTEL_CONFIG_FILE"))
        return config_path;
    if (!strcmp(name, "OTEL_LOG_LEVEL"))
        return "warn";
    return strcmp(name, "OTEL_AUTO_LOG") != 0 ? otel_env_lookup(name) : NULL;
}

static bool is_secret(const char *name)
{
    size_t len = strlen(name);

    return len > 8 && !strcmp(name + len - 8, "_HEADERS") && strstr(name, "EXPORTER");
}

static void print_one(const struct otel_setting *s)
{
    const char *value = otel_config_file_lookup(s->name);
    uint32_t line = 0, column = 0;
    bool said = otel_config_file_where(s->name, &line, &column);

    if (value && *value && is_secret(s->name))
        value = "(not shown)";
    printf("%-50s %-40s ", s->name, value && *value ? value : *s->fallback ? s->fallback : "-");
    if (said)
        printf("%s:%u:%u\n", config_path, line, column);
    else
        puts(value && *value ? "environment" : "default");
}

int settings_print_file(const char *path)
{
    const struct otel_setting *s;
    struct otel_config_file_error error;

    config_path = path;
    otel_config_load(lookup, false); /* as a program does: it says what is wrong */
    if (otel_config.file_wrong || otel_config_file_read(path, otel_env_lookup, &error) < 0)
        return 1;
    printf("%-50s %-40s %s\n", "VARIABLE", "VALUE", "FROM");
    for (size_t i = 0; (s = otel_setting_at(i)) != NULL; i++)
        print_one(s);
    otel_config_file_forget();
    return fflush(stdout) == 0 ? 0 : 1;
}
