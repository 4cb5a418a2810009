/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/hook.h"

#include <stdarg.h>
#include <sys/prctl.h>

#include "core/connection.h"

/* A filter of system calls may kill the program for one it does not make itself. libseccomp
 * installs its own by a raw call, behind this option. */
static bool confines(int option, const void *caller)
{
    return option == PR_SET_SECCOMP ||
           (option == PR_SET_NO_NEW_PRIVS && otel_library_defines(caller, "seccomp_load"));
}

/* The arguments, if there are any, are read and passed on as libc does itself. */
OTEL_HOOK_LIBC(int, prctl, (int option, ...))
{
    unsigned long argument[4];
    va_list arguments;

    va_start(arguments, option);
    for (int i = 0; i < 4; i++)
        argument[i] = va_arg(arguments, unsigned long);
    va_end(arguments);
    if (confines(option, OTEL_CALLER()))
        otel_connection_confine();
    return OTEL_REAL(prctl)(option, argument[0], argument[1], argument[2], argument[3]);
}
