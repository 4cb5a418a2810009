/* SPDX-License-Identifier: Apache-2.0 */
#include "core/record.h"

const char *otel_scope_name(enum otel_span_scope scope)
{
    static const char *const names[OTEL_SCOPES] = {
        [OTEL_SCOPE_AUTO] = "libotel_auto",
        [OTEL_SCOPE_CURL] = "libotel_auto.curl",
        [OTEL_SCOPE_SQLITE] = "libotel_auto.sqlite",
        [OTEL_SCOPE_SOCKET] = "libotel_auto.socket",
        [OTEL_SCOPE_FUNCTION] = "libotel_auto.function",
        [OTEL_SCOPE_API] = "libotel_auto.api",
    };

    return (unsigned)scope < OTEL_SCOPES ? names[scope] : names[OTEL_SCOPE_AUTO];
}
