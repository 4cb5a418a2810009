/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/sqlite.h"

#include "core/utf8.h"

enum origin {
    FOREIGN, /* the library's own, or switched off */
    PROGRAM,
    EXEC, /* a statement of the text that sqlite3_exec was given */
};

/* One call of a prepare function. */
struct call {
    sqlite3 *db;
    const void *sql;
    int bytes;
    sqlite3_stmt **out;
    bool legacy; /* without _v2 or _v3 */
    bool utf16;
    struct otel_library *library;
    enum origin origin;
    uint64_t start_mono_ns;
};

/* Is this what the exec under way on this thread does next? Told by the very place in its text. */
static bool of_exec(const struct otel_sqlite_exec *exec, const sqlite3 *db, const void *sql)
{
    return exec->db && exec->db == db && sql && (sql == exec->next[0] || sql == exec->next[1]);
}

static struct otel_library *enter(struct call *call, const struct otel_hook *hook,
                                  const void *caller)
{
    struct otel_sqlite_exec *exec = &otel_sqlite_exec;
    struct otel_sqlite_route route;

    if (of_exec(exec, call->db, call->sql)) {
        exec->seen = true;
        exec->run.stmt = NULL;
        call->library = exec->library;
        call->origin = EXEC;
    } else {
        route = otel_sqlite_route(call->db, hook, caller);
        call->library = route.library;
        call->origin = route.traced ? PROGRAM : FOREIGN;
    }
    if (!call->library && call->out)
        *call->out = NULL;
    if (call->origin != FOREIGN)
        call->start_mono_ns = otel_sqlite_start_time();
    return call->library;
}

static void failed(const struct call *call, int rc)
{
    char utf8[1024];
    struct otel_text text = {call->sql, 0};

    if (call->utf16 && call->sql) {
        text.data = utf8;
        text.len = otel_utf8_from_utf16(utf8, sizeof utf8, call->sql,
                                        otel_sqlite_length16(call->sql, call->bytes));
    } else if (call->sql) {
        text.len = otel_sqlite_length(call->sql, call->bytes);
    }
    otel_sqlite_past(call->library, call->db, otel_sqlite_first_statement(text), rc,
                     call->start_mono_ns);
}

static void born(const struct call *call)
{
    struct otel_sqlite_statement *s = otel_sqlite_statement_add(*call->out);

    if (!s)
        return;
    s->run.library = call->library;
    s->run.db = call->db;
    s->run.legacy = call->legacy;
}

static void born_in_exec(const struct call *call, const char *tail)
{
    struct otel_sqlite_exec *exec = &otel_sqlite_exec;

    exec->run.stmt = *call->out;
    exec->text = (struct otel_text){call->sql, (size_t)(tail - (const char *)call->sql)};
    exec->next[0] = tail;
    exec->next[1] = otel_sqlite_skip_space(tail);
}

static int leave(const struct call *call, int rc, const void *const *tail)
{
    if (rc != SQLITE_OK) {
        if (call->origin != FOREIGN)
            failed(call, rc);
        return rc;
    }
    if (!call->out)
        return rc;
    if (call->origin == EXEC && tail && *tail)
        born_in_exec(call, *tail);
    else if (call->origin == PROGRAM && *call->out)
        born(call);
    else
        otel_sqlite_statement_remove(*call->out); /* a handle whose end was not seen */
    return rc;
}

OTEL_HOOK_LIB(sqlite, int, sqlite3_prepare,
              (sqlite3 * db, const char *sql, int bytes, sqlite3_stmt **out, const char **tail))
{
    struct call call = {.db = db, .sql = sql, .bytes = bytes, .out = out, .legacy = true};
    int rc;

    if (!enter(&call, &otel_hook_of_sqlite3_prepare, OTEL_CALLER()))
        return SQLITE_ERROR;
    rc = OTEL_REAL_IN(call.library, sqlite3_prepare)(db, sql, bytes, out, tail);
    return leave(&call, rc, (const void *const *)tail);
}

OTEL_HOOK_LIB(sqlite, int, sqlite3_prepare_v2,
              (sqlite3 * db, const char *sql, int bytes, sqlite3_stmt **out, const char **tail))
{
    struct call call = {.db = db, .sql = sql, .bytes = bytes, .out = out};
    int rc;

    if (!enter(&call, &otel_hook_of_sqlite3_prepare_v2, OTEL_CALLER()))
        return SQLITE_ERROR;
    rc = OTEL_REAL_IN(call.library, sqlite3_prepare_v2)(db, sql, bytes, out, tail);
    return leave(&call, rc, (const void *const *)tail);
}

OTEL_HOOK_LIB(sqlite, int, sqlite3_prepare_v3,
              (sqlite3 * db, const char *sql, int bytes, unsigned flags, sqlite3_stmt **out,
               const char **tail))
{
    struct call call = {.db = db, .sql = sql, .bytes = bytes, .out = out};
    int rc;

    if (!enter(&call, &otel_hook_of_sqlite3_prepare_v3, OTEL_CALLER()))
        return SQLITE_ERROR;
    rc = OTEL_REAL_IN(call.library, sqlite3_prepare_v3)(db, sql, bytes, flags, out, tail);
    return leave(&call, rc, (const void *const *)tail);
}

OTEL_HOOK_LIB(sqlite, int, sqlite3_prepare16,
              (sqlite3 * db, const void *sql, int bytes, sqlite3_stmt **out, const void **tail))
{
    struct call call = {
        .db = db, .sql = sql, .bytes = bytes, .out = out, .legacy = true, .utf16 = true};
    int rc;

    if (!enter(&call, &otel_hook_of_sqlite3_prepare16, OTEL_CALLER()))
        return SQLITE_ERROR;
    rc = OTEL_REAL_IN(call.library, sqlite3_prepare16)(db, sql, bytes, out, tail);
    return leave(&call, rc, tail);
}

OTEL_HOOK_LIB(sqlite, int, sqlite3_prepare16_v2,
              (sqlite3 * db, const void *sql, int bytes, sqlite3_stmt **out, const void **tail))
{
    struct call call = {.db = db, .sql = sql, .bytes = bytes, .out = out, .utf16 = true};
    int rc;

    if (!enter(&call, &otel_hook_of_sqlite3_prepare16_v2, OTEL_CALLER()))
        return SQLITE_ERROR;
    rc = OTEL_REAL_IN(call.library, sqlite3_prepare16_v2)(db, sql, bytes, out, tail);
    return leave(&call, rc, tail);
}

OTEL_HOOK_LIB(sqlite, int, sqlite3_prepare16_v3,
              (sqlite3 * db, const void *sql, int bytes, unsigned flags, sqlite3_stmt **out,
               const void **tail))
{
    struct call call = {.db = db, .sql = sql, .bytes = bytes, .out = out, .utf16 = true};
    int rc;

    if (!enter(&call, &otel_hook_of_sqlite3_prepare16_v3, OTEL_CALLER()))
        return SQLITE_ERROR;
    rc = OTEL_REAL_IN(call.library, sqlite3_prepare16_v3)(db, sql, bytes, flags, out, tail);
    return leave(&call, rc, tail);
}
