/* SPDX-License-Identifier: Apache-2.0
 *
 * What the SQLite hooks share. Only hooks/sqlite_*.c include this.
 *
 *     sqlite_open.c     connections: open*, close*
 *     sqlite_prepare.c  statements are born: prepare*
 *     sqlite_step.c     they run and die: step, reset, finalize
 *     sqlite_exec.c     exec, get_table: many statements in one call
 *     sqlite_run.c      one execution of a statement and its span
 *     sqlite_describe.c what runs, as name and attributes
 *     sqlite_state.c    the copies of the library and the state of its handles
 *     sqlite_text.c     text of other encodings, lengths and names
 *     sqlite_error.c    names of result codes
 *
 * One CLIENT span for each execution: from the first sqlite3_step to done, error, reset or
 * finalize. The span is the current context only while the library runs the statement (so what a
 * user function or a callback does becomes its child), never between two steps.
 *
 * The library calls itself through the PLT. A call from inside it makes no span, with one
 * exception: what sqlite3_exec prepares and steps for the text it was given. Those calls are
 * recognised by what they pass (the connection and the very place in the program's text), not by
 * who calls.
 *
 * Nothing is parsed before a span is recorded: a statement prepared and never run, or not sampled,
 * costs a map entry. Where it is known beforehand that no span can be recorded (quiet), none is
 * started either: what would be its children are then unsampled by themselves.
 */
#ifndef OTEL_HOOKS_SQLITE_H
#define OTEL_HOOKS_SQLITE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

#include "core/db_span.h"
#include "core/span.h"
#include "core/wire.h"
#include "preload/hook.h"

extern struct otel_family otel_family_sqlite;

/* Functions we call, or hook in another file. An old library may lack some: NULL then. */
#define OTEL_SQLITE_WANTED(X)   \
    X(sqlite3_extended_errcode) \
    X(sqlite3_changes)          \
    X(sqlite3_total_changes)    \
    X(sqlite3_column_count)     \
    X(sqlite3_db_filename)      \
    X(sqlite3_sql)              \
    X(sqlite3_stmt_readonly)
OTEL_WANTED_SLOTS(OTEL_SQLITE_WANTED)

#define OTEL_SQLITE_NAMESPACE_MAX 496

struct otel_sqlite_connection {
    const sqlite3 *db;            /* the key; NULL: removed */
    struct otel_library *library; /* the copy that opened it */
    uint16_t namespace_len;       /* 0: a temporary database without a name */
    char namespace_[OTEL_SQLITE_NAMESPACE_MAX];
};

/* One execution of a statement, or none under way. Changed by the thread that runs the statement;
 * SQLite itself asks its users to keep others off a statement that runs. */
struct otel_sqlite_run {
    struct otel_library *library;
    sqlite3 *db;
    sqlite3_stmt *stmt;
    struct otel_span span;
    int64_t rows;
    int64_t changes;       /* sqlite3_total_changes at the start, -1: not asked */
    uint32_t generation;   /* process generation the span belongs to, 0: no span is open */
    bool returns_rows;     /* the statement has columns; known once it was described */
    bool legacy;           /* prepared without _v2: the error code comes with reset or finalize */
    bool quiet;            /* under way without a span */
    bool failed;           /* legacy: a step failed, its code is not known yet */
    _Atomic bool stepping; /* a thread is inside the real step */
};

#define OTEL_SQLITE_STATEMENT_SIZE 1536

/* State of a prepared statement; st is filled when its first span is recorded. */
struct otel_sqlite_statement {
    struct otel_sqlite_run run;
    bool described;
    struct otel_db_statement st;
};

#define OTEL_SQLITE_WIRE_CAP \
    (OTEL_SQLITE_STATEMENT_SIZE - offsetof(struct otel_sqlite_statement, st.wire))

/* What the thread's innermost sqlite3_exec (or get_table) is at. Its pointers into the program's
 * text are compared while it runs, and followed only by the step of a statement it prepared. */
struct otel_sqlite_exec {
    uintptr_t frame; /* stack address of its hook, 0: no exec is under way on this thread */
    struct otel_library *library;
    sqlite3 *db;
    const char *next[2]; /* where the text goes on: as it stands, and behind white space */
    uint32_t token;      /* of the context attached round the callback, while in_callback */
    bool in_callback;
    struct otel_text text;      /* of run.stmt */
    struct otel_sqlite_run run; /* run.stmt NULL: between two statements */
    bool seen;                  /* the library prepared something through its PLT */
};

/* Each thread its own. Kept as a value: a callback that leaves by longjmp must not leave a pointer
 * into a dead frame behind. initial-exec for the reasons in core/tls.h; that block belongs to core,
 * which knows no SQLite. */
extern __thread struct otel_sqlite_exec otel_sqlite_exec __attribute__((tls_model("initial-exec")));

/* ---- sqlite_state.c ---- */

/* Where a call goes. */
struct otel_sqlite_route {
    struct otel_library *library; /* NULL: there is nothing to call */
    bool traced; /* not when switched off, a call of ours, or the library calling itself */
    struct otel_sqlite_connection *connection; /* NULL: never seen opened, or not traced */
};

/* Routes a call on db (NULL: none yet) to the copy that opened it, else to the one the caller is
 * bound to. */
struct otel_sqlite_route otel_sqlite_route(const sqlite3 *db, const struct otel_hook *hook,
                                           const void *caller);

/* How sqlite3_exec of a copy reaches prepare and step. */
enum otel_sqlite_exec_style {
    OTEL_SQLITE_EXEC_UNKNOWN,
    OTEL_SQLITE_EXEC_VISIBLE, /* through its PLT: each statement can be seen */
    OTEL_SQLITE_EXEC_HIDDEN,  /* linked -Bsymbolic: one span for the whole text */
};

enum otel_sqlite_exec_style otel_sqlite_exec_style(const struct otel_library *library);
void otel_sqlite_exec_style_set(const struct otel_library *library,
                                enum otel_sqlite_exec_style style);

/* Connections and statements by handle: NULL when not there, or no room (said once in the log). */
struct otel_sqlite_connection *otel_sqlite_connection_add(const sqlite3 *db);
struct otel_sqlite_connection *otel_sqlite_connection_of(const sqlite3 *db);
void otel_sqlite_connection_remove(const sqlite3 *db);
struct otel_sqlite_statement *otel_sqlite_statement_add(sqlite3_stmt *stmt);
struct otel_sqlite_statement *otel_sqlite_statement_of(const sqlite3_stmt *stmt);
void otel_sqlite_statement_remove(const sqlite3_stmt *stmt);

/* Removes a statement. True when a span of it was open: last is then that execution. */
bool otel_sqlite_statement_take(const sqlite3_stmt *stmt, struct otel_sqlite_run *last);

/* ---- sqlite_run.c ---- */

/* otel_sqlite_run_end() of a recorded one. */
void otel_sqlite_run_finish(struct otel_sqlite_run *run, int rc, bool db_alive);

/* Opens the span of an execution, or makes it a quiet one. cache: the prepared statement's state,
 * whose st is used or filled; NULL: text says what runs. */
void otel_sqlite_run_start(struct otel_sqlite_run *run, struct otel_sqlite_statement *cache,
                           struct otel_text text);

static inline bool otel_sqlite_run_open(const struct otel_sqlite_run *run)
{
    return run->generation != 0;
}

/* Ends an open one with a result code: SQLITE_OK (reset early) and SQLITE_DONE are no errors.
 * db_alive: the connection may still be asked for its extended code. Keeps errno. */
static inline void otel_sqlite_run_end(struct otel_sqlite_run *run, int rc, bool db_alive)
{
    if (otel_span_recording(&run->span))
        otel_sqlite_run_finish(run, rc, db_alive);
    run->generation = 0;
}

/* Is it known that a span started now would not be recorded? */
bool otel_sqlite_quiet(void);

/* The span of a call that is over, of which no execution was seen: a prepare that failed, the first
 * sqlite3_exec of a copy whose statements cannot be seen. With SQLITE_MISUSE db may be anything and
 * is not touched. start_mono_ns 0: now. Keeps errno. */
void otel_sqlite_past(struct otel_library *library, sqlite3 *db, struct otel_text text, int rc,
                      uint64_t start_mono_ns);

/* A clock reading for otel_sqlite_past, 0 when quiet. */
uint64_t otel_sqlite_start_time(void);

/* ---- sqlite_describe.c ---- */

/* What is to be described: text run on db. */
struct otel_sqlite_subject {
    const struct otel_library *library;
    sqlite3 *db;
    bool db_alive; /* db may be asked its file name, when it was never seen opened */
    struct otel_text text;
};

struct otel_sqlite_description {
    uint64_t desk;          /* block it was written in, 0: none */
    _Atomic uint32_t *busy; /* of the remembered description in use, NULL: none */
};

/* Name and attributes of what runs. Texts that come again are remembered, with their literals, in
 * our own memory: then this is a comparison. The result is valid until held is released, which must
 * be soon: others get no such memory meanwhile. NULL: no room, and nothing is held. Never waits. */
const struct otel_db_statement *otel_sqlite_describe(const struct otel_sqlite_subject *subject,
                                                     struct otel_sqlite_description *held);
void otel_sqlite_description_release(const struct otel_sqlite_description *held);

/* ---- sqlite_text.c ---- */

/* Copies what a database was opened as, without the query part of a file: URI (it can hold keys).
 * Returns the bytes written, at most cap. */
size_t otel_sqlite_namespace(char *out, size_t cap, const char *filename);

/* Length in bytes of UTF-8 text given with SQLite's byte count (< 0: up to the NUL). */
size_t otel_sqlite_length(const char *text, int bytes);

/* The same for UTF-16 text, in 16-bit units. */
size_t otel_sqlite_length16(const void *text, int bytes);

/* Text without what stands for nothing at its ends: white space and semicolons, and in front
 * comments (sqlite3_exec hands them on with the statement that follows). */
struct otel_text otel_sqlite_trim(struct otel_text text);

/* Does this statement, SQL ended by NUL, set sqlite3_changes()? */
bool otel_sqlite_counts_changes(const char *sql);

/* The first statement of text: behind leading white space, comments and semicolons, up to the next
 * semicolon that is not quoted (a trigger's body is cut there). Allocates nothing. */
struct otel_text otel_sqlite_first_statement(struct otel_text text);

/* Where text goes on behind white space, as sqlite3_exec skips it. */
const char *otel_sqlite_skip_space(const char *text);

/* ---- sqlite_error.c ---- */

/* "SQLITE_CONSTRAINT_UNIQUE"; an unknown extended code has its primary code's name, an unknown
 * primary one "_OTHER". Static text. */
struct otel_text otel_sqlite_error_name(int code);

#endif
