/* SPDX-License-Identifier: Apache-2.0 */
#include "core/config_row.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

void otel_config_trim(const char **text, size_t *len)
{
    while (*len && is_blank((*text)[0])) {
        (*text)++;
        (*len)--;
    }
    while (*len && is_blank((*text)[*len - 1]))
        (*len)--;
}

bool otel_config_next(const char **list, const char **member, size_t *len)
{
    const char *comma;

    if (!*list)
        return false;
    comma = strchr(*list, ',');
    *member = *list;
    *len = comma ? (size_t)(comma - *list) : strlen(*list);
    *list = comma ? comma + 1 : NULL;
    otel_config_trim(member, len);
    return true;
}

/* ASCII only: strcasecmp follows the locale, where Turkish has another idea of 'I'. */
bool otel_config_is_word(const char *text, size_t len, const char *word)
{
    for (size_t i = 0; i < len; i++) {
        char a = text[i], b = word[i];

        if (a >= 'A' && a <= 'Z')
            a = (char)(a - 'A' + 'a');
        if (b >= 'A' && b <= 'Z')
            b = (char)(b - 'A' + 'a');
        if (a != b || !b)
            return false;
    }
    return word[len] == '\0';
}

static const struct otel_config_word *find_word(const struct otel_config_word *words,
                                                const char *text, size_t len)
{
    for (; words->name; words++) {
        if (otel_config_is_word(text, len, words->name))
            return words;
    }
    return NULL;
}

static const struct otel_config_word *whole_word(const struct otel_config_word *words,
                                                 const char *value)
{
    size_t len = strlen(value);

    otel_config_trim(&value, &len);
    return find_word(words, value, len);
}

int otel_config_parse_text(const struct otel_config_row *row, const char *value)
{
    const char *copy = otel_config_keep(value, strlen(value));

    if (!copy)
        return -ENOMEM;
    *(const char **)row->target = copy;
    return 0;
}

int otel_config_parse_nothing(const struct otel_config_row *row, const char *value)
{
    (void)row, (void)value;
    return 0;
}

int otel_config_parse_switch(const struct otel_config_row *row, const char *value)
{
    const struct otel_config_word *word = whole_word(row->words, value);

    if (!word)
        return -EINVAL;
    *(bool *)row->target = word->value;
    return 0;
}

int otel_config_parse_bool(const struct otel_config_row *row, const char *value)
{
    static const struct otel_config_word words[] = {{"true", 1}, {"false", 0}, {NULL, 0}};
    const struct otel_config_word *word = whole_word(words, value);

    if (!word)
        return -EINVAL;
    *(bool *)row->target = word->value;
    return 0;
}

int otel_config_parse_enum(const struct otel_config_row *row, const char *value)
{
    const struct otel_config_word *word = whole_word(row->words, value);

    if (!word)
        return -EINVAL;
    *(uint32_t *)row->target = word->value;
    return 0;
}

int otel_config_parse_bits(const struct otel_config_row *row, const char *value)
{
    const char *list = value, *member;
    bool nothing = false;
    unsigned bits = 0;
    size_t len;

    while (otel_config_next(&list, &member, &len)) {
        const struct otel_config_word *word = find_word(row->words, member, len);

        if (!len)
            continue;
        if (!word)
            otel_config_warn(row->setting.name, member, len, "not supported");
        else if (word->value == OTEL_CONFIG_NOTHING)
            nothing = true;
        else
            bits |= word->value;
    }
    /* Nothing we know of was named: as if unset, and each name has had its warning. */
    if (nothing || bits)
        *(unsigned *)row->target = nothing ? 0 : bits;
    return 0;
}

/* Digits alone, blanks round them allowed. Too large a number is UINT64_MAX. */
static int parse_digits(uint64_t *number, const char *value)
{
    size_t len = strlen(value);
    uint64_t n = 0;

    otel_config_trim(&value, &len);
    if (!len)
        return -EINVAL;
    for (size_t i = 0; i < len; i++) {
        unsigned digit = (unsigned char)value[i] - (unsigned)'0';

        if (digit > 9)
            return -EINVAL;
        n = n > (UINT64_MAX - digit) / 10 ? UINT64_MAX : n * 10 + digit;
    }
    *number = n;
    return 0;
}

int otel_config_parse_number(const struct otel_config_row *row, const char *value)
{
    uint64_t n;

    if (parse_digits(&n, value) || n < row->min || n > row->max)
        return -EINVAL;
    *(uint32_t *)row->target = (uint32_t)n;
    return 0;
}

int otel_config_parse_capped(const struct otel_config_row *row, const char *value)
{
    uint64_t n;

    if (parse_digits(&n, value) || n < row->min)
        return -EINVAL;
    *(uint32_t *)row->target = n > row->max ? row->max : (uint32_t)n;
    return 0;
}

int otel_config_parse_delay(const struct otel_config_row *row, const char *value)
{
    int err = otel_config_parse_number(row, value);

    if (!err)
        otel_config.schedule_delay_set = true;
    return err;
}

int otel_config_parse_log_level(const struct otel_config_row *row, const char *value)
{
    otel_config_raw.log_level_set = true;
    otel_config.log_level = OTEL_LOG_INFO;
    return otel_config_parse_enum(row, value);
}

int otel_config_parse_sampler(const struct otel_config_row *row, const char *value)
{
    int err = otel_config_parse_enum(row, value);

    if (!err)
        otel_config_raw.sampler_set = true;
    return err;
}

int otel_config_parse_methods(const struct otel_config_row *row, const char *value)
{
    const char *methods[OTEL_KNOWN_METHODS_MAX] = {NULL};
    const char *list = value, *member;
    size_t count = 0, len;

    while (otel_config_next(&list, &member, &len)) {
        if (!len)
            continue;
        if (count == OTEL_KNOWN_METHODS_MAX - 1) {
            otel_config_warn(row->setting.name, member, strlen(member), "more than 31 methods");
            break;
        }
        methods[count] = otel_config_keep(member, len);
        if (!methods[count++])
            return -ENOMEM;
    }
    if (!count)
        return -EINVAL;
    memcpy(otel_config.known_methods, methods, sizeof methods);
    return 0;
}

/* Other words of the list belong to other instrumentations, and the stable names are always sent.
 */
int otel_config_parse_semconv(const struct otel_config_row *row, const char *value)
{
    const char *list = value, *member;
    size_t len;

    (void)row;
    while (otel_config_next(&list, &member, &len)) {
        if (otel_config_is_word(member, len, "http/dup"))
            otel_config.http_dup = true;
        else if (otel_config_is_word(member, len, "database/dup"))
            otel_config.database_dup = true;
    }
    return 0;
}

/* Reads [+-]digits at *at; up to 4 digits are enough, larger exponents are not ratios. */
static int parse_exponent(int *exponent, const char *at, size_t len)
{
    bool negative = len && at[0] == '-';
    int n = 0;

    if (len && (at[0] == '-' || at[0] == '+')) {
        at++;
        len--;
    }
    if (!len || len > 4)
        return -EINVAL;
    for (size_t i = 0; i < len; i++) {
        if (at[i] < '0' || at[i] > '9')
            return -EINVAL;
        n = n * 10 + (at[i] - '0');
    }
    *exponent += negative ? -n : n;
    return 0;
}

int otel_config_parse_ratio(double *ratio, const char *text)
{
    size_t len = strlen(text), i = 0, digits = 0;
    bool point = false;
    uint64_t mantissa = 0;
    int exponent = 0;
    double value;

    otel_config_trim(&text, &len);
    for (; i < len && (text[i] == '.' || (text[i] >= '0' && text[i] <= '9')); i++) {
        if (text[i] == '.') {
            if (point)
                return -EINVAL;
            point = true;
            continue;
        }
        digits++;
        if (mantissa >= 100000000000000000) { /* digits beyond a double's precision */
            exponent += !point;
            continue;
        }
        mantissa = mantissa * 10 + (uint64_t)(text[i] - '0');
        exponent -= point;
    }
    if (!digits || (i < len && (text[i] | 0x20) != 'e'))
        return -EINVAL;
    if (i < len && parse_exponent(&exponent, text + i + 1, len - i - 1))
        return -EINVAL;
    if (exponent > 0 && mantissa)
        return -EINVAL;
    value = (double)mantissa;
    /* One division where a power of ten is exact keeps 0.1 what everybody else reads as 0.1. */
    while (exponent < 0 && value > 0) {
        double power = 1;

        for (int n = 0; n < 22 && exponent < 0; n++, exponent++)
            power *= 10;
        value /= power;
    }
    if (value > 1)
        return -EINVAL;
    *ratio = value;
    return 0;
}
