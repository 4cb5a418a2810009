/* SPDX-License-Identifier: Apache-2.0 */
#include "core/carry.h"

#include <stdbool.h>
#include <string.h>

#include "core/pool.h"

struct carry {
    uint32_t tracestate_len;
    uint32_t baggage_len;
    char bytes[OTEL_TRACESTATE_MAX + OTEL_BAGGAGE_MAX]; /* tracestate, then baggage */
};

/* Handles of the process's own entry and of the one kept over a fork: index 0 is no pool handle, so
 * they never meet. */
#define PROCESS ((uint64_t)1 << 32)
#define KEPT ((uint64_t)2 << 32)

/* Any thread; the pool is lock-free. Mapped when the first list arrives. */
static struct otel_pool pool = OTEL_POOL(sizeof(struct carry), 1024);

/* Written at start-up before any second thread, read-only afterwards. */
static struct carry process;

/* Written in a fork child by its first thread, while it has no other; read-only afterwards. */
static struct carry kept;

static void fill(struct carry *c, const char *tracestate, size_t tracestate_len,
                 const char *baggage, size_t baggage_len)
{
    c->tracestate_len = (uint32_t)tracestate_len;
    c->baggage_len = (uint32_t)baggage_len;
    if (tracestate_len)
        memcpy(c->bytes, tracestate, tracestate_len);
    if (baggage_len)
        memcpy(c->bytes + tracestate_len, baggage, baggage_len);
}

static bool fits(size_t tracestate_len, size_t baggage_len)
{
    return (tracestate_len || baggage_len) && tracestate_len <= OTEL_TRACESTATE_MAX &&
           baggage_len <= OTEL_BAGGAGE_MAX;
}

uint64_t otel_carry_new(const char *tracestate, size_t tracestate_len, const char *baggage,
                        size_t baggage_len)
{
    uint64_t handle = fits(tracestate_len, baggage_len) ? otel_pool_alloc(&pool) : 0;
    struct carry *c = otel_pool_get(&pool, handle);

    if (!c)
        return 0;
    fill(c, tracestate, tracestate_len, baggage, baggage_len);
    return handle;
}

uint64_t otel_carry_process_new(const char *tracestate, size_t tracestate_len, const char *baggage,
                                size_t baggage_len)
{
    if (!fits(tracestate_len, baggage_len))
        return 0;
    fill(&process, tracestate, tracestate_len, baggage, baggage_len);
    return PROCESS;
}

static const struct carry *find(uint64_t handle)
{
    if (handle == PROCESS)
        return &process;
    return handle == KEPT ? &kept : otel_pool_get(&pool, handle);
}

/* Copies bytes at offset; the handle is looked at again afterwards, because the owner may have
 * freed the entry, and another may have filled it, while it was read. */
static size_t copy_out(uint64_t handle, bool baggage, char *out, size_t cap)
{
    const struct carry *c = find(handle);
    size_t at;
    size_t len;

    if (!c)
        return 0;
    at = baggage ? c->tracestate_len : 0;
    len = baggage ? c->baggage_len : c->tracestate_len;
    if (!len || len > cap || at + len > sizeof c->bytes)
        return 0;
    memcpy(out, c->bytes + at, len);
    return find(handle) == c ? len : 0;
}

size_t otel_carry_tracestate(uint64_t handle, char *out, size_t cap)
{
    return copy_out(handle, false, out, cap);
}

size_t otel_carry_baggage(uint64_t handle, char *out, size_t cap)
{
    return copy_out(handle, true, out, cap);
}

void otel_carry_free(uint64_t handle)
{
    if (handle && handle != PROCESS && handle != KEPT)
        otel_pool_free(&pool, handle);
}

size_t otel_carry_lengths(uint64_t handle, size_t *baggage_len)
{
    const struct carry *c = handle ? find(handle) : NULL;

    *baggage_len = c ? c->baggage_len : 0;
    return c ? c->tracestate_len : 0;
}

uint64_t otel_carry_keep(uint64_t handle)
{
    const struct carry *c = handle ? find(handle) : NULL;

    if (!c || c == &process || c == &kept)
        return c ? handle : 0;
    fill(&kept, c->bytes, c->tracestate_len, c->bytes + c->tracestate_len, c->baggage_len);
    return KEPT;
}

void otel_carry_reset(void)
{
    otel_pool_reset(&pool);
}
