#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Hosts that close what they did not open: our descriptors and theirs never meet."""
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import TestCase, main, program  # noqa: E402

PRIVATE = {"OTEL_BSP_SCHEDULE_DELAY": "1"}
SHARED = {"OTEL_AUTO_PRIVATE_DESCRIPTORS": "false", **PRIVATE}
MODES = ("close", "close_range", "close_range_last", "cloexec", "bad", "closefrom", "dup2", "dup3",
         "fork")


class Descriptors(TestCase):
    def survives(self, mode, settings):
        """The same output as natively, and both spans arrive. The host tidies up when the first one
        has: the connection rests then. Returns the requests."""
        with self.subTest(mode=mode):
            collector = self.collector()
            arrived = os.path.join(self.folder(), "arrived")
            waiter = threading.Thread(target=lambda: (collector.wait(list),
                                                      open(arrived, "w").close()))
            waiter.start()
            try:
                got = self.differential([program("descriptors"), mode], collector=collector,
                                        shim_env={**settings, "WAIT_FOR": arrived})
            finally:
                waiter.join()
            self.assertTrue(got.stdout.endswith(b"end\n"), got.stdout)
            self.assertEqual(len(list(got.spans)), 2, got.log)
            return got.requests

    def test_guarded(self):
        """In a table shared with the host: ours are high, and survive or give way."""
        for mode in MODES:
            self.survives(mode, SHARED)

    def test_guarded_keeps_its_connection(self):
        """The second span travels on the connection the host tried to close."""
        requests = self.survives("close", SHARED)
        self.assertEqual(len({r.connection for r in requests}), 1)

    def test_private(self):
        """With a table of its own the batch thread has no number the host could hit."""
        for mode in MODES:
            self.survives(mode, PRIVATE)

    def test_unseen_close(self):
        """A raw system call may close ours unseen; what is not ours is not guarded."""
        self.survives("unseen", SHARED)


class Ends(TestCase):
    """The ways in which sockets end: nothing is different."""

    def same(self, mode):
        got = self.differential([program("numbers"), mode])
        self.assertTrue(got.stdout.endswith(b"end\n"), got.stdout)

    def test_close(self):
        """Twice, in ranges, unseen, of what is not open."""
        self.same("close")

    def test_streams(self):
        self.same("streams")

    def test_children(self):
        """By fork, vfork and a raw clone, each closing what is its parent's too."""
        self.same("children")


if __name__ == "__main__":
    main()
