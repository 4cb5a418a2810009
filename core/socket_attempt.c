/* SPDX-License-Identifier: Apache-2.0
 *
 * connect(): whom it is for, and what becomes of it.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "core/clock.h"
#include "core/context.h"
#include "core/serving.h"
#include "core/socket_parts.h"
#include "core/sys.h"

/* otel_connection.connecting */
enum attempt {
    ATTEMPT_NONE,
    ATTEMPT_OPEN,
    ATTEMPT_FAILED, /* the kernel says so, but keeps why for the program */
};

/* Any thread: attempts under way. */
_Atomic uint32_t otel_socket_attempts;

/* error: NULL when it is connected now. */
static void attempt_span(const struct otel_connection *c, const char *error)
{
    struct otel_span_start start = {
        .name = c->transport == OTEL_TRANSPORT_TCP ? OTEL_TEXT("tcp.connect")
                                                   : OTEL_TEXT("unix.connect"),
        .kind = OTEL_KIND_CLIENT,
        .start_mono_ns = c->opened_ns,
    };
    struct otel_span span;

    if (!otel_socket_spans_on() || c->transport == OTEL_TRANSPORT_UDP || otel_socket_is_chatter(c))
        return;
    if (otel_socket_span_start(&span, c, &start)) {
        otel_socket_set_network(&span, c);
        if (error)
            otel_socket_set_error(&span, error);
    }
    otel_span_end(&span, c->connected_ns);
}

static void attempt_over(struct otel_connection *c, int error, const char *name)
{
    c->connected_ns = otel_clock_mono_ns();
    c->connect_error = error;
    if (error)
        otel_socket_used(c);
    attempt_span(c, name);
}

/* Ends the one under way; false when there is none, or another thread was first. */
static bool take_attempt(struct otel_connection *c, uint8_t *state)
{
    if (!atomic_load_explicit(&c->connecting, memory_order_relaxed))
        return false;
    *state = atomic_exchange_explicit(&c->connecting, ATTEMPT_NONE, memory_order_acq_rel);
    if (*state == ATTEMPT_NONE)
        return false;
    atomic_fetch_sub_explicit(&otel_socket_attempts, 1, memory_order_relaxed);
    return true;
}

void otel_socket_used(struct otel_connection *c)
{
    otel_serving_outstanding(__atomic_exchange_n(&c->socket.cell, 0, __ATOMIC_ACQ_REL), -1);
}

/* What is current is for the requests to come, too (exchange.h). */
static void remember_context(struct otel_connection *c)
{
    const struct otel_span_context *current = otel_context_current();
    uint64_t cell;

    if (current)
        c->socket.opener = *current;
    else
        memset(&c->socket.opener, 0, sizeof c->socket.opener);
    cell = otel_serving_cell();
    c->bound = c->socket.opener;
    c->bound_async = c->bound_unsure = false;
    c->bound_thread = cell ? otel_serving_slot() : 0;
    c->bound_turn = otel_serving_turn();
    atomic_store_explicit(&c->bound_cell, cell, memory_order_relaxed);
    otel_serving_connection(cell, c->self);
}

/* Of an address the kernel has read, else -1. */
static int family_of(const struct sockaddr *addr, socklen_t len, int error)
{
    sa_family_t family;

    if (!addr || len < sizeof family || len > sizeof(struct sockaddr_storage) || error == EFAULT)
        return -1;
    memcpy(&family, addr, sizeof family);
    return family;
}

static void begin_attempt(struct otel_connection *c, const struct sockaddr *addr, socklen_t len,
                          uint64_t started_ns)
{
    bool again = c->role == OTEL_ROLE_CLIENT && !c->connect_error;

    if (again && c->transport == OTEL_TRANSPORT_UDP)
        otel_socket_disconnected(c);
    otel_connection_peer(c, addr, len);
    c->ignored_name = otel_socket_chatter(addr, len);
    c->opened_ns = started_ns;
    c->connected_ns = 0;
    c->connect_error = 0;
    remember_context(c);
}

/* Interrupted, or out of SO_SNDTIMEO: a TCP socket goes on by itself. */
static bool goes_on(const struct otel_connection *c, int error)
{
    return error == EINPROGRESS || (error == EINTR && c->transport == OTEL_TRANSPORT_TCP);
}

void otel_socket_connect(struct otel_connection *c, int fd, const struct sockaddr *addr,
                         socklen_t len, int error, uint64_t started_ns)
{
    int saved = errno;
    int family = family_of(addr, len, error);

    otel_socket_note_generation(c);
    if (family == AF_UNSPEC) {
        if (!error) {
            otel_socket_disconnected(c);
            c->role = OTEL_ROLE_NONE;
        }
    } else if (atomic_load_explicit(&c->connecting, memory_order_relaxed)) {
        otel_socket_connected(c, fd, error == EISCONN ? 0 : error);
    } else if (error != EISCONN && error != EALREADY && family >= 0 &&
               !(error && c->transport == OTEL_TRANSPORT_UDP)) {
        begin_attempt(c, addr, len, started_ns);
        if (goes_on(c, error)) {
            c->bound_async = true;
            otel_socket_used(c);
            c->socket.cell = atomic_load_explicit(&c->bound_cell, memory_order_relaxed);
            otel_serving_outstanding(c->socket.cell, 1);
            atomic_fetch_add_explicit(&otel_socket_attempts, 1, memory_order_relaxed);
            atomic_store_explicit(&c->connecting, ATTEMPT_OPEN, memory_order_release);
        } else {
            attempt_over(c, error, error ? otel_sys_errno_name(error) : NULL);
        }
    }
    errno = saved;
}

/* Of TCP's; -1: not known. */
static int state_of(int fd)
{
    struct sockaddr_storage peer;
    struct tcp_info info;
    unsigned len = sizeof peer;

    if (otel_sys.getpeername(fd, &peer, &len) == 0)
        return TCP_ESTABLISHED;
    len = sizeof info;
    memset(&info, 0, sizeof info);
    return otel_sys.getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 ? info.tcpi_state : -1;
}

/* Returns 0 when it is connected, -1 when it is not, or what became of it is the program's to ask.
 * no_error: a call said so; then it either goes on or has been connected, and may be over again. */
static int ask_kernel(struct otel_connection *c, int fd, bool no_error)
{
    int state = state_of(fd);
    uint8_t open = ATTEMPT_OPEN;

    if (state == TCP_ESTABLISHED || (no_error && state != TCP_SYN_SENT))
        return 0;
    if (state == TCP_CLOSE)
        atomic_compare_exchange_strong_explicit(&c->connecting, &open, ATTEMPT_FAILED,
                                                memory_order_relaxed, memory_order_relaxed);
    return -1;
}

/* Those that do not tell what became of it. */
static bool tells_nothing(int error)
{
    return error < 0 || error == EAGAIN || error == EINTR || error == ENOTCONN || error == EPIPE;
}

void otel_socket_connected(struct otel_connection *c, int fd, int error)
{
    int saved = errno;
    uint8_t state;

    otel_socket_note_generation(c);
    if (!atomic_load_explicit(&c->connecting, memory_order_acquire) || error == EINPROGRESS ||
        error == EALREADY)
        return;
    if (error == 0 || tells_nothing(error))
        error = ask_kernel(c, fd, error == 0);
    if (error >= 0 && take_attempt(c, &state)) {
        attempt_over(c, error, error ? otel_sys_errno_name(error) : NULL);
        /* The thread goes on with what it connected for. */
        otel_serving_enter(&c->bound, atomic_load_explicit(&c->bound_cell, memory_order_relaxed));
    }
    errno = saved;
}

void otel_socket_settle(struct otel_connection *c, int fd, int64_t n, int error)
{
    if (n >= 0)
        otel_socket_connected(c, fd, 0);
    else if (error == ECONNREFUSED || error == ETIMEDOUT || error == EHOSTUNREACH ||
             error == ENETUNREACH || error == ECONNRESET)
        otel_socket_connected(c, fd, error);
}

void otel_socket_attempt_abandon(struct otel_connection *c)
{
    uint8_t state;

    if (take_attempt(c, &state))
        attempt_over(c, ECANCELED, state == ATTEMPT_FAILED ? "_OTHER" : "abandoned");
}
