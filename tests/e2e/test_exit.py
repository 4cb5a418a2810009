# SPDX-License-Identifier: Apache-2.0
"""What a program's end costs, and what arrives, whatever the collector does.

Times are compared with limits far from what is expected, so that a loaded machine changes nothing:
where nothing may be waited for, the time allowed is a minute and the test demands a third of it.
"""
import os
import socket
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from harness import (TestCase, collectors, require, run, differential)  # noqa: E402

SQL = ["sqlite3", ":memory:", "SELECT 1; SELECT 2; SELECT 3"]
OUT = b"1\n2\n3\n"
MINUTE = {"OTEL_AUTO_EXIT_TIMEOUT": "60000", "OTEL_LOG_LEVEL": "debug"}
DEFAULT = {"OTEL_AUTO_EXIT_TIMEOUT": None, "OTEL_LOG_LEVEL": "debug"}


def sums(log):
    """The numbers of the sum printed at exit, by name."""
    line = next(x for x in log.splitlines() if "spans: started" in x)
    words = line.replace("(", "").replace(")", "").replace(",", "").replace(";", "").split()
    numbers = [int(w) for w in words if w.isdigit()]
    names = ("started", "exported", "dropped", "store full", "queue full", "export failed",
             "rejected", "spool full", "by a rule", "spooled", "not ended", "not sampled",
             "kept for want of room")
    return dict(zip(names, numbers))


@require("sqlite3")
class Exit(TestCase):
    def timed(self, env, collector=None, **more):
        began = time.monotonic()
        got = run(SQL, env=env, collector=collector, **more)
        took = time.monotonic() - began
        self.assertEqual((got.rc, got.stdout, got.stderr), (0, OUT, b""), got.log)
        s = sums(got.log)
        self.assertEqual(s["started"], s["exported"] + s["dropped"] + s["spooled"] +
                         s["not ended"], got.log)
        self.assertNotIn("does not add up", got.log)
        return took, s, got

    def test_everything_arrives_before_the_program_is_gone(self):
        _, s, got = self.timed(MINUTE)
        self.assertEqual(s["exported"], 3)
        self.assertEqual(len(got.spans), 3)

    def test_a_collector_that_refuses_costs_nothing(self):
        with socket.socket() as closed:  # bound, never listening: nobody else gets the port
            closed.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{closed.getsockname()[1]}"
            took, s, got = self.timed({**MINUTE, "OTEL_EXPORTER_OTLP_ENDPOINT": url})
        self.assertLess(took, 20)
        self.assertEqual((s["exported"], s["dropped"], s["spooled"]), (0, 0, 3))
        complaints = [x for x in got.log.splitlines() if "error:" in x or "warn:" in x]
        self.assertEqual(len(complaints), 1, got.log)

    def faulty(self, fault):
        c = self.collector()
        c.fault = fault
        return c

    def test_a_collector_that_hangs_costs_a_second(self):
        native = time.monotonic()
        run(SQL, shim=False)
        native = time.monotonic() - native
        took, s, _ = self.timed(DEFAULT, self.faulty(collectors.hang()))
        self.assertLess(took, native + 3)
        self.assertEqual((s["exported"], s["dropped"], s["spooled"]), (0, 0, 3))

    def test_without_a_spool_what_cannot_be_sent_is_dropped(self):
        _, s, _ = self.timed({**DEFAULT, "OTEL_AUTO_SPOOL_DIR": "off"},
                             self.faulty(collectors.hang()))
        self.assertEqual((s["exported"], s["dropped"], s["spooled"]), (0, 3, 0))

    def test_a_collector_that_trickles_costs_a_second(self):
        took, s, _ = self.timed(DEFAULT, self.faulty(collectors.drip()))
        self.assertLess(took, 4)
        self.assertEqual(s["spooled"], 3)

    def test_an_address_nobody_answers_at_costs_a_second(self):
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            port = full.getsockname()[1]
            fillers = []
            for _ in range(4):  # the queue of connections is full: the next one waits
                s = socket.socket()
                s.setblocking(False)
                s.connect_ex(("127.0.0.1", port))
                fillers.append(s)
            took, s, _ = self.timed({**DEFAULT,
                                     "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"})
            for f in fillers:
                f.close()
        self.assertLess(took, 4)
        self.assertEqual(s["spooled"], 3)

    def test_rubbish_resets_and_redirects_are_failures_and_nothing_more(self):
        for name, outcome in (("rubbish", "dropped"), ("close_early", "spooled"),
                              ("reset", "spooled"), ("redirect", "dropped")):
            with self.subTest(name):
                took, s, _ = self.timed(MINUTE, self.faulty(getattr(collectors, name)()))
                self.assertLess(took, 20)
                self.assertEqual((s["exported"], s[outcome]), (0, 3))

    def test_a_huge_answer_is_not_read_to_its_end(self):
        took, s, _ = self.timed(MINUTE, self.faulty(collectors.huge()))
        self.assertLess(took, 20)
        self.assertEqual(s["started"], 3)

    def test_partial_success_is_counted_as_rejected(self):
        _, s, _ = self.timed(MINUTE, self.faulty(collectors.partial(2, "no room")))
        self.assertEqual((s["exported"], s["rejected"]), (1, 2))

    def test_no_retry_while_the_program_waits_to_end(self):
        c = self.faulty(collectors.status(503, retry_after=30))
        took, s, _ = self.timed(MINUTE, c)
        self.assertLess(took, 20)
        self.assertEqual(s["spooled"], 3)
        self.assertEqual(len(c.requests), 1)

    def test_none_sends_nothing(self):
        c = self.collector()
        _, s, _ = self.timed({**MINUTE, "OTEL_TRACES_EXPORTER": "none"}, c)
        self.assertEqual((s["started"], s["not sampled"]), (0, 3))
        self.assertEqual(c.requests, [])

    def test_disabled_is_as_without_us(self):
        c = self.collector()
        got = run(SQL, env={"OTEL_SDK_DISABLED": "true"}, collector=c)
        self.assertEqual((got.rc, got.stdout, got.stderr), (0, OUT, b""))
        self.assertEqual(c.requests, [])

    def test_a_missing_module_costs_one_line(self):
        folder = self.folder()
        alone = os.path.join(folder, "libotel_auto.so")
        with open(os.environ.get("SHIM", self.shim()), "rb") as src, open(alone, "wb") as dst:
            dst.write(src.read())
        _, s, got = self.timed({**MINUTE, "LD_PRELOAD": alone})
        self.assertEqual(s["dropped"], 3)
        self.assertEqual(len([x for x in got.log.splitlines() if "error:" in x]), 1, got.log)

    @staticmethod
    def shim():
        from harness import SHIM
        return SHIM

    def test_says_nothing_unless_asked(self):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{closed.getsockname()[1]}"
            got = run(SQL, env={"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_AUTO_LOG": None,
                                "OTEL_BSP_SCHEDULE_DELAY": "nonsense"})
        self.assertEqual((got.stdout, got.stderr), (OUT, b""))

    def test_a_bad_setting_is_one_line_once_asked(self):
        got = run(SQL, env={"OTEL_AUTO_LOG": None, "OTEL_LOG_LEVEL": "warn",
                            "OTEL_BSP_SCHEDULE_DELAY": "nonsense"})
        self.assertEqual(got.stdout, OUT)
        lines = got.stderr.decode().splitlines()
        self.assertEqual(len(lines), 1, got.stderr)
        self.assertIn("OTEL_BSP_SCHEDULE_DELAY", lines[0])


PYTHON = "/usr/bin/python3"
FORK = """
import os, sqlite3, sys
def work(n):
    db = sqlite3.connect(":memory:")
    for _ in range(n): db.execute("SELECT 1").fetchall()
work(3)
pids = []
for i in range(4):
    pid = os.fork()
    if not pid:
        work(2)
        sys.exit(0) if i % 2 else os._exit(0)
    pids.append(pid)
for pid in pids: assert os.waitpid(pid, 0)[1] == 0
work(1)
print("done")
"""


@require("sqlite3")
class Fork(TestCase):
    def test_every_process_exports_its_own_spans_once(self):
        got = differential([PYTHON, "-c", FORK])
        selects = got.spans.find("SELECT")
        self.assertEqual(len(selects), 3 + 4 * 2 + 1, got.log)
        self.assertEqual(len({s.span_id for s in selects}), len(selects), "an id twice")
        self.assertEqual(len({s.trace_id for s in selects}), len(selects), "roots all")
        by_process = {}
        for s in selects:
            by_process.setdefault(s.resource["process.pid"], []).append(s)
        self.assertEqual(sorted(len(v) for v in by_process.values()), [2, 2, 2, 2, 4])
        instances = {s.resource["service.instance.id"] for s in selects}
        self.assertEqual(len(instances), 5, "each process is an instance of its own")

    def test_a_prefork_parent_that_never_ran_a_thread(self):
        script = FORK.replace("work(3)\n", "", 1)
        got = differential([PYTHON, "-c", script])
        self.assertEqual(len(got.spans.find("SELECT")), 9, got.log)

    def test_exec_and_hard_exits_flush(self):
        script = ("import os, sqlite3\n"
                  "sqlite3.connect(':memory:').execute('SELECT 1').fetchall()\n")
        for end in ("os.execv('/bin/echo', ['echo', 'x'])", "os._exit(7)",
                    "os.abort() if 0 else os._exit(0)"):
            with self.subTest(end):
                got = differential([PYTHON, "-c", script + end])
                self.assertEqual(len(got.spans.find("SELECT")), 1, got.log)

    def test_an_exec_that_fails_goes_on(self):
        script = ("import os, sqlite3\n"
                  "db = sqlite3.connect(':memory:')\n"
                  "db.execute('SELECT 1').fetchall()\n"
                  "try: os.execv('/nonexistent', ['x'])\n"
                  "except OSError as e: print(e)\n"
                  "db.execute('SELECT 2').fetchall()\n")
        got = differential([PYTHON, "-c", script])
        self.assertEqual(len(got.spans.find("SELECT")), 2, got.log)


if __name__ == "__main__":
    unittest.main()
