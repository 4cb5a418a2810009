/* SPDX-License-Identifier: Apache-2.0
 *
 * The first byte is a quarter of the room for the text, the second the mode, the rest SQL.
 */
#include "core/sql.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)    \
    do {                      \
        if (!(condition))     \
            __builtin_trap(); \
    } while (0)

static void check(const char *text, size_t len, size_t cap, enum otel_db_text mode)
{
    char *out = malloc(cap ? cap : 1);
    struct otel_sql sql;

    REQUIRE(out);
    otel_sql_describe(&sql, out, cap, text, len, mode);
    REQUIRE(sql.text_len <= cap && sql.text_len <= len);
    REQUIRE(sql.summary_len <= OTEL_SQL_SUMMARY_MAX && sql.summary_len == strlen(sql.summary));
    REQUIRE(strlen(sql.operation) < sizeof sql.operation);
    REQUIRE(strlen(sql.target) < sizeof sql.target);
    /* names may hold an apostrophe, but there are none: so it would be from a string */
    if (mode == OTEL_DB_TEXT_SANITIZE && !memchr(text, '"', len) && !memchr(text, '`', len) &&
        !memchr(text, '[', len)) {
        REQUIRE(!memchr(out, '\'', sql.text_len));
        REQUIRE(!memchr(sql.summary, '\'', sql.summary_len));
    }
    free(out);
}

/* A string put between two halves of the input, where it is whole, cannot be seen. */
static void check_string(const char *text, size_t len)
{
    static const char mark[] = " 'SECRET' ";
    size_t half = len / 2, all = len + sizeof mark;
    char *with = malloc(all), *out = malloc(all);
    struct otel_sql sql;

    REQUIRE(with && out);
    memcpy(with, text, half);
    memcpy(with + half, mark, sizeof mark - 1);
    memcpy(with + half + sizeof mark - 1, text + half, len - half);
    otel_sql_describe(&sql, out, all, with, len + sizeof mark - 1, OTEL_DB_TEXT_SANITIZE);
    if (!memmem(text, len, "SECRET", 6) && !memchr(text, '"', half) && !memchr(text, '\'', half) &&
        !memchr(text, '`', half) && !memchr(text, '[', half) && !memchr(text, '$', half))
        REQUIRE(!memmem(out, sql.text_len, "SECRET", 6));
    free(with);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data + 2;

    if (size < 2)
        return 0;
    check(text, size - 2, data[0] * 4u, (enum otel_db_text)(data[1] % 4));
    check(text, size - 2, size, OTEL_DB_TEXT_SANITIZE);
    check_string(text, size - 2);
    return 0;
}
