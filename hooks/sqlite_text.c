/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/sqlite.h"

#include <string.h>
#include <strings.h>

size_t otel_sqlite_namespace(char *out, size_t cap, const char *filename)
{
    size_t len;

    if (!filename)
        filename = ":memory:";
    len = strncmp(filename, "file:", 5) == 0 ? strcspn(filename, "?#") : strlen(filename);
    if (len > cap)
        len = cap;
    memcpy(out, filename, len);
    return len;
}

size_t otel_sqlite_length(const char *text, int bytes)
{
    return bytes < 0 ? strlen(text) : strnlen(text, (size_t)bytes);
}

size_t otel_sqlite_length16(const void *text, int bytes)
{
    const char *p = text; /* the program's text need not be aligned */
    size_t max = bytes < 0 ? SIZE_MAX : (size_t)bytes / 2;
    size_t n = 0;

    while (n < max && (p[2 * n] || p[2 * n + 1]))
        n++;
    return n;
}

static bool space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

const char *otel_sqlite_skip_space(const char *text)
{
    while (space(*text))
        text++;
    return text;
}

/* Length of the comment or quoted token at p, 0: neither. What is not closed goes on to the end. */
static size_t opaque(const char *p, size_t left)
{
    const char *end;
    char close;

    if (left >= 2 && p[0] == '-' && p[1] == '-') {
        end = memchr(p, '\n', left);
        return end ? (size_t)(end - p) + 1 : left;
    }
    if (left >= 2 && p[0] == '/' && p[1] == '*') {
        end = left > 2 ? memmem(p + 2, left - 2, "*/", 2) : NULL;
        return end ? (size_t)(end - p) + 2 : left;
    }
    if (*p != '\'' && *p != '"' && *p != '`' && *p != '[')
        return 0;
    close = *p == '[' ? ']' : *p;
    end = left > 1 ? memchr(p + 1, close, left - 1) : NULL; /* a doubled quote opens the next one */
    return end ? (size_t)(end - p) + 1 : left;
}

/* Where the first token of [p, end) that is no comment and no semicolon begins. */
static const char *skip_nothing(const char *p, const char *end)
{
    size_t skipped;

    for (; p < end; p += skipped) {
        skipped = space(*p) || *p == ';' ? 1 : 0;
        if (!skipped && (*p == '-' || *p == '/'))
            skipped = opaque(p, (size_t)(end - p));
        if (!skipped)
            break;
    }
    return p;
}

struct otel_text otel_sqlite_trim(struct otel_text text)
{
    const char *end = text.data + text.len;
    const char *start = skip_nothing(text.data, end);

    while (end > start && (space(end[-1]) || end[-1] == ';'))
        end--;
    return (struct otel_text){start, (size_t)(end - start)};
}

struct otel_text otel_sqlite_first_statement(struct otel_text text)
{
    const char *end = text.data + text.len;
    const char *start = skip_nothing(text.data, end);
    const char *p = start;

    while (p < end && *p != ';') {
        size_t token = opaque(p, (size_t)(end - p));

        p += token ? token : 1;
    }
    return (struct otel_text){start, (size_t)(p - start)};
}

bool otel_sqlite_counts_changes(const char *sql)
{
    static const char *const verbs[] = {"INSERT", "UPDATE", "DELETE", "REPLACE", "WITH"};
    struct otel_text text = otel_sqlite_trim((struct otel_text){sql, strlen(sql)});

    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (text.len > strlen(verbs[i]) && strncasecmp(text.data, verbs[i], strlen(verbs[i])) == 0)
            return true;
    return false;
}
