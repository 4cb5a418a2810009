/* SPDX-License-Identifier: Apache-2.0 */
#include "core/socket_parts.h"

#include <string.h>

#include "core/config.h"
#include "core/generation.h"

bool otel_socket_spans_on(void)
{
    return otel_config.socket_spans != OTEL_SOCKET_SPANS_OFF;
}

bool otel_socket_is_chatter(const struct otel_connection *c)
{
    return c->ignored_name || (c->inherited && otel_socket_chatter_name(c->family, &c->peer));
}

void otel_socket_note_generation(struct otel_connection *c)
{
    uint32_t now = otel_generation();
    uint32_t was = atomic_load_explicit(&c->socket.generation, memory_order_acquire);

    if (__builtin_expect(was == now, 1) ||
        !atomic_compare_exchange_strong_explicit(&c->socket.generation, &was, now,
                                                 memory_order_acq_rel, memory_order_relaxed) ||
        !was)
        return;
    c->socket.opener.remote = true;
    atomic_store_explicit(&c->socket.own_state, 0, memory_order_relaxed);
    atomic_store_explicit(&c->connecting, 0, memory_order_relaxed);
}

static void set_text(const struct otel_span *span, struct otel_text key, const char *text)
{
    otel_span_set_text(span, key, text, strlen(text));
}

static void set_address(const struct otel_span *span, struct otel_text address,
                        struct otel_text port, const struct otel_address *value)
{
    if (value->text[0])
        set_text(span, address, value->text);
    if (value->port)
        otel_span_set_int(span, port, value->port);
}

void otel_socket_set_network(const struct otel_span *span, const struct otel_connection *c)
{
    static const char *const transports[] = {"tcp", "udp", "unix"};

    set_text(span, OTEL_TEXT("network.transport"), transports[c->transport]);
    if (c->family == AF_INET)
        set_text(span, OTEL_TEXT("network.type"), "ipv4");
    else if (c->family == AF_INET6)
        set_text(span, OTEL_TEXT("network.type"), "ipv6");
    set_address(span, OTEL_TEXT("network.peer.address"), OTEL_TEXT("network.peer.port"), &c->peer);
    if (c->role == OTEL_ROLE_CLIENT)
        set_address(span, OTEL_TEXT("server.address"), OTEL_TEXT("server.port"), &c->peer);
    else if (c->local_known)
        set_address(span, OTEL_TEXT("server.address"), OTEL_TEXT("server.port"), &c->local);
}

void otel_socket_set_error(const struct otel_span *span, const char *error)
{
    set_text(span, OTEL_TEXT("error.type"), error);
    otel_span_set_status(span, OTEL_STATUS_ERROR, OTEL_TEXT(""));
}

bool otel_socket_span_start(struct otel_span *span, const struct otel_connection *c,
                            struct otel_span_start *start)
{
    start->parent = &c->socket.opener;
    start->root = !otel_span_context_valid(&c->socket.opener);
    start->scope = OTEL_SCOPE_SOCKET;
    return otel_span_start(span, start);
}
