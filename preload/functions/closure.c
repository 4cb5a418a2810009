/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/functions/closure.h"

#include <ffi.h>
#include <string.h>

/* What a page holds. Constant once it is sealed. */
struct closure {
    ffi_closure ffi; /* its first bytes are code */
    ffi_cif cif;
    const struct otel_function_site *site;
    ffi_type *args[OTEL_FUNCTION_ARGS];
    ffi_type structs[OTEL_FUNCTION_ARGS + 1];
    ffi_type *elements[OTEL_FUNCTION_FIELDS + OTEL_FUNCTION_ARGS + 1]; /* a NULL behind each list */
    unsigned structs_count, elements_count;
};

/* Written before the first closure is made. */
static const struct otel_function_events *events;

void otel_closure_start(const struct otel_function_events *given)
{
    events = given;
}

/* Itanium C++ ABI, exception handling 1.6: asked of each frame that is searched and left. */
__attribute__((used)) int otel_closure_personality(int version, int actions, uint64_t class,
                                                   void *exception, void *context);

int otel_closure_personality(int version, int actions, uint64_t class, void *exception,
                             void *context)
{
    enum { CLEANUP_PHASE = 2, FORCED = 8, CONTINUE = 8 };

    (void)version;
    (void)class;
    (void)exception;
    (void)context;
    if (actions & CLEANUP_PHASE)
        events->unwind(actions & FORCED);
    return CONTINUE;
}

/* ffi_call in a frame of its own: the one of a call that is traced. */
void otel_closure_call(ffi_cif *cif, void (*real)(void), void *result, void **args,
                       __typeof__(&ffi_call) call);

__attribute__((naked)) void otel_closure_call(ffi_cif *cif __attribute__((unused)),
                                              void (*real)(void) __attribute__((unused)),
                                              void *result __attribute__((unused)),
                                              void **args __attribute__((unused)),
                                              __typeof__(&ffi_call) call __attribute__((unused)))
{
    __asm__(".cfi_personality 0x1b, otel_closure_personality\n\t"
            "sub $8, %rsp\n\t.cfi_adjust_cfa_offset 8\n\t"
            "call *%r8\n\t"
            "add $8, %rsp\n\t.cfi_adjust_cfa_offset -8\n\tret");
}

static void run(ffi_cif *cif, void *result, void **args, void *user)
{
    const struct closure *closure = user;
    const struct otel_function_site *site = closure->site;
    struct otel_function_call call;
    uintptr_t frame = (uintptr_t)&call;

    if (!events->enter(&call, site, args, frame, frame + sizeof call)) {
        ffi_call(cif, FFI_FN(site->real), result, args);
        return;
    }
    otel_closure_call(cif, FFI_FN(site->real), result, args, ffi_call);
    events->leave(&call, result);
}

static ffi_type *scalar(enum otel_function_kind kind)
{
    static ffi_type *const types[] = {
        [OTEL_FUNCTION_VOID] = &ffi_type_void,
        [OTEL_FUNCTION_BOOL] = &ffi_type_uint8,
        [OTEL_FUNCTION_INT8] = &ffi_type_sint8,
        [OTEL_FUNCTION_INT16] = &ffi_type_sint16,
        [OTEL_FUNCTION_INT32] = &ffi_type_sint32,
        [OTEL_FUNCTION_INT64] = &ffi_type_sint64,
        [OTEL_FUNCTION_UINT8] = &ffi_type_uint8,
        [OTEL_FUNCTION_UINT16] = &ffi_type_uint16,
        [OTEL_FUNCTION_UINT32] = &ffi_type_uint32,
        [OTEL_FUNCTION_UINT64] = &ffi_type_uint64,
        [OTEL_FUNCTION_FLOAT] = &ffi_type_float,
        [OTEL_FUNCTION_DOUBLE] = &ffi_type_double,
        [OTEL_FUNCTION_PTR] = &ffi_type_pointer,
        [OTEL_FUNCTION_STR] = &ffi_type_pointer,
        [OTEL_FUNCTION_LONG_DOUBLE] = &ffi_type_longdouble,
    };

    return types[kind];
}

static ffi_type *type_of(struct closure *c, const struct otel_function_type *type)
{
    ffi_type *made;

    if (type->kind != OTEL_FUNCTION_STRUCT)
        return scalar(type->kind);
    made = &c->structs[c->structs_count++];
    made->type = FFI_TYPE_STRUCT;
    made->elements = &c->elements[c->elements_count];
    for (unsigned i = 0; i < type->fields; i++)
        c->elements[c->elements_count++] = scalar(c->site->spec.fields[type->first + i]);
    c->elements[c->elements_count++] = NULL;
    return made;
}

void *otel_closure_make(const struct otel_function_site *site, void *page, size_t size,
                        const char **why)
{
    const struct otel_function_spec *spec = &site->spec;
    struct closure *c = page;

    *why = "libffi does not take its signature";
    if (size < sizeof *c || spec->variadic)
        return NULL;
    c->site = site;
    for (unsigned i = 0; i < spec->args_count; i++)
        c->args[i] = type_of(c, &spec->args[i].type);
    if (ffi_prep_cif(&c->cif, FFI_DEFAULT_ABI, spec->args_count, type_of(c, &spec->result.type),
                     c->args) != FFI_OK ||
        ffi_prep_closure_loc(&c->ffi, &c->cif, run, c, page) != FFI_OK)
        return NULL;
    return page;
}
