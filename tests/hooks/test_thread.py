#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A new thread continues what was current where it was made, as long as that span is open and the
thread does not wait for other work; threads begin and end as ever."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import TestCase, main, program, require  # noqa: E402

SCRIPT = """
import concurrent.futures, sqlite3, threading, time
db = sqlite3.connect(":memory:")

def statement(name):
    sqlite3.connect(":memory:").execute("SELECT 1 AS " + name).fetchall()

def inside():
    thread = threading.Thread(target=statement, args=("helper",))
    thread.start()
    thread.join()
    pool = concurrent.futures.ThreadPoolExecutor(1)
    pool.submit(statement, "first").result()
    keep.append(pool)
    return 1

keep = []
db.create_function("inside", 0, inside)
print(db.execute("SELECT inside() AS outside").fetchall())
keep[0].submit(statement, "later").result()
keep[0].shutdown()
print(threading.active_count())
"""


class Threads(TestCase):
    """tests/programs/threads.c, a scenario each."""

    def threads(self, scenario):
        got = self.differential([program("threads"), scenario])
        self.assertEqual(got.rc, 0, got.stderr)
        self.assertTrue(got.stdout.endswith(b"end\n"), got.stdout)
        return got

    def parents(self, got):
        """Of each statement the name of its parent, "" for a root."""
        names = {s.span_id: s.attrs["db.query.text"].split()[-1] for s in got.spans}
        return {names[s.span_id]: names[s.parent_id] if s.parent_id else "" for s in got.spans}

    def test_inherits(self):
        got = self.threads("inherit")
        self.assertEqual(self.parents(got), {"outer": "", "posix": "outer", "c11": "outer",
                                             "grandchild": "outer", "after": ""})

    def test_until_the_span_ends(self):
        self.assertEqual(self.parents(self.threads("ended")), {"outer": "", "late": ""})

    def test_until_it_waits_for_work(self):
        got = self.threads("waits")
        want = {"outer": ""}
        for how in ("semaphore", "near", "far", "condition"):
            want["before_" + how] = "outer"
            want["behind_" + how] = "outer" if how == "near" else ""
        self.assertEqual(self.parents(got), want)

    def test_ends(self):
        """Return, pthread_exit and cancel, and pthread_exit out of a statement's callback."""
        got = self.threads("ends")
        parents = self.parents(got)
        self.assertEqual(parents["late"], "")
        self.assertEqual(parents["destructor"], "")

    def test_attributes(self):
        """Stack sizes, failures, detached ones; ten thousand, one after another."""
        self.threads("attributes")

    @require("python3")
    def test_python(self):
        """Its threads take locks with time limits before they run; a pool's worker loses the
        context at the latest when it has nothing to do."""
        got = self.differential(["/usr/bin/python3", "-c", SCRIPT])
        parents = self.parents(got)
        self.assertEqual(parents["helper"], "outside")
        self.assertIn(parents["first"], ("outside", ""))
        self.assertEqual(parents["later"], "")


if __name__ == "__main__":
    main()
