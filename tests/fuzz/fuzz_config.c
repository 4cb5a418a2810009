/* SPDX-License-Identifier: Apache-2.0
 *
 * The first byte says whether the process is setuid; each line behind it is NAME=value. Whatever
 * stands there, the settings are usable, and so is the resource made of them. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/config.h"
#include "core/config_row.h"
#include "core/log.h"
#include "core/resource.h"
#include "core/sys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The lines of the input, each terminated. One thread fuzzes. */
static char *environment;
static size_t environment_len;

static const char *lookup(const char *name)
{
    size_t len = strlen(name);

    for (char *line = environment; line < environment + environment_len; line += strlen(line) + 1) {
        if (strncmp(line, name, len) == 0 && line[len] == '=')
            return line + len + 1;
    }
    return NULL;
}

/* A warning is one line, whatever it is about. */
static int check_line(const void *buf, unsigned long len)
{
    if (!len || memchr(buf, '\n', len) != (const char *)buf + len - 1)
        abort();
    return 0;
}

static int no_file(const char *path, int flags, unsigned mode)
{
    (void)path, (void)flags, (void)mode;
    return -ENOENT;
}

static void check(const struct otel_config *c)
{
    double ratio;

    if (!c->max_queue_size || c->max_queue_size > 1000000 || !c->max_export_batch_size ||
        c->max_export_batch_size > c->max_queue_size || !c->schedule_delay_ms ||
        !c->otlp_timeout_ms || c->exit_timeout_ms > 10000)
        abort();
    if (!c->otlp_endpoint || strpbrk(c->otlp_endpoint, " \t\r\n"))
        abort();
    if ((c->exporters & OTEL_EXPORTER_FILE) && !c->file_path)
        abort();
    if (!c->known_methods[0] || c->known_methods[OTEL_KNOWN_METHODS_MAX - 1])
        abort();
    if (c->sampler.threshold > UINT64_C(1) << 56)
        abort();
    if (!otel_config_parse_ratio(&ratio, environment) && !(ratio >= 0 && ratio <= 1))
        abort();
    if (c->secure && (c->log_path || c->otlp_headers || c->file_path || c->console_path))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t out[OTEL_RESOURCE_MAX];

    if (!size)
        return 0;
    otel_sys.open = no_file; /* nor does OTEL_AUTO_LOG create one */
    otel_log_set_stderr_writer(check_line);
    environment_len = size;
    environment = malloc(size);
    for (size_t i = 1; i < size; i++)
        environment[i - 1] = data[i] == '\n' ? '\0' : (char)data[i];
    environment[size - 1] = '\0';
    otel_config_load(lookup, data[0] & 1);
    check(&otel_config);
    otel_config_family_disabled("curl");
    if (otel_resource_build(out, sizeof out) > sizeof out)
        abort();
    free(environment);
    return 0;
}
