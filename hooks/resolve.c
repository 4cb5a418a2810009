/* SPDX-License-Identifier: Apache-2.0
 *
 * Names the host looks up. The real calls may be cancelled, may be left by longjmp (an old way to
 * have a timeout) and may call themselves through a module of the name service switch: nothing is
 * held while they run, and the frame of the outermost one tells those inside it.
 */
#include "preload/hook.h"

#include <errno.h>
#include <netdb.h>

#include "core/clock.h"
#include "core/config.h"
#include "core/socket_span.h"
#include "core/tls.h"
#include "core/tracer.h"

/* Written at start-up by the only thread, constant afterwards. */
static bool enabled;

static void note_settings(void)
{
    enabled = otel_tracer_enabled() && !otel_config_family_disabled("sockets");
}
OTEL_AT_START(note_settings);

/* A look-up that gets a span; its hook's frame marks it. Returns when it began, 0: it gets none. */
static uint64_t begin(const char *name, uintptr_t frame)
{
    if (!enabled || otel_guard_inside() || otel_tls.lookup > frame ||
        !otel_socket_lookup_asks(name))
        return 0;
    otel_tls.lookup = frame;
    return otel_clock_mono_ns();
}

static bool numeric_only(const struct addrinfo *hints)
{
    return hints && hints->ai_flags & AI_NUMERICHOST;
}

#define FRAME() ((uintptr_t)__builtin_frame_address(0))

OTEL_HOOK_LIBC(int, getaddrinfo,
               (const char *restrict node, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict found))
{
    uint64_t started_ns = numeric_only(hints) ? 0 : begin(node, FRAME());
    int error = OTEL_REAL(getaddrinfo)(node, service, hints, found);
    int saved = errno;

    if (!started_ns)
        return error;
    otel_tls.lookup = 0;
    otel_socket_lookup(node, error, saved, error ? NULL : *found, started_ns);
    errno = saved;
    return error;
}

OTEL_HOOK_LIBC(struct hostent *, gethostbyname, (const char *name))
{
    uint64_t started_ns = begin(name, FRAME());
    struct hostent *host = OTEL_REAL(gethostbyname)(name);
    int saved = errno;

    if (!started_ns)
        return host;
    otel_tls.lookup = 0;
    otel_socket_lookup_host(name, h_errno, saved, host, started_ns);
    errno = saved;
    return host;
}

OTEL_HOOK_LIBC(struct hostent *, gethostbyname2, (const char *name, int family))
{
    uint64_t started_ns = begin(name, FRAME());
    struct hostent *host = OTEL_REAL(gethostbyname2)(name, family);
    int saved = errno;

    if (!started_ns)
        return host;
    otel_tls.lookup = 0;
    otel_socket_lookup_host(name, h_errno, saved, host, started_ns);
    errno = saved;
    return host;
}

/* With too small a buffer the host comes again: that one is the look-up. */
static void end_r(const char *name, int error, int host_error, const struct hostent *found,
                  uint64_t started_ns)
{
    int saved = errno;

    otel_tls.lookup = 0;
    if (error != ERANGE)
        otel_socket_lookup_host(name, host_error, error, found, started_ns);
    errno = saved;
}

OTEL_HOOK_LIBC(int, gethostbyname_r,
               (const char *restrict name, struct hostent *restrict host, char *restrict buf,
                size_t size, struct hostent **restrict found, int *restrict host_error))
{
    uint64_t started_ns = begin(name, FRAME());
    int error = OTEL_REAL(gethostbyname_r)(name, host, buf, size, found, host_error);

    if (started_ns)
        end_r(name, error, *host_error, *found, started_ns);
    return error;
}

OTEL_HOOK_LIBC(int, gethostbyname2_r,
               (const char *restrict name, int family, struct hostent *restrict host,
                char *restrict buf, size_t size, struct hostent **restrict found,
                int *restrict host_error))
{
    uint64_t started_ns = begin(name, FRAME());
    int error = OTEL_REAL(gethostbyname2_r)(name, family, host, buf, size, found, host_error);

    if (started_ns)
        end_r(name, error, *host_error, *found, started_ns);
    return error;
}
