# SPDX-License-Identifier: Apache-2.0
"""200 programs, several at a time, are killed with SIGKILL at random moments while they make spans
and send them; those that come after drain what those before left, as does otel-auto at the end.
Every span that had ended reaches the collector exactly once, every open one as died.

What had ended is known from the programs themselves (tests/programs/spooled.c)."""
import collections
import concurrent.futures
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from harness import (BUILD, TestCase, environment, program, require,  # noqa: E402
                     shim_environment)

KILLED = int(os.environ.get("SPOOL_KILLED", "200"))
AT_ONCE = 4
PAUSE_US = 300
LONGEST_S = 0.15  # of a program's life, once it is ready
TEXT = re.compile(r"SELECT '(\d+)\.(\w+)'")


@require("sqlite3")
@unittest.skipUnless(os.path.isdir("/dev/shm"), "no /dev/shm")
class Killed(TestCase):
    def setUp(self):
        self.spool = tempfile.mkdtemp(prefix="otel-test-", dir="/dev/shm")
        self.addCleanup(shutil.rmtree, self.spool, ignore_errors=True)
        self.notes = self.folder()
        self.sink = self.collector()

    def one(self, i):
        """Starts program i, kills it; returns its pid, and how many of its statements had ended."""
        note = os.path.join(self.notes, str(i))
        env = shim_environment(self.sink.url, {
            "OTEL_AUTO_SPOOL_DIR": self.spool, "OTEL_AUTO_DB_QUERY_TEXT": "raw",
            "OTEL_BSP_SCHEDULE_DELAY": "20", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "16"})
        child = subprocess.Popen([program("spooled"), str(i), note, str(PAUSE_US)], env=env,
                                 stdout=subprocess.PIPE)
        with child.stdout:
            self.assertEqual(child.stdout.readline(), b"ready\n")
            time.sleep(random.random() * LONGEST_S)  # the moment is random, nothing waits for it
            child.kill()
            child.wait()
        with open(note, "rb") as f:
            return child.pid, struct.unpack("Q", f.read())[0]

    def test_every_span_arrives_once(self):
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            programs = list(pool.map(self.one, range(KILLED)))
        env = environment({"OTEL_EXPORTER_OTLP_ENDPOINT": self.sink.url,
                           "OTEL_AUTO_SPOOL_DIR": self.spool})
        drained = subprocess.run([os.path.join(BUILD, "otel-auto"), "drain"], env=env, text=True,
                                 capture_output=True)
        self.assertEqual(drained.returncode, 0, drained)
        self.assertEqual(os.listdir(self.spool), [])
        self.judge(programs)

    def judge(self, programs):
        ended = [n for _, n in programs]
        of_pid = {pid: i for i, (pid, _) in enumerate(programs)}
        whole, died = collections.Counter(), collections.Counter()
        with self.sink.changed:
            spans = list(self.sink.spans)
        for s in spans:
            text = TEXT.match(s.attrs.get("db.query.text", ""))
            i, n = text.groups() if text else (of_pid[s.resource["process.pid"]], "begun")
            (died if "process.died" in s.attrs else whole)[int(i), n] += 1
        wrong = []
        for i, last in enumerate(ended):
            for n in range(1, last + 1):
                if (whole[i, str(n)], died[i, str(n)]) != (1, 0):
                    wrong.append((i, n, whole[i, str(n)], died[i, str(n)]))
            if whole[i, str(last + 1)] + died[i, str(last + 1)] + died[i, "begun"] > 1:
                wrong.append((i, last + 1, "the one after"))
            if (whole[i, "open"], died[i, "open"]) != (0, 1):
                wrong.append((i, "open", whole[i, "open"], died[i, "open"]))
        print(f"\n{KILLED} killed, {sum(ended)} spans had ended, {sum(died.values())} were open; "
              f"wrong: {len(wrong)}", file=sys.stderr)
        self.assertEqual(wrong[:20], [])
        self.assertGreater(sum(ended), KILLED * 10, "that was no load")


if __name__ == "__main__":
    unittest.main()
