/* SPDX-License-Identifier: Apache-2.0 */
#include "core/config_row.h"

#include <errno.h>
#include <string.h>

#define TRACES_PATH "/v1/traces"

/* The length of "http://" or "https://" in front of text, 0 when there is neither. */
static size_t scheme_len(const char *text, size_t len)
{
    if (len >= 7 && otel_config_is_word(text, 7, "http://"))
        return 7;
    if (len >= 8 && otel_config_is_word(text, 8, "https://"))
        return 8;
    return 0;
}

static bool is_unix(const char *text, size_t len)
{
    return len > 6 && otel_config_is_word(text, 5, "unix:") && text[5] == '/';
}

/* Blanks and control bytes can stand in no URL: they would break the request it ends up in. */
static bool is_printable(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] <= ' ' || text[i] == 0x7f)
            return false;
    }
    return true;
}

static bool has_host(const char *authority, size_t len)
{
    return len && !memchr("/?#:", authority[0], 4);
}

/* head, middle and tail in one kept string. */
static int join(const char **out, const char *head, size_t head_len, const char *middle,
                const char *tail, size_t tail_len)
{
    size_t middle_len = strlen(middle);
    char *text = otel_config_reserve(head_len + middle_len + tail_len);

    if (!text)
        return -ENOMEM;
    memcpy(text, head, head_len);
    memcpy(text + head_len, middle, middle_len);
    memcpy(text + head_len + middle_len, tail, tail_len);
    *out = text;
    return 0;
}

/* OTLP/HTTP gets the signal's path, behind whatever path the base has and before its query. */
static int append_path(const char **out, const char *base, size_t len, size_t scheme)
{
    size_t path_end = scheme;
    size_t tail;

    while (path_end < len && base[path_end] != '?' && base[path_end] != '#')
        path_end++;
    tail = path_end;
    while (path_end > scheme && base[path_end - 1] == '/')
        path_end--;
    return join(out, base, path_end, TRACES_PATH, base + tail, len - tail);
}

/* general: the endpoint is a base for all signals. Returns 0, -EINVAL or -ENOMEM. */
static int compose(const char **out, const char *text, bool general)
{
    bool grpc = otel_config.otlp_protocol == OTEL_OTLP_GRPC;
    size_t len = strlen(text);
    size_t scheme;

    otel_config_trim(&text, &len);
    if (!is_printable(text, len))
        return -EINVAL;
    if (is_unix(text, len))
        return join(out, text, len, "", "", 0);
    scheme = scheme_len(text, len);
    if (!has_host(text + scheme, len - scheme))
        return -EINVAL;
    if (!scheme) {
        /* Only gRPC knows a bare host:port; what is not the one is a scheme we do not speak. */
        if (!grpc || memmem(text, len, "//", 2))
            return -EINVAL;
        return join(out, otel_config.otlp_insecure ? "http://" : "https://",
                    otel_config.otlp_insecure ? 7 : 8, "", text, len);
    }
    if (general && !grpc)
        return append_path(out, text, len, scheme);
    return join(out, text, len, "", "", 0);
}

static bool take(const char *name, const char *text, bool general)
{
    size_t len;

    if (!text || compose(&otel_config.otlp_endpoint, text, general) == 0)
        return text;
    /* What stands before an '@' is a password. */
    len = strlen(text);
    if (memchr(text, '@', len))
        otel_config_warn(name, "...", 3, "not an http, https or unix endpoint");
    else
        otel_config_warn(name, text, len, "not an http, https or unix endpoint");
    return false;
}

void otel_config_resolve_endpoint(void)
{
    if (take("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", otel_config_raw.traces_endpoint, false))
        return;
    if (take("OTEL_EXPORTER_OTLP_ENDPOINT", otel_config_raw.endpoint, true))
        return;
    if (otel_config.otlp_protocol == OTEL_OTLP_GRPC)
        otel_config.otlp_endpoint = "http://localhost:4317";
}
