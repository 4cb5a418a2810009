/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/sqlite.h"

#include <string.h>

#include "core/utf8.h"

/* A connection is handed out even when opening failed: the program asks it why, and closes it. */
static int opened(const struct otel_sqlite_route *route, int rc, sqlite3 **out,
                  const char *filename)
{
    struct otel_sqlite_connection *connection;

    connection = route->traced && out ? otel_sqlite_connection_add(*out) : NULL;
    if (!connection)
        return rc;
    connection->library = route->library;
    connection->namespace_len = (uint16_t)otel_sqlite_namespace(
        connection->namespace_, sizeof connection->namespace_, filename);
    return rc;
}

static int unavailable(sqlite3 **out)
{
    if (out)
        *out = NULL;
    return SQLITE_CANTOPEN;
}

OTEL_HOOK_LIB(sqlite, int, sqlite3_open, (const char *filename, sqlite3 **out))
{
    const struct otel_sqlite_route route =
        otel_sqlite_route(NULL, &otel_hook_of_sqlite3_open, OTEL_CALLER());

    if (!route.library)
        return unavailable(out);
    return opened(&route, OTEL_REAL_IN(route.library, sqlite3_open)(filename, out), out, filename);
}

OTEL_HOOK_LIB(sqlite, int, sqlite3_open_v2,
              (const char *filename, sqlite3 **out, int flags, const char *vfs))
{
    const struct otel_sqlite_route route =
        otel_sqlite_route(NULL, &otel_hook_of_sqlite3_open_v2, OTEL_CALLER());
    int rc;

    if (!route.library)
        return unavailable(out);
    rc = OTEL_REAL_IN(route.library, sqlite3_open_v2)(filename, out, flags, vfs);
    return opened(&route, rc, out, filename);
}

OTEL_HOOK_LIB(sqlite, int, sqlite3_open16, (const void *filename, sqlite3 **out))
{
    const struct otel_sqlite_route route =
        otel_sqlite_route(NULL, &otel_hook_of_sqlite3_open16, OTEL_CALLER());
    char utf8[OTEL_SQLITE_NAMESPACE_MAX + 1];
    size_t len = 0;

    if (!route.library)
        return unavailable(out);
    if (filename && route.traced)
        len = otel_utf8_from_utf16(utf8, sizeof utf8 - 1, filename,
                                   otel_sqlite_length16(filename, -1));
    utf8[len] = '\0';
    return opened(&route, OTEL_REAL_IN(route.library, sqlite3_open16)(filename, out), out, utf8);
}

/* The state goes before the connection does: its address may be another one's a moment later. A
 * sqlite3_close that refuses leaves the connection open, and its state comes back. */
static void taken(const sqlite3 *db, const struct otel_sqlite_route *route,
                  struct otel_sqlite_connection *copy)
{
    copy->library = NULL;
    if (!route->connection)
        return;
    *copy = *route->connection;
    otel_sqlite_connection_remove(db);
}

static int closed(const sqlite3 *db, const struct otel_sqlite_connection *copy, int rc)
{
    struct otel_sqlite_connection *again;

    again = rc != SQLITE_OK && copy->library ? otel_sqlite_connection_add(db) : NULL;
    if (again)
        *again = *copy;
    return rc;
}

OTEL_HOOK_LIB(sqlite, int, sqlite3_close, (sqlite3 * db))
{
    const struct otel_sqlite_route route =
        otel_sqlite_route(db, &otel_hook_of_sqlite3_close, OTEL_CALLER());
    struct otel_sqlite_connection copy;

    if (!route.library)
        return SQLITE_OK;
    taken(db, &route, &copy);
    return closed(db, &copy, OTEL_REAL_IN(route.library, sqlite3_close)(db));
}

OTEL_HOOK_LIB(sqlite, int, sqlite3_close_v2, (sqlite3 * db))
{
    const struct otel_sqlite_route route =
        otel_sqlite_route(db, &otel_hook_of_sqlite3_close_v2, OTEL_CALLER());
    struct otel_sqlite_connection copy;

    if (!route.library)
        return SQLITE_OK;
    taken(db, &route, &copy);
    return closed(db, &copy, OTEL_REAL_IN(route.library, sqlite3_close_v2)(db));
}
