/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/env.h"

#include "core/config.h"
#include "core/log.h"

/* All of these: one thread. */
static struct {
    const char *name, *value;
} variables[16];
static size_t variable_count;
char env_said[8192];
static size_t said_len;

int env_capture(const void *buf, unsigned long len)
{
    if (said_len + len < sizeof env_said) {
        memcpy(env_said + said_len, buf, len);
        said_len += len;
        env_said[said_len] = '\0';
    }
    return 0;
}

static const char *lookup(const char *name)
{
    for (size_t i = 0; i < variable_count; i++) {
        if (strcmp(variables[i].name, name) == 0)
            return variables[i].value;
    }
    return NULL;
}

void env_set(const char *name, const char *value)
{
    variables[variable_count].name = name;
    variables[variable_count++].value = value;
}

void env_load_as(bool secure)
{
    said_len = 0;
    env_said[0] = '\0';
    otel_log_set_stderr_writer(env_capture);
    otel_config_load(lookup, secure);
    variable_count = 0;
}

void env_load(void)
{
    env_set("OTEL_LOG_LEVEL", "warn");
    env_load_as(false);
}

void env_load_one(const char *name, const char *value)
{
    env_set(name, value);
    env_load();
}

size_t env_warnings(void)
{
    size_t lines = 0;

    for (const char *at = env_said; (at = strchr(at, '\n')); at++)
        lines++;
    return lines;
}
