#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every call that receives: the program sees what it always saw, and each request that came in is a
server span that what the program does for it hangs below."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import TestCase, main, program  # noqa: E402

CALLS = ("read", "read_chk", "recv", "recv_chk", "recvfrom", "recvfrom_chk", "recvmsg", "recvmmsg",
         "readv", "preadv2")
WAYS = ("single", "peek", "waiting", "trunc")


class Receive(TestCase):
    """tests/programs/receive.c, a mode each."""

    def receive(self, mode):
        got = self.differential([program("receive"), mode])
        self.assertEqual(got.rc, 0, got.stderr)
        self.assertTrue(got.stdout.endswith(b"end\n"), got.stdout)
        return got

    def requests(self, mode):
        with self.subTest(mode=mode):
            got = self.receive(mode)
            first = got.spans.one(kind="server", url__path="/first")
            second = got.spans.one(kind="server", url__path="/second")
            self.assertEqual(first.attrs["http.request.method"], "GET")
            self.assertEqual(second.attrs["http.request.method"], "POST")
            for name, parent in (("first", first), ("second", second)):
                span = got.spans.one(db__query__text="SELECT ? AS " + name)
                self.assertEqual((span.parent_id, span.trace_id),
                                 (parent.span_id, parent.trace_id))
            after = got.spans.one(db__query__text="SELECT ? AS after")
            self.assertEqual(after.parent_id, "")

    def test_calls(self):
        for mode in CALLS:
            self.requests(mode)

    def test_ways(self):
        """Single bytes, peeking, without blocking, and bytes that are thrown away unseen."""
        for mode in WAYS:
            self.requests(mode)

    def test_received_descriptor(self):
        """A connection that comes as a message, under a number that was a file's before."""
        self.requests("received")

    def test_overflow(self):
        got = self.differential([program("receive"), "overflow"])
        self.assertEqual(got.rc, -6)
        self.assertEqual(got.stdout, b"received -1\n")

    def test_interrupts(self):
        """Cancelled and interrupted calls, and memory that is not there."""
        self.receive("interrupts")


if __name__ == "__main__":
    main()
