#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Signals and threads that meet a traced call (tests/programs/signals.c): handlers that write, fork
or jump away, cancelled threads, small stacks, ten thousand threads, and every sudden death."""
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import TestCase, main, program, run  # noqa: E402


class Signals(TestCase):
    def same(self, *arguments, said, rc=3, spans=True, **more):
        got = self.differential([program("signals"), *arguments], **more)
        self.assertEqual((got.rc, got.stdout, got.stderr), (rc, said, b""), got.log)
        if spans:
            self.assertTrue(got.spans.find("GET"), got.log)
        return got

    def test_a_handler_that_writes(self):
        self.same("writes", said=b"wrong 0, each wrote once: 1\n")

    def test_a_handler_that_forks(self):
        self.same("forks", said=b"wrong 0, each wrote once: 1\n")

    def test_a_handler_that_jumps_out_of_a_blocked_call(self):
        """The connection goes on, and each exchange on it is a span of its own."""
        got = self.same("jumps", said=b"jumped 160, wrong 0\n")
        self.assertEqual(len([s for s in got.spans if s.name == "GET"]), 160)

    def test_a_handler_on_an_alternate_stack(self):
        self.same("altstack", said=b"wrong 0, each wrote once: 1\n"
                                   b"the end of its stack is as it was: 1\n")

    def test_a_thread_cancelled_in_a_blocked_call(self):
        got = self.same("cancels",
                        said=b"cancelled 80, cleaned up at most as often 1, wrong 0\n")
        self.assertEqual(len([s for s in got.spans if s.name == "GET"]), 80)

    def test_threads_with_16_kib_of_stack(self):
        got = self.same("small", said=b"wrong 0\n")
        self.assertEqual(len([s for s in got.spans if s.name == "GET"]), 160)

    def test_ten_thousand_threads(self):
        if run([program("signals"), "many"], shim=False).rc == 4:
            self.skipTest("this machine has no room for 10,000 threads")
        got = self.same("many", said=b"sum 49995000, wrong 0\n",
                        shim_env={"OTEL_LOG_LEVEL": "debug"})
        started, exported, dropped = map(int, re.search(
            r"spans: started (\d+) = exported (\d+) \+ dropped (\d+) ", got.log).groups())
        received = len([s for s in got.spans if s.kind == "client"])
        self.assertEqual((started, exported), (exported + dropped, received), got.log)

    def test_every_sudden_death(self):
        for how, status in (("abort", -6), ("segv", -11), ("kill", -9), ("caught", 41)):
            with self.subTest(how):
                self.same("dies", how, said=b"wrong 0\n", rc=status, spans=how == "caught")


if __name__ == "__main__":
    main()
