/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/sqlite.h"

#include "core/config.h"
#include "core/handlemap.h"
#include "core/log.h"
#include "core/tls.h"

OTEL_FAMILY(sqlite, OTEL_SQLITE_WANTED);

#define BUCKETS 1024 /* of 8 handles: room for 8192 */

/* Any thread; lock-free. Mapped at the first open or prepare. */
static struct otel_handlemap connections =
    OTEL_HANDLEMAP(sizeof(struct otel_sqlite_connection), BUCKETS);
static struct otel_handlemap statements = OTEL_HANDLEMAP(OTEL_SQLITE_STATEMENT_SIZE, BUCKETS);

/* Any thread; atomic. */
static atomic_flag said_full = ATOMIC_FLAG_INIT;

/* Each thread its own: what it asked for last, most often what it asks for next. State stays mapped
 * for good and names its handle as long as it belongs to it, so that a stale one is seen. */
static __thread struct otel_sqlite_connection *last_connection;
static __thread struct otel_sqlite_statement *last_statement;

/* What was learned of each copy's sqlite3_exec: filled from the front, an entry's library once by
 * compare-and-swap, its style by the thread that learns it. Any thread. */
static struct {
    _Atomic(const struct otel_library *) library;
    _Atomic uint32_t style;
} styles[OTEL_LIBRARY_COPIES];

__thread struct otel_sqlite_exec otel_sqlite_exec __attribute__((tls_model("initial-exec")));

static bool off(void)
{
    return otel_guard_inside() || !otel_family_active(&otel_family_sqlite) || otel_config.disabled;
}

struct otel_sqlite_route otel_sqlite_route(const sqlite3 *db, const struct otel_hook *hook,
                                           const void *caller)
{
    struct otel_sqlite_route route = {.connection = otel_sqlite_connection_of(db)};
    bool nested;

    if (route.connection) {
        route.library = route.connection->library;
        nested = otel_library_contains(route.library, caller);
    } else {
        route.library = otel_library_of(hook, caller, &nested);
    }
    route.traced = !nested && !off();
    return route;
}

static void *kept(void *state)
{
    if (!state && otel_log_once(&said_full))
        otel_log(OTEL_LOG_WARN, "sqlite: too many handles are open; some are not traced");
    return state;
}

struct otel_sqlite_connection *otel_sqlite_connection_add(const sqlite3 *db)
{
    struct otel_sqlite_connection *c;

    otel_sqlite_connection_remove(db); /* a handle whose end was not seen */
    c = kept(otel_handlemap_insert(&connections, db));
    if (c)
        c->db = db;
    return c;
}

struct otel_sqlite_connection *otel_sqlite_connection_of(const sqlite3 *db)
{
    if (!db || !last_connection || last_connection->db != db)
        last_connection = otel_handlemap_find(&connections, db);
    return last_connection;
}

void otel_sqlite_connection_remove(const sqlite3 *db)
{
    struct otel_sqlite_connection *c = otel_sqlite_connection_of(db);

    if (!c)
        return;
    c->db = NULL;
    otel_handlemap_remove(&connections, db);
}

struct otel_sqlite_statement *otel_sqlite_statement_add(sqlite3_stmt *stmt)
{
    struct otel_sqlite_statement *s;

    otel_sqlite_statement_remove(stmt); /* a handle whose end was not seen */
    s = kept(otel_handlemap_insert(&statements, stmt));
    if (s)
        s->run.stmt = stmt;
    return s;
}

struct otel_sqlite_statement *otel_sqlite_statement_of(const sqlite3_stmt *stmt)
{
    if (!stmt || !last_statement || last_statement->run.stmt != stmt)
        last_statement = otel_handlemap_find(&statements, stmt);
    return last_statement;
}

void otel_sqlite_statement_remove(const sqlite3_stmt *stmt)
{
    struct otel_sqlite_statement *s = otel_sqlite_statement_of(stmt);

    if (!s)
        return;
    s->run.stmt = NULL;
    otel_handlemap_remove(&statements, stmt);
}

bool otel_sqlite_statement_take(const sqlite3_stmt *stmt, struct otel_sqlite_run *last)
{
    const struct otel_sqlite_statement *s = otel_sqlite_statement_of(stmt);
    bool open = s && otel_sqlite_run_open(&s->run);

    if (open)
        *last = s->run;
    if (s)
        otel_sqlite_statement_remove(stmt);
    return open;
}

enum otel_sqlite_exec_style otel_sqlite_exec_style(const struct otel_library *library)
{
    for (uint32_t i = 0; i < OTEL_LIBRARY_COPIES; i++) {
        const struct otel_library *there =
            atomic_load_explicit(&styles[i].library, memory_order_acquire);

        if (there == library)
            return atomic_load_explicit(&styles[i].style, memory_order_relaxed);
        if (!there)
            break;
    }
    return OTEL_SQLITE_EXEC_UNKNOWN;
}

void otel_sqlite_exec_style_set(const struct otel_library *library,
                                enum otel_sqlite_exec_style style)
{
    for (uint32_t i = 0; i < OTEL_LIBRARY_COPIES; i++) {
        const struct otel_library *there = NULL;

        if (atomic_compare_exchange_strong_explicit(&styles[i].library, &there, library,
                                                    memory_order_acq_rel, memory_order_acquire) ||
            there == library) {
            atomic_store_explicit(&styles[i].style, style, memory_order_relaxed);
            return;
        }
    }
}
