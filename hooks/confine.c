/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/hook.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <sys/prctl.h>

#include "core/connection.h"
#include "core/sys.h"
#include "core/tls.h"
#include "core/tracer.h"
#include "preload/init.h"

/* A filter of system calls may kill the program for one it does not make itself. libseccomp
 * installs its own by a raw call, behind this option. */
static bool confines(int option, const void *caller)
{
    return option == PR_SET_SECCOMP ||
           (option == PR_SET_NO_NEW_PRIVS && otel_library_defines(caller, "seccomp_load"));
}

static bool readable(const void *p, size_t len)
{
    return otel_sys.probe(p) == 0 && otel_sys.probe((const char *)p + len - 1) == 0;
}

/* Does it only allow calls, log them or make them fail? Then one of ours does no harm. What it
 * returns may also be computed (BPF_A), and a tracer or a supervisor may do anything. */
static bool spares(const struct sock_fprog *program)
{
    if (!readable(program, sizeof *program) || !program->len ||
        !readable(program->filter, program->len * sizeof *program->filter))
        return false;
    for (unsigned i = 0; i < program->len; i++) {
        const struct sock_filter *code = &program->filter[i];
        unsigned action = code->k & SECCOMP_RET_ACTION_FULL;

        if (BPF_CLASS(code->code) != BPF_RET)
            continue;
        if (BPF_RVAL(code->code) != BPF_K ||
            (action != SECCOMP_RET_ALLOW && action != SECCOMP_RET_ERRNO &&
             action != SECCOMP_RET_LOG))
            return false;
    }
    return true;
}

/* program: NULL when it is not known. */
static void confine(const struct sock_fprog *program)
{
    int saved = errno;

    otel_connection_confine();
    if (otel_preload_active() && !(program && spares(program)) && otel_guard_enter()) {
        otel_tracer_confine();
        otel_guard_leave();
    }
    errno = saved;
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
        confine(option == PR_SET_SECCOMP && argument[0] == SECCOMP_MODE_FILTER
                    ? (const void *)argument[1]
                    : NULL);
    return OTEL_REAL(prctl)(option, argument[0], argument[1], argument[2], argument[3]);
}
