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

/* A process that is gone, as far as it is known. Texts are terminated; "": not known. */
struct otel_resource_of {
    uint32_t pid;
    const char *executable;   /* name of its file */
    const char *service_name; /* its OTEL_SERVICE_NAME */
    const char *attributes;   /* its OTEL_RESOURCE_ATTRIBUTES */
};

/* The same for a process of this machine that did not live to build its own. */
size_t otel_resource_build_of(uint8_t *out, size_t cap, const struct otel_resource_of *of);

/* service.name as the resource will have it, cut to cap bytes. Returns its length. At start-up,
 * before any second thread. */
size_t otel_resource_service(char *out, size_t cap);

#endif
