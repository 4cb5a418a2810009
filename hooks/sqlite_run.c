/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/sqlite.h"

#include <errno.h>
#include <string.h>

#include "core/clock.h"
#include "core/config.h"
#include "core/context.h"
#include "core/counters.h"
#include "core/generation.h"
#include "core/rules.h"
#include "core/sampler.h"

/* Started before its name is known: text is worth reading only for a span that is recorded. */
static bool start_nameless(struct otel_span *span, uint64_t start_mono_ns)
{
    const struct otel_span_start start = {
        .kind = OTEL_KIND_CLIENT,
        .scope = OTEL_SCOPE_SQLITE,
        .start_mono_ns = start_mono_ns,
    };

    return otel_span_start(span, &start);
}

/* A sampling rule asks for the name of what begins here. */
static bool name_decides(void)
{
    return otel_rules && otel_rules->ask_name;
}

/* Gives the span its name and attributes. Where there is no room to describe what runs, it has the
 * system's name. cache: where to keep the description, NULL: nowhere. */
static void tell(const struct otel_span *span, const struct otel_db_statement *st,
                 struct otel_sqlite_statement *cache)
{
    if (!st) {
        otel_span_set_name(span, OTEL_TEXT("sqlite"));
        otel_span_set_text(span, OTEL_TEXT("db.system.name"), "sqlite", 6);
        return;
    }
    otel_span_set_name(span, (struct otel_text){st->name, st->name_len});
    otel_span_append_wire(span, st->wire, st->wire_len, st->attributes);
    if (cache) {
        memcpy(&cache->st, st, offsetof(struct otel_db_statement, wire) + st->wire_len);
        cache->described = true;
    }
}

static void describe(const struct otel_span *span, const struct otel_sqlite_subject *subject,
                     struct otel_sqlite_statement *cache)
{
    struct otel_sqlite_description held;
    const struct otel_db_statement *st = otel_sqlite_describe(subject, &held);

    tell(span, st, cache);
    if (st)
        otel_sqlite_description_release(&held);
}

/* Described first, for a rule that asks for its name. */
static __attribute__((noinline)) bool start_named(struct otel_span *span,
                                                  const struct otel_sqlite_subject *subject,
                                                  struct otel_sqlite_statement *cache,
                                                  uint64_t start_mono_ns)
{
    struct otel_sqlite_description held;
    const struct otel_db_statement *st = otel_sqlite_describe(subject, &held);
    const struct otel_span_start start = {
        .name = st ? (struct otel_text){st->name, st->name_len} : OTEL_TEXT("sqlite"),
        .kind = OTEL_KIND_CLIENT,
        .scope = OTEL_SCOPE_SQLITE,
        .start_mono_ns = start_mono_ns,
    };
    bool recorded = otel_span_start(span, &start);

    if (recorded)
        tell(span, st, cache);
    if (st)
        otel_sqlite_description_release(&held);
    return recorded;
}

/* The text of a statement, as the library keeps it (in UTF-8, whatever it was prepared from). */
static struct otel_text text_of(const struct otel_sqlite_run *run)
{
    __typeof__(&sqlite3_sql) sql_of = OTEL_WANTED_IN(run->library, sqlite3_sql);
    const char *sql = sql_of ? sql_of(run->stmt) : NULL;

    return (struct otel_text){sql, sql ? strlen(sql) : 0};
}

/* What the span will be asked for at its end. */
static void note_counts(struct otel_sqlite_run *run)
{
    __typeof__(&sqlite3_column_count) columns = OTEL_WANTED_IN(run->library, sqlite3_column_count);
    __typeof__(&sqlite3_total_changes) total = OTEL_WANTED_IN(run->library, sqlite3_total_changes);
    __typeof__(&sqlite3_sql) sql_of = OTEL_WANTED_IN(run->library, sqlite3_sql);
    const char *sql;

    if (!run->stmt)
        return;
    run->returns_rows = columns && columns(run->stmt) > 0;
    if (!otel_config.database_dup || !total || !sql_of)
        return;
    sql = sql_of(run->stmt);
    if (sql && otel_sqlite_counts_changes(sql))
        run->changes = total(run->db);
}

void otel_sqlite_run_start(struct otel_sqlite_run *run, struct otel_sqlite_statement *cache,
                           struct otel_text text)
{
    struct otel_sqlite_subject subject;

    run->quiet = otel_sqlite_quiet();
    if (run->quiet) {
        otel_count(OTEL_COUNT_NOT_SAMPLED, 1);
        return;
    }
    run->rows = 0;
    run->changes = -1;
    run->generation = otel_generation();
    if (cache && cache->described) {
        if (otel_db_span_start(&run->span, &cache->st, OTEL_SCOPE_SQLITE, 0))
            note_counts(run);
        return;
    }
    if (!name_decides() && !start_nameless(&run->span, 0))
        return;
    if (cache)
        text = text_of(run);
    subject = (struct otel_sqlite_subject){run->library, run->db, true, text};
    if (!name_decides())
        describe(&run->span, &subject, cache);
    else if (!start_named(&run->span, &subject, cache, 0))
        return;
    note_counts(run);
}

/* Rows changed by a statement that is done, -1: none to tell. sqlite3_changes() is what the last
 * INSERT, UPDATE or DELETE left: not this statement's (it may be a query) if the total stands where
 * it stood and yet there is something left. */
static int64_t affected(const struct otel_sqlite_run *run)
{
    int total;
    int last;

    if (run->changes < 0 || !OTEL_WANTED_IN(run->library, sqlite3_changes))
        return -1;
    total = OTEL_WANTED_IN(run->library, sqlite3_total_changes)(run->db);
    last = OTEL_WANTED_IN(run->library, sqlite3_changes)(run->db);
    return total != run->changes || last == 0 ? last : -1;
}

static struct otel_text decimal(char *out, size_t cap, int code)
{
    unsigned v = code < 0 ? -(unsigned)code : (unsigned)code;
    char *p = out + cap;

    do
        *--p = (char)('0' + v % 10);
    while ((v /= 10) != 0);
    if (code < 0)
        *--p = '-';
    return (struct otel_text){p, (size_t)(out + cap - p)};
}

/* The extended code, where the connection still tells that of this very error. */
static int extended(const struct otel_library *library, sqlite3 *db, int rc)
{
    __typeof__(&sqlite3_extended_errcode) ask = OTEL_WANTED_IN(library, sqlite3_extended_errcode);
    int code = ask && db ? ask(db) : rc;

    return (code & 0xff) == (rc & 0xff) ? code : rc;
}

static void fail(struct otel_span *span, const struct otel_library *library, sqlite3 *db, int rc,
                 int64_t rows)
{
    int code = extended(library, db, rc);
    char digits[12];

    otel_db_span_fail(span, decimal(digits, sizeof digits, code), otel_sqlite_error_name(code),
                      rows);
}

void otel_sqlite_run_finish(struct otel_sqlite_run *run, int rc, bool db_alive)
{
    int saved = errno;
    int64_t rows = run->returns_rows ? run->rows : -1;

    if (run->generation != otel_generation()) /* a fork child has its parent's handle */
        return;
    if (rc == SQLITE_DONE)
        otel_db_span_end(&run->span, rows, affected(run));
    else if (rc == SQLITE_OK)
        otel_db_span_end(&run->span, rows, -1);
    else
        fail(&run->span, run->library, db_alive ? run->db : NULL, rc, rows);
    errno = saved;
}

bool otel_sqlite_quiet(void)
{
    const struct otel_sampler *sampler = &otel_config.sampler;
    const struct otel_span_context *parent;

    if (!otel_config.exporters || (!otel_rules && sampler->kind == OTEL_SAMPLER_ALWAYS_OFF))
        return true;
    if (otel_rules || sampler->kind >= OTEL_SAMPLER_PARENT_ALWAYS_ON) {
        parent = otel_context_current();
        if (parent && otel_sampler_follows(sampler, parent))
            return !(parent->flags & OTEL_FLAG_SAMPLED);
        if (otel_rules) /* which one decides is known when it starts */
            return false;
    }
    if (sampler->kind == OTEL_SAMPLER_RATIO || sampler->kind == OTEL_SAMPLER_PARENT_RATIO)
        return sampler->threshold >= UINT64_C(1) << 56;
    return sampler->kind == OTEL_SAMPLER_PARENT_ALWAYS_OFF;
}

uint64_t otel_sqlite_start_time(void)
{
    return otel_sqlite_quiet() ? 0 : otel_clock_mono_ns();
}

void otel_sqlite_past(struct otel_library *library, sqlite3 *db, struct otel_text text, int rc,
                      uint64_t start_mono_ns)
{
    int saved = errno;
    struct otel_span span;
    bool alive = rc != SQLITE_MISUSE;
    struct otel_sqlite_subject subject = {library, db, alive, text};

    if (name_decides() ? start_named(&span, &subject, NULL, start_mono_ns)
                       : start_nameless(&span, start_mono_ns)) {
        if (!name_decides())
            describe(&span, &subject, NULL);
        if (rc == SQLITE_OK)
            otel_db_span_end(&span, -1, -1);
        else
            fail(&span, library, alive ? db : NULL, rc, -1);
    }
    errno = saved;
}
