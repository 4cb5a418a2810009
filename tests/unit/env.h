/* SPDX-License-Identifier: Apache-2.0
 *
 * Settings for a unit test, without the environment of the test program:
 *
 *     env_set("OTEL_BSP_MAX_QUEUE_SIZE", "many");
 *     env_load();
 *     cr_expect_eq(otel_config.max_queue_size, 2048);
 *     expect_warning("OTEL_BSP_MAX_QUEUE_SIZE");
 *
 * One thread; each load forgets the variables set before it.
 */
#ifndef OTEL_TESTS_UNIT_ENV_H
#define OTEL_TESTS_UNIT_ENV_H

#include <criterion/criterion.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* The texts must be there until the load. At most 16 variables. */
void env_set(const char *name, const char *value);

/* Loads what was set and nothing else; secure: as in a setuid process. */
void env_load_as(bool secure);

/* The same in a process of the user's, and with OTEL_LOG_LEVEL=warn. */
void env_load(void);

/* The same with one variable more. */
void env_load_one(const char *name, const char *value);

/* What our log has written since the last load began; how many lines that is. */
extern char env_said[8192];
size_t env_warnings(void);

/* For otel_log_set_stderr_writer(): appends to env_said. */
int env_capture(const void *buf, unsigned long len);

#define expect_quiet() cr_expect_eq(env_warnings(), 0, "said: %s", env_said)

/* One line, with part in it. */
#define expect_warning(part)                                                     \
    do {                                                                         \
        cr_expect_eq(env_warnings(), 1, "said: %s", env_said);                   \
        cr_expect(strstr(env_said, part), "'%s' is not in: %s", part, env_said); \
    } while (0)

#endif
