/* SPDX-License-Identifier: Apache-2.0 */
#include "core/config_row.h"

#include <criterion/criterion.h>
#include <string.h>

Test(config_table, table_is_complete_and_unique)
{
    const struct otel_setting *a, *b;

    for (size_t i = 0; (a = otel_setting_at(i)); i++) {
        cr_expect(a->name && *a->name && a->fallback && a->unit && a->meaning && *a->meaning);
        for (size_t k = i + 1; (b = otel_setting_at(k)); k++)
            cr_expect_str_neq(a->name, b->name);
    }
    cr_expect_null(otel_setting_at(SIZE_MAX));
    cr_expect_null(otel_setting_at(otel_config_row_count));
}

/* Every row that names a path or a peer is closed to setuid processes. */
Test(config_table, secure_column)
{
    static const char *const unsafe[] = {"LOG\0",       "FILE",       "CONSOLE", "ENDPOINT",
                                         "CERTIFICATE", "CLIENT_KEY", "HEADERS", "TRACES_EXPORTER",
                                         "INSECURE"};
    const struct otel_setting *setting;

    for (size_t i = 0; (setting = otel_setting_at(i)); i++) {
        for (size_t k = 0; k < sizeof unsafe / sizeof *unsafe; k++) {
            size_t len = strlen(setting->name), tail = strlen(unsafe[k]);

            if (len >= tail && strcmp(setting->name + len - tail, unsafe[k]) == 0)
                cr_expect_not(setting->secure_ok, "%s", setting->name);
        }
    }
}
