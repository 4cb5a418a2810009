/* SPDX-License-Identifier: Apache-2.0
 *
 * What core needs of the process but must not call by name, because hooks may interpose it. preload
 * passes the real functions; unit tests pass their own.
 */
#ifndef OTEL_CORE_PLATFORM_H
#define OTEL_CORE_PLATFORM_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct otel_export_module;
struct otel_profiler_record;

struct otel_platform {
    /* Loads the exporter module and returns its table, NULL with *why set (static or thread-owned
     * text) when it cannot be. Called on the batch thread. */
    const struct otel_export_module *(*load_module)(const char **why);
    int (*thread_create)(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
                         void *arg);
    int (*thread_join)(pthread_t thread, void **result);
    /* What libc takes for itself out of a thread's stack; NULL: not to be had. */
    size_t (*min_stack)(const pthread_attr_t *attr);
    /* Registers what must run at the process's exit. Called before the batch thread is created, and
     * by it again once the module's libraries have registered handlers of their own: last
     * registered runs first. NULL: nothing to do. */
    void (*at_exit)(void);
    /* Descriptor guarding for a table shared with the host (preload/ownfd.h). */
    int (*fd_adopt)(int fd);
    bool (*fd_owned)(int fd);
    void (*fd_release)(int fd);
    /* Points the calling thread's otel_thread_ctx_v1, an exported symbol that no archive can hold,
     * at its record (profiler.h). Async-signal-safe. NULL: there is none. */
    void (*profiler_record)(struct otel_profiler_record *record);
};

#endif
