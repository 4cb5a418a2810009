/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OTEL_CORE_VERSION_H
#define OTEL_CORE_VERSION_H

#define OTEL_AUTO_VERSION "0.1.0"

#endif
