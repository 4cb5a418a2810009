/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/sqlite.h"

#include "core/context.h"

/* One call of sqlite3_exec or sqlite3_get_table. */
struct call {
    struct otel_library *library;
    bool traced;
    bool whole;    /* one span for the whole text: the copy's statements cannot be seen */
    bool learn;    /* nothing is known of this copy yet */
    bool attached; /* whole: its span is the current context */
    uint32_t token;
    const char *sql;
    uint64_t start_mono_ns; /* learn */
    int (*callback)(void *, int, char **, char **);
    void *arg;
    struct otel_sqlite_exec outer; /* the exec this one is called in; only when outer.frame */
};

static struct otel_text text_of(const char *sql)
{
    return (struct otel_text){sql, sql ? otel_sqlite_length(sql, -1) : 0};
}

/* A frame at or below ours has gone, for stacks grow downwards: a callback left it by longjmp.
 * (Nested calls on stacks of their own, as coroutines make them, can look like that; the outer
 * statement's span then ends early.) */
static void drop_dead(struct otel_sqlite_exec *exec, const struct call *call)
{
    if (!exec->frame || exec->frame > (uintptr_t)call)
        return;
    if (exec->in_callback)
        otel_context_detach(exec->token);
    if (otel_sqlite_run_open(&exec->run))
        otel_sqlite_run_end(&exec->run, SQLITE_OK, false);
    exec->frame = 0;
}

static void begin(struct call *call, sqlite3 *db)
{
    struct otel_sqlite_exec *exec = &otel_sqlite_exec;

    drop_dead(exec, call);
    call->outer.frame = 0;
    if (exec->frame)
        call->outer = *exec;
    exec->frame = (uintptr_t)call;
    exec->library = call->library;
    exec->db = db;
    exec->next[0] = exec->next[1] = call->sql;
    exec->seen = exec->in_callback = false;
    exec->run.library = call->library;
    exec->run.db = db;
    exec->run.stmt = NULL;
    exec->run.generation = 0;
    exec->run.returns_rows = exec->run.legacy = exec->run.failed = exec->run.quiet = false;
    atomic_store_explicit(&exec->run.stepping, false, memory_order_relaxed);
    if (call->whole)
        otel_sqlite_run_start(&exec->run, NULL, text_of(call->sql));
}

/* Does the call reach the library at all? */
static bool enter(struct call *call, sqlite3 *db, const char *sql, const struct otel_hook *hook,
                  const void *caller)
{
    const struct otel_sqlite_route route = otel_sqlite_route(db, hook, caller);
    enum otel_sqlite_exec_style style;

    call->library = route.library;
    call->sql = sql;
    call->traced = route.traced && sql && *sql;
    if (!call->traced)
        return call->library;
    style = otel_sqlite_exec_style(call->library);
    call->whole = style == OTEL_SQLITE_EXEC_HIDDEN;
    call->learn = style == OTEL_SQLITE_EXEC_UNKNOWN;
    call->start_mono_ns = call->learn ? otel_sqlite_start_time() : 0;
    begin(call, db);
    call->attached = call->whole && otel_sqlite_run_open(&otel_sqlite_exec.run);
    if (call->attached)
        call->token = otel_context_attach(&otel_sqlite_exec.run.span.ctx);
    return call->library;
}

/* Nothing was prepared through the PLT. Text that ran well tells that this copy does not call
 * itself that way; text that did not run at all is an error of its own (a connection that never
 * opened). */
static void unseen(const struct call *call, const struct otel_sqlite_exec *exec, int rc)
{
    struct otel_text text = text_of(call->sql);

    if (rc == SQLITE_OK)
        otel_sqlite_exec_style_set(call->library, OTEL_SQLITE_EXEC_HIDDEN);
    else
        text = otel_sqlite_first_statement(text);
    otel_sqlite_past(call->library, exec->db, text, rc, call->start_mono_ns);
}

static int leave(const struct call *call, int rc)
{
    struct otel_sqlite_exec *exec = &otel_sqlite_exec;

    if (call->attached)
        otel_context_detach(call->token);
    if (exec->frame == (uintptr_t)call) {
        if (otel_sqlite_run_open(&exec->run)) /* a callback stopped it, or it is a whole text */
            otel_sqlite_run_end(&exec->run, rc, true);
        if (!call->whole && !exec->seen)
            unseen(call, exec, rc);
        else if (call->learn)
            otel_sqlite_exec_style_set(call->library, OTEL_SQLITE_EXEC_VISIBLE);
    }
    if (call->outer.frame) {
        *exec = call->outer;
        return rc;
    }
    exec->frame = 0;
    exec->db = NULL;
    exec->run.stmt = NULL;
    return rc;
}

/* The program's callback, with the statement it gets rows of as the current context. */
static int relay(void *arg, int columns, char **values, char **names)
{
    struct call *call = arg;
    struct otel_sqlite_exec *exec = &otel_sqlite_exec;
    struct otel_sqlite_run *run = &exec->run;
    uint32_t token;
    int rc;

    if (call->whole) {
        run->returns_rows = true;
        run->rows++;
    }
    if (!otel_sqlite_run_open(run))
        return call->callback(call->arg, columns, values, names);
    token = otel_context_attach(&run->span.ctx);
    exec->token = token;
    exec->in_callback = true;
    rc = call->callback(call->arg, columns, values, names);
    if (exec->frame == (uintptr_t)call)
        exec->in_callback = false;
    otel_context_detach(token);
    return rc;
}

OTEL_HOOK_LIB(sqlite, int, sqlite3_exec,
              (sqlite3 * db, const char *sql, int (*callback)(void *, int, char **, char **),
               void *arg, char **error))
{
    struct call call;

    if (!enter(&call, db, sql, &otel_hook_of_sqlite3_exec, OTEL_CALLER()))
        return SQLITE_ERROR;
    if (!call.traced)
        return OTEL_REAL_IN(call.library, sqlite3_exec)(db, sql, callback, arg, error);
    call.callback = callback;
    call.arg = arg;
    callback = callback ? relay : NULL;
    return leave(&call, OTEL_REAL_IN(call.library, sqlite3_exec)(db, sql, callback, &call, error));
}

/* Runs sqlite3_exec inside, which passes through: the text is this call's. */
OTEL_HOOK_LIB(sqlite, int, sqlite3_get_table,
              (sqlite3 * db, const char *sql, char ***result, int *rows, int *columns,
               char **error))
{
    struct call call;
    int rc;

    if (!enter(&call, db, sql, &otel_hook_of_sqlite3_get_table, OTEL_CALLER()))
        return SQLITE_ERROR;
    rc = OTEL_REAL_IN(call.library, sqlite3_get_table)(db, sql, result, rows, columns, error);
    return call.traced ? leave(&call, rc) : rc;
}
