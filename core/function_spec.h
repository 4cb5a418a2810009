/* SPDX-License-Identifier: Apache-2.0
 *
 * Which functions the user wants to see (OTEL_AUTO_FUNCTIONS), one an entry:
 *
 *     [library:]symbol(arguments) -> result [as "span name"] [kind] [{attributes}] [error if …]
 *
 *     process_document(doc: str, n: int) -> int as "document_processing" error if < 0
 *     extract_entities(ptr) -> ptr as "llm.extract_entities" {gen_ai.request.model="gpt-4"}
 *     libshop.so:log_line(level: int, str, ...) -> void
 *
 * arguments: types, each alone or behind the key it is recorded under; one without a key is never
 * recorded. result: likewise; a number or truth value without a key goes under function.result.
 * types: the C scalars in their usual spellings, fixed widths, size_t, `type *`, ptr, str (a C
 * string), void, {type, type} for a struct by value; `...` at the end for a variadic function.
 * kind: internal, client, server, producer, consumer. attributes: key="text", key=number, key=true,
 * or key=$N, the N-th argument. error if: <, <=, >, >=, ==, != and a number; null; not null.
 * symbol: a C name, a C++ name without its arguments (ns::Class::method), or either in quotes.
 *
 * Pure: no allocation, no state, any thread. Texts point into what was parsed.
 */
#ifndef OTEL_CORE_FUNCTION_SPEC_H
#define OTEL_CORE_FUNCTION_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/record.h"
#include "core/wire.h"

#define OTEL_FUNCTION_ARGS 16      /* arguments of one function at most */
#define OTEL_FUNCTION_FIELDS 32    /* fields of all its structs together */
#define OTEL_FUNCTION_CONSTANTS 16 /* attributes with a constant value */

enum otel_function_kind {
    OTEL_FUNCTION_VOID,
    OTEL_FUNCTION_BOOL,
    OTEL_FUNCTION_INT8,
    OTEL_FUNCTION_INT16,
    OTEL_FUNCTION_INT32,
    OTEL_FUNCTION_INT64,
    OTEL_FUNCTION_UINT8,
    OTEL_FUNCTION_UINT16,
    OTEL_FUNCTION_UINT32,
    OTEL_FUNCTION_UINT64,
    OTEL_FUNCTION_FLOAT,
    OTEL_FUNCTION_DOUBLE,
    OTEL_FUNCTION_LONG_DOUBLE,
    OTEL_FUNCTION_PTR,
    OTEL_FUNCTION_STR,
    OTEL_FUNCTION_STRUCT,
};

struct otel_function_type {
    uint8_t kind;   /* enum otel_function_kind */
    uint8_t fields; /* STRUCT: how many, */
    uint8_t first;  /* and where they begin in otel_function_spec.fields */
};

struct otel_function_value {
    struct otel_text key; /* len 0: not recorded */
    struct otel_function_type type;
};

enum otel_function_test {
    OTEL_FUNCTION_NEVER,
    OTEL_FUNCTION_LESS,
    OTEL_FUNCTION_AT_MOST,
    OTEL_FUNCTION_MORE,
    OTEL_FUNCTION_AT_LEAST,
    OTEL_FUNCTION_EQUAL,
    OTEL_FUNCTION_DIFFERENT,
};

struct otel_function_spec {
    struct otel_text text;    /* the whole entry, for the log */
    struct otel_text library; /* a module's file name or its beginning; len 0: any */
    struct otel_text symbol;
    struct otel_text name; /* of the span; the symbol when none is given */
    enum otel_span_kind kind;
    uint8_t args_count;
    uint8_t fields_count;
    uint8_t constants_count;
    bool variadic; /* more arguments may follow */
    struct otel_function_value args[OTEL_FUNCTION_ARGS];
    struct otel_function_value result;
    uint8_t fields[OTEL_FUNCTION_FIELDS]; /* enum otel_function_kind, scalars */
    struct otel_attr constants[OTEL_FUNCTION_CONSTANTS];
    enum otel_function_test error_if;
    int64_t limit; /* what the result is compared with; null is 0 */
    double real_limit;
};

/* The next entry of a list: entries end at a newline or a `;` outside quotes; blank ones and lines
 * that begin with # are left out. *at moves on, up to end; entry is trimmed. False: no more. */
bool otel_function_spec_next(const char **at, const char *end, struct otel_text *entry);

/* Reads one entry. Returns 0; or -EINVAL with *why (constant text) and *where, the offset in entry
 * at which it was noticed. */
int otel_function_spec_parse(struct otel_text entry, struct otel_function_spec *spec,
                             const char **why, size_t *where);

/* Bytes and alignment of a scalar in memory; 0 for VOID and STRUCT. */
size_t otel_function_kind_size(enum otel_function_kind kind);

static inline bool otel_function_kind_real(enum otel_function_kind kind)
{
    return kind == OTEL_FUNCTION_FLOAT || kind == OTEL_FUNCTION_DOUBLE ||
           kind == OTEL_FUNCTION_LONG_DOUBLE;
}

/* Is this result an error? bits: the value of an integer or pointer, widened as its type says;
 * real: of a float. VOID and STRUCT never are. */
bool otel_function_failed(const struct otel_function_spec *spec, uint64_t bits, double real);

#endif
