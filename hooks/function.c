/* SPDX-License-Identifier: Apache-2.0
 *
 * A span for each call of a function the user named (OTEL_AUTO_FUNCTIONS). This family interposes
 * no function of a library's: preload/function.h leads the calls here.
 *
 * The span belongs to its entry among the thread's contexts, so that it ends however the call is
 * left: by a return, by an exception or the thread's end (unwind), or by longjmp, which shows when
 * the next call finds an entry where no frame can be any more.
 */
#include "preload/function.h"

#include <errno.h>
#include <string.h>

#include "core/context.h"
#include "core/log.h"
#include "core/sys.h"
#include "core/tls.h"
#include "preload/hook.h"
#include "preload/init.h"

#define TEXT_MAX 1024 /* bytes of a C string that are recorded */
#define PAGE ((uintptr_t)4096)

/* Any thread. */
static atomic_flag said_too_deep = ATOMIC_FLAG_INIT;

/* --- values -------------------------------------------------------------------------------------
 */

/* What is readable for certain, without asking the kernel: the brk heap, and the stack between
 * here and the call's own frame. */
static bool is_readable(const char *p, uintptr_t frame)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);

    return otel_sys_in_heap(p, 1) || ((uintptr_t)p >= here && (uintptr_t)p < frame) ||
           otel_sys.probe(p) == 0;
}

/* Length of the C string at p, at most TEXT_MAX, and no further than memory goes; -1: none. */
static ssize_t text_length(const char *p, uintptr_t frame)
{
    size_t n = 0;

    while (n < TEXT_MAX) {
        size_t room = PAGE - ((uintptr_t)(p + n) & (PAGE - 1)), len;

        if (room > TEXT_MAX - n)
            room = TEXT_MAX - n;
        if (!is_readable(p + n, frame))
            return n ? (ssize_t)n : -1;
        len = strnlen(p + n, room);
        n += len;
        if (len < room)
            break;
    }
    return (ssize_t)n;
}

static void set_text(const struct otel_span *span, struct otel_text key, const char *p,
                     uintptr_t frame)
{
    ssize_t len = p ? text_length(p, frame) : -1;

    if (len >= 0)
        otel_span_set_text(span, key, p, (size_t)len);
}

static void set_pointer(const struct otel_span *span, struct otel_text key, uintptr_t value)
{
    char text[2 + 2 * sizeof value], *at = text + sizeof text;

    do {
        *--at = "0123456789abcdef"[value & 15];
        value >>= 4;
    } while (value);
    *--at = 'x';
    *--at = '0';
    otel_span_set_text(span, key, at, (size_t)(text + sizeof text - at));
}

static double real_at(enum otel_function_kind kind, const void *at)
{
    long double wide;
    double real;
    float narrow;

    switch (kind) {
    case OTEL_FUNCTION_FLOAT:
        memcpy(&narrow, at, sizeof narrow);
        return (double)narrow;
    case OTEL_FUNCTION_DOUBLE:
        memcpy(&real, at, sizeof real);
        return real;
    case OTEL_FUNCTION_LONG_DOUBLE:
        memcpy(&wide, at, sizeof wide);
        return (double)wide;
    default:
        return 0;
    }
}

/* The integer or pointer there, widened as its type says. */
static uint64_t bits_at(enum otel_function_kind kind, const void *at)
{
    uint64_t bits = 0;
    unsigned shift;

    memcpy(&bits, at, otel_function_kind_size(kind));
    if (kind < OTEL_FUNCTION_INT8 || kind > OTEL_FUNCTION_INT64)
        return bits;
    shift = 64 - 8 * (unsigned)otel_function_kind_size(kind);
    return (uint64_t)((int64_t)(bits << shift) >> shift);
}

static void set_value(const struct otel_span *span, const struct otel_function_value *value,
                      struct otel_text key, const void *at, uintptr_t frame)
{
    enum otel_function_kind kind = (enum otel_function_kind)value->type.kind;
    struct otel_attr attr = {.key = key, .value.type = OTEL_VALUE_DOUBLE};

    if (kind == OTEL_FUNCTION_VOID || kind == OTEL_FUNCTION_STRUCT)
        return;
    if (otel_function_kind_real(kind)) {
        attr.value.real = real_at(kind, at);
        otel_span_set(span, &attr);
    } else if (kind == OTEL_FUNCTION_STR) {
        set_text(span, key, (const char *)bits_at(kind, at), frame);
    } else if (kind == OTEL_FUNCTION_PTR) {
        set_pointer(span, key, bits_at(kind, at));
    } else if (kind == OTEL_FUNCTION_BOOL) {
        otel_span_set_bool(span, key, bits_at(kind, at) != 0);
    } else {
        otel_span_set_int(span, key, (int64_t)bits_at(kind, at));
    }
}

/* A number without a key of its own has ours; a text or an address without one is not recorded. */
static void set_result(const struct otel_span *span, const struct otel_function_spec *spec,
                       const void *at, uintptr_t frame)
{
    struct otel_text key = spec->result.key;
    uint8_t kind = spec->result.type.kind;

    if (!key.len && kind != OTEL_FUNCTION_PTR && kind != OTEL_FUNCTION_STR)
        key = OTEL_TEXT("function.result");
    if (key.len)
        set_value(span, &spec->result, key, at, frame);
}

/* --- a call -------------------------------------------------------------------------------------
 */

static void set_arguments(const struct otel_span *span, const struct otel_function_site *site,
                          void *const *args, uintptr_t frame)
{
    otel_span_append_wire(span, site->wire, site->wire_len, site->wire_count);
    for (unsigned i = 0; i < site->spec.args_count; i++) {
        const struct otel_function_value *arg = &site->spec.args[i];

        if (arg->key.len)
            set_value(span, arg, arg->key, args[i], frame);
    }
}

static bool enter(struct otel_function_call *call, const struct otel_function_site *site,
                  void *const *args, uintptr_t frame, uintptr_t top)
{
    struct otel_span_start start = {
        .name = site->spec.name, .kind = site->spec.kind, .scope = OTEL_SCOPE_FUNCTION};
    struct otel_rule_facts facts;
    int saved = errno;

    if (!otel_preload_active() || otel_guard_inside())
        return false;
    otel_context_left(top);
    if (!otel_context_has_room()) {
        if (otel_log_once(&said_too_deep))
            otel_log(OTEL_LOG_WARN, "functions call each other too deep: the deepest have no span");
        return false;
    }
    call->site = site;
    if (__builtin_expect(otel_rules != NULL, 0)) {
        facts = (struct otel_rule_facts){.function = site->spec.symbol};
        start.facts = &facts;
    }
    if (otel_span_start(&call->span, &start))
        set_arguments(&call->span, site, args, top);
    call->token = otel_context_attach_span(&call->span, frame);
    errno = saved;
    return true;
}

/* What the call left open inside itself ends before it does. */
static void leave(struct otel_function_call *call, const void *result)
{
    const struct otel_function_spec *spec = &call->site->spec;
    enum otel_function_kind kind = (enum otel_function_kind)spec->result.type.kind;
    int saved = errno;

    otel_context_detach(call->token + 1);
    if (otel_span_recording(&call->span)) {
        set_result(&call->span, spec, result, (uintptr_t)call);
        if (spec->error_if &&
            otel_function_failed(spec, otel_function_kind_real(kind) ? 0 : bits_at(kind, result),
                                 real_at(kind, result)))
            otel_span_set_status(&call->span, OTEL_STATUS_ERROR, (struct otel_text){0});
        otel_span_end(&call->span, 0);
    }
    otel_context_detach(call->token);
    errno = saved;
}

/* An exception that leaves a call is its failure; a thread that is ended is not. */
static void unwind(bool forced)
{
    struct otel_span span;
    uint32_t token;
    int saved = errno;

    if (otel_context_innermost_span(&span, &token)) {
        if (!forced) {
            otel_span_set_text(&span, OTEL_TEXT("error.type"), "exception", 9);
            otel_span_set_status(&span, OTEL_STATUS_ERROR, (struct otel_text){0});
        }
        otel_context_detach(token);
    }
    errno = saved;
}

/* --- before the first call ----------------------------------------------------------------------
 */

/* code.function.name and the constants, which are the same in each span. */
static void prepare(struct otel_function_site *site)
{
    const struct otel_function_spec *spec = &site->spec;
    struct otel_attr name =
        otel_attr_text(OTEL_TEXT("code.function.name"), spec->symbol.data, spec->symbol.len);
    size_t room = 2 * spec->text.len + 1024, used;
    const char *call = memmem(spec->symbol.data, spec->symbol.len, "operator()", 10);
    size_t skipped = call ? (size_t)(call - spec->symbol.data) + 10 : 0;
    const char *arguments = memchr(spec->symbol.data + skipped, '(', spec->symbol.len - skipped);
    uint8_t *wire = otel_sys.mmap(room);

    if (!wire)
        return;
    if (arguments) /* the name is asked for without */
        name.value.text.len = (size_t)(arguments - spec->symbol.data);
    used = otel_wire_attr(wire, room, OTEL_TAG_ATTRIBUTE, &name, SIZE_MAX);
    site->wire_count = used > 0;
    for (unsigned i = 0; i < spec->constants_count; i++) {
        size_t n = otel_wire_attr(wire + used, room - used, OTEL_TAG_ATTRIBUTE, &spec->constants[i],
                                  SIZE_MAX);

        site->wire_count += n > 0;
        used += n;
    }
    site->wire = wire;
    site->wire_len = (uint16_t)used;
}

static const struct otel_function_events events = {
    .enter = enter, .leave = leave, .unwind = unwind, .prepare = prepare};

static void start(void)
{
    otel_function_start(&events);
}
OTEL_AT_START(start);
