/* SPDX-License-Identifier: Apache-2.0
 *
 * The contract between libotel_auto.so and the exporter module, libotel_export.so, which is loaded
 * only when there is a first batch to send. Both are built and installed together; abi guards
 * against a mix.
 *
 * All calls come from one thread, the batch thread, inside the re-entry guard, with all signals
 * blocked and possibly with a descriptor table of its own (descriptors 0, 1, 2 of the host are then
 * not there: write to them through host->write_std).
 */
#ifndef OTEL_CORE_EXPORT_MODULE_H
#define OTEL_CORE_EXPORT_MODULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/config.h"
#include "core/handover.h"
#include "core/record.h"

#define OTEL_EXPORT_ABI 3
#define OTEL_EXPORT_SYMBOL "otel_export_module"

struct otel_batch {
    const struct otel_record_view *spans;
    size_t count;
    const uint8_t *resource; /* attributes in wire form (resource.h) */
    size_t resource_len;
    struct otel_handover *handover; /* told what the kernel has taken of it; NULL: nobody asks */
    bool again;                     /* it was kept: only for who sends over the network */
};

/* How a batch ended. exported + rejected + failed == count. */
struct otel_export_result {
    uint32_t exported;
    uint32_t rejected; /* by the collector's partial success */
    uint32_t failed;
    uint32_t later; /* of failed, those the collector may well take another time */
};

/* What the module may ask of the host library. */
struct otel_export_host {
    void (*log)(enum otel_log_level level, const char *text); /* one line a cause */
    bool (*log_enabled)(enum otel_log_level level);

    /* ns left for the work under way; 0: give up now. Shrinks when the process begins to exit: ask
     * again at least every 20 ms while waiting. exiting: no retries any more. */
    uint64_t (*time_left_ns)(void);
    bool (*exiting)(void);

    /* Sleeps up to ns (a retry's backoff); returns early when the process begins to exit. */
    void (*sleep)(uint64_t ns);

    /* Around a call that waits and holds no lock meanwhile (gate.h): true before, false behind. */
    void (*waiting)(bool begins);

    /* Writes all to the host's descriptor 1 or 2. Returns 0 or -Exxx. */
    int (*write_std)(int fd, const void *buf, size_t len);
    bool (*isatty_std)(int fd);

    /* A descriptor the module opened in a table shared with the host: returns the number to use
     * instead (high, CLOEXEC, guarded against the host's close), or fd itself when the table is
     * private. release before closing it; owned tells whether it is still what adopt saw. */
    int (*fd_adopt)(int fd);
    bool (*fd_owned)(int fd);
    void (*fd_release)(int fd);
};

struct otel_export_module {
    uint32_t abi; /* OTEL_EXPORT_ABI */
    /* Opens the exporters of config->exporters. Returns NULL after logging why when none can work.
     * config and host stay valid for the life of the process. */
    void *(*open)(const struct otel_config *config, const struct otel_export_host *host);
    /* Sends one batch to every exporter; a span counts as exported when each took it. Blocks within
     * time_left_ns(). */
    struct otel_export_result (*export)(void *self, const struct otel_batch *batch);
    /* Writes out what is held back (console trees without their root). */
    void (*flush)(void *self);
    /* Ends connections, frees all. */
    void (*close)(void *self);
    /* Opened in the parent of a fork, seen in the child: forget without closing a descriptor (its
     * numbers may belong to the host now). */
    void (*abandon)(void *self);
};

#endif
