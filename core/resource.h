/* SPDX-License-Identifier: Apache-2.0
 *
 * The resource: what this process is (OpenTelemetry semantic conventions, service, process, host,
 * os, container, telemetry.sdk). Reads /proc and /etc, so it is built by the batch thread before
 * its first export, not at start-up, and again in a fork child.
 */
#ifndef OTEL_CORE_RESOURCE_H
#define OTEL_CORE_RESOURCE_H

#include <stddef.h>
#include <stdint.h>

#define OTEL_RESOURCE_MAX 16384

/* Writes the attributes in wire form (OTEL_TAG_RESOURCE_ATTRIBUTE, wire.h) into out. What cannot be
 * found is left out. OTEL_RESOURCE_ATTRIBUTES override detected ones of the same key,
 * OTEL_SERVICE_NAME overrides service.name. Never uses NSS (process.owner from /etc/passwd).
 * Returns the bytes written. One thread. */
size_t otel_resource_build(uint8_t *out, size_t cap);

#endif
