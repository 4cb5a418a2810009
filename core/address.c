/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

#include "core/connection.h"
#include "core/sys.h"

#define GROUPS 8 /* of an IPv6 address */

/* inet_ntop() and snprintf() are not for signal handlers, and too slow for each connection. */
static char *put_number(char *at, unsigned value, unsigned base)
{
    static const char digits[] = "0123456789abcdef";

    if (value >= base)
        at = put_number(at, value / base, base);
    *at = digits[value % base];
    return at + 1;
}

static char *put_ipv4(char *at, const uint8_t *bytes)
{
    for (int i = 0; i < 4; i++) {
        at = put_number(at, bytes[i], 10);
        *at++ = i < 3 ? '.' : '\0';
    }
    return at - 1;
}

/* The longest run of two or more zero groups, the first of equals (RFC 5952 4.2). Returns its
 * length and sets *start; 0: none. */
static int zero_run(const uint16_t *group, int *start)
{
    int best = 0;

    for (int i = 0; i < GROUPS; i++) {
        int n = 0;

        while (i + n < GROUPS && group[i + n] == 0)
            n++;
        if (n > best && n > 1) {
            best = n;
            *start = i;
        }
        i += n;
    }
    return best;
}

static void put_ipv6(char *at, const struct in6_addr *address)
{
    uint16_t group[GROUPS];
    int start = GROUPS;
    int run;

    if (IN6_IS_ADDR_V4MAPPED(address)) { /* RFC 5952 5 */
        memcpy(at, "::ffff:", 7);
        put_ipv4(at + 7, address->s6_addr + 12);
        return;
    }
    for (int i = 0; i < GROUPS; i++)
        group[i] = (uint16_t)(address->s6_addr[2 * i] << 8 | address->s6_addr[2 * i + 1]);
    run = zero_run(group, &start);
    for (int i = 0; i < GROUPS; i++) {
        if (i == start) {
            *at++ = ':';
            if (i + run == GROUPS)
                *at++ = ':';
            i += run - 1;
            continue;
        }
        if (i)
            *at++ = ':';
        at = put_number(at, group[i], 16);
    }
    *at = '\0';
}

/* A path may lack its NUL; an abstract name has a NUL in front and may hold more. */
static void put_unix(char *out, const char *path, size_t len)
{
    if (len && path[0] != '\0')
        len = strnlen(path, len);
    memcpy(out, path, len);
    out[len] = '\0';
    for (size_t i = 0; i < len; i++) {
        if (out[i] == '\0')
            out[i] = '@';
    }
}

void otel_address_format(struct otel_address *out, const struct sockaddr *addr, socklen_t len)
{
    sa_family_t family;
    union {
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un un;
    } a;
    size_t have = len < sizeof a.un ? len : sizeof a.un;

    out->text[0] = '\0';
    out->port = 0;
    if (!addr || have < sizeof family)
        return;
    memcpy(&family, addr, sizeof family);
    memcpy(&a, addr, have); /* the caller's may lie at any address */
    if (family == AF_INET && len >= sizeof a.v4) {
        put_ipv4(out->text, (const uint8_t *)&a.v4.sin_addr);
        out->port = ntohs(a.v4.sin_port);
    } else if (family == AF_INET6 && len >= offsetof(struct sockaddr_in6, sin6_scope_id)) {
        put_ipv6(out->text, &a.v6.sin6_addr);
        out->port = ntohs(a.v6.sin6_port);
    } else if (family == AF_UNIX) {
        put_unix(out->text, a.un.sun_path, have - offsetof(struct sockaddr_un, sun_path));
    }
}

void otel_connection_peer(struct otel_connection *c, const struct sockaddr *addr, socklen_t len)
{
    otel_address_format(&c->peer, addr, len);
    c->peer_known = true;
    c->local_known = false; /* connect() chooses one */
    c->role = OTEL_ROLE_CLIENT;
}

static void ask(int (*call)(int, void *, unsigned *), int fd, struct otel_address *out)
{
    struct sockaddr_storage addr;
    unsigned len = sizeof addr;

    if (call(fd, &addr, &len) == 0)
        otel_address_format(out, (const struct sockaddr *)&addr, len);
}

const struct otel_address *otel_connection_peer_of(struct otel_connection *c, int fd)
{
    if (!c->peer_known) {
        ask(otel_sys.getpeername, fd, &c->peer);
        c->peer_known = c->role != OTEL_ROLE_NONE;
    }
    return &c->peer;
}

const struct otel_address *otel_connection_local_of(struct otel_connection *c, int fd)
{
    if (!c->local_known) {
        ask(otel_sys.getsockname, fd, &c->local);
        c->local_known = c->role != OTEL_ROLE_NONE;
    }
    return &c->local;
}
