# SPDX-License-Identifier: Apache-2.0
"""Spans outlive their process: kill it, and they arrive all the same, once."""
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from harness import (BUILD, TestCase, collectors, environment,  # noqa: E402
                     shim_environment)

PYTHON = "/usr/bin/python3"
TOOL = os.path.join(BUILD, "otel-auto")
NEVER = {"OTEL_BSP_SCHEDULE_DELAY": "600000"}  # nothing is sent before the end

# Ends SELECT 1, 2, 3 …, leaves one statement open, says so, waits.
OPEN = """
import sqlite3, sys
db = sqlite3.connect(":memory:")
for n in range(3): db.execute("SELECT %d AS ended" % n).fetchall()
cursor = db.execute("SELECT 1 AS open UNION SELECT 2")
cursor.fetchone()
print("ready", flush=True)
sys.stdin.read()
"""


@unittest.skipUnless(os.path.isdir("/dev/shm"), "no /dev/shm")
class SpoolCase(TestCase):
    def setUp(self):
        self.spool = tempfile.mkdtemp(prefix="otel-test-", dir="/dev/shm")
        self.addCleanup(shutil.rmtree, self.spool, ignore_errors=True)
        self.sink = self.collector()

    def settings(self, **more):
        return {"OTEL_AUTO_SPOOL_DIR": self.spool, **more}

    def start(self, script, *arguments, **settings):
        """A traced python program; ends with the test at the latest."""
        env = shim_environment(self.sink.url, self.settings(**settings))
        child = subprocess.Popen([PYTHON, "-c", script, *arguments], env=env,
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(child.stdout.close)
        self.addCleanup(child.stdin.close)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        return child

    def killed(self, script=OPEN, **settings):
        child = self.start(script, **{**NEVER, **settings})
        self.assertEqual(child.stdout.readline(), b"ready\n")
        child.kill()
        child.wait()
        return child

    def drain(self):
        env = environment(self.settings(OTEL_EXPORTER_OTLP_ENDPOINT=self.sink.url))
        return subprocess.run([TOOL, "drain"], env=env, text=True, capture_output=True)

    def files(self):
        return os.listdir(self.spool)


class Drain(SpoolCase):
    def test_a_killed_program_leaves_its_spans_to_the_drain(self):
        child = self.killed(OTEL_SERVICE_NAME="victim")
        self.assertEqual(len(self.files()), 1)
        self.assertEqual(self.sink.spans, [])
        done = self.drain()
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(self.files(), [])
        ended = [s for s in self.sink.spans if "process.died" not in s.attrs]
        died = [s for s in self.sink.spans if "process.died" in s.attrs]
        self.assertEqual(len(ended), 3)
        self.assertEqual({s.status for s in ended}, {"unset"})
        self.assertEqual([(s.attrs["process.died"], s.status) for s in died], [(True, "error")])
        self.assertGreaterEqual(died[0].end, died[0].start)
        for s in self.sink.spans:
            self.assertEqual(s.resource["service.name"], "victim")
            self.assertEqual(s.resource["process.pid"], child.pid)

    def test_a_second_drain_finds_nothing(self):
        self.killed()
        self.drain()
        self.assertEqual(self.drain().stdout.split()[0], "0")
        self.assertEqual(len(self.sink.spans), 4)

    def test_several_drains_at_once_send_each_span_once(self):
        for _ in range(4):
            self.killed()
        env = environment(self.settings(OTEL_EXPORTER_OTLP_ENDPOINT=self.sink.url))
        drains = [subprocess.Popen([TOOL, "drain"], env=env, stdout=subprocess.DEVNULL)
                  for _ in range(4)]
        self.assertEqual([d.wait() for d in drains], [0] * 4)
        self.assertEqual(self.drain().returncode, 0)
        self.assertEqual(len(self.sink.spans), 16)
        self.assertEqual(len({s.span_id for s in self.sink.spans}), 16)
        self.assertEqual(self.files(), [])

    def test_another_collectors_spans_are_not_its(self):
        self.killed()
        other = self.collector()
        env = environment(self.settings(OTEL_EXPORTER_OTLP_ENDPOINT=other.url))
        done = subprocess.run([TOOL, "drain"], env=env, text=True, capture_output=True)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(other.spans, [])
        self.assertEqual(len(self.files()), 1)

    def test_nobody_to_send_to_leaves_the_file(self):
        self.killed()
        env = environment(self.settings(OTEL_EXPORTER_OTLP_ENDPOINT=self.sink.url,
                                        OTEL_EXPORTER_OTLP_TIMEOUT="100"))
        self.sink.close()
        done = subprocess.run([TOOL, "drain"], env=env, text=True, capture_output=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("could not be reached", done.stderr)
        self.assertEqual(len(self.files()), 1)


ONE = "import sqlite3\nsqlite3.connect(':memory:').execute('SELECT 7').fetchall()\n"


class Others(SpoolCase):
    """Who comes by sends what is there."""

    def test_the_next_program_does_it_however_short_it_is(self):
        self.killed()
        child = self.start(ONE)
        child.communicate()
        self.assertEqual(len(self.sink.spans), 4 + 1)
        self.assertEqual(self.files(), [])

    def test_a_running_one_does_it_within_its_schedule(self):
        runs = self.start(ONE + "print('ready', flush=True); import sys; sys.stdin.read()",
                          OTEL_BSP_SCHEDULE_DELAY="200")
        self.assertEqual(runs.stdout.readline(), b"ready\n")
        self.sink.wait(lambda spans: len(spans) == 1)
        self.killed()
        self.sink.wait(lambda spans: len(spans) == 5)
        runs.communicate()
        self.assertEqual(self.files(), [])

    def test_the_resource_is_that_of_the_dead(self):
        self.killed(OTEL_SERVICE_NAME="victim", OTEL_RESOURCE_ATTRIBUTES="team=blue")
        self.start(ONE, OTEL_SERVICE_NAME="heir").communicate()
        services = sorted(s.resource["service.name"] for s in self.sink.spans)
        self.assertEqual(services, ["heir"] + ["victim"] * 4)
        self.assertEqual([s.resource.get("team") for s in self.sink.spans].count("blue"), 4)


class Away(SpoolCase):
    """The collector cannot be reached."""

    def test_short_programs_wait_for_it_once_and_leave_their_spans(self):
        self.sink.fault = collectors.hang()
        patience = {"OTEL_BSP_SCHEDULE_DELAY": "600000"}  # how long the first one's word holds
        self.start(ONE, OTEL_AUTO_EXIT_TIMEOUT="200", **patience).communicate()
        asked = len(self.sink.requests)
        for _ in range(3):  # each would wait a minute
            self.start(ONE, **patience).communicate()
        self.assertEqual(len(self.sink.requests), asked)
        self.assertEqual(len(self.files()), 4 + 1)
        self.sink.fault = None
        self.assertEqual(self.drain().returncode, 0)
        self.assertEqual(len({s.span_id for s in self.sink.spans}), 4)
        self.assertEqual(self.files(), [])

    def test_a_running_program_keeps_them_until_it_is_back(self):
        busy = collectors.status(503, retry_after=3600)
        self.sink.faults = [busy] * 3
        runs = self.start(OPEN, OTEL_BSP_SCHEDULE_DELAY="50")
        self.assertEqual(runs.stdout.readline(), b"ready\n")
        self.sink.wait(lambda spans: len(spans) == 3)
        runs.communicate()
        self.assertEqual(len({s.span_id for s in self.sink.spans}), 4)
        self.assertEqual(len(self.sink.spans), 4)
        self.assertEqual(self.files(), [])


# A thousand spans for a queue of 64, while nobody takes them: 32 at a time fill half of it, then
# it waits until they are kept, in a file that was not there.
THOUSAND = """
import os, sqlite3, sys, time
db = sqlite3.connect(":memory:")
made = 0
def make(n):
    global made
    for made in range(made + 1, made + 1 + n):
        db.execute("SELECT 7 AS number%d" % made).fetchall()
def files():
    return {f for f in os.listdir(sys.argv[1]) if f[0] != "." and not f.endswith(".away")}
make(1)
known = files()
for _ in range(31):
    make(32)
    late = time.monotonic() + 60  # of a broken run; no test waits for it
    while not files() - known:
        assert time.monotonic() < late, "nothing is kept"
        time.sleep(0.001)
    known |= files()
make(7)
print("made", flush=True)
sys.stdin.read()
"""


class Kept(SpoolCase):
    """More than the queue holds, while the collector is away."""

    def setUp(self):
        super().setUp()
        self.log = os.path.join(self.folder(), "log")
        closed = socket.socket()  # bound, never listening: nobody else gets the port
        self.addCleanup(closed.close)
        closed.bind(("127.0.0.1", 0))
        self.closed, self.port = closed, closed.getsockname()[1]

    def make(self, **settings):
        small = {"OTEL_BSP_MAX_QUEUE_SIZE": "64", "OTEL_BSP_SCHEDULE_DELAY": "50",
                 "OTEL_EXPORTER_OTLP_TIMEOUT": "100",
                 "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.port}",
                 "OTEL_AUTO_LOG": self.log, "OTEL_LOG_LEVEL": "debug"}
        child = self.start(THOUSAND, self.spool, **small, **settings)
        self.assertEqual(child.stdout.readline(), b"made\n")
        return child

    def come_back(self):
        self.closed.close()
        self.sink = self.collector(port=self.port)

    def sum(self):
        """started, exported, dropped, spooled; checked."""
        with open(self.log, encoding="utf-8") as f:
            log = f.read()
        found = re.search(r"started (\d+) = exported (\d+) \+ dropped (\d+) .*"
                          r"spooled (\d+) \+ not ended 0;", log)
        started, exported, dropped, spooled = map(int, found.groups())
        self.assertEqual(started, exported + dropped + spooled, log)
        self.assertNotIn("does not add up", log)
        return started, exported, dropped, spooled

    def numbers(self):
        return sorted(int(re.search(r"number(\d+)", s.attrs["db.query.text"]).group(1))
                      for s in self.sink.spans)

    def test_the_program_itself_sends_them_when_it_is_back(self):
        child = self.make()
        self.assertGreater(len(self.files()), 10)
        self.come_back()
        self.sink.wait(lambda spans: len(spans) >= 1000)
        child.communicate()
        self.assertEqual(self.numbers(), list(range(1, 1001)))
        started, exported, dropped, spooled = self.sum()
        self.assertEqual((started, dropped), (1000, 0))
        self.assertGreater(spooled, 900)
        self.assertEqual(self.files(), [])

    def test_kill_it_and_they_arrive_once(self):
        child = self.make()
        child.kill()
        child.wait()
        self.come_back()
        self.assertEqual(self.drain().returncode, 0)
        self.assertEqual(self.numbers(), list(range(1, 1001)))
        self.assertEqual(self.files(), [])

    def test_the_oldest_are_dropped_where_there_are_too_many(self):
        bound = 300000
        child = self.make(OTEL_AUTO_SPOOL_MAX=bound)
        child.communicate()
        started, exported, dropped, spooled = self.sum()
        self.assertEqual((started, exported), (1000, 0))
        self.assertGreater(dropped, 500)
        self.assertGreater(spooled, 64)
        self.come_back()
        self.assertEqual(self.drain().returncode, 0)
        self.assertEqual(self.numbers(), list(range(1001 - spooled, 1001)))
        self.assertEqual(self.files(), [])


ENDS = {
    "returns": "",
    "exit": "sys.exit(3)",
    "_exit": "os._exit(3)",
    "exec": "os.execv('/bin/true', ['true'])",
    "leaves one open": "cursor = db.execute('SELECT 1 UNION SELECT 2'); cursor.fetchone()",
    "leaves one open, _exit": "c = db.execute('SELECT 1 UNION SELECT 2'); c.fetchone(); "
                              "os._exit(0)",
}


class Leave(SpoolCase):
    def test_a_program_that_ends_by_itself_leaves_no_file(self):
        for name, end in ENDS.items():
            with self.subTest(name):
                child = self.start("import os, sqlite3, sys\ndb = sqlite3.connect(':memory:')\n"
                                   "db.execute('SELECT 7').fetchall()\n" + end)
                child.communicate()
                self.assertEqual(self.files(), [])
        self.assertFalse([s for s in self.sink.spans if "process.died" in s.attrs])
        whole = [s for s in self.sink.spans if "UNION" not in s.attrs["db.query.text"]]
        self.assertEqual(len(whole), len(ENDS))

    def test_a_program_without_a_span_makes_no_file(self):
        child = self.start("print('ready', flush=True); import sys; sys.stdin.read()")
        self.assertEqual(child.stdout.readline(), b"ready\n")
        self.assertEqual(self.files(), [])

    def test_a_folder_of_our_own_goes_with_its_last_file(self):
        runtime = tempfile.mkdtemp(prefix="otel-test-", dir="/dev/shm")
        self.addCleanup(shutil.rmtree, runtime, ignore_errors=True)
        child = self.start(OPEN, OTEL_AUTO_SPOOL_DIR=None, XDG_RUNTIME_DIR=runtime)
        self.assertEqual(child.stdout.readline(), b"ready\n")
        self.assertTrue(os.listdir(f"/dev/shm/otel-auto-{os.geteuid()}"))
        child.communicate()
        self.assertEqual(os.listdir(runtime), [])

    def test_each_fork_child_has_a_file_of_its_own(self):
        child = self.start("import os, sqlite3, sys\n"
                           "def work():\n"
                           "    sqlite3.connect(':memory:').execute('SELECT 7').fetchall()\n"
                           "work()\n"
                           "for i in range(3):\n"
                           "    if not os.fork():\n"
                           "        work()\n"
                           "        print('ready', flush=True)\n"
                           "        sys.stdin.read()\n"
                           "        os._exit(0)\n"
                           "print('ready', flush=True)\n"
                           "sys.stdin.read()\n"
                           "for i in range(3): os.wait()\n", **NEVER)
        for _ in range(4):
            self.assertEqual(child.stdout.readline(), b"ready\n")
        self.assertEqual(len(self.files()), 4)
        child.communicate()
        self.assertEqual(self.files(), [])
        self.assertEqual(len(self.sink.spans), 4)


if __name__ == "__main__":
    unittest.main()
