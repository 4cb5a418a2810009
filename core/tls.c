/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tls.h"

/* Of its thread and of the signal handlers that run on it; see tls.h. All zero is the new thread.
 */
__thread struct otel_tls otel_tls;
