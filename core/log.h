/* SPDX-License-Identifier: Apache-2.0
 *
 * Our own log. Silent unless the user asked for it by OTEL_LOG_LEVEL or OTEL_AUTO_LOG: a preloaded
 * library does not write to its host's stderr. Once asked: one line a cause, never one a span.
 *
 * A line is formatted on the stack (at most OTEL_LOG_LINE_MAX bytes, cut with "..."), written with
 * one write(2), so lines of several threads do not mix. No descriptor stays open between lines.
 * Any thread, signal handlers too; no allocation, no lock; keeps errno.
 */
#ifndef OTEL_CORE_LOG_H
#define OTEL_CORE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>

#define OTEL_LOG_LINE_MAX 512

enum otel_log_level {
    OTEL_LOG_NONE,
    OTEL_LOG_ERROR,
    OTEL_LOG_WARN,
    OTEL_LOG_INFO,
    OTEL_LOG_DEBUG,
};

/* level: the most talkative level that is written. path: file to append to (O_APPEND, 0600), NULL:
 * stderr. path must stay valid for the life of the process. Called once at start-up. */
void otel_log_init(enum otel_log_level level, const char *path);

/* Replaces the way a line reaches stderr, for a thread that has a descriptor table of its own
 * (privatefd.h). NULL: write(2) to descriptor 2. */
void otel_log_set_stderr_writer(int (*write_stderr)(const void *buf, unsigned long len));

bool otel_log_enabled(enum otel_log_level level);

/* printf-like: %s %d %u %x %c %ld %lu %lld %llu %zu %% and %.*s only. A line is
 * "libotel_auto[pid] level: text\n". */
void otel_log(enum otel_log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* True the first time it is asked of this word: `if (otel_log_once(&said)) otel_log(…)`. */
static inline bool otel_log_once(atomic_flag *said)
{
    return !atomic_flag_test_and_set_explicit(said, memory_order_relaxed);
}

#endif
