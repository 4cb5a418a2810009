/* SPDX-License-Identifier: Apache-2.0
 *
 * What config.c, config_table.c, config_parse.c and config_endpoint.c share, and nobody else
 * includes: the row of the table, its parsers, and the values that only make sense together with
 * other rows. All of it runs on the one thread that calls otel_config_load().
 */
#ifndef OTEL_CORE_CONFIG_ROW_H
#define OTEL_CORE_CONFIG_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/config.h"

/* One word of an enum or list; an array ends with name NULL. */
struct otel_config_word {
    const char *name;
    uint32_t value;
};

/* The word that empties a list, whatever else stands in it. */
#define OTEL_CONFIG_NOTHING UINT32_MAX

struct otel_config_row {
    struct otel_setting setting;
    /* value is never empty. 0: taken (a part of it may have been ignored, with a warning of its
     * own). -EINVAL: the row keeps what it had and the caller warns; -ENOMEM: the same. */
    int (*parse)(const struct otel_config_row *row, const char *value);
    void *target;                         /* of the type the parser writes */
    const struct otel_config_word *words; /* of parsers of words */
    uint32_t min;                         /* of parsers of numbers */
    uint32_t max;
};

/* The rows in the order they are read: a later row beats an earlier one with the same target (the
 * _TRACES_ and _SPAN_ variants stand behind the general ones). The first OTEL_CONFIG_LOG_ROWS rows
 * are those of the log, so that the others can warn. */
#define OTEL_CONFIG_LOG_ROWS 2
extern const struct otel_config_row otel_config_rows[];
extern const size_t otel_config_row_count;

/* What rows leave for the end of load, because its meaning hangs on other rows. Written by the
 * parsers, start-up only. */
struct otel_config_raw {
    bool log_level_set;
    bool sampler_set;
    const char *sampler_arg;
    uint32_t batch_size; /* 0: not given */
    const char *endpoint;
    const char *traces_endpoint;
};
extern struct otel_config_raw otel_config_raw;

/* --- parsers (config_parse.c); the comment names the type of the target ----------------------- */

int otel_config_parse_text(const struct otel_config_row *row, const char *value); /* const char * */
int otel_config_parse_bool(const struct otel_config_row *row, const char *value); /* bool */
/* bool, by two words. */
int otel_config_parse_switch(const struct otel_config_row *row, const char *value);
/* enum (32 bits), by words. */
int otel_config_parse_enum(const struct otel_config_row *row, const char *value);
/* unsigned: the bits of a comma list; a word we do not know is warned about and left out, a list
 * without any we know is -EINVAL. */
int otel_config_parse_bits(const struct otel_config_row *row, const char *value);
/* uint32_t from min to max. */
int otel_config_parse_number(const struct otel_config_row *row, const char *value);
/* uint32_t; above max counts as max. */
int otel_config_parse_capped(const struct otel_config_row *row, const char *value);
/* Taken where the table begins to be read, not in its turn. */
int otel_config_parse_nothing(const struct otel_config_row *row, const char *value);
/* Those of one row each; target unused. */
int otel_config_parse_log_level(const struct otel_config_row *row, const char *value);
int otel_config_parse_sampler(const struct otel_config_row *row, const char *value);
int otel_config_parse_delay(const struct otel_config_row *row, const char *value);
int otel_config_parse_methods(const struct otel_config_row *row, const char *value);
int otel_config_parse_semconv(const struct otel_config_row *row, const char *value);

/* A ratio in [0, 1] in decimal notation, in any locale. Returns 0 or -EINVAL. */
int otel_config_parse_ratio(double *ratio, const char *text);

/* --- helpers -----------------------------------------------------------------------------------
 */

/* The next member of a comma list, trimmed; false at the end. Empty members are given too. *list
 * moves on. */
bool otel_config_next(const char **list, const char **member, size_t *len);

/* Leaves out spaces and tabs at both ends. */
void otel_config_trim(const char **text, size_t *len);

/* Does text equal word, in any case? */
bool otel_config_is_word(const char *text, size_t len, const char *word);

/* Memory for len chars and a terminator (set), as long as the process lives; NULL: there is none.
 */
char *otel_config_reserve(size_t len);

/* A copy of text in such memory. */
char *otel_config_keep(const char *text, size_t len);

/* config_endpoint.c: otel_config.otlp_endpoint from the raw ones, the protocol and insecure. */
void otel_config_resolve_endpoint(void);

#endif
