/* SPDX-License-Identifier: Apache-2.0
 *
 * Time. Durations come from CLOCK_MONOTONIC; a span's wall-clock times are monotonic readings plus
 * an offset that one trace part in this process keeps for all its spans, so that a step of the
 * system clock never gives a child that starts before its parent or a negative duration.
 */
#ifndef OTEL_CORE_CLOCK_H
#define OTEL_CORE_CLOCK_H

#include <stdint.h>

/* CLOCK_MONOTONIC in ns. Any thread, signal handlers too; never fails, does not touch errno. */
uint64_t otel_clock_mono_ns(void);

/* CLOCK_REALTIME in ns since the Unix epoch. As above. */
uint64_t otel_clock_unix_ns(void);

/* The offset (unix = mono + offset) for a new local root that starts at mono_ns. Read from both
 * clocks at most once a second and shared; any thread, lock-free. */
int64_t otel_clock_offset_ns(uint64_t mono_ns);

#endif
