/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of Criterion's interface that our unit tests use, over fork() alone. Criterion starts
 * each test through a sandbox that maps its memory at a fixed address, and the thread sanitizer's
 * shadow lies there: under TSAN=1 the same tests are built against this header instead, and run by
 * runner.c.
 *
 * A test is a function run in a process of its own: it passes when that process exits with 0 (the
 * sanitizer's reports make it another number). cr_assert* end the test, cr_expect* let it go on.
 */
#ifndef TESTS_PLAIN_CRITERION_H
#define TESTS_PLAIN_CRITERION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What may stand behind a test's or a suite's name. timeout in seconds, 0: the runner's. */
struct plain_options {
    void (*init)(void);
    void (*fini)(void);
    double timeout;
};

/* In section plain_tests, found by the linker's bracket symbols. run is NULL for a suite's own
 * entry, whose options hold for its tests. */
struct plain_test {
    const char *suite;
    const char *name;
    void (*run)(void);
    struct plain_options options;
};

/* Reports a failed check; fatal ends the process that runs the test. */
void plain_fail(bool fatal, const char *file, int line, const char *what, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* Ends the test as passed, saying why it did not run. */
void plain_skip(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#define PLAIN_ENTRY __attribute__((used, section("plain_tests"), aligned(8)))

#define TestSuite(SUITE, ...) \
    static struct plain_test PLAIN_ENTRY plain_suite_##SUITE = {#SUITE, NULL, NULL, {__VA_ARGS__}}

#define Test(SUITE, NAME, ...)                                           \
    static void plain_run_##SUITE##_##NAME(void);                        \
    static struct plain_test PLAIN_ENTRY plain_test_##SUITE##_##NAME = { \
        #SUITE, #NAME, plain_run_##SUITE##_##NAME, {__VA_ARGS__}};       \
    static void plain_run_##SUITE##_##NAME(void)

/* One check; the text behind it, when given, is a printf format with its arguments. */
#define PLAIN_CHECK(FATAL, CONDITION, TEXT, ...)                          \
    do {                                                                  \
        if (!(CONDITION))                                                 \
            plain_fail(FATAL, __FILE__, __LINE__, TEXT, " " __VA_ARGS__); \
    } while (0)

#define cr_assert(c, ...) PLAIN_CHECK(true, c, #c, __VA_ARGS__)
#define cr_assert_not(c, ...) PLAIN_CHECK(true, !(c), "not " #c, __VA_ARGS__)
#define cr_assert_eq(a, b, ...) PLAIN_CHECK(true, (a) == (b), #a " == " #b, __VA_ARGS__)
#define cr_assert_neq(a, b, ...) PLAIN_CHECK(true, (a) != (b), #a " != " #b, __VA_ARGS__)
#define cr_assert_lt(a, b, ...) PLAIN_CHECK(true, (a) < (b), #a " < " #b, __VA_ARGS__)
#define cr_assert_leq(a, b, ...) PLAIN_CHECK(true, (a) <= (b), #a " <= " #b, __VA_ARGS__)
#define cr_assert_gt(a, b, ...) PLAIN_CHECK(true, (a) > (b), #a " > " #b, __VA_ARGS__)
#define cr_assert_geq(a, b, ...) PLAIN_CHECK(true, (a) >= (b), #a " >= " #b, __VA_ARGS__)
#define cr_assert_null(p, ...) PLAIN_CHECK(true, (p) == NULL, #p " is NULL", __VA_ARGS__)
#define cr_assert_not_null(p, ...) PLAIN_CHECK(true, (p) != NULL, #p " is not NULL", __VA_ARGS__)
#define cr_assert_str_eq(a, b, ...) \
    PLAIN_CHECK(true, strcmp(a, b) == 0, #a " is the text " #b, __VA_ARGS__)
#define cr_assert_str_neq(a, b, ...) \
    PLAIN_CHECK(true, strcmp(a, b) != 0, #a " is not the text " #b, __VA_ARGS__)
#define cr_assert_arr_eq(a, b, n, ...) \
    PLAIN_CHECK(true, memcmp(a, b, n) == 0, #a " has the bytes of " #b, __VA_ARGS__)

#define cr_expect(c, ...) PLAIN_CHECK(false, c, #c, __VA_ARGS__)
#define cr_expect_not(c, ...) PLAIN_CHECK(false, !(c), "not " #c, __VA_ARGS__)
#define cr_expect_eq(a, b, ...) PLAIN_CHECK(false, (a) == (b), #a " == " #b, __VA_ARGS__)
#define cr_expect_neq(a, b, ...) PLAIN_CHECK(false, (a) != (b), #a " != " #b, __VA_ARGS__)
#define cr_expect_lt(a, b, ...) PLAIN_CHECK(false, (a) < (b), #a " < " #b, __VA_ARGS__)
#define cr_expect_leq(a, b, ...) PLAIN_CHECK(false, (a) <= (b), #a " <= " #b, __VA_ARGS__)
#define cr_expect_gt(a, b, ...) PLAIN_CHECK(false, (a) > (b), #a " > " #b, __VA_ARGS__)
#define cr_expect_geq(a, b, ...) PLAIN_CHECK(false, (a) >= (b), #a " >= " #b, __VA_ARGS__)
#define cr_expect_null(p, ...) PLAIN_CHECK(false, (p) == NULL, #p " is NULL", __VA_ARGS__)
#define cr_expect_not_null(p, ...) PLAIN_CHECK(false, (p) != NULL, #p " is not NULL", __VA_ARGS__)
#define cr_expect_str_eq(a, b, ...) \
    PLAIN_CHECK(false, strcmp(a, b) == 0, #a " is the text " #b, __VA_ARGS__)
#define cr_expect_str_neq(a, b, ...) \
    PLAIN_CHECK(false, strcmp(a, b) != 0, #a " is not the text " #b, __VA_ARGS__)
#define cr_expect_arr_eq(a, b, n, ...) \
    PLAIN_CHECK(false, memcmp(a, b, n) == 0, #a " has the bytes of " #b, __VA_ARGS__)

/* Says more about a check that fails behind it. */
#define cr_log_error(...) ((void)fprintf(stderr, __VA_ARGS__), (void)fputc('\n', stderr))

#define cr_skip_test(...) plain_skip(" " __VA_ARGS__)

#endif
