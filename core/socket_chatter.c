/* SPDX-License-Identifier: Apache-2.0
 *
 * The machine's own chatter: what libraries do behind a program's back, on every machine the same.
 */
#include "core/socket_span.h"

#include <string.h>

#define DNS_PORT 53

/* A path that ends with '/' stands for what lies below it; '*' for the rest of one name. Constant.
 */
static const char *const paths[] = {
    "/dev/log",      /* syslog */
    "/run/systemd/", /* journald, resolved, userdb, notify */
    "/run/nscd/",      "/run/nslcd/", "/run/dbus/",
    "/run/user/*/bus", "/tmp/dbus-*", "/tmp/.X11-unix/",
};

static bool fits(const char *pattern, const char *path)
{
    for (; *pattern; pattern++) {
        if (*pattern == '*') {
            path += strcspn(path, "/");
            continue;
        }
        if (*path != *pattern)
            return false;
        path++;
    }
    return *path == '\0' || pattern[-1] == '/';
}

/* Abstract names are those of the paths they stand in for. /var/run is /run since ever. */
static bool known_path(const char *path)
{
    if (*path == '@')
        path++;
    if (strncmp(path, "/var/run/", 9) == 0)
        path += 4;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        if (fits(paths[i], path))
            return true;
    return false;
}

bool otel_socket_chatter_name(int family, const struct otel_address *name)
{
    if (family == AF_UNIX)
        return known_path(name->text);
    return (family == AF_INET || family == AF_INET6) && name->port == DNS_PORT;
}

bool otel_socket_chatter(const struct sockaddr *addr, socklen_t len)
{
    struct otel_address name;
    sa_family_t family;

    if (!addr || len < sizeof family)
        return false;
    memcpy(&family, addr, sizeof family);
    otel_address_format(&name, addr, len);
    return otel_socket_chatter_name(family, &name);
}
