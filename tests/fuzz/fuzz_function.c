/* SPDX-License-Identifier: Apache-2.0
 *
 * A list of functions to be traced: what is understood lies in the text and within its bounds.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/function_spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)    \
    do {                      \
        if (!(condition))     \
            __builtin_trap(); \
    } while (0)

static void require_inside(struct otel_text part, struct otel_text whole)
{
    REQUIRE(!part.len ||
            (part.data >= whole.data && part.data + part.len <= whole.data + whole.len));
}

static void check(const struct otel_function_spec *s, struct otel_text entry)
{
    require_inside(s->library, entry);
    require_inside(s->symbol, entry);
    require_inside(s->name, entry);
    require_inside(s->result.key, entry);
    REQUIRE(s->symbol.len && s->name.len);
    REQUIRE(s->args_count <= OTEL_FUNCTION_ARGS && s->fields_count <= OTEL_FUNCTION_FIELDS &&
            s->constants_count <= OTEL_FUNCTION_CONSTANTS);
    for (unsigned i = 0; i < s->args_count; i++) {
        const struct otel_function_type *type = &s->args[i].type;

        require_inside(s->args[i].key, entry);
        REQUIRE(type->kind != OTEL_FUNCTION_VOID && type->kind <= OTEL_FUNCTION_STRUCT);
        REQUIRE(type->first + type->fields <= s->fields_count);
    }
    for (unsigned i = 0; i < s->fields_count; i++)
        REQUIRE(otel_function_kind_size(s->fields[i]) > 0);
    for (unsigned i = 0; i < s->constants_count; i++)
        require_inside(s->constants[i].key, entry);
    otel_function_failed(s, (uint64_t)-1, 0.5);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size ? size : 1); /* so that the sanitizer sees its end */
    const char *at = text, *why = NULL;
    struct otel_function_spec spec;
    struct otel_text entry;
    size_t where = 0;

    REQUIRE(text);
    memcpy(text, data, size);
    while (otel_function_spec_next(&at, text + size, &entry)) {
        require_inside(entry, (struct otel_text){text, size});
        if (otel_function_spec_parse(entry, &spec, &why, &where) == 0)
            check(&spec, entry);
        else
            REQUIRE(why && where <= entry.len);
    }
    free(text);
    return 0;
}
