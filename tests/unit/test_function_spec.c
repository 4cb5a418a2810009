/* SPDX-License-Identifier: Apache-2.0 */
#include "core/function_spec.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/guardpage.h"
#include "tests/unit/env.h"

/* One test, one thread. */
static struct guardpage page;

static void setup(void)
{
    guardpage_open(&page, 65536);
}

static struct otel_text placed(const char *entry)
{
    size_t len = strlen(entry);

    return (struct otel_text){guardpage_put(&page, entry, len), len};
}

static struct otel_function_spec parsed(const char *entry)
{
    struct otel_function_spec spec;
    const char *why = "";
    size_t where = 0;

    cr_assert_eq(otel_function_spec_parse(placed(entry), &spec, &why, &where), 0, "%s: %s at %zu",
                 entry, why, where);
    return spec;
}

static void expect_text(struct otel_text text, const char *wanted)
{
    cr_expect(text.len == strlen(wanted) && memcmp(text.data, wanted, text.len) == 0,
              "'%.*s', not '%s'", (int)text.len, text.data, wanted);
}

Test(function_spec, whole, .init = setup)
{
    struct otel_function_spec s = parsed(
        "libshop.so:process(doc: str, n: int, ptr) -> rows: long as \"the work\" client "
        "{gen_ai.request.model=\"gpt-4\", tries=-3, share=0.5, on=true, off=false, whole=$3} "
        "error if <= -1");

    expect_text(s.library, "libshop.so");
    expect_text(s.symbol, "process");
    expect_text(s.name, "the work");
    cr_expect_eq(s.kind, OTEL_KIND_CLIENT);
    cr_assert_eq(s.args_count, 3);
    expect_text(s.args[0].key, "doc");
    expect_text(s.args[1].key, "n");
    expect_text(s.args[2].key, "whole");
    cr_expect_eq(s.args[0].type.kind, OTEL_FUNCTION_STR);
    cr_expect_eq(s.args[1].type.kind, OTEL_FUNCTION_INT32);
    cr_expect_eq(s.args[2].type.kind, OTEL_FUNCTION_PTR);
    expect_text(s.result.key, "rows");
    cr_expect_eq(s.result.type.kind, OTEL_FUNCTION_INT64);
    cr_assert_eq(s.constants_count, 5);
    expect_text(s.constants[0].value.text, "gpt-4");
    cr_expect_eq(s.constants[1].value.integer, -3);
    cr_expect_eq(s.constants[2].value.real, 0.5);
    cr_expect(s.constants[3].value.boolean);
    cr_expect_not(s.constants[4].value.boolean);
    cr_expect_eq(s.error_if, OTEL_FUNCTION_AT_MOST);
    cr_expect_eq(s.limit, -1);
}

Test(function_spec, least, .init = setup)
{
    struct otel_function_spec s = parsed("f()->void");

    expect_text(s.symbol, "f");
    expect_text(s.name, "f");
    cr_expect_eq(s.kind, OTEL_KIND_INTERNAL);
    cr_expect_eq(s.args_count, 0);
    cr_expect_eq(s.result.type.kind, OTEL_FUNCTION_VOID);
    cr_expect_eq(parsed("f(void) -> void").args_count, 0);
    cr_expect(parsed("f(int, ...) -> int").variadic);
    cr_expect_eq(parsed("f(int, ...) -> int").args_count, 1);
}

Test(function_spec, cpp_names, .init = setup)
{
    struct otel_function_spec s = parsed("ns::Class::method(this: ptr, n: int) -> int");

    expect_text(s.symbol, "ns::Class::method");
    cr_expect_eq(s.library.len, 0);
    s = parsed("libx.so.2:ns::f(int) -> int");
    expect_text(s.library, "libx.so.2");
    expect_text(s.symbol, "ns::f");
    s = parsed("libx:\"ns::f(int, char const*)\"(int, str) -> int");
    expect_text(s.library, "libx");
    expect_text(s.symbol, "ns::f(int, char const*)");
    cr_expect_eq(s.args_count, 2);
}

Test(function_spec, types, .init = setup)
{
    static const struct {
        const char *name;
        enum otel_function_kind kind;
    } cases[] = {
        {"bool", OTEL_FUNCTION_BOOL},
        {"char", OTEL_FUNCTION_INT8},
        {"unsigned char", OTEL_FUNCTION_UINT8},
        {"short", OTEL_FUNCTION_INT16},
        {"short int", OTEL_FUNCTION_INT16},
        {"unsigned short", OTEL_FUNCTION_UINT16},
        {"int", OTEL_FUNCTION_INT32},
        {"unsigned", OTEL_FUNCTION_UINT32},
        {"unsigned int", OTEL_FUNCTION_UINT32},
        {"long", OTEL_FUNCTION_INT64},
        {"long long", OTEL_FUNCTION_INT64},
        {"unsigned long long int", OTEL_FUNCTION_UINT64},
        {"long unsigned", OTEL_FUNCTION_UINT64},
        {"size_t", OTEL_FUNCTION_UINT64},
        {"ssize_t", OTEL_FUNCTION_INT64},
        {"int8_t", OTEL_FUNCTION_INT8},
        {"uint16_t", OTEL_FUNCTION_UINT16},
        {"int32_t", OTEL_FUNCTION_INT32},
        {"uint64_t", OTEL_FUNCTION_UINT64},
        {"float", OTEL_FUNCTION_FLOAT},
        {"double", OTEL_FUNCTION_DOUBLE},
        {"long double", OTEL_FUNCTION_LONG_DOUBLE},
        {"ptr", OTEL_FUNCTION_PTR},
        {"const char *", OTEL_FUNCTION_PTR},
        {"void **", OTEL_FUNCTION_PTR},
        {"str", OTEL_FUNCTION_STR},
    };
    char entry[64];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(entry, sizeof entry, "f(a: %s) -> int", cases[i].name);
        cr_expect_eq(parsed(entry).args[0].type.kind, cases[i].kind, "%s", entry);
        snprintf(entry, sizeof entry, "f(int) -> %s as \"x\"", cases[i].name);
        cr_expect_eq(parsed(entry).result.type.kind, cases[i].kind, "%s", entry);
    }
}

Test(function_spec, structs, .init = setup)
{
    struct otel_function_spec s = parsed("f({int, double}, {char, long double}) -> {float, float}");

    cr_expect_eq(s.args[0].type.kind, OTEL_FUNCTION_STRUCT);
    cr_expect_eq(s.args[0].type.fields, 2);
    cr_expect_eq(s.fields[s.args[0].type.first + 1], OTEL_FUNCTION_DOUBLE);
    cr_expect_eq(s.fields[s.args[1].type.first], OTEL_FUNCTION_INT8);
    cr_expect_eq(s.result.type.first, 4);
    cr_expect_eq(s.fields_count, 6);
}

Test(function_spec, mistakes, .init = setup)
{
    static const struct {
        const char *entry, *why;
        size_t where;
    } cases[] = {
        {"f", "( is missing", 1},
        {"(int) -> int", "the function's name is missing", 0},
        {"f(int -> int", ") is missing", 6},
        {"f(in) -> int", "unknown type", 2},
        {"f(int)", "-> is missing", 6},
        {"f(int) -> ", "unknown type", 10},
        {"f(int) -> quux", "unknown type", 10},
        {"f(unsigned signed) -> int", "not a type", 17},
        {"f(long long long) -> int", "not a type", 16},
        {"f(void, int) -> int", "an argument cannot be void", 11},
        {"f({int) -> int", "} is missing", 6},
        {"f({void}) -> int", "a field cannot be void", 7},
        {"f() -> int as name", "a text in quotes is missing", 14},
        {"f() -> int as \"name", "a quote is not closed", 15},
        {"f() -> int as \"\"", "an empty text", 16},
        {"f() -> int sideways", "not understood", 11},
        {"f() -> int {a=}", "a number is missing", 14},
        {"f() -> int {a=$1}", "there is no such argument", 16},
        {"f() -> int {=1}", "an attribute's key is missing", 12},
        {"f() -> int {a 1}", "= is missing", 14},
        {"f() -> int {a=1", "} is missing", 15},
        {"f() -> int error < 0", "`if` is missing", 17},
        {"f() -> int error if 0", "a comparison is missing", 20},
        {"f() -> int error if < x", "a number is missing", 22},
        {"f() -> void error if < 0", "such a result cannot be compared", 24},
        {"f(a: int, a: int) -> int", "a key stands there twice", 24},
        {"f() -> int {a=1, a=2}", "a key stands there twice", 21},
        {"f() -> int {a=99999999999999999999}", "a number is too long", 32},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct otel_function_spec spec;
        const char *why = "";
        size_t where = 0;

        cr_expect_neq(otel_function_spec_parse(placed(cases[i].entry), &spec, &why, &where), 0,
                      "%s", cases[i].entry);
        cr_expect_str_eq(why, cases[i].why, "%s: %s", cases[i].entry, why);
        cr_expect_eq(where, cases[i].where, "%s: at %zu", cases[i].entry, where);
    }
}

Test(function_spec, too_many, .init = setup)
{
    struct otel_function_spec spec;
    const char *why;
    char entry[1024] = "f(";
    size_t where;

    for (int i = 0; i < OTEL_FUNCTION_ARGS; i++)
        strcat(entry, i ? ",int" : "int");
    strcat(entry, ") -> int");
    cr_expect_eq(parsed(entry).args_count, OTEL_FUNCTION_ARGS);
    memmove(entry + 6, entry + 2, strlen(entry + 2) + 1);
    memcpy(entry + 2, "int,", 4);
    cr_expect_neq(otel_function_spec_parse(placed(entry), &spec, &why, &where), 0);
    cr_expect_str_eq(why, "too many arguments");
}

Test(function_spec, list, .init = setup)
{
    static const char text[] = "\n# a comment; with a semicolon\n f(int) -> int ;; g() -> void "
                               "{a=\"x;y\"}\n\th() -> int\n";
    struct otel_text list = placed(text), entry;
    const char *at = list.data, *end = at + list.len;

    cr_assert(otel_function_spec_next(&at, end, &entry));
    expect_text(entry, "f(int) -> int");
    cr_assert(otel_function_spec_next(&at, end, &entry));
    expect_text(entry, "g() -> void {a=\"x;y\"}");
    cr_assert(otel_function_spec_next(&at, end, &entry));
    expect_text(entry, "h() -> int");
    cr_expect_not(otel_function_spec_next(&at, end, &entry));
}

Test(function_spec, failures, .init = setup)
{
    static const struct {
        const char *entry;
        uint64_t bits;
        double real;
        bool failed;
    } cases[] = {
        {"f() -> int", (uint64_t)-1, 0, false},
        {"f() -> int error if < 0", (uint64_t)-1, 0, true},
        {"f() -> int error if < 0", 0, 0, false},
        {"f() -> int error if <= 0", 0, 0, true},
        {"f() -> int error if > 3", 4, 0, true},
        {"f() -> int error if > 3", 3, 0, false},
        {"f() -> int error if >= 3", 3, 0, true},
        {"f() -> int error if == -1", (uint64_t)-1, 0, true},
        {"f() -> int error if != 0", 5, 0, true},
        {"f() -> int error if != 0", 0, 0, false},
        {"f() -> size_t error if == -1", (uint64_t)-1, 0, true},
        {"f() -> unsigned error if == -1", 0xffffffff, 0, true},
        {"f() -> size_t error if > 10", (uint64_t)-1, 0, true},
        {"f() -> ptr error if null", 0, 0, true},
        {"f() -> ptr error if null", 16, 0, false},
        {"f() -> ptr error if not null", 16, 0, true},
        {"f() -> str error if == null", 0, 0, true},
        {"f() -> double error if < 0.5", 0, 0.25, true},
        {"f() -> double error if < 0.5", 0, 0.75, false},
        {"f() -> double error if < -0.5", 0, -0.25, false},
        {"f() -> double error if < 0", 0, 0.0 / 0.0, false},
        {"f() -> bool error if == 0", 0, 0, true},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct otel_function_spec spec = parsed(cases[i].entry);

        cr_expect_eq(otel_function_failed(&spec, cases[i].bits, cases[i].real), cases[i].failed,
                     "%s of %llx %g", cases[i].entry, (unsigned long long)cases[i].bits,
                     cases[i].real);
    }
}
