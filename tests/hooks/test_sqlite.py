#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Statements run by SQLite become spans, and nothing else changes."""
import os
import struct
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from harness import TestCase, environment, main, program, require  # noqa: E402

PYTHON = "/usr/bin/python3"
LIBRARY = "libsqlite3.so.0"
FILL = [("CREATE TABLE t (a INTEGER UNIQUE, b TEXT)", None, None),
        ("INSERT INTO t VALUES (?, ?), (?, ?), (?, ?)", None, None)]


def started(spans):
    return sorted(spans, key=lambda s: s.start)


def told(spans):
    """What each span says, by start: text, returned rows, error."""
    return [(s.attrs.get("db.query.text"), s.attrs.get("db.response.returned_rows"),
             s.attrs.get("error.type")) for s in started(spans)]


def library_path():
    """The file of Debian's libsqlite3, as the loader finds it."""
    out = subprocess.run([PYTHON, "-c", "import _sqlite3; print(open('/proc/self/maps').read())"],
                         capture_output=True, text=True, check=True).stdout
    return next(line.split()[-1] for line in out.splitlines() if "/libsqlite3.so" in line)


class Statements(TestCase):
    """tests/programs/sqlite_calls.c, a scenario each."""

    def calls(self, scenario, **more):
        got = self.differential([program("sqlite_calls"), scenario, self.folder()], **more)
        self.assertEqual(got.rc, 0)
        for span in got.spans:
            self.assertEqual((span.kind, span.scope, span.attrs["db.system.name"]),
                             ("client", "libotel_auto.sqlite", "sqlite"))
            self.assertNotIn("secret", str(span))
            self.assertEqual(span.status == "error", "error.type" in span.attrs)
        return got

    def roots(self, got):
        self.assertEqual([s for s in got.spans if s.parent_id], [])
        self.assertEqual(len({s.trace_id for s in got.spans}), len(got.spans))

    def test_prepared(self):
        got = self.calls("prepared")
        self.roots(got)
        select = "SELECT b FROM t WHERE a > ? ORDER BY a"
        self.assertEqual(told(got.spans), FILL + [
            (select, 3, None), (select, 2, None), (select, 1, None), (select, 2, None),
            ("SELECT a FROM t", 3, None)])
        self.assertEqual([s.name for s in started(got.spans)],
                         ["CREATE TABLE t", "INSERT t"] + ["SELECT t"] * 5)
        first = started(got.spans)[0].attrs
        self.assertEqual(first, {"db.system.name": "sqlite", "db.namespace": ":memory:",
                                 "db.query.text": FILL[0][0], "db.query.summary": "CREATE TABLE t"})

    def test_restart_without_reset(self):
        got = self.calls("restart")
        select = ("SELECT max(a) FROM t", 1, None)
        self.assertEqual(told(got.spans), FILL + [select] * 3 + [
            ("ALTER TABLE t ADD COLUMN c", None, None), select])

    def test_many_statements_in_one_exec(self):
        got = self.calls("many_in_one")
        self.roots(got)
        self.assertEqual(told(got.spans), [
            ("CREATE TABLE t (a UNIQUE)", None, None),
            ("INSERT INTO t VALUES (?)", None, None),
            ("INSERT INTO t VALUES (?)", None, None),
            ("INSERT INTO t VALUES (?)", None, "SQLITE_CONSTRAINT_UNIQUE"),
            ("SELECT ?", 1, None),
            ("SELEC ?", None, "SQLITE_ERROR"),
            ("SELECT ?", 1, None),
            ("SELECT nope FROM t", None, "SQLITE_ERROR"),
            ("SELECT a FROM t", 2, None)])

    def test_callbacks(self):
        got = self.calls("callbacks")
        inner = ("SELECT", [])
        self.assertEqual(got.spans.tree(), [
            ("CREATE TABLE t", []), ("INSERT t", []), ("SELECT t", [inner] * 4),
            ("SELECT", [inner] * 2), ("SELECT t", []), inner])
        aborted = got.spans.one(error__type="SQLITE_ABORT")
        self.assertEqual(aborted.attrs["db.response.status_code"], "4")
        self.assertEqual(aborted.attrs["db.response.returned_rows"], 2)
        self.assertEqual(aborted.attrs["db.query.text"], "SELECT b FROM t")

    def test_functions_that_query(self):
        got = self.calls("functions")
        lookup = ("SELECT t", [])
        self.assertEqual(got.spans.tree(), [
            ("CREATE TABLE t", []), ("INSERT t", []), ("SELECT t", [lookup] * 2),
            ("SELECT t", [lookup]), ("SELECT", [lookup])])
        self.assertEqual(got.spans.one("SELECT").attrs["error.type"], "SQLITE_ERROR")

    def test_function_that_keeps_its_statement(self):
        got = self.calls("kept_statement")
        outer = got.spans.one(db__query__text="SELECT next_of(a) FROM t ORDER BY a")
        self.assertEqual(told(got.spans.children(outer)),
                         [("SELECT min(a) FROM t WHERE a > ?", 1, None)] * 3)

    def test_errors(self):
        got = self.calls("errors")
        self.roots(got)
        self.assertEqual(told(got.spans), FILL + [
            ("INSERT INTO t VALUES (?, ?)", None, "SQLITE_CONSTRAINT_UNIQUE"),
            ("SELECT ? FROM", None, "SQLITE_ERROR"),
            ("SELECT nope FROM t", None, "SQLITE_ERROR"),
            ("SELECT nope FROM t", None, "SQLITE_ERROR"),
            ("CREATE TABLE c (x CHECK (x > ?), y NOT NULL)", None, None),
            ("INSERT INTO c VALUES (?, ?)", None, "SQLITE_CONSTRAINT_CHECK"),
            ("INSERT INTO c VALUES (?, NULL)", None, "SQLITE_CONSTRAINT_NOTNULL"),
            ("INSERT INTO c VALUES (?, NULL)", None, "SQLITE_CONSTRAINT_NOTNULL")])
        failed = [s for s in started(got.spans) if s.status == "error"]
        self.assertEqual([s.attrs["db.response.status_code"] for s in failed],
                         ["2067", "1", "1", "1", "275", "1299", "1299"])
        self.assertEqual({s.message for s in failed}, {""})

    def test_legacy_prepare(self):
        got = self.calls("legacy")
        insert = ("INSERT INTO t VALUES (?, ?)", None, "SQLITE_CONSTRAINT_UNIQUE")
        self.assertEqual(told(got.spans), FILL + [insert, insert, ("SELECT a FROM t", 1, None)])

    def test_busy(self):
        got = self.calls("busy")
        self.assertEqual(told(got.spans), FILL + [
            ("BEGIN EXCLUSIVE", None, None),
            ("INSERT INTO t VALUES (?, ?)", None, "SQLITE_BUSY"),
            ("BEGIN IMMEDIATE", None, "SQLITE_BUSY"),
            ("COMMIT", None, None),
            ("INSERT INTO t VALUES (?, ?)", None, None)])
        self.assertEqual({s.attrs["db.namespace"] for s in got.spans}, {"busy.db"})

    def test_interrupted(self):
        got = self.calls("interrupted")
        failed = got.spans.one(status="error")
        self.assertEqual(failed.attrs["error.type"], "SQLITE_INTERRUPT")
        self.assertEqual(len(got.spans), 2)

    def test_stepped_from_other_threads(self):
        got = self.calls("threads")
        self.assertEqual(told(got.spans), FILL + [("SELECT a FROM t", 3, None)])

    def test_utf16(self):
        got = self.calls("wide")
        self.assertEqual(told(got.spans), FILL + [
            ("SELECT a FROM t WHERE b = ?", 0, None),
            ("SELECT b FROM t LIMIT ?", 1, None),
            ("SELECT ? FROM t WHERE ?", 0, None),
            ("SELECT ? FROM nowhere", None, "SQLITE_ERROR"),
            ("SELECT nope", None, "SQLITE_ERROR")])
        self.assertEqual({s.attrs["db.namespace"] for s in got.spans}, {"wide.db"})

    def test_any_bytes(self):
        got = self.calls("bytes")
        self.assertEqual(told(got.spans)[2:], [
            ("SELECT ?, ?, ? FROM t", 3, None),
            ("INSERT INTO t VALUES (?, ?)", None, None),
            ('SELECT ? AS "broken\ufffd\ufffd"', 1, None)])

    def test_namespaces(self):
        got = self.calls("names")
        self.assertEqual([(s.name, s.attrs.get("db.namespace")) for s in started(got.spans)], [
            ("SELECT", "file:memdb"), ("SELECT", None), ("SELECT sqlite_master", "/nowhere/x.db"),
            ("ATTACH", "names.db"), ("CREATE TABLE second.x", "names.db"),
            ("SELECT second.x", "names.db")])
        self.assertEqual(got.spans.one("SELECT sqlite_master").attrs["error.type"],
                         "SQLITE_MISUSE")

    def test_texts_that_come_again(self):
        """What is remembered of a text is that of its database, and says nothing of another."""
        got = self.calls("again")
        query = "SELECT count(x), ? FROM (SELECT ? AS x)"
        self.assertEqual([(s.attrs["db.query.text"], s.attrs["db.namespace"])
                          for s in started(got.spans)],
                         [(text, "names.db" if i % 2 == 0 else ":memory:")
                          for i in range(8) for text in ("SELECT ?", query)])

    def test_texts_that_do_not_fit(self):
        got = self.calls("lengthy")
        texts = [s.attrs["db.query.text"] for s in started(got.spans)]
        self.assertEqual(len(set(texts[:3])), 1)
        self.assertRegex(texts[0], r"^SELECT \? AS c0(, \? AS column_\d+)+")
        self.assertGreater(len(texts[0]), 800)
        self.assertEqual([t.split()[:2] for t in texts[3:]], [["SELECT", "?"]] * 2)
        self.assertEqual(texts[3], "SELECT ? AS kept")
        self.assertNotIn("sss", str(got.spans))

    def test_closing_under_statements(self):
        got = self.calls("closing")
        self.assertEqual(told(got.spans), [("SELECT ? UNION SELECT ?", 2, None),
                                           ("SELECT ?", 1, None),
                                           ("SELECT ? UNION SELECT ?", 2, None)])
        self.assertEqual({s.attrs["db.namespace"] for s in got.spans}, {":memory:"})

    def test_get_table(self):
        got = self.calls("table")
        self.assertEqual(told(got.spans), FILL + [
            ("SELECT a, b FROM t", 3, None), ("SELECT a, b FROM t WHERE ?", 0, None),
            ("SELECT nope FROM t", None, "SQLITE_ERROR")])

    def test_the_library_queries_itself(self):
        got = self.calls("nested")
        self.roots(got)
        self.assertEqual([s.name for s in started(got.spans)], [
            "CREATE TABLE t", "INSERT t", "CREATE TABLE f", "INSERT f", "INSERT f", "SELECT f",
            "CREATE TABLE r", "INSERT r", "ALTER TABLE t", "VACUUM", "ANALYZE",
            "PRAGMA integrity_check", "CREATE TRIGGER g", "INSERT t"])

    def test_affected_rows_under_the_old_names_only(self):
        plain = self.calls("changes")
        dup = self.calls("changes", shim_env={"OTEL_SEMCONV_STABILITY_OPT_IN": "database/dup"})
        self.assertEqual([s.attrs.get("db.rows_affected") for s in started(plain.spans)],
                         [None] * 9)
        self.assertEqual([s.attrs.get("db.rows_affected") for s in started(dup.spans)],
                         [None, 3, 2, 0, 1, None, None, None, 1])
        update = started(dup.spans)[2].attrs
        self.assertEqual((update["db.system"], update["db.name"], update["db.operation"],
                          update["db.sql.table"]), ("sqlite", ":memory:", "UPDATE", "t"))
        self.assertEqual(update["db.statement"], update["db.query.text"])

    def test_callbacks_left_by_longjmp(self):
        got = self.calls("leaps")
        self.roots(got)
        self.assertEqual(told(got.spans), [("SELECT ?", 1, None)] * 4)

    def test_no_growth(self):
        got = self.calls("growth", shim_env={"OTEL_TRACES_SAMPLER": "always_off"})
        self.assertEqual(got.spans, [])
        self.assertIn(b"grown no", got.stdout)

    def test_no_growth_sampled(self):
        got = self.calls("growth", shim_env={"OTEL_BSP_MAX_QUEUE_SIZE": "256"})
        self.assertIn(b"grown no", got.stdout)

    def test_more_statements_than_there_is_room_for(self):
        got = self.calls("crowd", shim_env={"OTEL_BSP_MAX_QUEUE_SIZE": "32768"})
        self.assertGreater(len(got.spans), 4000)
        self.assertLess(len(got.spans), 20000)
        self.assertIn("too many handles", got.log)
        self.assertEqual(got.log.count("too many handles"), 1)

    def test_fork_child(self):
        """The parent's open span is the parent's to end; the child ends none of its own by it."""
        got = self.calls("forked")
        self.assertEqual(sorted(told(got.spans)[2:], key=str),
                         [("SELECT ? AS child UNION SELECT ?", 2, None)] * 6 +
                         [("SELECT a FROM t", 1, None)])

    def test_not_sampled_is_silent(self):
        for sampler in ("always_off", "parentbased_always_off"):
            got = self.calls("callbacks", shim_env={"OTEL_TRACES_SAMPLER": sampler})
            self.assertEqual(got.spans, [])
        got = self.calls("functions", shim_env={"OTEL_TRACES_SAMPLER": "traceidratio",
                                                "OTEL_TRACES_SAMPLER_ARG": "0"})
        self.assertEqual(got.spans, [])

    def test_parent_of_the_process(self):
        for flags, spans in (("01", 12), ("00", 0)):
            parent = f"00-{'a1' * 16}-{'b2' * 8}-{flags}"
            got = self.calls("callbacks", shim_env={"TRACEPARENT": parent})
            self.assertEqual(len(got.spans), spans)
            self.assertEqual({s.trace_id for s in got.spans}, {"a1" * 16} if spans else set())

    def test_switched_off(self):
        for env in ({"OTEL_AUTO_DISABLE": "sqlite"}, {"OTEL_SDK_DISABLED": "true"},
                    {"OTEL_TRACES_EXPORTER": "none"}):
            self.assertEqual(self.calls("callbacks", shim_env=env).spans, [])

    def test_text_settings(self):
        for mode, text in (("raw", "INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, 'three')"),
                           ("off", None)):
            got = self.calls("prepared", shim_env={"OTEL_AUTO_DB_QUERY_TEXT": mode})
            self.assertEqual(told(got.spans)[1][0], text)


def copy_library(folder, name, symbolic=False):
    """A copy of libsqlite3 with a SONAME of its own (libsqlit_X.so.0). symbolic: as
    if linked -Bsymbolic, so that its calls to itself are not looked up outside; the entry given up
    for that, DT_RELACOUNT, only makes relocation faster."""
    soname = f"libsqlit_{name}.so.0"
    with open(library_path(), "rb") as f:
        data = bytearray(f.read().replace(LIBRARY.encode() + b"\0", soname.encode() + b"\0"))
    phoff, = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    for at in range(phoff, phoff + size * count, size) if symbolic else ():
        kind, _, offset = struct.unpack_from("<IIQ", data, at)
        if kind != 2:  # PT_DYNAMIC
            continue
        while (tag := struct.unpack_from("<q", data, offset)[0]) != 0x6ffffff9:
            assert tag, "no DT_RELACOUNT to give up"
            offset += 16
        struct.pack_into("<qQ", data, offset, 16, 0)  # DT_SYMBOLIC
    path = os.path.join(folder, soname)
    with open(path, "wb") as f:
        f.write(data)
    return path


def compile_module(folder, name, source, *libraries):
    path = os.path.join(folder, name + ".so")
    with open(path + ".c", "w", encoding="utf-8") as f:
        f.write(source)
    subprocess.run(["cc", "-shared", "-fPIC", "-Wall", "-Werror", "-o", path, path + ".c",
                    "-Wl,-rpath," + folder, *libraries], check=True)
    return path


# A plugin that is linked to a copy of SQLite.
PLUGIN = """
#include <sqlite3.h>
static sqlite3 *db;
static sqlite3_stmt *stmt;
static int rows;
static int row(void *arg, int n, char **v, char **k)
{
    (void)arg, (void)n, (void)v, (void)k;
    rows++;
    return 0;
}
long where(void) { return (long)&sqlite3_libversion; }
int begin(void)
{
    sqlite3_open(":memory:", &db);
    sqlite3_exec(db, "SELECT 1", row, 0, 0);
    sqlite3_prepare_v2(db, "SELECT 2 UNION SELECT 3", -1, &stmt, 0);
    return sqlite3_step(stmt) + rows;
}
int end(void)
{
    int rc = sqlite3_step(stmt);
    int value = sqlite3_column_int(stmt, 0);
    sqlite3_stmt *other;

    rc = rc * 10 + sqlite3_finalize(stmt);
    rc = rc * 10 + sqlite3_prepare_v2(db, "SELECT nope", -1, &other, 0);
    return (rc * 10 + sqlite3_close(db)) * 10 + value;
}
int text(const char *sql)
{
    int rc;

    rows = 0;
    sqlite3_open(":memory:", &db);
    rc = sqlite3_exec(db, sql, row, 0, 0);
    sqlite3_close(db);
    return rc * 10 + rows;
}
"""

EXTENSION = """
#include <sqlite3ext.h>
SQLITE_EXTENSION_INIT1
static void twice(sqlite3_context *context, int n, sqlite3_value **v)
{
    sqlite3 *db = sqlite3_context_db_handle(context);
    sqlite3_stmt *stmt;
    (void)n;
    sqlite3_prepare_v2(db, "SELECT 2 * ? AS doubled", -1, &stmt, 0);
    sqlite3_bind_value(stmt, 1, v[0]);
    sqlite3_step(stmt);
    sqlite3_result_value(context, sqlite3_column_value(stmt, 0));
    sqlite3_finalize(stmt);
    sqlite3_exec(db, "SELECT 'from an extension'", 0, 0, 0);
}
int sqlite3_extension_init(sqlite3 *db, char **error, const sqlite3_api_routines *api)
{
    SQLITE_EXTENSION_INIT2(api)
    (void)error;
    return sqlite3_create_function(db, "twice", 1, SQLITE_UTF8, 0, twice, 0, 0);
}
"""


class Libraries(TestCase):
    """The library, wherever it lies and however often."""

    def test_several_copies(self):
        """Plugins, loaded RTLD_LOCAL, linked to copies of their own, that are used in turn."""
        folder = self.folder()
        plugins = [compile_module(folder, f"plugin{n}", PLUGIN, copy_library(folder, n))
                   for n in "xyz"]
        script = """
import ctypes, sys
plugins = [ctypes.CDLL(p) for p in sys.argv[1:]]
for p in plugins: p.where.restype = ctypes.c_long
print(len({p.where() for p in plugins}))
print([p.begin() for p in plugins], [p.end() for p in plugins])
"""
        got = self.differential([PYTHON, "-c", script] + plugins)
        self.assertEqual(got.stdout, b"3\n[101, 101, 101] [1000103, 1000103, 1000103]\n")
        self.assertEqual(sorted(told(got.spans), key=str), sorted([
            ("SELECT ?", 1, None), ("SELECT ? UNION SELECT ?", 2, None),
            ("SELECT nope", None, "SQLITE_ERROR")] * 3, key=str))
        self.assertEqual({(s.attrs["db.namespace"], s.parent_id) for s in got.spans},
                         {(":memory:", "")})

    def test_copy_that_does_not_call_itself_through_its_plt(self):
        """One span for the whole text, the very first time too."""
        folder = self.folder()
        plugin = compile_module(folder, "plugin", PLUGIN, copy_library(folder, "s", symbolic=True))
        script = """
import ctypes, sys
plugin = ctypes.CDLL(sys.argv[1])
print(plugin.text(b"SELECT 1; SELECT 2"), plugin.text(b"SELECT 3; SELECT 4"))
print(plugin.text(b"SELECT 5; SELECT nope"), plugin.begin(), plugin.end())
"""
        got = self.differential([PYTHON, "-c", script, plugin])
        self.assertEqual(told(got.spans), [
            ("SELECT ?; SELECT ?", None, None), ("SELECT ?; SELECT ?", 2, None),
            ("SELECT ?; SELECT nope", 1, "SQLITE_ERROR"), ("SELECT ?", 1, None),
            ("SELECT ? UNION SELECT ?", 2, None), ("SELECT nope", None, "SQLITE_ERROR")])

    def test_loadable_extension(self):
        module = compile_module(self.folder(), "twice", EXTENSION)
        script = (f".load {module} sqlite3_extension_init\nSELECT twice(21);\n").encode()
        got = self.differential(["sqlite3", ":memory:"], input=script)
        self.assertEqual(got.stdout, b"42\n")
        outer = got.spans.one(db__query__text="SELECT twice(?)")
        self.assertEqual([s.attrs["db.query.text"] for s in got.spans.children(outer)],
                         ["SELECT 2 * ? AS doubled", "SELECT ?"])


class Programs(TestCase):
    """Stock programs that load SQLite each in its own way."""

    def names(self, got):
        self.assertEqual(got.rc, 0)
        return [s.name for s in started(got.spans)]

    @require("sqlite3")
    def test_shell(self):
        script = (b"CREATE TABLE t (a, b);\nINSERT INTO t VALUES (1, 'secret'), (2, 'x');\n"
                  b".mode column\nSELECT * FROM t;\nSELECT nope;\n.tables\n")
        got = self.differential(["sqlite3", ":memory:"], input=script)
        mine = [s for s in started(got.spans) if s.name in ("CREATE TABLE t", "INSERT t",
                                                            "SELECT t")]
        self.assertEqual(told(mine), [("CREATE TABLE t (a, b)", None, None),
                                      ("INSERT INTO t VALUES (?, ?), (?, ?)", None, None),
                                      ("SELECT * FROM t", 2, None)])
        self.assertIn(("SELECT nope", None, "SQLITE_ERROR"), told(got.spans))
        self.assertNotIn("secret", str(got.spans))

    def test_python(self):
        """_sqlite3 is an extension module, loaded RTLD_LOCAL."""
        script = """
import sqlite3
c = sqlite3.connect(":memory:")
c.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b)")
c.executemany("INSERT INTO t VALUES (?, ?)", [(1, "secret"), (2, "x")])
c.commit()
print(c.execute("SELECT a, b FROM t WHERE a > ?", (0,)).fetchall())
c.create_function("f", 1, lambda v: c.execute("SELECT b FROM t WHERE a = ?", (v,)).fetchone()[0])
print(c.execute("SELECT f(2)").fetchone())
try:
    c.execute("INSERT INTO t VALUES (1, 'again')")
except sqlite3.IntegrityError as e:
    print(e, e.sqlite_errorname)
try:
    c.execute("SELEC 'secret'")
except sqlite3.OperationalError as e:
    print(e)
c.executescript("CREATE TABLE u (x); INSERT INTO u VALUES (7); SELECT x FROM u")
"""
        got = self.differential([PYTHON, "-c", script])
        self.assertEqual(self.names(got), [
            "CREATE TABLE t", "BEGIN", "INSERT t", "INSERT t", "COMMIT", "SELECT t", "SELECT",
            "SELECT t", "BEGIN", "INSERT t", "sqlite", "COMMIT", "CREATE TABLE u", "INSERT u",
            "SELECT u"])
        self.assertEqual(got.spans.parent(got.spans.one(db__query__text="SELECT b FROM t "
                                                                        "WHERE a = ?")).name,
                         "SELECT")
        self.assertEqual(got.spans.one("INSERT t", status="error").attrs["error.type"],
                         "SQLITE_CONSTRAINT_PRIMARYKEY")
        self.assertEqual(got.spans.one("sqlite").attrs["db.query.text"], "SELEC ?")
        self.assertNotIn("secret", str(got.spans))

    def test_python_threads(self):
        script = """
import sqlite3, threading
def work():
    c = sqlite3.connect(":memory:")
    c.execute("CREATE TABLE t (a)")
    for i in range(200):
        c.execute("INSERT INTO t VALUES (?)", (i,))
    assert c.execute("SELECT count(*) FROM t").fetchone() == (200,)
threads = [threading.Thread(target=work) for _ in range(8)]
for t in threads: t.start()
for t in threads: t.join()
print("done")
"""
        got = self.differential([PYTHON, "-c", script],
                                shim_env={"OTEL_BSP_MAX_QUEUE_SIZE": "8192"})
        self.assertEqual(len(got.spans.find("INSERT t")), 1600)
        self.assertEqual(len(got.spans.find("SELECT t")), 8)
        self.assertEqual(len(got.spans.roots()), len(got.spans))

    @require("perl")
    def test_perl(self):
        script = """
use DBI;
my $db = DBI->connect("dbi:SQLite:dbname=:memory:", "", "", {RaiseError => 1, PrintError => 0});
$db->do("CREATE TABLE t (a UNIQUE, b)");
my $insert = $db->prepare("INSERT INTO t VALUES (?, ?)");
$insert->execute($_, "secret") for 1 .. 3;
print join(",", map { $_->[0] } @{$db->selectall_arrayref("SELECT a FROM t ORDER BY a")}), "\\n";
eval { $insert->execute(1, "x") };
print $@ ? "refused\\n" : "taken\\n";
"""
        if subprocess.run(["/usr/bin/perl", "-MDBD::SQLite", "-e1"], env=environment(),
                          capture_output=True, check=False).returncode:
            self.skipTest("not installed: DBD::SQLite")
        got = self.differential(["/usr/bin/perl", "-e", script])
        self.assertEqual(len(got.spans.find("INSERT t", status="unset")), 3)
        self.assertEqual(got.spans.one("INSERT t", status="error").attrs["error.type"],
                         "SQLITE_CONSTRAINT_UNIQUE")
        self.assertEqual(got.spans.one("SELECT t").attrs["db.response.returned_rows"], 3)

    @require("php")
    def test_php(self):
        """PHP loads its modules with RTLD_DEEPBIND."""
        script = """
$db = new PDO("sqlite::memory:");
$db->exec("CREATE TABLE t (a UNIQUE, b)");
$insert = $db->prepare("INSERT INTO t VALUES (?, ?)");
$insert->execute([1, "secret"]);
foreach ($db->query("SELECT a FROM t") as $row) echo $row["a"], "\\n";
try { $insert->execute([1, "x"]); } catch (PDOException $e) { echo $e->getMessage(), "\\n"; }
$other = new SQLite3(":memory:");
echo $other->querySingle("SELECT 40 + 2"), "\\n";
"""
        if b"pdo_sqlite" not in subprocess.run(["/usr/bin/php", "-m"], env=environment(),
                                               capture_output=True, check=False).stdout:
            self.skipTest("not installed: php-sqlite3")
        got = self.differential(["/usr/bin/php", "-r", script])
        self.assertEqual(self.names(got), ["CREATE TABLE t", "INSERT t", "SELECT t", "INSERT t",
                                           "SELECT"])
        self.assertEqual(got.spans.one("INSERT t", status="error").attrs["error.type"],
                         "SQLITE_CONSTRAINT_UNIQUE")


if __name__ == "__main__":
    main()
