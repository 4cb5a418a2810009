/* SPDX-License-Identifier: Apache-2.0 */
#include "core/exporter.h"

#include <stdatomic.h>
#include <stddef.h>

#include "core/batch.h"
#include "core/clock.h"
#include "core/gate.h"
#include "core/log.h"
#include "core/privatefd.h"
#include "core/sys.h"

enum state { NOT_LOADED, OPEN, FAILED };

/* Written at start-up before any second thread. */
static const struct otel_platform *platform;

/* The batch thread's own; the fork child's first thread resets them before there is another. */
static enum state state;
static const struct otel_export_module *module;
static void *self;

static void host_log(enum otel_log_level level, const char *text)
{
    otel_log(level, "%s", text);
}

static int host_adopt(int fd)
{
    return otel_privatefd_active() || !platform->fd_adopt ? fd : platform->fd_adopt(fd);
}

static bool host_owned(int fd)
{
    return otel_privatefd_active() || !platform->fd_owned || platform->fd_owned(fd);
}

static void host_release(int fd)
{
    if (!otel_privatefd_active() && platform->fd_release)
        platform->fd_release(fd);
}

static void host_waiting(bool begins)
{
    if (begins)
        otel_gate_leave();
    else
        otel_gate_enter();
}

static const struct otel_export_host host = {
    .log = host_log,
    .log_enabled = otel_log_enabled,
    .time_left_ns = otel_batch_time_left_ns,
    .exiting = otel_batch_exiting,
    .sleep = otel_batch_sleep,
    .waiting = host_waiting,
    .write_std = otel_privatefd_write,
    .isatty_std = otel_privatefd_isatty,
    .fd_adopt = host_adopt,
    .fd_owned = host_owned,
    .fd_release = host_release,
};

void otel_exporter_init(const struct otel_platform *p)
{
    platform = p;
}

/* One try in the life of a process: a module that is missing now is missing later. */
static bool opened(void)
{
    const char *why = "no way to load it";

    if (state != NOT_LOADED)
        return state == OPEN;
    state = FAILED;
    if (!module && platform && platform->load_module)
        module = platform->load_module(&why);
    if (!module) {
        otel_log(OTEL_LOG_ERROR, "exporter module not loaded, spans are dropped: %s", why);
        return false;
    }
    if (module->abi != OTEL_EXPORT_ABI) {
        otel_log(OTEL_LOG_ERROR, "exporter module has abi %u, not %u: spans are dropped",
                 module->abi, (unsigned)OTEL_EXPORT_ABI);
        return false;
    }
    self = module->open(&otel_config, &host);
    if (self)
        state = OPEN;
    if (platform->at_exit)
        platform->at_exit();
    return self != NULL;
}

struct otel_export_result otel_exporter_export(const struct otel_batch *batch)
{
    if (!opened())
        return (struct otel_export_result){.failed = (uint32_t)batch->count};
    return module->export(self, batch);
}

void otel_exporter_flush(void)
{
    if (state == OPEN)
        module->flush(self);
}

void otel_exporter_close(void)
{
    if (state == OPEN)
        module->close(self);
    state = FAILED;
    self = NULL;
}

void otel_exporter_reset(void)
{
    if (state == OPEN)
        module->abandon(self);
    state = NOT_LOADED;
    self = NULL;
}
