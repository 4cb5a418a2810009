/* SPDX-License-Identifier: Apache-2.0
 *
 * The version of library, module and launcher, which are built and installed together. It is what
 * telemetry.sdk.version, the exporter's User-Agent and `otel-auto --version` say (semver.org).
 */
#ifndef OTEL_CORE_VERSION_H
#define OTEL_CORE_VERSION_H

#define OTEL_AUTO_VERSION "0.1.0"

#endif
