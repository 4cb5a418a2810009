/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/sqlite.h"

#include "core/context.h"
#include "core/tls.h"

static void settle(struct otel_sqlite_run *run, int rc, bool db_alive)
{
    run->failed = run->quiet = false;
    if (otel_sqlite_run_open(run))
        otel_sqlite_run_end(run, rc, db_alive);
}

/* The execution that this step begins or goes on with. NULL: pass it through, for the statement is
 * not ours to trace, or another thread is in the middle of a step of it. */
static struct otel_sqlite_run *enter(sqlite3_stmt *stmt)
{
    struct otel_sqlite_exec *exec = &otel_sqlite_exec;
    struct otel_sqlite_statement *s = NULL;
    struct otel_sqlite_run *run = &exec->run;

    if (!stmt || stmt != run->stmt) {
        s = otel_sqlite_statement_of(stmt);
        if (!s)
            return NULL;
        run = &s->run;
    }
    if (otel_guard_inside() || atomic_load_explicit(&run->stepping, memory_order_relaxed))
        return NULL;
    if (run->failed)
        settle(run, SQLITE_ERROR, true);
    if (!otel_sqlite_run_open(run) && !run->quiet)
        otel_sqlite_run_start(run, s, exec->text);
    atomic_store_explicit(&run->stepping, true, memory_order_relaxed);
    return run;
}

static bool under_way(const struct otel_sqlite_run *run)
{
    return otel_sqlite_run_open(run) || run->quiet;
}

static int leave(struct otel_sqlite_run *run, const sqlite3_stmt *stmt, int rc)
{
    if (run->stmt != stmt) /* a callback left an exec by longjmp, or the statement was finalized */
        return rc;
    atomic_store_explicit(&run->stepping, false, memory_order_relaxed);
    if (rc == SQLITE_ROW)
        run->rows++;
    else if (rc == SQLITE_ERROR && run->legacy)
        run->failed = true; /* "some error": sqlite3_reset() or _finalize() will say which */
    else
        settle(run, rc, true);
    return rc;
}

static struct otel_library *library_of(const sqlite3_stmt *stmt, const struct otel_hook *hook,
                                       const void *caller)
{
    const struct otel_sqlite_statement *s = otel_sqlite_statement_of(stmt);

    return s ? s->run.library : otel_library_of(hook, caller, NULL);
}

OTEL_HOOK_LIB(sqlite, int, sqlite3_step, (sqlite3_stmt * stmt))
{
    struct otel_sqlite_run *run = enter(stmt);
    struct otel_library *library;
    uint32_t token;
    int rc;

    if (!run) {
        library = library_of(stmt, &otel_hook_of_sqlite3_step, OTEL_CALLER());
        return library ? OTEL_REAL_IN(library, sqlite3_step)(stmt) : SQLITE_MISUSE;
    }
    if (run->quiet)
        return leave(run, stmt, OTEL_REAL_IN(run->library, sqlite3_step)(stmt));
    token = otel_context_attach(&run->span.ctx);
    rc = OTEL_REAL_IN(run->library, sqlite3_step)(stmt);
    otel_context_detach(token);
    return leave(run, stmt, rc);
}

/* The library resets a statement itself when a step finds it done, or its schema changed: that ends
 * nothing. (Its code as the caller alone proves nothing: a user function that ends in a reset of
 * its own statement may have jumped here.) */
static bool by_step(const struct otel_sqlite_run *run, const void *caller)
{
    return atomic_load_explicit(&run->stepping, memory_order_relaxed) &&
           otel_library_contains(run->library, caller);
}

OTEL_HOOK_LIB(sqlite, int, sqlite3_reset, (sqlite3_stmt * stmt))
{
    struct otel_sqlite_statement *s = otel_sqlite_statement_of(stmt);
    struct otel_library *library = s ? s->run.library : OTEL_LIBRARY_OF(sqlite3_reset, NULL);
    int rc;

    if (!library)
        return SQLITE_OK;
    rc = OTEL_REAL_IN(library, sqlite3_reset)(stmt);
    if (s && under_way(&s->run) && !by_step(&s->run, OTEL_CALLER())) {
        atomic_store_explicit(&s->run.stepping, false, memory_order_relaxed);
        settle(&s->run, rc, true);
    }
    return rc;
}

/* The state goes before the statement does: its address may be another one's a moment later. The
 * connection may go with it (sqlite3_close_v2). */
OTEL_HOOK_LIB(sqlite, int, sqlite3_finalize, (sqlite3_stmt * stmt))
{
    struct otel_library *library = library_of(stmt, &otel_hook_of_sqlite3_finalize, OTEL_CALLER());
    struct otel_sqlite_run last;
    bool open = otel_sqlite_statement_take(stmt, &last);
    int rc;

    if (!library)
        return SQLITE_OK;
    rc = OTEL_REAL_IN(library, sqlite3_finalize)(stmt);
    if (open)
        otel_sqlite_run_end(&last, rc, otel_sqlite_connection_of(last.db) != NULL);
    return rc;
}
