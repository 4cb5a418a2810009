/* SPDX-License-Identifier: Apache-2.0
 *
 * err() and its kin end the process by an exit() inside libc, which no hook sees.
 */
#include "preload/hook.h"

#include <err.h>
#include <stdarg.h>

#include "preload/exit.h"

OTEL_HOOK_LIBC(void, verr, (int status, const char *format, va_list arguments))
{
    otel_exit_stop();
    OTEL_REAL(verr)(status, format, arguments);
}

OTEL_HOOK_LIBC(void, verrx, (int status, const char *format, va_list arguments))
{
    otel_exit_stop();
    OTEL_REAL(verrx)(status, format, arguments);
}

OTEL_HOOK_LIBC(void, err, (int status, const char *format, ...))
{
    va_list arguments;

    otel_exit_stop();
    va_start(arguments, format);
    OTEL_REAL(verr)(status, format, arguments);
}

OTEL_HOOK_LIBC(void, errx, (int status, const char *format, ...))
{
    va_list arguments;

    otel_exit_stop();
    va_start(arguments, format);
    OTEL_REAL(verrx)(status, format, arguments);
}
