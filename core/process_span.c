/* SPDX-License-Identifier: Apache-2.0 */
#include "core/process_span.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "core/clock.h"
#include "core/context.h"
#include "core/generation.h"
#include "core/resource_builder.h"
#include "core/span.h"
#include "core/tracer.h"

#define NAME_CAP 256 /* NAME_MAX and a terminator */

/* Written by who begins, read by who has won the exchange of open. */
static struct otel_span span;

/* Any thread: whoever sets it to false ends the span. */
static _Atomic bool open_now;

/* Written at start-up, before any second thread, read-only afterwards. */
static bool begun;
static char name[NAME_CAP];
static size_t name_len;

bool otel_process_span_open(void)
{
    return atomic_load_explicit(&open_now, memory_order_relaxed);
}

/* Set at a fork child's first look, cleared by who begins its span. Any thread. */
_Atomic bool otel_process_span_is_pending;
static uint64_t forked_mono_ns;

bool otel_process_span_begun(void)
{
    return begun;
}

static void describe(void)
{
    const char *command = program_invocation_name;

    otel_span_set_text(&span, OTEL_TEXT("process.executable.name"), name, name_len);
    otel_span_set_int(&span, OTEL_TEXT("process.pid"), otel_generation_pid());
    if (command && *command)
        otel_span_set_text(&span, OTEL_TEXT("process.command"), command, strlen(command));
}

/* parent: NULL for the current one. start_mono_ns: 0 for now. */
static void begin(const struct otel_span_context *parent, uint64_t start_mono_ns)
{
    struct otel_span_start start = {.kind = OTEL_KIND_INTERNAL,
                                    .scope = OTEL_SCOPE_AUTO,
                                    .parent = parent,
                                    .start_mono_ns = start_mono_ns};

    start.name = name_len ? (struct otel_text){name, name_len} : OTEL_TEXT("process");
    begun = true;
    if (otel_span_start(&span, &start)) {
        describe();
        atomic_store_explicit(&open_now, true, memory_order_release);
    }
    if (otel_span_context_valid(&span.ctx))
        otel_context_process_set(&span.ctx);
}

void otel_process_span_begin(void)
{
    struct otel_span_context first = span.ctx;

    atomic_store_explicit(&otel_process_span_is_pending, false, memory_order_relaxed);
    if (!begun)
        name_len = otel_resource_executable(name, sizeof name);
    begin(begun ? &first : NULL, 0);
}

void otel_process_span_ensure(void)
{
    if (!otel_process_span_pending() ||
        !atomic_exchange_explicit(&otel_process_span_is_pending, false, memory_order_acquire))
        return;
    begin(NULL, forked_mono_ns);
    otel_context_detach(0);
    otel_context_implicit_clear();
}

static void set_status(int status)
{
    char text[4];
    size_t len = 0;

    otel_span_set_int(&span, OTEL_TEXT("process.exit.code"), status);
    if (!status)
        return;
    if (status >= 100)
        text[len++] = (char)('0' + status / 100);
    if (status >= 10)
        text[len++] = (char)('0' + status / 10 % 10);
    text[len++] = (char)('0' + status % 10);
    otel_span_set_text(&span, OTEL_TEXT("error.type"), text, len);
    otel_span_set_status(&span, OTEL_STATUS_ERROR, (struct otel_text){"", 0});
}

void otel_process_span_end(int status)
{
    otel_process_span_ensure();
    if (!otel_process_span_open() ||
        !atomic_exchange_explicit(&open_now, false, memory_order_acquire))
        return;
    if (status != OTEL_STATUS_UNKNOWN)
        set_status(status & 0xff);
    otel_span_end(&span, 0);
}

void otel_process_span_reset(void)
{
    atomic_store_explicit(&open_now, false, memory_order_relaxed);
    span.record = 0;
    span.ctx.remote = true;
    forked_mono_ns = otel_clock_mono_ns();
    atomic_store_explicit(&otel_process_span_is_pending, begun, memory_order_release);
}
