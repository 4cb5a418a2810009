#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A program that crashes at its start twice in a row, as its traced parent sees, is passed through
the third time; what signal ended a process stands at the spans it left open."""
import os
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]
from harness import main, program  # noqa: E402
import test_spool  # noqa: E402  (not its class: that has tests of its own)

# Starts its arguments, one after the other, and says how each ended.
PARENT = """
import subprocess, sys
for step in sys.argv[1:]:
    print(subprocess.run(step.split()).returncode, flush=True)
"""


class Breaker(test_spool.SpoolCase):
    def runs(self, *steps, **settings):
        """What each run of the program gave, and what the logs of all said."""
        log = os.path.join(self.folder(), "log")
        child = self.start(PARENT, *steps, OTEL_AUTO_LOG=log, **settings)
        out = child.stdout.read().decode().split()
        self.assertEqual(child.wait(), 0)
        said = ""
        if os.path.exists(log):
            with open(log, encoding="utf-8") as f:
                said = f.read()
        return [int(x) for x in out if x.lstrip("-").isdigit()], said

    def crash(self, how="abort"):
        return f"{program('crashes')} {how}"

    def test_the_third_start_is_passed_through(self):
        got, log = self.runs(self.crash(), self.crash(), self.crash("end"))
        self.assertEqual(got, [-signal.SIGABRT, -signal.SIGABRT, 0])
        self.assertEqual(log.count("crashed at its start twice in a row"), 1, log)
        self.drain()
        # The first two ended one each; the third had begun one before it knew.
        ended = [s.attrs["db.query.text"] for s in self.sink.spans if s.status != "error"]
        self.assertEqual(ended, ["SELECT ? AS before"] * 3)

    def test_one_crash_is_none(self):
        got, log = self.runs(self.crash("end"), self.crash(), self.crash("end"))
        self.assertEqual(got, [0, -signal.SIGABRT, 0])
        self.assertNotIn("in a row", log)

    def test_another_program_is_not_meant(self):
        got, log = self.runs(self.crash(), self.crash(), program("exits") + " exit")
        self.assertEqual(got[:2], [-signal.SIGABRT] * 2)
        self.assertNotIn("in a row", log)

    def test_a_killed_program_is_no_crash(self):
        got, log = self.runs(self.crash("kill"), self.crash("kill"), self.crash("end"))
        self.assertEqual(got, [-signal.SIGKILL, -signal.SIGKILL, 0])
        self.assertNotIn("in a row", log)

    def test_the_signal_is_told(self):
        for how, name in (("abort", "SIGABRT"), ("segv", "SIGSEGV"), ("kill", "SIGKILL")):
            with self.subTest(how):
                self.runs(self.crash(how))
                self.drain()
                (died,) = [s for s in self.sink.spans if s.attrs.get("process.died")
                           and s.attrs.get("process.signal") == name]
                self.assertEqual(died.status, "error")

    def test_every_way_to_wait(self):
        for how in ("wait", "waitpid", "wait3", "wait4", "waitid"):
            with self.subTest(how):
                before = len(self.sink.spans)
                self.runs(f"{program('crashes')} {how}")
                self.drain()
                died = [s for s in self.sink.spans[before:] if s.attrs.get("process.died")]
                self.assertEqual([s.attrs.get("process.signal") for s in died],
                                 ["SIGSEGV"], died)


if __name__ == "__main__":
    main()
